//! What an ensemble is worth on a split of a data set.

use std::time::Instant;

use firebrick_core::loss::CrossEntropy;
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::Split;
use firebrick_ensemble::calibrate::{self, Calibration};
use firebrick_ensemble::combine::{self, Combiner};
use firebrick_ensemble::score::{self, EnsembleReport};
use firebrick_ensemble::{EnsembleError, LogProbabilities, Members};
use firebrick_train::evaluate::hard_labels;
use firebrick_train::{Evaluation, Predictions};
use firebrick_zoo::Model;

use super::{Ensemble, Predicted, members};
use crate::Error;
use crate::eval::EvalImages;
use crate::tta::TestTime;

/// What an ensemble is scored on, and how.
pub struct EnsembleEval<'a, M = Model> {
    /// The ensemble.
    pub ensemble: &'a Ensemble<M>,
    /// The images.
    pub images: EvalImages,
    /// How the members combine; see [`firebrick_ensemble::combine`].
    pub combine: Spec,
    /// Views of each image, over which each member averages first.
    pub tta: Option<TestTime>,
    /// The split on which what is fitted is fitted: the temperature, and some ways to combine.
    pub fit_on: Split,
    /// Whether a member whose predictions are not finite is an error, instead of being left out.
    pub strict: bool,
    /// The number of orders in which members are added, for the spread over them.
    pub orders: usize,
    /// The seed of these orders.
    pub seed: u64,
}

/// What an evaluation of an ensemble found.
pub struct EnsembleEvaluated {
    /// The figures of the members and the ensemble.
    pub report: EnsembleReport,
    /// Scores, confusion matrix and the worst mistakes of the ensemble.
    pub evaluation: Evaluation,
    /// The split that was taken.
    pub split: Split,
    /// Messages for the user: what was left out, or could not be fitted.
    pub notes: Vec<String>,
    /// The seconds that all members took.
    pub seconds: f64,
}

/// Evaluates an ensemble, each member with its own preprocessing. `progress` is told the images done, over all
/// members, and their total.
///
/// # Errors
/// [`Error`] when the data or a member cannot be read, the split is not there, its classes are not the members', or
/// members cannot be combined.
pub fn evaluate<M: Classifier>(
    job: &EnsembleEval<'_, M>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<EnsembleEvaluated, Error> {
    if job.fit_on == Split::Train {
        return Err(ConfigError::Conflict(
            "the members were trained on the training images, so nothing can be fitted to what they predict for them: fit on the validation split".into(),
        )
        .into());
    }
    let ensemble = job.ensemble;
    let channels = ensemble.members[0].info.preprocessing.channels;
    let taken = job.images.take(channels)?;
    let mut notes = ensemble.notes.clone();
    notes.extend(taken.notes);
    let tta = job.tta.as_ref();
    let clock = Instant::now();
    let predicted = ensemble.predictions(&job.images.recipe, &taken.dataset, tta, progress)?;
    let seconds = clock.elapsed().as_secs_f64();
    let (used, left_out) = usable(members(&predicted)?, job.strict)?;
    notes.extend(left_out);
    let fitted = if taken.split == job.fit_on {
        notes.push(format!(
            "no temperature was fitted: it would be fitted to the {} images that are scored",
            taken.split
        ));
        None
    } else {
        let found = fit_images(job, channels, &used, progress);
        found
            .map_err(|error| {
                notes.push(format!("no temperature was fitted: {error}"));
            })
            .ok()
    };
    let fitted = fitted.as_ref();
    let (combiner, temperature) = fit(&job.combine, &used, fitted, &mut notes)?;
    let labels = hard_labels(&predicted[0].predictions.targets);
    let report = score::report(
        &used,
        &combiner,
        &labels,
        temperature.as_ref(),
        job.orders,
        job.seed,
    )?;
    let pooled = logits(&combiner.combine(&used)?, &predicted[0].predictions);
    let evaluation = firebrick_train::score(&pooled, &CrossEntropy::default(), &ensemble.device);
    Ok(EnsembleEvaluated {
        report,
        evaluation,
        split: taken.split,
        notes,
        seconds,
    })
}

/// The members whose predictions are finite, and what to say of the others.
fn usable(members: Members<'_>, strict: bool) -> Result<(Members<'_>, Vec<String>), EnsembleError> {
    if strict {
        members.check_finite()?;
    }
    let (used, bad) = members.finite()?;
    let notes = bad
        .iter()
        .map(|bad| format!("left out of the ensemble: {bad}"));
    Ok((used, notes.collect()))
}

/// What the members predict for the images to fit on.
fn fit_images<M: Classifier>(
    job: &EnsembleEval<'_, M>,
    channels: usize,
    used: &Members<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Predicted>, Error> {
    let images = EvalImages {
        split: Some(job.fit_on),
        ..job.images.clone()
    };
    let taken = images.take(channels)?;
    let mut predicted =
        job.ensemble
            .predictions(&images.recipe, &taken.dataset, job.tta.as_ref(), progress)?;
    predicted.retain(|one| used.names().any(|name| name == one.name));
    Ok(predicted)
}

/// The rule that combines the members, and the temperature of what it makes of them.
fn fit(
    rule: &Spec,
    used: &Members<'_>,
    fitted: Option<&Vec<Predicted>>,
    notes: &mut Vec<String>,
) -> Result<(Combiner, Option<Calibration>), EnsembleError> {
    let Some(predicted) = fitted else {
        return Ok((combine::fit(rule, used, None)?, None));
    };
    let labels = hard_labels(&predicted[0].predictions.targets);
    let members = members(predicted)?;
    let combiner = combine::fit(rule, &members, Some(&labels))?;
    let pooled = combiner.combine(&members)?;
    let temperature = match calibrate::fit(&Spec::new("temperature"), &pooled, &labels) {
        Ok(calibration) => Some(calibration),
        Err(error @ EnsembleError::Fit { .. }) => {
            notes.push(error.to_string());
            None
        }
        Err(error) => return Err(error),
    };
    Ok((combiner, temperature))
}

/// The combined prediction as that of a single model.
fn logits(pooled: &LogProbabilities, of: &Predictions) -> Predictions {
    Predictions {
        logits: pooled
            .rows()
            .flatten()
            .map(|value| value.max(f64::from(f32::MIN)) as f32)
            .collect(),
        classes: pooled.classes(),
        targets: of.targets.clone(),
        indices: of.indices.clone(),
    }
}
