//! Weights from files, and how many there are.

use std::path::Path;

use burn::module::Module;
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::{Head, WeightsFile};

use crate::Model;

/// Loads a weights file into the model, whatever the file is called: safetensors, or what `torch.save`
/// writes. It must hold every tensor of the model with its shape, and no other; prefixes and levels
/// around them are ignored. Returns the model with notes for the user.
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

/// Like [`load`], but for fine-tuning on other classes, and for any model: where the layer `head` (see
/// [`Architecture::head`](crate::Architecture::head)) is missing from the file or has other shapes there,
/// the model keeps its own as it was initialized, and a note says so.
///
/// # Errors
/// [`WeightsError`], also when anything but the last layer does not fit.
pub fn load_for_training<M: Module>(
    model: M,
    head: Option<&str>,
    path: &Path,
) -> Result<(M, Vec<String>), WeightsError> {
    let head = head.map_or(Head::Same, Head::MayDiffer);
    WeightsFile::open(path)?.load_into(model, head)
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
