//! Conformal prediction: sets of classes that contain the right one with a given probability, by name.
//!
//! | name | file | which classes |
//! |---|---|---|
//! | `lac` | [`lac`] | those with a probability above a limit: the smallest sets on average |
//! | `aps` | [`aps`] | the most probable ones up to a sum of probabilities: larger for harder images |
//! | `raps` | [`raps`] | as `aps`, with a penalty on long sets |
//!
//! The limit is calibrated on images that the model was not trained on. If new images are drawn as these were, a new
//! set contains the right class with a probability of at least `coverage`: on average over all images and
//! calibrations, whatever the model is (Vovk et al. 2005; Angelopoulos and Bates 2023). Nothing is promised for a
//! single class, or for images of another kind.
//!
//! Sets are the same in every run. `aps` and `raps` can draw a random number for each image (`randomized=true`), as
//! their papers do, which makes sets smaller and their coverage exact.
//!
//! ```
//! use firebrick_ensemble::{LogProbabilities, conformal};
//! let probabilities = [[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]].concat();
//! let predicted = LogProbabilities::from_probabilities(&probabilities, 3)?;
//! let sets = conformal::calibrate(&"lac".parse()?, &predicted, &[0, 0, 2], 0.7)?;
//! assert_eq!(sets.of(&predicted)?, [vec![0], vec![1, 0, 2], vec![2]]);
//! # Ok::<(), firebrick_ensemble::EnsembleError>(())
//! ```

pub mod aps;
mod definition;
pub mod lac;
pub mod raps;

use firebrick_types::ConfigError;
use firebrick_types::metrics::ranked;
use firebrick_types::random::rng;
use firebrick_types::registry::{Entry, Registry};
use firebrick_types::spec::Spec;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::error::{EnsembleError, check_labels};
use crate::log_probabilities::LogProbabilities;

pub use definition::{Build, Conform, ConformalConfig, Rule};

/// All conformal scores.
pub static REGISTRY: Registry<Build> = Registry::new(
    "conformal score",
    &[
        Entry::of::<lac::Lac>(),
        Entry::of::<aps::Aps>(),
        Entry::of::<raps::Raps>(),
    ],
);

/// The conformal score that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the unit, key or value that cannot be used.
pub fn build(spec: &Spec) -> Result<Rule, ConfigError> {
    (REGISTRY.find(spec)?.build.rule)(spec)
}

/// Calibrated prediction sets, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionSets {
    /// The spec of the score.
    pub rule: Spec,
    /// The number of classes.
    pub classes: usize,
    /// The probability with which a set contains the right class.
    pub coverage: f64,
    /// The score up to which a class is in the set.
    pub threshold: f64,
    /// The number of images that it was calibrated on.
    pub images: usize,
}

/// How good prediction sets are on images whose classes are known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SetFigures {
    /// The share of sets that contain the right class.
    pub coverage: f64,
    /// The mean number of classes in a set.
    pub size: f64,
    /// The share of sets with a single class.
    pub single: f64,
}

/// Calibrates prediction sets that contain the right class with the probability `coverage`.
///
/// # Errors
/// [`ConfigError::OutOfRange`] for a coverage outside (0, 1); [`EnsembleError::Fit`] for too few images to promise it;
/// those of [`build`]; labels that do not go with the images.
pub fn calibrate(
    spec: &Spec,
    predicted: &LogProbabilities,
    labels: &[usize],
    coverage: f64,
) -> Result<PredictionSets, EnsembleError> {
    let Rule { spec, conform } = build(spec)?;
    check_coverage(coverage)?;
    if predicted.is_empty() {
        return Err(EnsembleError::NoImages);
    }
    check_labels(labels, predicted.len(), predicted.classes())?;
    let images = predicted.len();
    // The smallest whole number that is at least (n + 1) · coverage, whatever rounding adds to the product.
    let place = ((images + 1) as f64 * coverage - 1e-9).ceil().max(1.0) as usize;
    if place > images {
        let least = (coverage / (1.0 - coverage) - 1e-9).ceil();
        return Err(EnsembleError::fit(
            &spec.name,
            format!(
                "a coverage of {coverage} needs at least {least} images to calibrate, and there are {images}"
            ),
        ));
    }
    let mut own: Vec<f64> = Vec::with_capacity(images);
    each_image(
        &*conform,
        "conformal calibration",
        predicted,
        |image, _, scores| {
            own.push(scores[labels[image]]);
        },
    );
    own.sort_by(f64::total_cmp);
    Ok(PredictionSets {
        rule: spec,
        classes: predicted.classes(),
        coverage,
        threshold: own[place - 1],
        images,
    })
}

impl PredictionSets {
    /// The set of each image, its most probable class first. That class is always in it.
    ///
    /// # Errors
    /// [`EnsembleError::Fitted`] for other classes than it was calibrated for; a threshold or a coverage that no
    /// calibration gives.
    pub fn of(&self, predicted: &LogProbabilities) -> Result<Vec<Vec<usize>>, EnsembleError> {
        let Rule { spec, conform } = build(&self.rule)?;
        check_coverage(self.coverage)?;
        if !self.threshold.is_finite() {
            let problem = format!(
                "`{}` has a threshold that is not finite: calibrate it again",
                spec.name
            );
            return Err(EnsembleError::conflict(problem));
        }
        if predicted.classes() != self.classes {
            return Err(EnsembleError::Fitted {
                rule: spec.name,
                fitted: format!("{} classes", self.classes),
                used: format!("{} classes", predicted.classes()),
            });
        }
        let mut sets = Vec::with_capacity(predicted.len());
        each_image(
            &*conform,
            "conformal sets",
            predicted,
            |_, ranked, scores| {
                let (first, others) = ranked.split_at(1);
                let others = others
                    .iter()
                    .filter(|class| scores[**class] <= self.threshold);
                sets.push(first.iter().chain(others).copied().collect());
            },
        );
        Ok(sets)
    }
}

/// How good sets are, given the right classes.
///
/// # Errors
/// [`EnsembleError::NoImages`]; [`EnsembleError::Labels`].
pub fn figures(sets: &[Vec<usize>], labels: &[usize]) -> Result<SetFigures, EnsembleError> {
    if sets.is_empty() {
        return Err(EnsembleError::NoImages);
    }
    if sets.len() != labels.len() {
        let (labels, images) = (labels.len(), sets.len());
        return Err(EnsembleError::Labels { labels, images });
    }
    let images = sets.len() as f64;
    let covered = sets
        .iter()
        .zip(labels)
        .filter(|(set, label)| set.contains(label));
    let single = sets.iter().filter(|set| set.len() == 1);
    Ok(SetFigures {
        coverage: covered.count() as f64 / images,
        size: sets.iter().map(Vec::len).sum::<usize>() as f64 / images,
        single: single.count() as f64 / images,
    })
}

fn check_coverage(coverage: f64) -> Result<(), ConfigError> {
    if 0.0 < coverage && coverage < 1.0 {
        return Ok(());
    }
    Err(ConfigError::out_of_range(
        "conformal",
        "coverage",
        coverage,
        "in (0, 1), such as 0.9",
    ))
}

/// Hands on each image in turn: its number, its classes from the most probable to the least, and their scores.
fn each_image(
    conform: &dyn Conform,
    purpose: &str,
    predicted: &LogProbabilities,
    mut see: impl FnMut(usize, &[usize], &[f64]),
) {
    let mut scores = vec![0.0; predicted.classes()];
    for (image, row) in predicted.rows().enumerate() {
        let ranked = ranked(row);
        let probabilities: Vec<f64> = row.iter().map(|value| value.exp()).collect();
        let draw = conform
            .seed()
            .map_or(0.0, |seed| rng(seed, purpose, image as u64, 0).random());
        conform.scores(&probabilities, &ranked, draw, &mut scores);
        see(image, &ranked, &scores);
    }
}

#[cfg(test)]
mod tests;
