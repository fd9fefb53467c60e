//! Warnings about a run that learns nothing: the losses that it is compared with, and the warnings of earlier sessions.

use std::cell::RefCell;

use firebrick_core::data::Dataset;
use firebrick_core::loss::Loss;
use firebrick_train::{Checkpoint, Divergence, Guess, Hook, RunDir};

use crate::per_class::per_class;
use crate::prepared::Prepared;

/// The losses of guessing, where the loss has them.
pub(crate) fn guess(loss: &dyn Loss, prepared: &Prepared) -> Option<Guess> {
    let splits = &prepared.splits;
    let classes = splits.train.classes().len();
    let of = |split: &dyn Dataset| {
        let images = per_class(split, classes).into_iter();
        loss.of_guess(&images.map(|count| count as u64).collect::<Vec<_>>())
    };
    let train = of(&*splits.train)?;
    let valid = match &splits.valid {
        Some(valid) => of(&**valid)?,
        None => train,
    };
    Some(Guess {
        classes,
        train,
        valid,
    })
}

/// The hook that warns: its warning is told, noted in the events of the run, and kept for its record.
pub(crate) fn watch<'a, M>(
    guess: Guess,
    run: &'a RunDir,
    warnings: &'a RefCell<Vec<String>>,
    told: &'a RefCell<&mut dyn FnMut(&str)>,
) -> Box<dyn Hook<M> + 'a> {
    Box::new(Divergence::new(guess, |text| {
        warnings.borrow_mut().push(text.to_string());
        (told.borrow_mut())(&format!("warning: {text}"));
        // The record and the terminal have it too; a full disk stops the run elsewhere.
        let _ = run.event(&serde_json::json!({ "event": "warning", "text": text }));
    }))
}

/// What the earlier sessions of a run were warned of.
pub(crate) fn warned_before(resume: Option<&Checkpoint>) -> Vec<String> {
    let state = resume.and_then(|checkpoint| checkpoint.hooks.get(Divergence::NAME));
    let told = state.and_then(|state| state.data.as_str());
    told.map(Into::into).into_iter().collect()
}
