//! Batch norm statistics, computed anew from data.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::{Flag, ModuleMapper, Param};
use burn::tensor::Tensor;
use firebrick_core::Classifier;
use firebrick_core::data::BatchSource;
use firebrick_core::nn::with_pooled_batch_norm;

use crate::error::TrainError;
use crate::images_on::images_on;
use crate::lone_image::cannot_train_alone;

/// Returns a copy of the model with batch norm statistics computed from the first `batches` batches of epoch 0 of
/// `source`, or from all of them. Use it for averaged or imported weights, whose running statistics belong to other
/// weights. The copy shares nothing with the model, which does not change.
///
/// Each layer gets the exact mean and unbiased variance of all values that it sees. They depend on the batches, as in
/// training, because the layers before it normalize by batch; dropout is off. A frozen batch norm keeps its
/// statistics. Burn's own batch norm is not computed exactly: it updates its running average with its momentum.
///
/// PyTorch's counterpart is `torch.optim.swa_utils.update_bn`, which averages the variances of the batches and leaves
/// dropout on.
///
/// # Errors
/// [`TrainError::Data`] when a batch cannot be made.
pub fn recount_statistics<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    batches: Option<usize>,
) -> Result<M, TrainError> {
    let (copy, _) = recount(model, source, batches, &|| true)?;
    Ok(copy)
}

/// As [`recount_statistics`], but gives up, with `None`, once `interrupted` is set.
pub(crate) fn recount_unless<M: Classifier>(
    interrupted: &AtomicBool,
    model: &M,
    source: &mut dyn BatchSource,
    batches: Option<usize>,
) -> Result<Option<M>, TrainError> {
    let goes_on = || !interrupted.load(Ordering::Relaxed);
    let (copy, complete) = recount(model, source, batches, &goes_on)?;
    Ok(complete.then_some(copy))
}

/// The copy, and whether all batches were counted before `goes_on` said no.
fn recount<M: Classifier>(
    model: &M,
    source: &mut dyn BatchSource,
    batches: Option<usize>,
    goes_on: &dyn Fn() -> bool,
) -> Result<(M, bool), TrainError> {
    let trains = model
        .devices()
        .iter()
        .any(burn::tensor::Device::is_autodiff);
    let mut only = OnlyBatchNorm::default();
    let copy = model.valid().train().map(&mut only);
    let mut complete = true;
    if only.found {
        let device = copy.devices().into_iter().next().unwrap_or_default();
        let mut before = 0;
        source.start(0, 0);
        for _ in 0..batches.unwrap_or(usize::MAX) {
            complete = goes_on();
            if !complete {
                break;
            }
            let Some(batch) = source.next_images() else {
                break;
            };
            let mut batch = batch?;
            let [images, channels, height, width] = batch.shape;
            if images == 0 || images == 1 && cannot_train_alone(&copy, [channels, height, width]) {
                continue;
            }
            let pixels = images_on(&mut batch, &device);
            with_pooled_batch_norm(before, images, || copy.forward_training(pixels));
            before += images;
        }
    }
    // What was turned off comes back with the mode.
    let copy = copy.valid();
    Ok((if trains { copy.train() } else { copy }, complete))
}

/// Turns off, until the next change of mode, all that trains but batch norm.
#[derive(Default)]
struct OnlyBatchNorm {
    containers: Vec<String>,
    /// Whether there is a batch norm that takes statistics.
    found: bool,
}

impl ModuleMapper for OnlyBatchNorm {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.containers.push(container.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.set_require_grad(false))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let of_batch_norm = self
            .containers
            .last()
            .is_some_and(|c| c == "Struct:BatchNorm");
        self.found |= of_batch_norm && flag.is_enabled();
        if of_batch_norm {
            flag
        } else {
            flag.map(|flag| flag.with(false))
        }
    }
}
