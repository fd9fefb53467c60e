//! Weights from files, and how many there are.

use std::path::Path;

use burn::module::Module;
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::{Head, WeightsFile};

use crate::Model;

/// Loads a file of weights into the model, whatever the file is called: safetensors, or what
/// `torch.save` writes. It must hold every tensor of the model with its shape, and no other; prefixes
/// and levels around them do not count. What a person should know comes back with the model.
///
/// Clones share batch-norm statistics, so those of a clone change too; build a model of its own for
/// each file.
///
/// # Errors
/// [`WeightsError`] naming the file, and which keys are missing, extra or of another shape; nothing
/// is loaded then.
pub fn load(model: Model, path: &Path) -> Result<(Model, Vec<String>), WeightsError> {
    WeightsFile::open(path)?.load_into(model, Head::Same)
}

/// As [`load`], for training on classes of one's own: where the file's last layer is missing or has
/// other shapes, the model keeps its own, as it was drawn, and a note says so.
///
/// # Errors
/// [`WeightsError`], also when anything but the last layer does not fit.
pub fn load_for_training(model: Model, path: &Path) -> Result<(Model, Vec<String>), WeightsError> {
    let head = model.head();
    WeightsFile::open(path)?.load_into(model, Head::MayDiffer(head))
}

/// The number of trainable values, whether or not the model is set up for training now.
#[must_use]
pub fn parameters<M: Module>(model: &M) -> usize {
    StateDict::shapes(model)
        .iter()
        .filter(|(key, _)| !key.ends_with("running_mean") && !key.ends_with("running_var"))
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum()
}
