//! Multinomial logistic regression: the linear classifier on frozen features, at its optimum.
//!
//! ```text
//! minimize  Σ cᵢ NLLᵢ / Σ cᵢ + l2/2 ‖W‖²,   NLLᵢ = -ln softmax(W xᵢ + b)[yᵢ]
//! ```
//!
//! The weights cᵢ of rows are those of their classes; the intercepts b have no penalty. It is the problem of scikit-learn's
//! `LogisticRegression` with `C = 1 / (l2 · Σ cᵢ)`; for two classes with twice that, because scikit-learn then penalizes the
//! difference of the two rows of W, and here as in PyTorch both rows count.
//!
//! Newton's method with conjugate gradients finds the optimum (`types::newton`), preconditioned by the largest directions of the
//! features' covariance. Features are f32; all products and sums are f64.

mod objective;
mod path;

use firebrick_types::ConfigError;
use firebrick_types::error::{check_not_negative, check_positive};
use firebrick_types::newton::{Goal, NoMinimum, Objective, minimize};
use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::eigen::{Spectrum, largest_of_covariance};
use crate::error::TransferError;
use crate::features::Features;
use crate::linear::Linear;
use objective::Softmax;

pub use path::{CrossValidated, Path, StrengthScore, cross_validate};

/// The [`l2`](Logistic::l2) that makes the problem of scikit-learn's `C`, for so many rows of equal weight.
#[must_use]
pub fn l2_of_c(c: f64, rows: usize, classes: usize) -> f64 {
    let l2 = 1.0 / (c * rows as f64);
    if classes == 2 { 2.0 * l2 } else { l2 }
}

/// How much the images of each class count.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Each image counts once.
    #[default]
    Equal,
    /// Each class counts once: images of a class count rows / (classes · rows of the class), as scikit-learn's `balanced`.
    Balanced,
    /// These, one for each class.
    Given(Vec<f64>),
}

impl ClassWeights {
    /// The weight of each class.
    ///
    /// # Errors
    /// [`ConfigError`] for weights that are not one positive number for each class.
    pub fn of(&self, counts: &[usize]) -> Result<Vec<f64>, ConfigError> {
        match self {
            Self::Equal => Ok(vec![1.0; counts.len()]),
            Self::Balanced => {
                let rows: usize = counts.iter().sum();
                let even = rows as f64 / counts.len() as f64;
                Ok(counts
                    .iter()
                    .map(|count| even / (*count).max(1) as f64)
                    .collect())
            }
            Self::Given(weights) if weights.len() == counts.len() => {
                for weight in weights {
                    check_positive("logistic regression", "class_weights", *weight)?;
                }
                Ok(weights.clone())
            }
            Self::Given(weights) => Err(ConfigError::Conflict(format!(
                "there are {} class weights for {} classes: give one for each class",
                weights.len(),
                counts.len()
            ))),
        }
    }
}

/// How a logistic regression is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logistic {
    /// The strength of the penalty on the weights, at least 0. Without a penalty there is no optimum if the classes can be
    /// separated, as they can with fewer images than features.
    pub l2: f64,
    /// Whether each feature is centred and scaled to a variance of 1 first. The weights that come out are for features as
    /// they are.
    pub standardize: bool,
    /// How much the images of each class count.
    pub class_weights: ClassWeights,
}

impl Default for Logistic {
    fn default() -> Self {
        Self {
            l2: 1e-2,
            standardize: false,
            class_weights: ClassWeights::Equal,
        }
    }
}

/// The fitted classifier, and the value of what was minimized.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The classifier, for features as they are.
    pub model: Linear,
    /// The mean NLL with the penalty.
    pub objective: f64,
}

impl Logistic {
    /// Fits the classifier.
    ///
    /// # Errors
    /// [`TransferError`] for settings out of range, a class without images, and where there is no optimum.
    pub fn fit(&self, features: &Features) -> Result<Fitted, TransferError> {
        check_not_negative("logistic regression", "l2", self.l2)?;
        features.check_classes("a linear classifier")?;
        let weights = self.class_weights.of(&features.class_counts())?;
        let rows = weighted(features, &weights, |_| true);
        let design = Design::new(features.values(), features.width(), rows, self.standardize);
        let spectrum = spectrum(&design);
        let problem = Softmax::new(&design, features, self.l2, &spectrum);
        let start = problem.start();
        let flat = 1e-9 * problem.steepest(&start);
        let parameters = minimize(&problem, start, goal(flat))
            .map_err(|problem| no_optimum(problem, self.l2))?;
        Ok(Fitted {
            objective: problem.at(&parameters).value,
            model: unscaled(&design, &parameters),
        })
    }
}

/// The rows that count, with the weight of each.
fn weighted(
    features: &Features,
    class_weights: &[f64],
    counts: impl Fn(usize) -> bool,
) -> Vec<(usize, f64)> {
    let rows = features.labels().iter().enumerate();
    rows.filter(|(row, _)| counts(*row))
        .map(|(row, label)| (row, class_weights[*label]))
        .collect()
}

/// The directions that precondition: as many as help, found roughly.
fn spectrum(design: &Design<'_>) -> Spectrum {
    const DIRECTIONS: usize = 40;
    largest_of_covariance(design, DIRECTIONS, 0, 0.05, 4)
}

fn goal(flat: f64) -> Goal {
    Goal {
        // Where all gradients vanish at the start, that is the optimum.
        flat: flat.max(1e-13),
        steps: 100,
    }
}

fn no_optimum(problem: NoMinimum, l2: f64) -> TransferError {
    TransferError::fit(
        "the logistic regression",
        match problem {
            NoMinimum::Endless if l2 < 1e-6 => format!(
                "its weights grow without end, because the classes can be separated: give a larger l2 than {l2}"
            ),
            NoMinimum::Endless | NoMinimum::NoStep => {
                format!("{problem}; give a larger l2 than {l2}")
            }
        },
    )
}

/// What [`group_lasso`](crate::group_lasso) adds its own penalty to: the objective without one, and where it begins.
pub(crate) fn softmax_without_penalty<T>(
    design: &Design<'_>,
    features: &Features,
    with: impl FnOnce(&Softmax<'_>, Vec<f64>) -> T,
) -> T {
    let none = Spectrum::default();
    let problem = Softmax::new(design, features, 0.0, &none);
    let start = problem.start();
    with(&problem, start)
}

/// The parameters for features as they are.
pub(crate) fn unscaled(design: &Design<'_>, parameters: &[f64]) -> Linear {
    let width = design.width();
    let mut model = Linear {
        width,
        weight: Vec::with_capacity(parameters.len()),
        bias: Vec::new(),
    };
    for row in parameters.chunks_exact(width + 1) {
        let mut bias = row[width];
        for ((weight, scale), mean) in row.iter().zip(&design.scale).zip(&design.mean) {
            let weight = weight * scale;
            bias -= weight * mean;
            model.weight.push(weight);
        }
        model.bias.push(bias);
    }
    model
}

#[cfg(test)]
mod tests;
