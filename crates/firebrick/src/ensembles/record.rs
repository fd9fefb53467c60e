//! The record of an evaluated ensemble, which the report draws.

use firebrick_core::Classifier;
use firebrick_core::run::ensemble::{DifferingImage, EnsembleRecord, MemberCost, MemberFigures};

use super::details::Differing;
use super::evaluate::{EnsembleEval, EnsembleEvaluated};
use crate::mistakes::picture;

/// Points of the risk-coverage curve that are kept.
const POINTS: usize = 200;
/// Images that are shown.
const IMAGES: usize = 24;

/// Everything that [`firebrick_report::ensemble_page`] draws of an evaluated ensemble. Pictures of images that cannot be
/// read are left out.
#[must_use]
pub fn record<M: Classifier>(
    job: &EnsembleEval<'_, M>,
    found: &EnsembleEvaluated,
) -> EnsembleRecord {
    let ensemble = job.ensemble;
    let name = ensemble.directory.file_name().map_or_else(
        || ensemble.directory.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let details = &found.details;
    EnsembleRecord {
        name,
        dataset: job.images.recipe.dataset.clone(),
        split: found.split.to_string(),
        images: found.evaluation.scores.count,
        classes: ensemble.classes().to_vec(),
        combine: job.combine.to_string(),
        report: found.report.clone(),
        costs: costs(job, found),
        train_growth: found.train_growth.clone(),
        error_correlation: details.error_correlation.clone(),
        calibration: details.calibration.clone(),
        calibration_at_temperature: details.calibration_at_temperature.clone(),
        risk_coverage: thinned(&details.risks),
        best: Some(details.best),
        differing: details.differing.len(),
        differing_images: pictures(job, found),
        line: found.line.clone(),
        notes: found.notes.clone(),
    }
}

/// What each member costs that was not left out.
fn costs<M: Classifier>(job: &EnsembleEval<'_, M>, found: &EnsembleEvaluated) -> Vec<MemberCost> {
    let ensemble = job.ensemble;
    let members = found.report.members.iter();
    let counted = found.seconds_of_each.iter().zip(&found.details.alone);
    let cost = |(member, (seconds, alone)): (&MemberFigures, (&f64, &[usize; 2]))| {
        let file = ensemble.members.iter().find(|one| one.name == member.name);
        let file = file.map(|one| one.file.as_path());
        MemberCost {
            file: file.map_or_else(String::new, |file| {
                let below = file.strip_prefix(&ensemble.directory).unwrap_or(file);
                below.display().to_string()
            }),
            bytes: file
                .and_then(|file| std::fs::metadata(file).ok())
                .map_or(0, |file| file.len()),
            seconds: *seconds,
            alone: *alone,
        }
    };
    members.zip(counted).map(cost).collect()
}

/// `(coverage, error)` at up to [`POINTS`] places, of which the last is all images.
fn thinned(risks: &[f64]) -> Vec<(f64, f64)> {
    let count = risks.len();
    let kept = count.min(POINTS);
    (1..=kept)
        .map(|point| {
            let images = point * count / kept;
            (images as f64 / count as f64, risks[images - 1])
        })
        .collect()
}

/// The first of the images that differ, as the best member saw them.
fn pictures<M: Classifier>(
    job: &EnsembleEval<'_, M>,
    found: &EnsembleEvaluated,
) -> Vec<DifferingImage> {
    let best = found.report.members.get(found.details.best);
    let mut members = job.ensemble.members.iter();
    let Some(best) = members.find(|member| best.is_some_and(|best| best.name == member.name))
    else {
        return Vec::new();
    };
    let shown = |image: &Differing| {
        let picture = picture(image.index, &*found.dataset, &best.info.preprocessing)?;
        Some(DifferingImage {
            name: found.dataset.describe(image.index),
            truth: image.truth,
            ensemble: image.ensemble,
            member: image.member,
            picture,
        })
    };
    let images = found.details.differing.iter();
    images.filter_map(shown).take(IMAGES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_end_and_a_short_one_every_point() {
        assert_eq!(thinned(&[0.0, 0.5]), [(0.5, 0.0), (1.0, 0.5)]);
        assert!(thinned(&[]).is_empty());
        let risks: Vec<f64> = (0..10_001).map(f64::from).collect();
        let kept = thinned(&risks);
        assert_eq!((kept.len(), kept[199]), (200, (1.0, 10_000.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
