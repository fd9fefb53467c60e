//! The strength of the penalty by cross-validation, along a path of strengths.

use firebrick_types::ConfigError;
use firebrick_types::error::check_positive;
use firebrick_types::metrics::highest;
use firebrick_types::newton::minimize;
use serde::{Deserialize, Serialize};

use super::objective::Softmax;
use super::{ClassWeights, Fitted, Logistic, goal, no_optimum, spectrum, unscaled, weighted};
use crate::design::Design;
use crate::error::TransferError;
use crate::features::Features;
use crate::folds::stratified;

/// How the strength of the penalty is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Path {
    /// The strengths that are tried, as multiples of the sum of the variances of all features; so they fit features of any
    /// size and number.
    pub strengths: Vec<f64>,
    /// The number of folds, at least 2. None: 5, and 3 from 5000 rows on.
    pub folds: Option<usize>,
    /// What the images are dealt to the folds by.
    pub seed: u64,
    /// Whether each feature is centred and scaled to a variance of 1 first.
    pub standardize: bool,
    /// How much the images of each class count.
    pub class_weights: ClassWeights,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            // 10⁻¹ to 10⁻⁷, two for each power of ten.
            strengths: (2..=14)
                .map(|half| 10.0_f64.powf(-0.5 * f64::from(half)))
                .collect(),
            folds: None,
            seed: 0,
            standardize: false,
            class_weights: ClassWeights::Equal,
        }
    }
}

/// How well a strength does on images that are held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StrengthScore {
    /// The strength, as [`Logistic::l2`] takes it.
    pub l2: f64,
    /// The mean NLL of the rows that were held out; classes count as in the fit.
    pub nll: f64,
    /// The share of these rows that were classified correctly.
    pub top1: f64,
}

/// The result of a cross-validation.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossValidated {
    /// The strengths that were tried, the largest first. Smaller ones than stand here were not tried, since the NLL rose
    /// before them.
    pub path: Vec<StrengthScore>,
    /// Which of them has the least NLL.
    pub best: usize,
    /// The classifier with that strength, fitted to all rows.
    pub fitted: Fitted,
}

impl CrossValidated {
    /// How well the best strength does on images that are held out.
    #[must_use]
    pub fn score(&self) -> StrengthScore {
        self.path[self.best]
    }
}

/// Strengths in a row with a larger NLL than the least, after which smaller ones are not tried.
const PATIENCE: usize = 3;

/// Finds the strength with the least NLL on images that are held out, and fits the classifier with it to all of them.
///
/// # Errors
/// [`TransferError`] for settings out of range, a class without images, no class with two images, and where there is no
/// optimum.
pub fn cross_validate(features: &Features, path: &Path) -> Result<CrossValidated, TransferError> {
    if path.strengths.is_empty() {
        return Err(ConfigError::Conflict(
            "there are no strengths to try: give at least one".into(),
        )
        .into());
    }
    for strength in &path.strengths {
        check_positive("cross-validation", "strengths", *strength)?;
    }
    features.check_classes("a linear classifier")?;
    let class_weights = path.class_weights.of(&features.class_counts())?;
    let many = features.rows() >= 5000;
    let folds = path.folds.unwrap_or(if many { 3 } else { 5 });
    let fold_of = stratified(features, folds, path.seed)?;
    let design = |counts: &dyn Fn(usize) -> bool| {
        let rows = weighted(features, &class_weights, counts);
        Design::new(features.values(), features.width(), rows, path.standardize)
    };
    let whole = design(&|_| true);
    let spectrum = spectrum(&whole);
    // Features that are all constant have no variance: any strength gives the same.
    let scale = if spectrum.total > 0.0 {
        spectrum.total
    } else {
        1.0
    };
    let mut strengths: Vec<f64> = path.strengths.iter().map(|s| s * scale).collect();
    strengths.sort_by(|a, b| b.total_cmp(a));
    let designs: Vec<Design<'_>> = (0..folds)
        .map(|fold| design(&|row| fold_of[row] != Some(fold)))
        .collect();
    let mut parameters: Vec<Option<Vec<f64>>> = vec![None; folds];
    let mut scores: Vec<StrengthScore> = Vec::new();
    let (mut best, mut worse) = (0, 0);
    for l2 in strengths {
        let (mut nll, mut total, mut right, mut held_out) = (0.0, 0.0, 0, 0);
        for (fold, (design, parameters)) in designs.iter().zip(&mut parameters).enumerate() {
            if !fold_of.contains(&Some(fold)) {
                continue;
            }
            let problem = Softmax::new(design, features, l2, &spectrum);
            let start = problem.start();
            // Held-out images do not tell strengths apart that finely.
            let flat = 1e-4 * problem.steepest(&start);
            let start = parameters.take().unwrap_or(start);
            let found =
                minimize(&problem, start, goal(flat)).map_err(|problem| no_optimum(problem, l2))?;
            let model = unscaled(design, &found);
            for row in (0..features.rows()).filter(|row| fold_of[*row] == Some(fold)) {
                let logits = model.of(features.row(row));
                let label = features.labels()[row];
                let weight = class_weights[label];
                nll += weight * (firebrick_types::metrics::log_sum_exp(&logits) - logits[label]);
                total += weight;
                right += usize::from(highest(&logits) == label);
                held_out += 1;
            }
            *parameters = Some(found);
        }
        scores.push(StrengthScore {
            l2,
            nll: nll / total,
            top1: f64::from(right as u32) / f64::from(held_out as u32),
        });
        let last = scores.len() - 1;
        if scores[last].nll < scores[best].nll {
            (best, worse) = (last, 0);
        } else if last > 0 {
            worse += 1;
        }
        if worse >= PATIENCE {
            break;
        }
    }
    let logistic = Logistic {
        l2: scores[best].l2,
        standardize: path.standardize,
        class_weights: path.class_weights.clone(),
    };
    Ok(CrossValidated {
        fitted: logistic.fit(features)?,
        path: scores,
        best,
    })
}
