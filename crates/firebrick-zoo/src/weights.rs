//! Weights from files, and how many there are.

use std::path::Path;

use burn::module::Module;
use firebrick_core::state_dict::{StateDict, WeightsError};

use crate::Model;

/// Loads a safetensors file or a PyTorch checkpoint (`.pt`, `.pth`, `.th`) into the model. The file
/// must hold every tensor of the model with its shape, and no other.
///
/// Clones share batch-norm statistics, so those of a clone change too; build a model of its own for
/// each file.
///
/// # Errors
/// [`WeightsError`] naming the file, and which keys are missing, extra or of another shape; nothing
/// is loaded then.
pub fn load(model: Model, path: &Path) -> Result<Model, WeightsError> {
    StateDict::read(path)?
        .load_into(model)
        .map_err(|error| match error {
            WeightsError::Mismatch(keys) => {
                WeightsError::Mismatch(format!("{}: {keys}", path.display()))
            }
            other => other,
        })
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
