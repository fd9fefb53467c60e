//! Batch norms that disappear in the convolutions before them.

use burn::tensor::TensorData;

use super::{Graph, Node, Operator, Value};
use crate::kernels::fold_scale_and_shift;

impl Graph {
    /// The same with one operation in place of each convolution and the batch norm behind it, where nothing else reads the
    /// convolution. Their weights are computed in f64 and kept in f32, as [`fold`](crate::nn::fold) does.
    #[must_use]
    pub fn folded(self) -> Self {
        let mut readers = vec![0; self.nodes.len()];
        let read = self.nodes.iter().flat_map(|node| &node.inputs);
        read.chain([&self.output])
            .for_each(|value| readers[value.0] += 1);
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len());
        // Where each old value is now.
        let mut places = Vec::with_capacity(self.nodes.len());
        for mut node in self.nodes {
            let single = |value: &Value| readers[value.0] == 1;
            let conv = node.inputs.first().filter(|value| single(value));
            let conv = conv.map(|value| places[value.0]);
            node.inputs
                .iter_mut()
                .for_each(|input| *input = places[input.0]);
            if let Some(conv) = conv
                && fold_into(&mut nodes[conv.0].operator, &node.operator)
            {
                places.push(conv);
                continue;
            }
            places.push(Value(nodes.len()));
            nodes.push(node);
        }
        Self {
            nodes,
            output: places[self.output.0],
        }
    }
}

/// Makes a convolution what it is with the batch norm behind it, and says whether they are such.
fn fold_into(conv: &mut Operator, norm: &Operator) -> bool {
    let (
        Operator::Conv { weight, bias, .. },
        Operator::BatchNorm {
            scale,
            shift,
            mean,
            variance,
            epsilon,
        },
    ) = (conv, norm)
    else {
        return false;
    };
    let values = |data: &TensorData| data.iter::<f32>().collect::<Vec<f32>>();
    let (factor, mut sum) = fold_scale_and_shift(
        &values(scale),
        &values(shift),
        &values(mean),
        &values(variance),
        *epsilon,
    );
    if let Some(bias) = bias {
        let biases = values(bias).into_iter().zip(&factor);
        for (sum, (bias, factor)) in sum.iter_mut().zip(biases) {
            *sum += bias * factor;
        }
    }
    let mut weights = values(weight);
    let each = (weights.len() / factor.len().max(1)).max(1);
    for (weights, factor) in weights.chunks_exact_mut(each).zip(&factor) {
        weights.iter_mut().for_each(|weight| *weight *= factor);
    }
    let channels = sum.len();
    *weight = TensorData::new(weights, weight.shape().clone());
    *bias = Some(TensorData::new(sum, [channels]));
    true
}
