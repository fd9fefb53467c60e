//! The entropy of a model's outputs.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use firebrick_core::penalty::OutputPenalty;

/// A factor times the mean entropy of the softmax of logits, in nats.
pub(super) struct OutputEntropy(pub(super) f64);

impl OutputPenalty for OutputEntropy {
    fn charge(&self, logits: Tensor<2>) -> Tensor<1> {
        let images = logits.dims()[0];
        let log_p = log_softmax(logits, 1);
        let negative = (log_p.clone().exp() * log_p).sum();
        negative * (-self.0 / images as f64)
    }
}
