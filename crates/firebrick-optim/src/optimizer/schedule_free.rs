//! `schedule_free_sgd` and `schedule_free_adamw`: an average of the weights replaces a schedule of the rate.
//!
//! ```text
//! γ ← lr · min(1, t / warmup_steps)                       t is 1 at the first step
//! w ← tʳ · (largest γ so far)^weight_lr_power,   W ← W + w,   c ← w / W
//! g ← gradient(y) + weight_decay · y                      schedule_free_sgd
//! g ← gradient(y) / (√(v / (1 - beta2ᵗ)) + eps) + weight_decay · y,
//!     v ← beta2 · v + (1 - beta2) · gradient²             schedule_free_adamw
//! y ← y + c · (z - y) + γ · (β · (1 - c) - 1) · g         β is momentum or beta1
//! z ← z - γ · g
//! x = y + (1 - 1/β) · (z - y)                             the values to evaluate
//! ```
//!
//! Source: Defazio et al., "The Road Less Scheduled", NeurIPS 2024, arXiv:2405.15682, equations 2 to
//! 4 and algorithm 1. Reference: Meta's `schedulefree` 1.4, `SGDScheduleFree` and
//! `AdamWScheduleFree`, the forms that keep y and z and never x.
//!
//! The trained parameters are y, where gradients are taken; x is the average that is evaluated and
//! saved ([`Rule::evaluation`]). Batch norm collects its statistics at y; the trainer collects them
//! anew at x, from 50 batches, for each evaluation. The learning rate stays constant (`constant` is the schedule to use,
//! and the warm-up is the rule's own); β ties x to y and z, so it does not follow a schedule of the
//! momentum.
//!
//! Differs from the reference: t, W and the largest γ are kept for each parameter, not for the
//! group, which is the same as long as every step has all gradients; `momentum` and `beta1` outside
//! (0, 1) are refused for both, since x would not exist. Burn has neither.

use burn::tensor::Tensor;
use firebrick_core::update::ParameterState;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const Z: &str = "z";
const SQUARE: &str = "exp_avg_sq";
const WEIGHT_SUM: &str = "weight_sum";
const LR_MAX: &str = "lr_max";

/// Schedule-free stochastic gradient descent; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleFreeSgd {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Where y lies between z (0) and x (1).
    pub momentum: f64,
    /// L2 penalty at y.
    pub weight_decay: f64,
    /// Steps over which the rate rises linearly.
    pub warmup_steps: u64,
    /// Power of the step in the weights of the average.
    pub r: f64,
    /// Power of the largest rate in the weights of the average.
    pub weight_lr_power: f64,
}

impl Default for ScheduleFreeSgd {
    fn default() -> Self {
        Self {
            lr: 1.0,
            momentum: 0.9,
            weight_decay: 0.0,
            warmup_steps: 0,
            r: 0.0,
            weight_lr_power: 2.0,
        }
    }
}

/// Schedule-free AdamW; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleFreeAdamW {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Where y lies between z (0) and x (1).
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Share of y that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Steps over which the rate rises linearly.
    pub warmup_steps: u64,
    /// Power of the step in the weights of the average.
    pub r: f64,
    /// Power of the largest rate in the weights of the average.
    pub weight_lr_power: f64,
}

impl Default for ScheduleFreeAdamW {
    fn default() -> Self {
        Self {
            lr: 0.0025,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            warmup_steps: 0,
            r: 0.0,
            weight_lr_power: 2.0,
        }
    }
}

const SOURCE: &str = "Defazio et al. 2024, arXiv:2405.15682, algorithm 1";
const WARMUP_STEPS: Field = Field::new("warmup_steps", Range::Count(0));
const R: Field = Field::new("r", Range::NotNegative);
const WEIGHT_LR_POWER: Field = Field::new("weight_lr_power", Range::NotNegative);

impl Configure for ScheduleFreeSgd {
    const ABOUT: About = About {
        name: "schedule_free_sgd",
        aliases: &["sgd_schedule_free"],
        summary: "SGD that averages its iterates instead of following a schedule",
        source: SOURCE,
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Between(0.0, 1.0)).fixed(),
            Field::WEIGHT_DECAY,
            WARMUP_STEPS,
            R,
            WEIGHT_LR_POWER,
        ],
        cost: "one pass, and another for the values to evaluate",
    };
}

impl Configure for ScheduleFreeAdamW {
    const ABOUT: About = About {
        name: "schedule_free_adamw",
        aliases: &["schedule_free", "adamw_schedule_free"],
        summary: "AdamW that averages its iterates instead of following a schedule",
        source: SOURCE,
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Between(0.0, 1.0)).fixed(),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            WARMUP_STEPS,
            R,
            WEIGHT_LR_POWER,
        ],
        cost: "one pass, and another for the values to evaluate",
    };
}

/// How the average is weighted.
struct Weighting {
    warmup_steps: u64,
    r: f64,
    weight_lr_power: f64,
}

impl Weighting {
    /// Moves the numbers of a tensor on, begins z at y, and gives γ and c.
    fn advance(&self, one: &mut Stepping<'_>) -> (f64, f64) {
        let step = one.now.step as f64;
        let warm = if one.now.step < self.warmup_steps {
            step / self.warmup_steps as f64
        } else {
            1.0
        };
        let lr = one.now.lr * warm;
        let numbers = &mut one.state.numbers;
        let highest = numbers.get(LR_MAX).map_or(lr, |so_far| so_far.max(lr));
        let weight = step.powf(self.r) * highest.powf(self.weight_lr_power);
        let sum = weight + numbers.get(WEIGHT_SUM).copied().unwrap_or(0.0);
        numbers.insert(LR_MAX.into(), highest);
        numbers.insert(WEIGHT_SUM.into(), sum);
        if !one.state.tensors.contains_key(Z) {
            one.state.tensors.insert(Z.into(), one.value.clone());
        }
        (lr, if sum == 0.0 { 0.0 } else { weight / sum })
    }
}

/// x of y and z.
fn averaged(y: &Tensor<1>, state: &ParameterState, beta: f64) -> Option<Tensor<1>> {
    let z = state.tensors.get(Z)?;
    Some(y.clone() + (z.clone() - y.clone()) * (1.0 - 1.0 / beta))
}

/// One step of one element, but for the direction.
#[derive(Debug, Clone, Copy)]
struct Interpolation {
    lr: f64,
    /// Share of z that joins y.
    share: f64,
    /// What the direction adds to y.
    along: f64,
}

impl Interpolation {
    fn new(lr: f64, share: f64, beta: f64) -> Self {
        Self {
            lr,
            share,
            along: lr * (beta * (1.0 - share) - 1.0),
        }
    }

    #[inline(always)]
    fn step<R: Real>(&self, y: R, z: R, direction: R) -> [R; 2] {
        let moved = y.clone() + (z.clone() - y) * self.share + direction.clone() * self.along;
        [moved, z - direction * self.lr]
    }
}

#[derive(Debug, Clone, Copy)]
struct Descent {
    interpolation: Interpolation,
    decay: f64,
}

impl Formula<2, 1> for Descent {
    #[inline(always)]
    fn apply<R: Real>(&self, [y, z]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let direction = penalized(gradient, &y, self.decay);
        self.interpolation.step(y, z, direction)
    }
}

#[derive(Debug, Clone, Copy)]
struct Adaptive {
    interpolation: Interpolation,
    decay: f64,
    beta2: f64,
    /// Corrects the root of the mean square.
    root: f64,
    eps: f64,
}

impl Formula<3, 1> for Adaptive {
    #[inline(always)]
    fn apply<R: Real>(&self, [y, z, square]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let square = square * self.beta2 + gradient.clone() * gradient.clone() * (1.0 - self.beta2);
        let direction = gradient / (square.clone().sqrt() * self.root + self.eps);
        let direction = penalized(direction, &y, self.decay);
        let [y, z] = self.interpolation.step(y, z, direction);
        [y, z, square]
    }
}

impl Rule for ScheduleFreeSgd {
    fn state(&self) -> StateNames {
        StateNames {
            numbers: &[WEIGHT_SUM, LR_MAX],
            ..StateNames::tensors(&[Z])
        }
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let weighting = Weighting {
            warmup_steps: self.warmup_steps,
            r: self.r,
            weight_lr_power: self.weight_lr_power,
        };
        let advanced = tensors.iter_mut().map(|one| weighting.advance(one));
        let advanced: Vec<_> = advanced.collect();
        let next = std::cell::Cell::new(0);
        elementwise(tensors, &[Z], |one| {
            let (lr, share) = advanced[next.replace(next.get() + 1)];
            Descent {
                interpolation: Interpolation::new(lr, share, self.momentum),
                decay: one.now.weight_decay(self.weight_decay),
            }
        })
    }

    fn evaluation(&self, value: &Tensor<1>, state: &ParameterState) -> Option<Tensor<1>> {
        averaged(value, state, self.momentum)
    }
}

impl Rule for ScheduleFreeAdamW {
    fn state(&self) -> StateNames {
        StateNames {
            numbers: &[WEIGHT_SUM, LR_MAX],
            ..StateNames::tensors(&[Z, SQUARE])
        }
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let weighting = Weighting {
            warmup_steps: self.warmup_steps,
            r: self.r,
            weight_lr_power: self.weight_lr_power,
        };
        let advanced = tensors.iter_mut().map(|one| weighting.advance(one));
        let advanced: Vec<_> = advanced.collect();
        let next = std::cell::Cell::new(0);
        elementwise(tensors, &[Z, SQUARE], |one| {
            let (lr, share) = advanced[next.replace(next.get() + 1)];
            Adaptive {
                interpolation: Interpolation::new(lr, share, self.beta1),
                decay: one.now.weight_decay(self.weight_decay),
                beta2: self.beta2,
                root: 1.0 / (1.0 - self.beta2.powf(one.now.step as f64)).sqrt(),
                eps: self.eps,
            }
        })
    }

    fn evaluation(&self, value: &Tensor<1>, state: &ParameterState) -> Option<Tensor<1>> {
        averaged(value, state, self.beta1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_of_sgd_by_hand() {
        let sgd = ScheduleFreeSgd {
            momentum: 0.5,
            weight_lr_power: 0.0,
            ..ScheduleFreeSgd::default()
        };
        // c = 1: y = z - 0.1 · g = 0.8 and z = 0.8. c = 1/2: y = 0.8 + 0.1 · (0.25 - 1) · 1 = 0.725,
        // z = 0.7, x = 0.725 - (0.7 - 0.725) = 0.75, the mean of the two z.
        let (values, state) = descend(sgd.build().unwrap(), 0.1, &[2.0, 1.0]);
        assert_near(&values, &[0.8, 0.725]);
        assert_near(&[kept(&state, Z), state.numbers[WEIGHT_SUM]], &[0.7, 2.0]);
        let device = firebrick_core::device("flex").unwrap();
        let y = Tensor::from_data([0.725_f64], (&device, burn::tensor::DType::F64));
        let x = sgd.evaluation(&y, &state).unwrap().into_scalar::<f64>();
        assert_near(&[x], &[0.75]);
    }

    #[test]
    fn two_steps_of_adamw_by_hand() {
        let adamw = ScheduleFreeAdamW {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            weight_decay: 1.0,
            warmup_steps: 2,
            ..ScheduleFreeAdamW::default()
        };
        // γ = 0.05; v = 1; g = 2 / (1/0.5 + 0.5) + 1 = 1.8; c = 1: y = z = 1 - 0.09.
        // γ = 0.1; v = 1; g = 1 / (1/√0.4375 + 0.5) + 0.91; c = 0.01 / 0.0125 = 0.8.
        let (values, state) = descend(adamw.build().unwrap(), 0.1, &[2.0, 1.0]);
        let second = 1.0 / (1.0 / 0.4375_f64.sqrt() + 0.5) + 0.91;
        assert_near(&values, &[0.91, 0.91 + 0.1 * (0.1 - 1.0) * second]);
        assert_near(
            &[kept(&state, Z), kept(&state, SQUARE)],
            &[0.91 - 0.1 * second, 1.0],
        );
        assert_near(&[state.numbers[LR_MAX]], &[0.1]);
    }
}
