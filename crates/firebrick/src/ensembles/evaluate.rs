//! What an ensemble is worth on a split of a data set.

use std::sync::Arc;
use std::time::Instant;

use firebrick_core::data::Dataset;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::run::ensemble::{CalibratedFigures, MemberLine};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::Split;
use firebrick_datasets::split::Subset;
use firebrick_ensemble::calibrate::Calibration;
use firebrick_ensemble::combine::{self, Combiner};
use firebrick_ensemble::score::{self, EnsembleReport, Growth};
use firebrick_ensemble::{EnsembleError, LogProbabilities, Members};
use firebrick_train::evaluate::hard_labels;
use firebrick_train::{Evaluation, Predictions};
use firebrick_zoo::Model;

use super::calibrate::{Calibrate, Known, calibrated};
use super::details::{Details, details};
use super::line::{check_points, line};
use super::{Ensemble, EnsembleMember, Predicted, members};
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
    /// How the ensemble is calibrated on it; figures at one temperature of the combined prediction are always found.
    pub calibrate: Calibrate,
    /// Whether a member whose predictions are not finite is an error, instead of being left out.
    pub strict: bool,
    /// The number of orders in which members are added, for the spread over them.
    pub orders: usize,
    /// The seed of these orders.
    pub seed: u64,
    /// Whether ensembles of each size are scored on training images too, as many as there are in the split. Images of another
    /// data set than the members' have none.
    pub train_images: bool,
    /// The number of places at which to score models on the straight line from the weights of the first member to those of
    /// the last; none where nobody wants to know.
    pub line: Option<usize>,
}

/// What an evaluation of an ensemble found.
pub struct EnsembleEvaluated {
    /// The figures of the members and the ensemble.
    pub report: EnsembleReport,
    /// Scores, confusion matrix and the worst mistakes of the ensemble.
    pub evaluation: Evaluation,
    /// How the answers of the ensemble compare with those of its members.
    pub details: Details,
    /// Ensembles of 1, 2, … members on training images; empty unless it was asked for.
    pub train_growth: Vec<Growth>,
    /// The loss between two members, if that was asked for.
    pub line: Option<MemberLine>,
    /// The split that was taken.
    pub split: Split,
    /// The images that were scored.
    pub dataset: Arc<dyn Dataset>,
    /// Messages for the user: what was left out, or could not be fitted.
    pub notes: Vec<String>,
    /// The seconds that all members took.
    pub seconds: f64,
    /// The seconds that each member of the report took, reading the model and the images included.
    pub seconds_of_each: Vec<f64>,
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
    if let Some(points) = job.line {
        check_points(points)?;
    }
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
    let mut report = score::report(
        &used,
        &combiner,
        &labels,
        temperature.as_ref(),
        job.orders,
        job.seed,
    )?;
    if let Some(fitted) = fitted {
        let known = Known {
            members: &used,
            labels: &labels,
        };
        report.calibrated = calibrate(job, &combiner, fitted, &known, &mut notes)?;
    }
    let pooled = combiner.combine(&used)?;
    let indices = &predicted[0].predictions.indices;
    let details = details(&used, &pooled, temperature.as_ref(), &labels, indices)?;
    let pooled = logits(&pooled, &predicted[0].predictions);
    let evaluation = firebrick_train::score(&pooled, &CrossEntropy::default(), &ensemble.device);
    let known = !job.images.held_out && taken.split != Split::Train;
    let train_growth = if job.train_images && known {
        let count = taken.dataset.len();
        train_growth(job, channels, count, &used, &combiner, progress).unwrap_or_else(|error| {
            notes.push(format!("the training images were not scored: {error}"));
            Vec::new()
        })
    } else {
        Vec::new()
    };
    let line = job.line.and_then(|points| {
        let found = between(job, &used, points);
        found
            .map_err(|error| notes.push(format!("no line between two members was drawn: {error}")))
            .ok()
    });
    let seconds_of = |name: &str| {
        let one = predicted.iter().find(|one| one.name == name);
        one.map_or(0.0, |one| one.seconds)
    };
    let seconds_of_each = used.names().map(seconds_of).collect();
    Ok(EnsembleEvaluated {
        report,
        evaluation,
        details,
        train_growth,
        line,
        split: taken.split,
        dataset: taken.dataset,
        notes,
        seconds,
        seconds_of_each,
    })
}

/// The figures after another calibration than one temperature, if one is wanted and can be fitted.
fn calibrate<M>(
    job: &EnsembleEval<'_, M>,
    combiner: &Combiner,
    fitted: &[Predicted],
    known: &Known<'_>,
    notes: &mut Vec<String>,
) -> Result<Option<CalibratedFigures>, EnsembleError> {
    let labels = hard_labels(&fitted[0].predictions.targets);
    let members = members(fitted)?;
    let fit_on = Known {
        members: &members,
        labels: &labels,
    };
    match calibrated(&job.calibrate, combiner, &fit_on, known) {
        Err(error @ EnsembleError::Fit { .. }) => {
            notes.push(error.to_string());
            Ok(None)
        }
        found => found,
    }
}

/// The loss between the first and the last of the members that are used.
fn between<M: Classifier>(
    job: &EnsembleEval<'_, M>,
    used: &Members<'_>,
    points: usize,
) -> Result<MemberLine, Error> {
    let is_used = |member: &&EnsembleMember| used.names().any(|name| name == member.name);
    let mut members = job.ensemble.members.iter().filter(is_used);
    let first = members.next().ok_or(EnsembleError::NoMembers)?;
    let last = members.next_back().unwrap_or(first);
    line(job.ensemble, [first, last], &job.images, points)
}

/// Ensembles of 1, 2, … members on `count` training images, spread evenly over the split, as they are.
fn train_growth<M: Classifier>(
    job: &EnsembleEval<'_, M>,
    channels: usize,
    count: usize,
    used: &Members<'_>,
    combiner: &Combiner,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Growth>, Error> {
    let images = EvalImages {
        split: Some(Split::Train),
        ..job.images.clone()
    };
    let all = images.take(channels)?.dataset;
    let count = count.min(all.len());
    let spread = (0..count).map(|at| at * all.len() / count);
    let sample: Arc<dyn Dataset> = Arc::new(Subset::new(all.clone(), spread.collect())?);
    let predicted =
        job.ensemble
            .predictions(&images.recipe, &sample, job.tta.as_ref(), progress)?;
    let predicted = those_used(predicted, used);
    let labels = hard_labels(&predicted[0].predictions.targets);
    // A rule that was fitted is fitted to all members: see `score::report`.
    let mean = Spec::new("mean");
    let rule = if combiner.parameters.is_empty() {
        &combiner.rule
    } else {
        &mean
    };
    let members = members(&predicted)?;
    Ok(score::growth(
        &members, rule, &labels, job.orders, job.seed,
    )?)
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
    let predicted =
        job.ensemble
            .predictions(&images.recipe, &taken.dataset, job.tta.as_ref(), progress)?;
    Ok(those_used(predicted, used))
}

/// What the members predict that were not left out.
fn those_used(mut predicted: Vec<Predicted>, used: &Members<'_>) -> Vec<Predicted> {
    predicted.retain(|one| used.names().any(|name| name == one.name));
    predicted
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
    let temperature =
        firebrick_ensemble::calibrate::fit(&Spec::new("temperature"), &pooled, &labels);
    let temperature = match temperature {
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
