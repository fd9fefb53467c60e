//! Accuracy, likelihood and calibration of the members and of the ensemble.

use firebrick_types::metrics::Scorer;
use firebrick_types::run::ConfidenceBin;
pub use firebrick_types::run::ensemble::{EnsembleFigures, EnsembleReport, MemberFigures};

use super::adaptive::ece_adaptive;
use super::checked::check;
use super::disagreement::disagreement;
use super::entropy::entropy;
use super::growth::growth;
use super::risk_coverage::risk_coverage;
use crate::calibrate::Calibration;
use crate::combine::Combiner;
use crate::error::{EnsembleError, check_labels};
use crate::log_probabilities::LogProbabilities;
use crate::members::Members;

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
        calibrated: None,
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
