//! Accuracy, likelihood and calibration of the members and of the ensemble.

use firebrick_types::json_number;
use firebrick_types::metrics::Scorer;
use firebrick_types::run::ConfidenceBin;
use serde::{Deserialize, Serialize};

use super::adaptive::ece_adaptive;
use super::checked::check;
use super::disagreement::disagreement;
use super::entropy::{Entropy, entropy};
use super::growth::{Growth, growth};
use super::risk_coverage::risk_coverage;
use crate::calibrate::Calibration;
use crate::combine::Combiner;
use crate::error::{EnsembleError, check_labels};
use crate::log_probabilities::LogProbabilities;
use crate::members::Members;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub temperature: Option<f64>,
    /// The negative log-likelihood at this temperature.
    #[serde(with = "json_number")]
    pub nll_at_temperature: Option<f64>,
    /// The calibration error over 15 bins of equal width at this temperature.
    #[serde(with = "json_number")]
    pub ece_at_temperature: Option<f64>,
}

/// All that is known about what an ensemble is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleReport {
    /// Each member alone.
    pub members: Vec<MemberFigures>,
    /// The ensemble.
    pub ensemble: EnsembleFigures,
    /// Ensembles of 1, 2, … members.
    pub growth: Vec<Growth>,
    /// For each two members, the share of images that they classify differently.
    pub disagreement: Vec<Vec<f64>>,
    /// How uncertain the ensemble is.
    pub entropy: Entropy,
}

/// Each member alone, at its temperature.
///
/// # Errors
/// [`EnsembleError::NonFinite`]; labels that do not go with the images.
pub fn member_figures(
    members: &Members<'_>,
    labels: &[usize],
) -> Result<Vec<MemberFigures>, EnsembleError> {
    members.check_finite()?;
    check_labels(labels, members.images(), members.classes())?;
    let figures = |(place, name): (usize, &str)| {
        let mut scorer = Scorer::new(members.classes());
        let mut row = vec![0.0; members.classes()];
        for (image, label) in labels.iter().enumerate() {
            // The logits themselves, so that the figures are those that `eval` finds for this model, bit for bit.
            members.scaled(place, image, &mut row);
            scorer.add(&row, *label, image);
        }
        let scores = scorer.scores(0.0);
        MemberFigures {
            name: name.into(),
            top1: scores.top1,
            nll: scores.nll,
            brier: scores.brier,
            ece: scores.ece,
        }
    };
    Ok(members.names().enumerate().map(figures).collect())
}

/// The figures of a prediction, without those at a temperature.
///
/// # Errors
/// [`EnsembleError::NoImages`]; labels that do not go with the images.
pub fn ensemble_figures(
    predicted: &LogProbabilities,
    labels: &[usize],
) -> Result<EnsembleFigures, EnsembleError> {
    let scores = scored(predicted, labels)?.scores(0.0);
    Ok(EnsembleFigures {
        top1: scores.top1,
        top5: scores.top5,
        nll: scores.nll,
        brier: scores.brier,
        ece: scores.ece,
        ece_adaptive: ece_adaptive(predicted, labels)?,
        aurc: risk_coverage(predicted, labels)?.aurc,
        temperature: None,
        nll_at_temperature: None,
        ece_at_temperature: None,
    })
}

/// The figures with those at a temperature, which was fitted elsewhere.
///
/// # Errors
/// As [`ensemble_figures`] and [`Calibration::apply`]; [`EnsembleError::Config`] for a calibration that is no
/// temperature.
pub fn at_temperature(
    predicted: &LogProbabilities,
    labels: &[usize],
    calibration: &Calibration,
) -> Result<EnsembleFigures, EnsembleError> {
    let [temperature] = calibration.parameters[..] else {
        return Err(EnsembleError::conflict(format!(
            "`{}` is no temperature: fit `temperature` for these figures",
            calibration.rule.name
        )));
    };
    let scores = scored(&calibration.apply(predicted)?, labels)?.scores(0.0);
    Ok(EnsembleFigures {
        temperature: Some(temperature),
        nll_at_temperature: Some(scores.nll),
        ece_at_temperature: Some(scores.ece),
        ..ensemble_figures(predicted, labels)?
    })
}

/// Confidence against accuracy in 15 bins of equal width: the reliability diagram.
///
/// # Errors
/// [`EnsembleError::NoImages`]; labels that do not go with the images.
pub fn reliability(
    predicted: &LogProbabilities,
    labels: &[usize],
) -> Result<Vec<ConfidenceBin>, EnsembleError> {
    Ok(scored(predicted, labels)?.calibration())
}

/// All figures of an ensemble on labelled images. `temperature` was fitted to the pooled prediction of other images;
/// `orders` and `seed` are those of [`growth`], which combines as the ensemble does, or by `mean` where it was fitted.
///
/// # Errors
/// Those of [`Combiner::combine`] and of the parts.
pub fn report(
    members: &Members<'_>,
    combiner: &Combiner,
    labels: &[usize],
    temperature: Option<&Calibration>,
    orders: usize,
    seed: u64,
) -> Result<EnsembleReport, EnsembleError> {
    let pooled = combiner.combine(members)?;
    let ensemble = match temperature {
        Some(calibration) => at_temperature(&pooled, labels, calibration)?,
        None => ensemble_figures(&pooled, labels)?,
    };
    let mean = "mean".parse()?;
    let rule = if combiner.parameters.is_empty() {
        &combiner.rule
    } else {
        &mean
    };
    Ok(EnsembleReport {
        members: member_figures(members, labels)?,
        ensemble,
        growth: growth(members, rule, labels, orders, seed)?,
        disagreement: disagreement(members)?,
        entropy: entropy(members)?,
    })
}

fn scored(predicted: &LogProbabilities, labels: &[usize]) -> Result<Scorer, EnsembleError> {
    check(predicted, labels)?;
    let mut scorer = Scorer::new(predicted.classes());
    for (image, (row, label)) in predicted.rows().zip(labels).enumerate() {
        scorer.add(row, *label, image);
    }
    Ok(scorer)
}
