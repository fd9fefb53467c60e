//! `newton`: Newton's method with Newton's method with the full Hessian, for small problems.
//!
//! ```text
//! Hᵢ ← (g(θ + hᵢ·eᵢ) - g(θ - hᵢ·eᵢ)) / 2hᵢ    hᵢ = ∛ε · max(1, |θᵢ|), ε that of the dtype
//! H ← (H + Hᵀ) / 2
//! θ ← θ - lr · (H + damping · I)⁻¹ · g
//! ```
//!
//! Sources: Nocedal & Wright, "Numerical Optimization", 2006, section 3.3 and, for differences of
//! gradients, section 8.1; the damping is Levenberg's (1944), held constant. Written from the
//! formula; PyTorch and burn have none.
//!
//! It needs no learning rate: from anywhere on a quadratic one step at `lr = 1` lands on the
//! stationary point, whatever the condition. That point is also where it goes when it is a saddle or
//! a maximum: plain Newton does not descend, it solves g = 0. With `damping` above the most negative
//! curvature every direction goes down. Damping also makes the system solvable where a direction has
//! no curvature at all (a dead rectifier, logits that can be shifted), which is an error without.
//!
//! The differences are exact on quadratics up to rounding and otherwise 4e-11 of the Hessian's size
//! in f64, 2e-5 in f32, in functions that are smooth over hᵢ (a rectifier's kink within reach is
//! not). Each step costs 2n gradients, n² numbers in f64 on the host, and n³/3 multiplications, so
//! more than `max_parameters` are refused; `lbfgs` and `hessian_free` are for those. All parameters
//! take one step together: their groups need one learning-rate factor, or 0 to be left alone.

use burn::tensor::{DType, Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Optimize, Range};
use crate::linear_system::solve;
use crate::whole_model::{
    JointVector, Kept, Names, WholeModel, WholeModelRule, difference_width, failed,
};

const NAME: &str = "newton";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Newton {
    /// Share of the step that is taken; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Added to the Hessian's diagonal.
    pub damping: f64,
    /// The most parameters that it takes, all together.
    pub max_parameters: u64,
}

impl Default for Newton {
    fn default() -> Self {
        Self {
            lr: 1.0,
            damping: 0.0,
            max_parameters: 2000,
        }
    }
}

impl Configure for Newton {
    const ABOUT: About = About {
        name: NAME,
        aliases: &[],
        summary: "Newton's method with the full Hessian, for small problems",
        source: "Nocedal & Wright 2006, Numerical Optimization, sections 3.3 and 8.1",
        fields: &[
            Field::LR.lecture("no learning rate"),
            Field::new("damping", Range::NotNegative),
            Field::new("max_parameters", Range::Count(1)),
        ],
        cost: "2n gradients, n² numbers, n³/3 multiplications",
    };
}

impl Optimize for Newton {
    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(WholeModel::new(self.clone())))
    }

    fn memory(&self, _shape: &[usize]) -> usize {
        0
    }
}

/// A number as the dtype holds it, where that is f64 or f32.
fn rounded(number: f64, dtype: DType) -> f64 {
    if dtype == DType::F64 {
        number
    } else {
        f64::from(number as f32)
    }
}

fn numbers(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

impl Newton {
    fn refuse_too_many(&self, n: usize) -> Result<(), UpdateError> {
        let most = self.max_parameters;
        if n as u64 <= most {
            return Ok(());
        }
        let bytes = n as f64 * n as f64 * 8.0;
        let (size, unit) = if bytes >= 1e12 {
            (bytes / 1e12, "TB")
        } else if bytes >= 1e9 {
            (bytes / 1e9, "GB")
        } else {
            (bytes / 1e6, "MB")
        };
        Err(failed(
            NAME,
            format!(
                "the Hessian of {n} parameters takes {bytes:.0} bytes ({size:.1} {unit}) and {} \
                 gradients per step, but max_parameters is {most}; raise it, freeze parameters, or use lbfgs or hessian_free",
                2 * n
            ),
        ))
    }

    /// The symmetric Hessian at `values`, row by row.
    fn hessian(
        joint: &JointVector,
        parameters: &Parameters,
        values: &Tensor<1>,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Vec<f64>, UpdateError> {
        let (dtype, device) = (values.dtype(), values.device());
        let mut at = numbers(values);
        let n = at.len();
        let mut hessian = vec![0.0; n * n];
        for (index, row) in hessian.chunks_exact_mut(n).enumerate() {
            let center = at[index];
            let h = difference_width(dtype) * center.abs().max(1.0);
            let mut gradient = |place: f64| {
                at[index] = place;
                let data = TensorData::new(at.clone(), [n]);
                let there = Tensor::from_data(data, (&device, dtype));
                let (_, gradient) = joint.evaluate(parameters, &there, reevaluate)?;
                Ok(numbers(&gradient))
            };
            let places = [center + h, center - h].map(|place| rounded(place, dtype));
            let (ahead, behind) = (gradient(places[0])?, gradient(places[1])?);
            at[index] = center;
            for (entry, (ahead, behind)) in row.iter_mut().zip(ahead.into_iter().zip(behind)) {
                *entry = (ahead - behind) / (places[0] - places[1]);
            }
        }
        for i in 0..n {
            for j in 0..i {
                let mean = 0.5 * (hessian[i * n + j] + hessian[j * n + i]);
                (hessian[i * n + j], hessian[j * n + i]) = (mean, mean);
            }
        }
        Ok(hessian)
    }
}

impl WholeModelRule for Newton {
    const NAME: &'static str = NAME;
    const RECOUNTS_STATISTICS: bool = true;

    fn names(&self) -> Names<'_> {
        Names::NONE
    }

    fn step(
        &mut self,
        kept: &mut Kept,
        joint: &JointVector,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let lr = joint.rate(step)?;
        let n = joint.len();
        self.refuse_too_many(n)?;
        if lr == 0.0 || n == 0 {
            return Ok(parameters);
        }
        let values = joint.values(&parameters);
        let gradient = numbers(&joint.gradient(&parameters, gradients));
        // At a stationary point there is nowhere to go, whatever the curvature.
        let stepped = if gradient.iter().all(|entry| *entry == 0.0) {
            parameters
        } else {
            let mut hessian = Self::hessian(joint, &parameters, &values, reevaluate)?;
            for index in 0..n {
                hessian[index * (n + 1)] += self.damping;
            }
            let finite = gradient
                .iter()
                .chain(&hessian)
                .all(|entry| entry.is_finite());
            if !finite {
                let reason = "the gradient or the Hessian is not finite; start from other weights, or lower lr";
                return Err(failed(NAME, reason.into()));
            }
            let Some(way) = solve(hessian, gradient) else {
                return Err(failed(
                    NAME,
                    format!(
                        "the Hessian of the {n} parameters with damping = {} is singular; use a damping above 0, such as 1e-3, or another value",
                        self.damping
                    ),
                ));
            };
            let way = TensorData::new(way, [n]);
            let way = Tensor::<1>::from_data(way, (&values.device(), values.dtype()));
            joint.with(&parameters, &(values - way * lr))
        };
        kept.count(joint);
        Ok(stepped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_model::tests::{Slope, Walk};

    fn newton(damping: f64) -> Walk {
        let newton = Newton {
            damping,
            ..Newton::default()
        };
        Walk::new(newton.build().unwrap())
    }

    /// x² - y².
    fn saddle(z: &[f64]) -> Slope {
        (z[0] * z[0] - z[1] * z[1], vec![2.0 * z[0], -2.0 * z[1]])
    }

    /// Two ill-conditioned coupled bowls: (x - 3)²/2 + 5000 (y + 1)² + (x - 3)(y + 1).
    fn bowl(z: &[f64]) -> Slope {
        let (a, b) = (z[0] - 3.0, z[1] + 1.0);
        (
            a * a / 2.0 + 5000.0 * b * b + a * b,
            vec![a + b, 10_000.0 * b + a],
        )
    }

    #[test]
    fn one_jump_lands_on_the_minimum_of_a_quadratic() {
        for start in [[0.0, 0.0], [-40.0, 7.0]] {
            let found = newton(0.0).walk(&start, 1, 1.0, bowl).unwrap();
            assert!(
                (found[0] - 3.0).abs() < 1e-6 && (found[1] + 1.0).abs() < 1e-9,
                "{found:?}"
            );
        }
        let half = newton(0.0).walk(&[1.0, -1.0], 1, 0.5, bowl).unwrap();
        assert!(
            (half[0] - 2.0).abs() < 1e-6,
            "lr is the share of the way: {half:?}"
        );
    }

    #[test]
    fn on_a_saddle_the_plain_step_lands_and_the_damped_one_descends() {
        let plain = newton(0.0).walk(&[1.0, 0.5], 1, 1.0, saddle).unwrap();
        assert!(plain.iter().all(|z| z.abs() < 1e-9), "{plain:?}");
        // H + 3 is 5 and 1: x - 2x/5, y + 2y/1.
        let damped = newton(3.0).walk(&[1.0, 0.5], 1, 1.0, saddle).unwrap();
        assert!(
            (damped[0] - 0.6).abs() < 1e-9 && (damped[1] - 1.5).abs() < 1e-9,
            "{damped:?}"
        );
        assert!(saddle(&damped).0 < saddle(&[1.0, 0.5]).0);
    }

    #[test]
    fn a_direction_without_curvature_needs_damping() {
        let flat = |z: &[f64]| (z[0] * z[0] + z[1], vec![2.0 * z[0], 1.0]);
        let error = newton(0.0).walk(&[1.0, 0.0], 1, 1.0, flat).unwrap_err();
        assert!(
            error.contains("newton") && error.contains("damping"),
            "{error}"
        );
        let found = newton(1.0).walk(&[1.0, 0.0], 1, 1.0, flat).unwrap();
        assert!((found[0] - 1.0 / 3.0).abs() < 1e-9 && (found[1] + 1.0).abs() < 1e-9);
    }

    #[test]
    fn too_many_parameters_are_refused_with_the_memory_they_would_take() {
        let never = |_: &[f64]| -> Slope { panic!("refused before any evaluation") };
        let mut walk = newton(0.0);
        let start = vec![1.0; 1_000_000];
        let error = walk.first_step(&start, &start, never).unwrap_err();
        for needle in [
            "1000000 parameters",
            "8000000000000 bytes",
            "max_parameters is 2000",
            "lbfgs",
        ] {
            assert!(error.contains(needle), "{error}");
        }
    }
}
