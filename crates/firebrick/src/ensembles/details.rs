//! What an evaluation of an ensemble finds beside its figures: how its answers compare with those of its members, image by
//! image.

use firebrick_core::run::ConfidenceBin;
use firebrick_ensemble::calibrate::Calibration;
use firebrick_ensemble::score::{error_correlation, reliability, risk_coverage};
use firebrick_ensemble::{EnsembleError, LogProbabilities, Members};

/// What an evaluation finds beside the figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// Confidence against accuracy of the ensemble, in 15 equal bins.
    pub calibration: Vec<ConfidenceBin>,
    /// The same at its temperature; empty where none was fitted.
    pub calibration_at_temperature: Vec<ConfidenceBin>,
    /// The error rate among the surest 1, 2, … of all images.
    pub risks: Vec<f64>,
    /// For each two members, the correlation of their errors; `None` for a member that is always right or wrong.
    pub error_correlation: Vec<Vec<Option<f64>>>,
    /// For each member, the images that only the ensemble classified right, and those that only the member did.
    pub alone: Vec<[usize; 2]>,
    /// The place of the member with the highest accuracy, the first of equals.
    pub best: usize,
    /// The images that the ensemble and this member classify differently, those of which both are surest first.
    pub differing: Vec<Differing>,
}

/// An image that the ensemble and its best member classify differently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Differing {
    /// Its index in the data set.
    pub index: usize,
    /// The right class.
    pub truth: usize,
    /// What the ensemble says, and its probability.
    pub ensemble: (usize, f64),
    /// What the member says, and its probability.
    pub member: (usize, f64),
}

/// Compares the prediction `pooled` of an ensemble with those of its members. `indices` are those of the images in their
/// data set.
///
/// # Errors
/// [`EnsembleError`] for predictions that are not finite, and labels that do not go with the images.
pub(super) fn details(
    members: &Members<'_>,
    pooled: &LogProbabilities,
    temperature: Option<&Calibration>,
    labels: &[usize],
    indices: &[usize],
) -> Result<Details, EnsembleError> {
    let calibration_at_temperature = match temperature {
        Some(temperature) => reliability(&temperature.apply(pooled)?, labels)?,
        None => Vec::new(),
    };
    let said = pooled.predicted();
    let mut alone = Vec::with_capacity(members.len());
    // The best so far: its place, and how many images it has right.
    let mut best = (0, 0);
    for place in 0..members.len() {
        let (mut right, mut only) = (0, [0, 0]);
        let own = members.prediction(place).predicted();
        for ((own, said), label) in own.iter().zip(&said).zip(labels) {
            right += usize::from(own == label);
            match (said == label, own == label) {
                (true, false) => only[0] += 1,
                (false, true) => only[1] += 1,
                _ => {}
            }
        }
        if place == 0 || right > best.1 {
            best = (place, right);
        }
        alone.push(only);
    }
    Ok(Details {
        calibration: reliability(pooled, labels)?,
        calibration_at_temperature,
        risks: risk_coverage(pooled, labels)?.risks,
        error_correlation: error_correlation(members, labels)?,
        alone,
        best: best.0,
        differing: differing(pooled, &members.prediction(best.0), labels, indices),
    })
}

/// The images that two predictions classify differently.
fn differing(
    pooled: &LogProbabilities,
    member: &LogProbabilities,
    labels: &[usize],
    indices: &[usize],
) -> Vec<Differing> {
    let said = pooled.predicted().into_iter().zip(member.predicted());
    let images = said.zip(labels.iter().zip(indices)).enumerate();
    let mut all: Vec<Differing> = images
        .filter(|(_, ((ensemble, member), _))| ensemble != member)
        .map(|(image, ((ensemble, one), (truth, index)))| Differing {
            index: *index,
            truth: *truth,
            ensemble: (ensemble, pooled.row(image)[ensemble].exp()),
            member: (one, member.row(image)[one].exp()),
        })
        .collect();
    let sure = |image: &Differing| image.ensemble.1 + image.member.1;
    all.sort_by(|a, b| sure(b).total_cmp(&sure(a)).then(a.index.cmp(&b.index)));
    all
}

#[cfg(test)]
mod tests {
    use firebrick_ensemble::Member;
    use firebrick_ensemble::combine;

    use super::*;

    #[test]
    fn the_answers_are_compared_image_by_image() {
        // Class 0 is right on every image but the last. `a` is wrong on images 0 and 1, `b` on 1, `c` never, and the mean
        // of their probabilities on 1.
        let a = [0.0, 1.0, 0.0, 9.0, 1.0, 0.0, 0.0, 2.0];
        let b = [3.0, 0.0, 0.0, 9.0, 1.0, 0.0, 0.0, 2.0];
        let c = [3.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 2.0];
        let named = [("a", &a), ("b", &b), ("c", &c)];
        let members = named.map(|(name, logits)| Member::new(name, logits, 2));
        let members = Members::new(members.to_vec()).unwrap();
        let mean = combine::fit(&"mean".parse().unwrap(), &members, None).unwrap();
        let pooled = mean.combine(&members).unwrap();
        let labels = [0, 0, 0, 1];
        let found = details(&members, &pooled, None, &labels, &[10, 11, 12, 13]).unwrap();
        assert_eq!(found.alone, [[1, 0], [0, 0], [0, 1]]);
        assert_eq!((found.best, found.differing.len()), (2, 1));
        let differing = found.differing[0];
        assert_eq!((differing.index, differing.truth), (11, 0));
        assert_eq!((differing.ensemble.0, differing.member.0), (1, 0));
        assert!((differing.member.1 - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12);
        assert_eq!(
            found.calibration.iter().map(|bin| bin.count).sum::<usize>(),
            4
        );
        assert!(found.calibration_at_temperature.is_empty());
        assert_eq!(found.risks.len(), 4);
        assert_eq!(found.error_correlation[0][2], None);
    }
}
