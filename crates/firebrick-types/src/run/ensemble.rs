//! What an ensemble is worth, as data: an evaluation finds it, the report draws it.

use serde::{Deserialize, Serialize};

use super::{ConfidenceBin, Picture};
use crate::json_number;

/// How good one member is alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberFigures {
    /// Its name.
    pub name: String,
    /// Share of images whose most probable class is right.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Mean negative log-likelihood of the right class, in nats.
    #[serde(with = "json_number")]
    pub nll: f64,
    /// Mean squared distance between probabilities and the one-hot truth, summed over classes.
    #[serde(with = "json_number")]
    pub brier: f64,
    /// Expected calibration error over 15 bins of equal width.
    #[serde(with = "json_number")]
    pub ece: f64,
}

/// How good the ensemble is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EnsembleFigures {
    /// Share of images whose most probable class is right.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Share of images whose right class is among the five most probable.
    #[serde(with = "json_number")]
    pub top5: f64,
    /// Mean negative log-likelihood of the right class, in nats. Infinite where one has the probability 0.
    #[serde(with = "json_number")]
    pub nll: f64,
    /// Mean squared distance between probabilities and the one-hot truth, summed over classes.
    #[serde(with = "json_number")]
    pub brier: f64,
    /// Expected calibration error over 15 bins of equal width.
    #[serde(with = "json_number")]
    pub ece: f64,
    /// Expected calibration error over 15 bins of equal mass.
    #[serde(with = "json_number")]
    pub ece_adaptive: f64,
    /// Area under the risk-coverage curve.
    #[serde(with = "json_number")]
    pub aurc: f64,
    /// The temperature that divides the log-probabilities; none where none was fitted, or none fits best.
    #[serde(with = "json_number")]
    pub temperature: Option<f64>,
    /// The negative log-likelihood at this temperature.
    #[serde(with = "json_number")]
    pub nll_at_temperature: Option<f64>,
    /// The calibration error over 15 bins of equal width at this temperature.
    #[serde(with = "json_number")]
    pub ece_at_temperature: Option<f64>,
}

/// How good the ensemble is after a calibration that was fitted to other images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibratedFigures {
    /// What was calibrated: `per_member`, each member by a temperature of its own before they combined, or the name of what
    /// changed the combined prediction, such as `vector`.
    pub by: String,
    /// What was fitted: for `per_member` the temperature of each member in turn; for `vector` the factor of each class, then
    /// the shift of each.
    #[serde(with = "json_number")]
    pub parameters: Vec<f64>,
    /// Share of images whose most probable class is right.
    #[serde(with = "json_number")]
    pub top1: f64,
    /// Mean negative log-likelihood of the right class, in nats.
    #[serde(with = "json_number")]
    pub nll: f64,
    /// Mean squared distance between probabilities and the one-hot truth, summed over classes.
    #[serde(with = "json_number")]
    pub brier: f64,
    /// Expected calibration error over 15 bins of equal width.
    #[serde(with = "json_number")]
    pub ece: f64,
    /// Expected calibration error over 15 bins of equal mass.
    #[serde(with = "json_number")]
    pub ece_adaptive: f64,
}

/// Ensembles of so many of the members.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// The number of members.
    pub members: usize,
    /// The mean of the top-1 accuracy over ensembles of this size.
    #[serde(with = "json_number")]
    pub top1_mean: f64,
    /// Its standard deviation over them, with n - 1; 0 where there is one.
    #[serde(with = "json_number")]
    pub top1_sd: f64,
    /// The mean of their negative log-likelihood.
    #[serde(with = "json_number")]
    pub nll_mean: f64,
}

/// The uncertainty of an ensemble in nats, as a mean over images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Entropy {
    /// The entropy of the mean of the members' probabilities.
    #[serde(with = "json_number")]
    pub total: f64,
    /// The mean of the members' entropies: what they are uncertain about even where they agree.
    #[serde(with = "json_number")]
    pub expected: f64,
    /// The difference, at least 0: how much they disagree. More data of this kind would lower it.
    #[serde(with = "json_number")]
    pub mutual_information: f64,
}

/// All figures of an ensemble on a set of images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EnsembleReport {
    /// Each member alone.
    pub members: Vec<MemberFigures>,
    /// The ensemble.
    pub ensemble: EnsembleFigures,
    /// Ensembles of 1, 2, … members.
    pub growth: Vec<Growth>,
    /// For each two members, the share of images that they classify differently.
    #[serde(with = "json_number")]
    pub disagreement: Vec<Vec<f64>>,
    /// How uncertain the ensemble is.
    pub entropy: Entropy,
    /// The ensemble after another calibration than one temperature, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<CalibratedFigures>,
}

/// What one member costs, and how its answers compare with those of the ensemble.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberCost {
    /// Its model file, below the directory of the ensemble where it lies there.
    pub file: String,
    /// Bytes of this file.
    pub bytes: u64,
    /// Seconds that it took to predict the images, reading the model and the images included.
    #[serde(with = "json_number")]
    pub seconds: f64,
    /// Images that the ensemble alone classified right, and images that this member alone did.
    pub alone: [usize; 2],
}

/// One image that the ensemble and its best member classify differently.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DifferingImage {
    /// Name of the image.
    pub name: String,
    /// The right class.
    pub truth: usize,
    /// What the ensemble said, and its probability.
    #[serde(with = "json_number")]
    pub ensemble: (usize, f64),
    /// What the best member said, and its probability.
    #[serde(with = "json_number")]
    pub member: (usize, f64),
    /// A small copy.
    pub picture: Picture,
}

/// The model at one place of the straight line from the weights of one model to those of another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LinePoint {
    /// Where: 0 is the first model, 1 the second.
    #[serde(with = "json_number")]
    pub t: f64,
    /// Its loss on training images.
    #[serde(with = "json_number")]
    pub train_loss: f64,
    /// Its loss on validation images.
    #[serde(with = "json_number")]
    pub valid_loss: f64,
    /// Its accuracy on validation images.
    #[serde(with = "json_number")]
    pub valid_top1: f64,
}

/// What lies between two members that were trained from the same weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberLine {
    /// The names of the two members.
    pub members: [String; 2],
    /// Points in order from the first to the second.
    pub points: Vec<LinePoint>,
}

/// Everything the page of an ensemble needs. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnsembleRecord {
    /// Name of the directory.
    pub name: String,
    /// The data set that the ensemble was scored on.
    pub dataset: String,
    /// The split of it.
    pub split: String,
    /// Images of the split.
    pub images: usize,
    /// Class names.
    pub classes: Vec<String>,
    /// How the members combine.
    pub combine: String,
    /// The figures of the members and of the ensemble.
    pub report: EnsembleReport,
    /// What each member costs, in the order of the members.
    pub costs: Vec<MemberCost>,
    /// Ensembles of 1, 2, … members on training images, as they are: what the growth on the split compares with.
    pub train_growth: Vec<Growth>,
    /// For each two members, the correlation of their errors; `None` for a member that is always right or wrong.
    #[serde(with = "json_number")]
    pub error_correlation: Vec<Vec<Option<f64>>>,
    /// Confidence against accuracy of the ensemble: 15 equal bins from 0 to 1.
    pub calibration: Vec<ConfidenceBin>,
    /// The same at its temperature.
    pub calibration_at_temperature: Vec<ConfidenceBin>,
    /// `(coverage, error)`: the error rate among the surest images that make up this share of all.
    #[serde(with = "json_number")]
    pub risk_coverage: Vec<(f64, f64)>,
    /// The best member, by its place.
    pub best: Option<usize>,
    /// Images that the ensemble and this member classify differently.
    pub differing: usize,
    /// Some of them, those of which both are surest first.
    pub differing_images: Vec<DifferingImage>,
    /// What lies between two members.
    pub line: Option<MemberLine>,
    /// What the evaluation left out or could not do.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_json_whatever_its_numbers_are() {
        let record = EnsembleRecord {
            name: "three".into(),
            report: EnsembleReport {
                ensemble: EnsembleFigures {
                    nll: f64::INFINITY,
                    temperature: Some(0.75),
                    ..EnsembleFigures::default()
                },
                disagreement: vec![vec![0.0, 0.25], vec![0.25, 0.0]],
                ..EnsembleReport::default()
            },
            error_correlation: vec![vec![Some(1.0), None], vec![None, Some(f64::NEG_INFINITY)]],
            risk_coverage: vec![(0.5, 0.0), (1.0, 0.125)],
            best: Some(1),
            differing_images: vec![DifferingImage {
                member: (3, f64::INFINITY),
                picture: Picture {
                    size: [2, 1, 1],
                    pixels: vec![3, 250],
                },
                ..DifferingImage::default()
            }],
            ..EnsembleRecord::default()
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            serde_json::from_str::<EnsembleRecord>(&json).unwrap(),
            record
        );
        // What is missing is empty, and what is not known is passed over.
        let short: EnsembleRecord =
            serde_json::from_str(r#"{"name": "three", "of_a_later_version": 7}"#).unwrap();
        assert_eq!(
            short,
            EnsembleRecord {
                name: "three".into(),
                ..EnsembleRecord::default()
            }
        );
    }
}
