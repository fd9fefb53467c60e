//! Help texts that list the names in a registry.

use firebrick::optim::{optimizer, schedule};
use firebrick::regularize::augment;
use firebrick::training::Monitor;
use firebrick::{core::loss, datasets, zoo};

fn names<B>(entries: &'static [firebrick::core::registry::Entry<B>]) -> String {
    let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    names.join(", ")
}

/// `--dataset` of `train`.
pub(crate) fn dataset() -> String {
    format!(
        "Data set: {}; or folder:PATH for your own images. Options go in parentheses, as in 'glyphs(train=2000)'",
        names(datasets::registry::list())
    )
}

/// `--model` of `train`.
pub(crate) fn model() -> String {
    format!(
        "Model, with options as in 'resnet20(activation=silu)': {}. `firebrick models describe NAME` shows its layers",
        names(zoo::REGISTRY.entries)
    )
}

/// `--optimizer` of `train`.
pub(crate) fn optimizer() -> String {
    let entries = optimizer::entries();
    let names: Vec<_> = entries.iter().map(|entry| entry.about.name).collect();
    format!(
        "Optimizer, with options as in 'sgd(lr=0.1, momentum=0.9)': {}. `firebrick optim describe NAME` explains its options",
        names.join(", ")
    )
}

/// `--schedule` of `train`.
pub(crate) fn schedule() -> String {
    format!(
        "Learning-rate schedule, such as 'warmup(1ep, then=cosine)': {}. `firebrick schedule describe NAME` explains its options",
        names(schedule::REGISTRY.entries)
    )
}

/// `--augment` of `train`.
pub(crate) fn augment() -> String {
    format!(
        "Random changes to the training images, applied one after another, such as 'pad_crop(4) | hflip': {}; or none",
        names(augment::REGISTRY.entries)
    )
}

/// `--loss` of `train`.
pub(crate) fn loss() -> String {
    format!(
        "Loss, with options as in 'cross_entropy(label_smoothing=0.1, class_weights=[1, 2])': {}",
        names(loss::REGISTRY.entries)
    )
}

/// `--normalize` of `train`.
pub(crate) fn normalize() -> String {
    let names = zoo::NORMALIZATIONS.map(|(name, ..)| name).join(", ");
    format!(
        "Normalization of the images: auto (by the mean and standard deviation of the training images), {names}, or 'mean=0.5,0.5,0.5; std=0.2,0.2,0.2'"
    )
}

/// `--monitor` of `train`.
pub(crate) fn monitor() -> String {
    let names = Monitor::ALL.map(|(name, _)| name).join(", ");
    format!("Metric that decides which epoch is the best one: {names}")
}
