//! Help texts that name what there is, read from the registries.

use firebrick::optim::{optimizer, schedule};
use firebrick::regularize::augment;
use firebrick::training::Monitor;
use firebrick::{core::loss, datasets, zoo};

fn names<B: Copy>(registry: &firebrick::core::registry::Registry<B>) -> String {
    registry.names().join(", ")
}

/// `--dataset` of `train`.
pub(crate) fn dataset() -> String {
    format!(
        "Data set: {} (options as in 'glyphs(train=2000)'), or folder:PATH",
        names(&datasets::registry::REGISTRY)
    )
}

/// `--model` of `train`.
pub(crate) fn model() -> String {
    format!(
        "Model, with options as in 'resnet20(activation=silu)'; one of: {}",
        names(&zoo::REGISTRY)
    )
}

/// `--optimizer` of `train`.
pub(crate) fn optimizer() -> String {
    format!(
        "Optimizer, with options as in 'sgd(lr=0.1, momentum=0.9)'; one of: {}. `firebrick optim describe NAME` explains it",
        names(&optimizer::REGISTRY)
    )
}

/// `--schedule` of `train`.
pub(crate) fn schedule() -> String {
    format!(
        "Schedule of the learning rate, such as 'warmup(1ep, then=cosine)'; made of: {}. `firebrick schedule describe NAME` explains one",
        names(&schedule::REGISTRY)
    )
}

/// `--augment` of `train`.
pub(crate) fn augment() -> String {
    format!(
        "Random changes to the training images, such as 'pad_crop(4) | hflip'; made of: {}; or none",
        names(&augment::REGISTRY)
    )
}

/// `--loss` of `train`.
pub(crate) fn loss() -> String {
    format!(
        "Loss, with options as in 'cross_entropy(label_smoothing=0.1, class_weights=[1, 2])'; one of: {}",
        names(&loss::REGISTRY)
    )
}

/// `--normalize` of `train`.
pub(crate) fn normalize() -> String {
    let names = zoo::NORMALIZATIONS.map(|(name, ..)| name).join(", ");
    format!(
        "How to normalize images: auto (mean and standard deviation of the training images), {names}, or 'mean=0.5,0.5,0.5; std=0.2,0.2,0.2'"
    )
}

/// `--monitor` of `train`.
pub(crate) fn monitor() -> String {
    let names = Monitor::ALL.map(|(name, _)| name).join(", ");
    format!("Metric that decides which epoch is the best: {names}")
}
