//! `hessian_free`: Newton's method by conjugate gradients, for problems whose Hessian is too large to store.
//!
//! ```text
//! p ← CG for (H + λ·I) · p = -g, from 0, until ‖residual‖ ≤ cg_tolerance · ‖g‖, after
//!     cg_iterations, or, with negative curvature ahead, at the last good p
//! H · v ← (g(θ + h·v) - g(θ - h·v)) / 2h          h = ∛ε · (1 + ‖θ‖) / ‖v‖, ε that of the dtype
//! t ← lr, halved up to ten times until f(θ + t·p) ≤ f(θ) + 1e-4 · t · g·p;   0 if it never is
//! ρ ← (f(θ + p) - f(θ)) / (g·p + p·H·p/2), with the first t in place of 1
//! λ ← λ · 3/2 if ρ < 1/4,   λ · 2/3 if ρ > 3/4     λ begins at damping
//! θ ← θ + t · p
//! ```
//!
//! Source: Martens, "Deep learning via Hessian-free optimization", ICML 2010, sections 3 and 4, with
//! the line search and the Levenberg-Marquardt rule of section 4.1; truncated CG as in Nocedal &
//! Wright, "Numerical Optimization", 2006, algorithm 7.1. Written from the paper.
//!
//! Differs from the paper: the curvature is the Hessian's, by differences of gradients, and not that
//! of the Gauss-Newton matrix, which needs products with the network's Jacobian; so it can be
//! negative. Where the very first direction of CG curves down, the step is -g over the size of that
//! curvature. No preconditioning, CG begins at 0, and its criterion is the residual.
//!
//! It is for the full batch, or one large enough that the loss on it can be trusted. Functions have
//! to be smooth over h. A step costs `2 · cg_iterations` gradients and up to twelve losses, and five
//! vectors while it lasts; only λ stays. All parameters take one step together: their groups need
//! one learning-rate factor, or 0 to be left alone.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Optimize, Range};
use crate::whole_model::{JointVector, Kept, Names, WholeModel, WholeModelRule, dot, failed};

const NAME: &str = "hessian_free";
const DAMPING: &str = "damping";

/// How often the search halves the step.
const HALVINGS: usize = 10;
/// Share of the slope by which the loss has to fall.
const SUFFICIENT: f64 = 1e-4;
/// λ stays where it can still grow and the system is still the Hessian's.
const DAMPINGS: (f64, f64) = (1e-12, 1e12);

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HessianFree {
    /// Share of the step that is tried first; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// The first λ.
    pub damping: f64,
    /// The most iterations of CG in a step, each of two gradients.
    pub cg_iterations: u64,
    /// The residual at which CG stops, as a share of the gradient.
    pub cg_tolerance: f64,
    /// Adapts λ to how well the quadratic predicts the loss.
    pub adapt: bool,
}

impl Default for HessianFree {
    fn default() -> Self {
        Self {
            lr: 1.0,
            damping: 1.0,
            cg_iterations: 50,
            cg_tolerance: 1e-3,
            adapt: true,
        }
    }
}

impl Configure for HessianFree {
    const ABOUT: About = About {
        name: NAME,
        aliases: &["newton_cg"],
        summary: "Newton's method with conjugate gradients and adaptive damping, for full batches",
        source: "Martens 2010, ICML, section 4; Nocedal & Wright 2006, algorithm 7.1",
        fields: &[
            Field::LR,
            Field::new("damping", Range::Positive),
            Field::new("cg_iterations", Range::Count(1)),
            Field::new("cg_tolerance", Range::Share),
            Field::new("adapt", Range::Flag),
        ],
        cost: "up to 2 · cg_iterations gradients and 12 losses",
    };
}

impl Optimize for HessianFree {
    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(WholeModel::new(self.clone())))
    }

    fn memory(&self, _shape: &[usize]) -> usize {
        0
    }
}

/// A step and what the quadratic says of it.
struct Way {
    p: Tensor<1>,
    /// g · p, below 0.
    slope: f64,
    /// p · H · p, without damping.
    curvature: f64,
}

/// Truncated conjugate gradients for (H + λ·I) · p = -g.
fn conjugate_gradients(
    rule: &HessianFree,
    lambda: f64,
    g: &Tensor<1>,
    product: &mut dyn FnMut(&Tensor<1>) -> Result<Tensor<1>, UpdateError>,
) -> Result<Way, UpdateError> {
    let mut p = g.zeros_like();
    let mut residual = g.clone().neg();
    let mut direction = residual.clone();
    let first = dot(&residual, &residual);
    let mut size = first;
    for iteration in 0..rule.cg_iterations {
        let curved = product(&direction)? + direction.clone() * lambda;
        let curvature = dot(&direction, &curved);
        if !curvature.is_finite() {
            return Err(failed(
                NAME,
                format!("the curvature along a direction is {curvature}; take a smaller lr"),
            ));
        }
        if curvature <= 0.0 {
            if iteration == 0 {
                // Along -g: as far as a bowl of the same size of curvature would go.
                let undamped = curvature - lambda * size;
                let share = size / (undamped.abs() + lambda * size);
                return Ok(Way {
                    p: direction * share,
                    slope: -share * size,
                    curvature: share * share * undamped,
                });
            }
            break;
        }
        let share = size / curvature;
        p = p + direction.clone() * share;
        residual = residual - curved * share;
        let next = dot(&residual, &residual);
        if next.sqrt() <= rule.cg_tolerance * first.sqrt() {
            break;
        }
        direction = residual.clone() + direction * (next / size);
        size = next;
    }
    // (H + λ) p = -g - r, so no other product is needed.
    let slope = dot(g, &p);
    let curvature = -slope - dot(&p, &residual) - lambda * dot(&p, &p);
    Ok(Way {
        p,
        slope,
        curvature,
    })
}

impl WholeModelRule for HessianFree {
    const NAME: &'static str = NAME;
    const RECOUNTS_STATISTICS: bool = true;

    fn names(&self) -> Names<'_> {
        Names {
            numbers: &[DAMPING],
            ..Names::NONE
        }
    }

    fn step(
        &mut self,
        kept: &mut Kept,
        joint: &JointVector,
        step: &Step<'_>,
        parameters: Parameters,
        _gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let lr = joint.rate(step)?;
        if lr == 0.0 || joint.len() == 0 {
            return Ok(parameters);
        }
        let lambda = kept.numbers.get(DAMPING).copied();
        let mut lambda = lambda.unwrap_or(self.damping);
        let values = joint.values(&parameters);
        let (loss, g) = joint.evaluate(&parameters, &values, reevaluate)?;
        // At a stationary point there is nowhere to go.
        let mut stepped = parameters.clone();
        if dot(&g, &g) > 0.0 {
            let mut product =
                |v: &Tensor<1>| joint.hessian_product(&parameters, &values, v, reevaluate);
            let way = conjugate_gradients(self, lambda, &g, &mut product)?;
            let mut t = lr;
            for halving in 0..=HALVINGS {
                let there = values.clone() + way.p.clone() * t;
                let (found, _) = joint.evaluate(&parameters, &there, reevaluate)?;
                if halving == 0 && self.adapt {
                    let predicted = t * way.slope + 0.5 * t * t * way.curvature;
                    let ratio = (found - loss) / predicted;
                    // NaN, and a quadratic that rises, are no good prediction.
                    if !(ratio >= 0.25 && predicted < 0.0) {
                        lambda *= 1.5;
                    } else if ratio > 0.75 {
                        lambda /= 1.5;
                    }
                    lambda = lambda.clamp(DAMPINGS.0, DAMPINGS.1);
                }
                if found <= loss + SUFFICIENT * t * way.slope {
                    stepped = joint.with(&parameters, &there);
                    break;
                }
                t *= 0.5;
            }
        }
        kept.numbers.insert(DAMPING.into(), lambda);
        kept.count(joint);
        Ok(stepped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_model::tests::{Slope, Walk};

    fn walk(rule: &HessianFree) -> Walk {
        Walk::new(rule.build().unwrap())
    }

    /// 200 dimensions, curvatures from 1e-2 to 1e2 and neighbours coupled; the minimum is 0.
    fn quadratic(z: &[f64]) -> Slope {
        let scale = |at: usize| 10.0_f64.powf(4.0 * at as f64 / 199.0 - 2.0);
        let (mut value, mut slope) = (0.0, vec![0.0; z.len()]);
        for at in 0..z.len() {
            value += scale(at) * z[at] * z[at] / 2.0;
            slope[at] += scale(at) * z[at];
            if at > 0 {
                let share = 0.5 * scale(at - 1);
                let gap = z[at] - z[at - 1];
                value += share * gap * gap / 2.0;
                slope[at] += share * gap;
                slope[at - 1] -= share * gap;
            }
        }
        (value, slope)
    }

    #[test]
    fn an_ill_conditioned_quadratic_takes_few_steps() {
        let rule = HessianFree {
            damping: 1e-3,
            cg_iterations: 250,
            cg_tolerance: 1e-6,
            ..HessianFree::default()
        };
        let start: Vec<_> = (0..200).map(|at| 1.0 + (at as f64).sin()).collect();
        let found = walk(&rule).walk(&start, 4, 1.0, quadratic).unwrap();
        let (before, after) = (quadratic(&start).0, quadratic(&found).0);
        assert!(after < 1e-8 * before, "{before} to {after}");
        let one = HessianFree {
            cg_iterations: 1,
            ..rule
        };
        let found = walk(&one).walk(&start, 4, 1.0, quadratic).unwrap();
        assert!(
            quadratic(&found).0 > 1e-2 * before,
            "one iteration is gradient descent"
        );
    }

    #[test]
    fn it_descends_along_negative_curvature() {
        // -y² + y⁴ from near its top, where H is -2: no minimum of the quadratic there.
        let hill = |z: &[f64]| {
            let y = z[0];
            (y.powi(4) - y * y, vec![4.0 * y.powi(3) - 2.0 * y])
        };
        let found = walk(&HessianFree::default())
            .walk(&[0.01], 25, 1.0, hill)
            .unwrap();
        assert!((found[0] - 0.5_f64.sqrt()).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn it_descends_on_rosenbrock_and_adapts_its_damping() {
        let rosenbrock = |z: &[f64]| {
            let gap = z[1] - z[0] * z[0];
            let slope = vec![-400.0 * z[0] * gap - 2.0 * (1.0 - z[0]), 200.0 * gap];
            (100.0 * gap * gap + (1.0 - z[0]).powi(2), slope)
        };
        let mut free = walk(&HessianFree::default());
        let mut at = vec![-1.2, 1.0];
        let mut last = f64::INFINITY;
        for _ in 0..60 {
            at = free.walk(&at, 1, 1.0, rosenbrock).unwrap();
            let (loss, _) = rosenbrock(&at);
            assert!(loss <= last, "{loss} after {last}");
            last = loss;
        }
        assert!(last < 1e-8, "{last}");
        assert!(free.update.state().numbers[DAMPING] < 0.1);
        let fixed = HessianFree {
            adapt: false,
            ..HessianFree::default()
        };
        let mut fixed = walk(&fixed);
        fixed.walk(&[-1.2, 1.0], 5, 1.0, rosenbrock).unwrap();
        assert_eq!(fixed.update.state().numbers[DAMPING], 1.0);
    }
}
