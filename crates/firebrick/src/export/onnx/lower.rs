//! Each operation of a graph as operators of ONNX.

use burn::tensor::TensorData;
use firebrick_core::graph::{Node, Operator, Sides};
use firebrick_core::nn::Activation;

use super::writer::{Attribute, IMAGES, Named, Writer, ints};

fn pads(sides: Sides) -> Attribute {
    ints([sides.top, sides.left, sides.bottom, sides.right])
}

/// Writes an operation; `values` are those of the operations before it.
///
/// # Errors
/// What ONNX's operators cannot express.
pub(super) fn lower(writer: &mut Writer, node: Node, values: &[Named]) -> Result<Named, String> {
    let Node {
        path,
        operator,
        inputs,
        shape,
    } = node;
    let path = path.as_str();
    let inputs: Vec<&Named> = inputs.iter().map(|input| &values[input.index()]).collect();
    let Some(first) = inputs.first() else {
        return Ok(Named {
            name: IMAGES.into(),
            flat: false,
        });
    };
    let elementwise = match operator {
        Operator::Activation(_) => true,
        Operator::Add | Operator::Multiply | Operator::Concat => {
            inputs.iter().all(|input| input.flat)
        }
        _ => false,
    };
    if elementwise && first.flat {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let name = of_values(writer, path, &operator, &names);
        return Ok(Named { name, flat: true });
    }
    match operator {
        Operator::Linear { weight, bias } => {
            let input = writer.flat(path, first);
            let weight = writer.weight(path, "weight", &weight);
            let bias = bias.map(|bias| writer.weight(path, "bias", &bias));
            let mut inputs = vec![input.as_str(), &weight];
            inputs.extend(bias.as_deref());
            let transposed = vec![("transB", Attribute::Int(1))];
            let name = writer.node(path, "Gemm", &inputs, transposed);
            return Ok(Named { name, flat: true });
        }
        Operator::LogMeanProbability(members) => {
            let input = writer.flat(path, first);
            let name = log_mean_probability(writer, path, &input, members, shape[0]);
            return Ok(Named { name, flat: true });
        }
        _ => {}
    }
    let names: Vec<String> = inputs
        .iter()
        .map(|input| writer.planes(path, input))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(Named {
        name: of_planes(writer, path, operator, &names, shape)?,
        flat: false,
    })
}

/// What computes each value by itself, or stacks channels.
fn of_values(writer: &mut Writer, path: &str, operator: &Operator, inputs: &[&str]) -> String {
    match operator {
        Operator::Activation(function) => activation(writer, path, *function, inputs[0]),
        Operator::Multiply => writer.node(path, "Mul", inputs, Vec::new()),
        Operator::Concat => {
            let axis = vec![("axis", Attribute::Int(1))];
            writer.node(path, "Concat", inputs, axis)
        }
        _ => writer.node(path, "Add", inputs, Vec::new()),
    }
}

/// What reads and puts out `[batch, C, H, W]`; `shape` is that of the output.
fn of_planes(
    writer: &mut Writer,
    path: &str,
    operator: Operator,
    inputs: &[&str],
    shape: [usize; 3],
) -> Result<String, String> {
    let input = inputs[0];
    let epsilon = |value: f64| ("epsilon", Attribute::Float(value));
    Ok(match operator {
        Operator::Conv {
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
        } => {
            let kernel = weight.shape()[2..].to_vec();
            let weight = writer.weight(path, "weight", &weight);
            let bias = bias.map(|bias| writer.weight(path, "bias", &bias));
            let mut all = vec![input, &weight];
            all.extend(bias.as_deref());
            let attributes = vec![
                ("kernel_shape", ints(kernel)),
                ("strides", ints(stride)),
                ("pads", pads(padding)),
                ("dilations", ints(dilation)),
                ("group", Attribute::Int(groups as i64)),
            ];
            writer.node(path, "Conv", &all, attributes)
        }
        Operator::BatchNorm {
            scale,
            shift,
            mean,
            variance,
            epsilon: small,
        } => {
            let fields = [
                ("weight", &scale),
                ("bias", &shift),
                ("running_mean", &mean),
                ("running_var", &variance),
            ];
            let weights = fields.map(|(field, data)| writer.weight(path, field, data));
            let mut all = vec![input];
            all.extend(weights.iter().map(String::as_str));
            writer.node(path, "BatchNormalization", &all, vec![epsilon(small)])
        }
        Operator::LayerNorm {
            scale,
            shift,
            epsilon: small,
        } => {
            let order = |axes: [usize; 4]| vec![("perm", ints(axes))];
            let pixels = writer.node(path, "Transpose", &[input], order([0, 2, 3, 1]));
            let scale = writer.weight(path, "weight", &scale);
            let shift = writer.weight(path, "bias", &shift);
            let attributes = vec![("axis", Attribute::Int(-1)), epsilon(small)];
            let all = [pixels.as_str(), &scale, &shift];
            let normal = writer.node(path, "LayerNormalization", &all, attributes);
            writer.node(path, "Transpose", &[&normal], order([0, 3, 1, 2]))
        }
        Operator::Scale(by) => {
            let values: Vec<f32> = by.iter::<f32>().collect();
            let count = values.len();
            let by = TensorData::new(values, [count, 1, 1]);
            let by = writer.weight(path, "layer_scale", &by);
            writer.node(path, "Mul", &[input, &by], Vec::new())
        }
        Operator::MaxPool {
            kernel,
            stride,
            padding,
        } => {
            let attributes = vec![
                ("kernel_shape", ints([kernel; 2])),
                ("strides", ints([stride; 2])),
                ("pads", pads(padding)),
            ];
            writer.node(path, "MaxPool", &[input], attributes)
        }
        Operator::AvgPool {
            kernel,
            stride,
            padding,
            border_counts,
        } => {
            let attributes = vec![
                ("kernel_shape", ints([kernel; 2])),
                ("strides", ints([stride; 2])),
                ("pads", pads(padding)),
                ("count_include_pad", Attribute::Int(border_counts.into())),
            ];
            writer.node(path, "AveragePool", &[input], attributes)
        }
        Operator::GlobalAvgPool => writer.node(path, "GlobalAveragePool", &[input], Vec::new()),
        Operator::AdaptiveAvgPool { to, from } => {
            // Averaging along a side is a product with a matrix.
            let rows = averages(from[0], to[0]);
            let columns = averages(from[1], to[1]);
            let rows = writer.matrix(&rows, [to[0], from[0]]);
            let columns = writer.matrix(&transposed(&columns, from[1]), [from[1], to[1]]);
            let narrow = writer.node(path, "MatMul", &[input, &columns], Vec::new());
            writer.node(path, "MatMul", &[&rows, &narrow], Vec::new())
        }
        Operator::Pad {
            sides,
            channels: [before, behind],
        } => {
            let sizes = [
                0,
                before,
                sides.top,
                sides.left,
                0,
                behind,
                sides.bottom,
                sides.right,
            ];
            let sizes = writer.ints(&sizes.map(|size| size as i64));
            writer.node(path, "Pad", &[input, &sizes], Vec::new())
        }
        Operator::Subsample(step) => {
            let starts = writer.ints(&[0, 0]);
            let ends = writer.ints(&[i64::MAX; 2]);
            let axes = writer.ints(&[2, 3]);
            let steps = writer.ints(&[step as i64; 2]);
            let all = [input, &starts, &ends, &axes, &steps];
            writer.node(path, "Slice", &all, Vec::new())
        }
        Operator::Channels([first, end]) => {
            let all = [first, end, 1].map(|number| writer.ints(&[number as i64]));
            let all = [input, &all[0], &all[1], &all[2]];
            writer.node(path, "Slice", &all, Vec::new())
        }
        Operator::Shuffle(groups) => {
            let [channels, height, width] = shape.map(|size| size as i64);
            let groups = groups as i64;
            let apart = writer.ints(&[0, groups, channels / groups, height, width]);
            let together = writer.ints(&[0, channels, height, width]);
            let grouped = writer.node(path, "Reshape", &[input, &apart], Vec::new());
            let order = vec![("perm", ints([0, 2, 1, 3, 4]))];
            let dealt = writer.node(path, "Transpose", &[&grouped], order);
            writer.node(path, "Reshape", &[&dealt, &together], Vec::new())
        }
        Operator::LocalResponseNorm {
            size,
            alpha,
            beta,
            k,
        } => {
            if size % 2 == 0 {
                return Err(format!(
                    "`{path}` normalizes over {size} channels, but ONNX's LRN is another one for an even number; choose an odd number, or export safetensors"
                ));
            }
            let attributes = vec![
                ("size", Attribute::Int(size as i64)),
                ("alpha", Attribute::Float(alpha)),
                ("beta", Attribute::Float(beta)),
                ("bias", Attribute::Float(k)),
            ];
            writer.node(path, "LRN", &[input], attributes)
        }
        operator => of_values(writer, path, &operator, inputs),
    })
}

/// The matrix that averages a side of `length` over `parts` windows, one row for each, as PyTorch's adaptive pooling has them.
fn averages(length: usize, parts: usize) -> Vec<f64> {
    let rows = (0..parts).flat_map(|part| {
        let window = part * length / parts..((part + 1) * length).div_ceil(parts);
        let share = 1.0 / window.len() as f64;
        (0..length).map(move |at| if window.contains(&at) { share } else { 0.0 })
    });
    rows.collect()
}

/// A matrix with rows of this length, its rows and columns swapped.
fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns.max(1);
    let swapped = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
    swapped
        .map(|(row, column)| values[row * columns + column])
        .collect()
}

fn activation(writer: &mut Writer, path: &str, function: Activation, x: &str) -> String {
    let plain = Vec::new;
    match function {
        Activation::Relu => writer.node(path, "Relu", &[x], plain()),
        Activation::LeakyRelu => {
            let slope = vec![("alpha", Attribute::Float(0.01))];
            writer.node(path, "LeakyRelu", &[x], slope)
        }
        Activation::Elu => writer.node(path, "Elu", &[x], vec![("alpha", Attribute::Float(1.0))]),
        // x · (1 + erf(x / √2)) / 2; the operator of its own came with opset 20.
        Activation::Gelu => {
            let numbers = [std::f64::consts::SQRT_2, 1.0, 0.5];
            let [root, one, half] = numbers.map(|number| writer.number(number));
            let scaled = writer.node(path, "Div", &[x, &root], plain());
            let erf = writer.node(path, "Erf", &[&scaled], plain());
            let sum = writer.node(path, "Add", &[&erf, &one], plain());
            let product = writer.node(path, "Mul", &[x, &sum], plain());
            writer.node(path, "Mul", &[&product, &half], plain())
        }
        Activation::Silu => {
            let gate = writer.node(path, "Sigmoid", &[x], plain());
            writer.node(path, "Mul", &[x, &gate], plain())
        }
        Activation::Tanh => writer.node(path, "Tanh", &[x], plain()),
        Activation::Sigmoid => writer.node(path, "Sigmoid", &[x], plain()),
        Activation::Relu6 => {
            let [least, most] = [0.0, 6.0].map(|number| writer.number(number));
            writer.node(path, "Clip", &[x, &least, &most], plain())
        }
        Activation::Hardsigmoid => {
            let line = vec![
                ("alpha", Attribute::Float(1.0 / 6.0)),
                ("beta", Attribute::Float(0.5)),
            ];
            writer.node(path, "HardSigmoid", &[x], line)
        }
        Activation::Hardswish => writer.node(path, "HardSwish", &[x], plain()),
        Activation::Identity => x.into(),
    }
}

/// The logarithm of the mean of the probabilities of members, whose scores lie behind each other.
fn log_mean_probability(
    writer: &mut Writer,
    path: &str,
    scores: &str,
    members: usize,
    classes: usize,
) -> String {
    let apart = writer.ints(&[0, members as i64, classes as i64]);
    let by_member = writer.node(path, "Reshape", &[scores, &apart], Vec::new());
    let axis = vec![("axis", Attribute::Int(2))];
    let log_p = writer.node(path, "LogSoftmax", &[&by_member], axis);
    let over_members = vec![("axes", ints([1])), ("keepdims", Attribute::Int(0))];
    let sum = writer.node(path, "ReduceLogSumExp", &[&log_p], over_members);
    let count = writer.number((members as f64).ln());
    writer.node(path, "Sub", &[&sum, &count], Vec::new())
}
