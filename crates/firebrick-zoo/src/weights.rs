//! Loads weights from files and counts them.

use std::path::Path;

use burn::module::Module;
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::{Rules, WeightsFile};

use crate::{Architecture, Model};

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
    WeightsFile::open(path)?.load_into(model, &Rules::default())
}

/// Like [`load`], but by rules, and for any model: `Rules::for_other_classes(head)` for fine-tuning on other classes, [`rules`] for what the
/// published files of a model are known to have.
///
/// # Errors
/// [`WeightsError`], when more differs than the rules allow.
pub fn load_with<M: Module>(
    model: M,
    path: &Path,
    rules: &Rules,
) -> Result<(M, Vec<String>), WeightsError> {
    WeightsFile::open(path)?.load_into(model, rules)
}

/// The rules for the published files of a model: what older ones call its tensors, and what they have beside them.
#[must_use]
pub fn rules<M>(architecture: &dyn Architecture<M>) -> Rules {
    let texts = |(from, to): &(&str, &str)| (from.to_string(), to.to_string());
    Rules {
        ignored: architecture
            .ignored()
            .iter()
            .map(ToString::to_string)
            .collect(),
        renamed: architecture.renamed().iter().map(texts).collect(),
        ..Rules::default()
    }
}

/// The rules for a model that is trained on from published weights: it may have another last layer and read images of another number of
/// channels, and begins with its own values where a key matches one of `except`.
#[must_use]
pub fn rules_for_training<M>(
    architecture: &dyn Architecture<M>,
    channels: usize,
    except: Vec<String>,
) -> Rules {
    Rules {
        head: architecture.head().map(String::from),
        except,
        channels: Some(channels),
        ..rules(architecture)
    }
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
