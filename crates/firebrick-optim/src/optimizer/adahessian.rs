//! `adahessian`: Adam with a random estimate of the Hessian's diagonal in place of the gradient.
//!
//! ```text
//! D ← mean over n_samples of z ∘ (H · z), z of random signs          every update_each steps
//! D ← mean of |D| over each kernel                                   if avg_conv_kernel
//! θ ← θ - lr · weight_decay · θ
//! m ← beta1 · m + (1 - beta1) · gradient
//! v ← beta2 · v + (1 - beta2) · D²
//! θ ← θ - lr / (1 - beta1ᵗ) · m / ((v / (1 - beta2ᵗ))^(hessian_power / 2) + eps)
//! ```
//!
//! Source: Yao et al., "ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning", AAAI
//! 2021, arXiv:2006.00719, algorithm 1. Reference: timm's `timm.optim.Adahessian`.
//!
//! H · z is `(g(θ + h·z) - g(θ - h·z)) / 2h` with `h = ∛ε · (1 + ‖θ‖) / ‖z‖`, ε that of the dtype,
//! by two gradients of the same batch for each sample; the reference differentiates twice. They agree
//! to about 4e-11 of the Hessian's size in f64 and 2e-5 in f32 where the function is smooth over h;
//! a rectifier that flips within h counts in the one and not in the other. The signs are a function
//! of `seed`, the step and the parameter's place, so a resumed run draws what the uninterrupted one
//! would have drawn. With a diagonal Hessian they do not matter: z ∘ (H · z) is the diagonal.
//!
//! Differs from the reference besides: `eps = 0` is refused. Burn has none.

use burn::tensor::{Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::random;
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Optimize, Range};
use crate::weight_decay::WeightDecay;
use crate::whole_model::{JointVector, Kept, Names, WholeModel, WholeModelRule, failed, join};

const NAME: &str = "adahessian";
const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_hessian_diag_sq";
const DIAGONAL: &str = "hess";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaHessian {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square of the Hessian's diagonal that is kept at each step.
    pub beta2: f64,
    /// Added to the divisor.
    pub eps: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Power of the diagonal that divides: 1 is Newton's, 0 none.
    pub hessian_power: f64,
    /// Steps between estimates of the diagonal.
    pub update_each: u64,
    /// Random vectors for each estimate, two gradients each.
    pub n_samples: u64,
    /// Averages the diagonal over each kernel of a convolution.
    pub avg_conv_kernel: bool,
    /// Seed of the random vectors.
    pub seed: u64,
}

impl Default for AdaHessian {
    fn default() -> Self {
        Self {
            lr: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            hessian_power: 1.0,
            update_each: 1,
            n_samples: 1,
            avg_conv_kernel: false,
            seed: 0,
        }
    }
}

impl Configure for AdaHessian {
    const ABOUT: About = About {
        name: NAME,
        aliases: &["ada_hessian"],
        summary: "Adam with a random estimate of the diagonal of the Hessian (second order)",
        source: "Yao et al. 2021, arXiv:2006.00719, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("hessian_power", Range::Within(0.0, 1.0)),
            Field::new("update_each", Range::Count(1)),
            Field::new("n_samples", Range::Count(1)),
            Field::new("avg_conv_kernel", Range::Flag),
            Field::new("seed", Range::Count(0)),
        ],
        cost: "2 · n_samples gradients every update_each steps, and a few passes",
    };
}

impl Optimize for AdaHessian {
    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(WholeModel::new(self.clone())))
    }

    fn memory(&self, shape: &[usize]) -> usize {
        let vectors = 2 + usize::from(self.update_each > 1);
        vectors * shape.iter().product::<usize>()
    }
}

/// 1 or -1 for each element: the bits of a stream of its own.
fn signs(rule: &AdaHessian, draw: u64, place: usize, like: &Tensor<1>) -> Tensor<1> {
    let mut rng = random::rng(rule.seed, NAME, draw, place as u64);
    let [len] = like.dims();
    let mut signs = Vec::with_capacity(len);
    while signs.len() < len {
        let word = rng.next_u64();
        let bits = (0..64.min(len - signs.len())).map(|bit| word >> bit & 1);
        signs.extend(bits.map(|bit| if bit == 1 { 1.0_f64 } else { -1.0 }));
    }
    let data = TensorData::new(signs, [len]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

impl AdaHessian {
    /// The diagonal for each parameter that is stepped, fresh where it is due.
    fn diagonals(
        &self,
        kept: &Kept,
        joint: &JointVector,
        parameters: &Parameters,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Vec<Tensor<1>>, UpdateError> {
        let known = |path: &String| {
            let state = kept.parameters.get(path);
            state.and_then(|state| state.tensors.get(DIAGONAL))
        };
        let due = |path: &String| {
            kept.steps(path).is_multiple_of(self.update_each) || known(path).is_none()
        };
        let shape = |at: usize| &parameters.0[at].shape;
        let mut diagonals: Vec<Option<Tensor<1>>> = joint
            .paths
            .iter()
            .map(|path| known(path).cloned())
            .collect();
        if joint.paths.iter().any(due) {
            let values = joint.values(parameters);
            for sample in 0..self.n_samples {
                // A parameter that is not due does not move, as in the reference.
                let z = joint.which.iter().zip(&joint.paths).map(|(at, path)| {
                    let value = &parameters.0[*at].value;
                    if due(path) {
                        let draw = kept.steps(path) * self.n_samples + sample;
                        signs(self, draw, *at, value)
                    } else {
                        value.zeros_like()
                    }
                });
                let z = join(z);
                let product = joint.hessian_product(parameters, &values, &z, reevaluate)?;
                let parts = joint.split(&(product * z * (1.0 / self.n_samples as f64)));
                for ((path, known), part) in joint.paths.iter().zip(&mut diagonals).zip(parts) {
                    if due(path) {
                        *known = Some(match known.take() {
                            Some(sum) if sample > 0 => sum + part,
                            _ => part,
                        });
                    }
                }
            }
            for ((at, path), known) in joint.which.iter().zip(&joint.paths).zip(&mut diagonals) {
                if let ([outputs, inputs, height, width], true) = (&shape(*at)[..], due(path))
                    && self.avg_conv_kernel
                {
                    let (kernels, size) = (outputs * inputs, height * width);
                    *known = known.take().map(|diagonal| {
                        let each = diagonal.abs().reshape([kernels, size]).mean_dim(1);
                        each.expand([kernels, size]).reshape([kernels * size])
                    });
                }
            }
        }
        Ok(diagonals.into_iter().flatten().collect())
    }
}

impl WholeModelRule for AdaHessian {
    const NAME: &'static str = NAME;

    fn names(&self) -> Names<'_> {
        Names {
            tensors: if self.update_each > 1 {
                &[MEAN, SQUARE, DIAGONAL]
            } else {
                &[MEAN, SQUARE]
            },
            ..Names::NONE
        }
    }

    fn step(
        &mut self,
        kept: &mut Kept,
        joint: &JointVector,
        step: &Step<'_>,
        mut parameters: Parameters,
        mut gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let rates = joint.which.iter().map(|at| step.lr * step.group(*at).lr);
        let rates: Vec<_> = rates.collect();
        if let Some(lr) = rates.iter().find(|lr| !lr.is_finite()) {
            return Err(failed(NAME, format!("the learning rate is {lr}")));
        }
        let diagonals = self.diagonals(kept, joint, &parameters, reevaluate)?;
        let (beta1, beta2) = (step.momentum.unwrap_or(self.beta1), self.beta2);
        kept.count(joint);
        let stepped = joint
            .which
            .iter()
            .zip(&joint.paths)
            .zip(diagonals)
            .zip(rates);
        for (((at, path), diagonal), lr) in stepped {
            let Some(gradient) = gradients.0[*at].take() else {
                continue;
            };
            let steps = kept.steps(path) as f64;
            let state = kept.parameters.entry(path.clone()).or_default();
            let value = &mut parameters.0[*at].value;
            let mean = state.take_or_zeros(MEAN, value) * beta1 + gradient * (1.0 - beta1);
            let square = state.take_or_zeros(SQUARE, value) * beta2
                + diagonal.clone() * diagonal.clone() * (1.0 - beta2);
            let corrected = square.clone() / (1.0 - beta2.powf(steps));
            let divisor = if self.hessian_power == 1.0 {
                corrected.sqrt()
            } else {
                corrected.powf_scalar(self.hessian_power / 2.0)
            };
            let decay =
                lr * step.weight_decay.unwrap_or(self.weight_decay) * step.group(*at).weight_decay;
            let rate = lr / (1.0 - beta1.powf(steps));
            let way = mean.clone() / (divisor + self.eps) * rate;
            *value = WeightDecay::decoupled(decay).shrink(value.clone()) - way;
            let mut named = vec![(MEAN, mean), (SQUARE, square)];
            if self.update_each > 1 {
                named.push((DIAGONAL, diagonal));
            }
            let named = named.into_iter();
            state
                .tensors
                .extend(named.map(|(name, tensor)| (name.to_string(), tensor)));
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_model::tests::Walk;

    #[test]
    fn two_steps_by_hand() {
        // f = x² + 2y²: D is (2, 4) whatever the signs, so v̂ is (4, 16) and a step is m̂ / |D|.
        let bowl = |z: &[f64]| {
            (
                z[0] * z[0] + 2.0 * z[1] * z[1],
                vec![2.0 * z[0], 4.0 * z[1]],
            )
        };
        let rule = AdaHessian {
            beta1: 0.5,
            weight_decay: 1.0,
            ..AdaHessian::default()
        };
        let found = |steps| {
            let mut walk = Walk::new(rule.build().unwrap());
            let found = walk.walk(&[1.0, -3.0], steps, 0.1, bowl).unwrap();
            assert_eq!(walk.evaluations as u64, 3 * steps);
            found
        };
        let near = |found: &[f64], expected: [f64; 2]| {
            let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
            assert!(
                apart.fold(0.0, f64::max) < 1e-8,
                "{found:?} for {expected:?}"
            );
        };
        // θ = 0.9 θ - 0.1 θ = 0.8 θ; then m̂ / D = (0.25 + 0.5 · 0.8) / 0.75 times the first θ.
        near(&found(1), [0.8, -2.4]);
        let second = 0.72 - 0.1 * 0.65 / 0.75;
        near(&found(2), [second, -3.0 * second]);
    }

    #[test]
    fn signs_are_of_the_seed_the_draw_and_the_place() {
        let device = firebrick_core::device("flex").unwrap();
        let like = Tensor::<1>::zeros([100], &device);
        let draw = |seed, draw, place| {
            let rule = AdaHessian {
                seed,
                ..AdaHessian::default()
            };
            let signs = signs(&rule, draw, place, &like).into_data();
            signs.iter::<f64>().collect::<Vec<_>>()
        };
        let first = draw(0, 0, 0);
        assert!(first.iter().all(|sign| sign.abs() == 1.0));
        assert!(first.iter().sum::<f64>().abs() < 40.0);
        assert_eq!(first, draw(0, 0, 0));
        for other in [draw(1, 0, 0), draw(0, 1, 0), draw(0, 0, 1)] {
            assert_ne!(first, other);
        }
    }
}
