//! Named layers as operations of a graph.

use firebrick_core::ConfigError;
use firebrick_core::graph::{Graph, Operator, Value};
use firebrick_core::nn::{AvgPool2d, LocalResponseNorm, MaxPool2d};

use super::{Join, Layer, Layers, Operation};

/// The path of a layer below another one; an empty name adds nothing.
fn below(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.into(),
        (path, "") => path.into(),
        (path, name) => format!("{path}.{name}"),
    }
}

/// Layers one after another.
fn chain(
    layers: &[(String, Layer)],
    path: &str,
    graph: &mut Graph,
    input: Value,
) -> Result<Value, ConfigError> {
    layers.iter().try_fold(input, |value, (name, layer)| {
        layer.graph(&below(path, name), graph, value)
    })
}

impl Layer {
    fn graph(&self, path: &str, graph: &mut Graph, input: Value) -> Result<Value, ConfigError> {
        Ok(match self {
            Self::Conv(conv) => graph.conv(path, conv, input),
            Self::Norm(norm) => graph.batch_norm(path, norm, input)?,
            Self::LayerNorm(norm) => graph.layer_norm(path, norm, input),
            Self::Linear(linear) => graph.linear(path, linear, input),
            Self::Pointwise(linear) => graph.pointwise(path, linear, input),
            Self::BatchConv(conv) => graph.batch_conv(path, conv, input),
            Self::BatchLinear(linear) => graph.batch_linear(path, linear, input),
            Self::PackedLinear(linear) => graph.packed_linear(path, linear, input),
            Self::Scale(scale) => graph.scale(path, &scale.layer_scale.val(), input),
            // They do nothing in evaluation.
            Self::Dropout(_) | Self::DropPath(_) => input,
            Self::Plain(plain) => plain.operation.graph(path, graph, input),
            Self::Layers(layers) => layers.graph(path, graph, input)?,
        })
    }
}

impl Operation {
    fn graph(self, path: &str, graph: &mut Graph, input: Value) -> Value {
        match self {
            Self::Activation(activation) => graph.activation(path, activation, input),
            Self::MaxPool {
                kernel,
                stride,
                padding,
                ceil,
            } => {
                let pool = MaxPool2d {
                    kernel_size: kernel,
                    stride,
                    padding,
                    ceil_mode: ceil,
                };
                graph.max_pool(path, &pool, input)
            }
            Self::AvgPool {
                kernel,
                stride,
                padding,
            } => {
                let pool = AvgPool2d {
                    kernel_size: kernel,
                    stride,
                    padding,
                    count_include_pad: true,
                };
                graph.avg_pool(path, &pool, input)
            }
            Self::Halve => graph.halve(path, input),
            Self::GlobalAvgPool => graph.push(path, Operator::GlobalAvgPool, &[input]),
            Self::AdaptiveAvgPool(size) => graph.adaptive_avg_pool(path, size, input),
            Self::PadOdd => graph.pad_odd(path, input),
            Self::LocalResponseNorm {
                size,
                alpha,
                beta,
                k,
            } => {
                let norm = LocalResponseNorm {
                    size,
                    alpha,
                    beta,
                    k,
                };
                graph.local_response_norm(path, &norm, input)
            }
            Self::Shuffle(groups) => graph.push(path, Operator::Shuffle(groups), &[input]),
            Self::Subsample { sides, members } => {
                let parts = graph.split(path, members.apart(), input).into_iter();
                let parts: Vec<Value> = parts
                    .map(|own| graph.subsample(path, 2, sides, own))
                    .collect();
                graph.concat(path, &parts)
            }
        }
    }
}

impl Layers {
    pub(crate) fn graph(
        &self,
        path: &str,
        graph: &mut Graph,
        input: Value,
    ) -> Result<Value, ConfigError> {
        let each = |graph: &mut Graph| {
            let layers = self.layers.iter();
            let values = layers.map(|(name, layer)| layer.graph(&below(path, name), graph, input));
            values.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self.join {
            Join::Chain => chain(&self.layers, path, graph, input)?,
            Join::Held => input,
            Join::Concat => {
                let values = each(graph)?;
                graph.concat(path, &values)
            }
            Join::SecondHalf => {
                let [channels, ..] = graph.shape(input);
                let half = channels / 2;
                let first = graph.push(path, Operator::Channels([0, half]), &[input]);
                let second = graph.push(path, Operator::Channels([half, channels]), &[input]);
                let second = chain(&self.layers, path, graph, second)?;
                graph.concat(path, &[first, second])
            }
            Join::Gate => {
                let gate = chain(&self.layers, path, graph, input)?;
                graph.push(path, Operator::Multiply, &[input, gate])
            }
            Join::Add(activation) => {
                let mut sum = None;
                for value in each(graph)? {
                    sum = Some(match sum {
                        Some(sum) => graph.add(path, [sum, value]),
                        None => value,
                    });
                }
                graph.activation(path, activation, sum.unwrap_or(input))
            }
            Join::Preactivated => {
                let [(first_name, first), (name, branch), projection @ ..] = self.layers.as_slice()
                else {
                    return chain(&self.layers, path, graph, input);
                };
                let activated = first.graph(&below(path, first_name), graph, input)?;
                let shortcut = match projection {
                    [(name, projection), ..] => {
                        projection.graph(&below(path, name), graph, activated)?
                    }
                    [] => input,
                };
                let branch = branch.graph(&below(path, name), graph, activated)?;
                graph.add(path, [branch, shortcut])
            }
        })
    }
}
