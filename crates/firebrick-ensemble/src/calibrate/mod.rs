//! Calibration: predictions whose confidence fits their accuracy, by name.
//!
//! | name | file | what it fits |
//! |---|---|---|
//! | `temperature` | [`temperature`] | one number that divides all scores |
//! | `vector` | [`vector`] | a factor and a shift for each class |
//!
//! Both minimize the negative log-likelihood of validation images, and both work on log-probabilities, so they are for
//! the pooled prediction of an ensemble as well as for a model, and for probabilities whose logits are not known.
//! For one temperature for each member, fit it to [`Members::prediction`](crate::Members::prediction) of each, and
//! give them to [`Members::with_temperatures`](crate::Members::with_temperatures) before combining.
//!
//! Averaging members that are calibrated makes a prediction that is not sure enough: calibrate what was pooled.

mod definition;
pub mod temperature;
pub mod vector;

use firebrick_types::ConfigError;
use firebrick_types::registry::{Entry, Registry};
use firebrick_types::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::error::{EnsembleError, check_labels};
use crate::log_probabilities::LogProbabilities;

pub use definition::{Build, Calibrate, CalibrateConfig, Rule};

/// All calibrations.
pub static REGISTRY: Registry<Build> = Registry::new(
    "calibration",
    &[
        Entry::of::<temperature::Temperature>(),
        Entry::of::<vector::Vector>(),
    ],
);

/// The calibration that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the unit, key or value that cannot be used.
pub fn build(spec: &Spec) -> Result<Rule, ConfigError> {
    (REGISTRY.find(spec)?.build.rule)(spec)
}

/// A fitted calibration, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The spec of the calibration.
    pub rule: Spec,
    /// The number of classes.
    pub classes: usize,
    /// What was fitted: the temperature, or all factors and then all shifts.
    pub parameters: Vec<f64>,
}

/// Fits a calibration to images with these labels, which the model must not have been trained on.
///
/// # Errors
/// [`EnsembleError::Fit`] where there is no best fit; those of [`build`]; labels that do not go with the images.
pub fn fit(
    spec: &Spec,
    predicted: &LogProbabilities,
    labels: &[usize],
) -> Result<Calibration, EnsembleError> {
    let Rule { spec, calibrate } = build(spec)?;
    if predicted.is_empty() {
        return Err(EnsembleError::NoImages);
    }
    check_labels(labels, predicted.len(), predicted.classes())?;
    Ok(Calibration {
        rule: spec,
        classes: predicted.classes(),
        parameters: calibrate.fit(predicted, labels)?,
    })
}

impl Calibration {
    /// The calibrated prediction of each image.
    ///
    /// # Errors
    /// [`EnsembleError::Fitted`] for other classes than it was fitted to; parameters that no fit gives.
    pub fn apply(&self, predicted: &LogProbabilities) -> Result<LogProbabilities, EnsembleError> {
        let Rule { spec, calibrate } = build(&self.rule)?;
        let classes = predicted.classes();
        if classes != self.classes {
            return Err(EnsembleError::Fitted {
                rule: spec.name,
                fitted: format!("{} classes", self.classes),
                used: format!("{classes} classes"),
            });
        }
        let wanted = calibrate.parameters(classes);
        if self.parameters.len() != wanted {
            return Err(EnsembleError::conflict(format!(
                "`{}` needs {wanted} parameters for {classes} classes, but has {}: fit it again",
                spec.name,
                self.parameters.len()
            )));
        }
        calibrate.check(&self.parameters)?;
        let mut all = LogProbabilities::none(classes);
        for row in predicted.rows() {
            let mut row = row.to_vec();
            calibrate.image(&mut row, &self.parameters);
            all.push(&row);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
