//! Softmax cross-entropy.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::cross_entropy as kernel;

use super::host::{Host, dense, from_values, values};
use super::operation::{Operation, run_single};

/// -Σ over rows and classes of weight · log softmax(logits), `[1]`, for logits that the kernels
/// [take](super::take).
///
/// # Shapes
/// `logits` `[rows, classes]`; as many weights, row by row.
pub(crate) fn cross_entropy_sum(logits: Tensor<2>, weights: Vec<f32>) -> Tensor<1> {
    let operation = CrossEntropy { weights };
    Tensor::from_dispatch(run_single(operation, vec![logits.into_dispatch()]))
}

#[derive(Debug)]
struct CrossEntropy {
    weights: Vec<f32>,
}

impl Operation for CrossEntropy {
    /// The gradient, for an output gradient of one.
    type Saved<B: Host> = FloatTensor<B>;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, FloatTensor<B>) {
        let logits = dense::<B>(inputs.swap_remove(0));
        let shape = logits.shape().dims::<2>();
        let (sum, gradient) = kernel::forward(values::<B>(&logits), &self.weights, shape[1]);
        let sum = from_values::<B>(vec![sum as f32], &[1]);
        (vec![sum], from_values::<B>(gradient, &shape))
    }

    fn backward<B: Host>(
        &self,
        saved: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let factor = values::<B>(&dense::<B>(gradient))[0];
        let shape = saved.shape().to_vec();
        let mut gradient = B::into_vec(saved);
        for value in &mut gradient {
            *value *= factor;
        }
        vec![Some(from_values::<B>(gradient, &shape))]
    }
}
