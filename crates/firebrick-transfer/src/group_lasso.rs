//! Multinomial logistic regression whose penalty removes whole features.
//!
//! ```text
//! minimize  mean NLL + strength Σⱼ ‖wⱼ‖₂,   wⱼ: the weights of feature j for all classes
//! ```
//!
//! Source: Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006; found by Beck and
//! Teboulle's FISTA (2009) with backtracking, and O'Donoghue and Candès' restarts (2015).

use firebrick_types::error::{check, check_positive};
use firebrick_types::newton::Objective;

use crate::design::Design;
use crate::error::TransferError;
use crate::features::Features;
use crate::linear::Linear;
use crate::logistic::softmax_without_penalty;

/// How the regression is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupLasso {
    /// The strength of the penalty, as a share of that which removes every feature; greater than 0 and at most 1.
    pub share: f64,
    /// The fit ends where a step changes no weight by more than this share of the largest.
    pub tolerance: f64,
    /// It ends after so many steps in any case.
    pub steps: usize,
}

impl Default for GroupLasso {
    fn default() -> Self {
        Self {
            share: 0.05,
            tolerance: 1e-5,
            steps: 2000,
        }
    }
}

/// The fitted regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse {
    /// The classifier.
    pub model: Linear,
    /// The length of the weights of each feature; 0 for those that were removed.
    pub scores: Vec<f64>,
    /// The strength of the penalty.
    pub strength: f64,
    /// The mean NLL with the penalty.
    pub objective: f64,
}

impl GroupLasso {
    /// Fits the regression to features as they are; only the intercepts have no penalty.
    ///
    /// # Errors
    /// [`TransferError`] for settings out of range, and a class without images.
    pub fn fit(&self, features: &Features) -> Result<Sparse, TransferError> {
        let shares = (
            std::ops::Bound::Excluded(0.0),
            std::ops::Bound::Included(1.0),
        );
        check("group lasso", "share", self.share, shares)?;
        check_positive("group lasso", "tolerance", self.tolerance)?;
        check("group lasso", "steps", self.steps, 1..)?;
        features.check_classes("a linear classifier")?;
        let rows = (0..features.rows()).map(|row| (row, 1.0)).collect();
        let design = Design::new(features.values(), features.width(), rows, false);
        Ok(softmax_without_penalty(
            &design,
            features,
            |problem, start| {
                let point = problem.at(&start);
                let width = design.width() + 1;
                let most = lengths(&point.gradient, width)
                    .into_iter()
                    .fold(0.0, f64::max);
                let strength = self.share * most;
                let (parameters, objective) = self.minimize(problem, start, strength, width);
                Sparse {
                    model: crate::logistic::unscaled(&design, &parameters),
                    scores: lengths(&parameters, width),
                    strength,
                    objective,
                }
            },
        ))
    }

    fn minimize(
        &self,
        problem: &impl Objective,
        start: Vec<f64>,
        strength: f64,
        width: usize,
    ) -> (Vec<f64>, f64) {
        let penalty = |x: &[f64]| strength * lengths(x, width).iter().sum::<f64>();
        let mut now = start;
        let mut ahead = now.clone();
        let mut momentum: f64 = 1.0;
        let mut step = 1.0;
        for _ in 0..self.steps {
            let point = problem.at(&ahead);
            let next = loop {
                let mut next: Vec<f64> = ahead
                    .iter()
                    .zip(&point.gradient)
                    .map(|(x, g)| x - step * g)
                    .collect();
                shrink(&mut next, width, step * strength);
                let (mut along, mut square) = (0.0, 0.0);
                for ((next, x), g) in next.iter().zip(&ahead).zip(&point.gradient) {
                    along += (next - x) * g;
                    square += (next - x) * (next - x);
                }
                let bound = point.value + along + square / (2.0 * step);
                if problem.at(&next).value <= bound + 1e-13 * point.value.abs() || step < 1e-12 {
                    break next;
                }
                step *= 0.5;
            };
            // Where the momentum points uphill, it begins anew.
            let uphill: f64 = ahead
                .iter()
                .zip(&next)
                .zip(&now)
                .map(|((ahead, next), now)| (ahead - next) * (next - now))
                .sum();
            let before = if uphill > 0.0 { 1.0 } else { momentum };
            momentum = 0.5 * (1.0 + (1.0 + 4.0 * before * before).sqrt());
            let by = (before - 1.0) / momentum;
            let (mut moved, mut largest) = (0.0_f64, 0.0_f64);
            for ((ahead, next), now) in ahead.iter_mut().zip(&next).zip(&now) {
                moved = moved.max((next - now).abs());
                largest = largest.max(next.abs());
                *ahead = next + by * (next - now);
            }
            now = next;
            if moved <= self.tolerance * largest {
                break;
            }
            // What was right for the steps before may be too careful by now.
            step *= 1.1;
        }
        let value = problem.at(&now).value + penalty(&now);
        (now, value)
    }
}

/// The length of the weights of each feature, over all classes; not of the intercepts.
fn lengths(parameters: &[f64], width: usize) -> Vec<f64> {
    let mut squares = vec![0.0; width - 1];
    for row in parameters.chunks_exact(width) {
        for (square, weight) in squares.iter_mut().zip(row) {
            *square += weight * weight;
        }
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// Makes the weights of each feature shorter by so much; those that are not as long become 0.
fn shrink(parameters: &mut [f64], width: usize, by: f64) {
    let factors: Vec<f64> = lengths(parameters, width)
        .into_iter()
        .map(|length| if length > by { 1.0 - by / length } else { 0.0 })
        .collect();
    for row in parameters.chunks_exact_mut(width) {
        for (weight, factor) in row.iter_mut().zip(&factors) {
            *weight *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two features that tell the classes apart, and six that do not.
    fn features() -> Features {
        let mut values = Vec::new();
        let mut labels = Vec::new();
        for row in 0..90_usize {
            let class = row % 3;
            labels.push(class);
            for column in 0..8_usize {
                let noise =
                    ((row * 57 + column * 31 + row * row * (column + 2)) % 41) as f32 / 20.0 - 1.0;
                values.push(match column {
                    2 if class == 1 => 1.5 + noise,
                    5 if class == 2 => 1.5 + noise,
                    _ => noise,
                });
            }
        }
        let classes = ["a", "b", "c"].map(ToString::to_string).to_vec();
        Features::new(values, 8, labels, classes).unwrap()
    }

    #[test]
    fn features_without_information_are_removed() {
        let lasso = |share| GroupLasso {
            share,
            tolerance: 1e-9,
            steps: 20_000,
        };
        let sparse = lasso(0.3).fit(&features()).unwrap();
        let kept: Vec<usize> = (0..8).filter(|at| sparse.scores[*at] > 0.0).collect();
        assert_eq!(kept, [2, 5]);
        let all = lasso(1.0).fit(&features()).unwrap();
        assert!(all.scores.iter().all(|score| *score < 1e-6));
        assert!(
            lasso(0.01)
                .fit(&features())
                .unwrap()
                .scores
                .iter()
                .all(|score| *score > 0.0)
        );
        assert!(lasso(0.0).fit(&features()).is_err());
    }

    #[test]
    fn the_optimum_has_no_direction_down() {
        let lasso = GroupLasso {
            share: 0.2,
            tolerance: 1e-11,
            steps: 50_000,
        };
        let features = features();
        let sparse = lasso.fit(&features).unwrap();
        // The gradient of the NLL by each feature's weights, by plain loops.
        let model = &sparse.model;
        let mut gradient = vec![0.0; 3 * 8];
        for (row, label) in features.values().chunks_exact(8).zip(features.labels()) {
            let p = firebrick_types::metrics::softmax(&model.of(row));
            for class in 0..3 {
                let error = (p[class] - f64::from(u8::from(class == *label))) / 90.0;
                for (to, x) in gradient[class * 8..].iter_mut().zip(row) {
                    *to += error * f64::from(*x);
                }
            }
        }
        for column in 0..8 {
            let of = |list: &[f64]| [0, 1, 2].map(|class| list[class * 8 + column]);
            let (g, w) = (of(&gradient), of(&model.weight));
            let length = |v: [f64; 3]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            if length(w) == 0.0 {
                assert!(length(g) <= sparse.strength * (1.0 + 1e-6), "{column}");
            } else {
                for (g, w_part) in g.iter().zip(w) {
                    let rest = g + sparse.strength * w_part / length(w);
                    assert!(rest.abs() < 1e-6, "{column}: {rest:e}");
                }
            }
        }
    }
}
