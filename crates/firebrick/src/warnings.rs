//! What a run that learns nothing is warned by, and what an earlier session of it was warned of.

use firebrick_core::data::Dataset;
use firebrick_core::loss::Loss;
use firebrick_train::{Checkpoint, Divergence, Guess};

use crate::prepared::Prepared;

/// The losses of guessing, where the loss has them.
pub(crate) fn guess(loss: &dyn Loss, prepared: &Prepared) -> Option<Guess> {
    let images = |dataset: &dyn Dataset| {
        let mut images = vec![0; dataset.classes().len()];
        (0..dataset.len()).for_each(|index| images[dataset.label(index)] += 1);
        images
    };
    let splits = &prepared.splits;
    let train = loss.of_guess(&images(&*splits.train))?;
    let valid = splits.valid.as_ref();
    Some(Guess {
        classes: splits.train.classes().len(),
        train,
        valid: valid.map_or(Some(train), |valid| loss.of_guess(&images(&**valid)))?,
    })
}

/// What the run that is resumed was warned of.
pub(crate) fn warned_before(resume: Option<&Checkpoint>) -> Vec<String> {
    let state = resume.and_then(|checkpoint| checkpoint.hooks.get(Divergence::NAME));
    let told = state.and_then(|state| state.data.as_str());
    told.map(Into::into).into_iter().collect()
}
