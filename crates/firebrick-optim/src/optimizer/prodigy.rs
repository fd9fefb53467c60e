//! `prodigy`: Adam that finds its own rate, an estimate `d` of the distance to the solution.
//!
//! ```text
//! g ← gradient + weight_decay · θ                          unless decouple
//! η ← d · lr · √(1 - beta2ᵏ) / (1 - beta1ᵏ)                the fraction if use_bias_correction
//! m ← beta1 · m + d · (1 - beta1) · g
//! v ← beta2 · v + d² · (1 - beta2) · g²
//! s ← beta3 · s + d / d0 · η · g                           d in place of η if safeguard_warmup
//! r ← beta3 · r + d / d0 · η · Σ g · (θ₀ - θ)              over all parameters
//! d̂ ← d_coef · r / Σ |s|                                   over all parameters
//! d ← max(d, d̂) while d is d0;   d_max ← max(d_max, d̂);   d ← min(d_max, d · growth_rate)
//! θ ← θ - η · weight_decay · θ                             if decouple, η with the old d
//! θ ← θ - η · m / (√v + d · eps)                           η with the old d
//! ```
//!
//! Source: Mishchenko & Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner", ICML
//! 2024, arXiv:2306.06101, algorithm 4. Reference: the authors' `prodigyopt` 1.1.2.
//!
//! `lr` multiplies the rate found and stays at 1 under a constant or cosine schedule. `d` is one
//! number over all parameters, so their groups need one learning-rate factor (or 0, which leaves
//! parameters alone). A step whose gradients have all been zero so far changes nothing, as in the
//! reference, and neither does one at rate 0.
//!
//! `d0` is also how far the first steps go: in f32 a value near 1 cannot move by less than 6e-8, so
//! with the default the first estimates of `d` are coarse there; they recover while `d` grows.
//!
//! Differs from the reference: no `slice_p` and no sharding, and the first moment is kept even at
//! `beta1 = 0`. Burn has none.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::kernels::step::{Tensors, apply};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Optimize, Range};
use crate::rule::{Formula, Real};
use crate::weight_decay::WeightDecay;
use crate::whole_model::{JointVector, Kept, Names, WholeModel, WholeModelRule};

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";
const SUM: &str = "s";
const START: &str = "p0";
const D: &str = "d";
const D_MAX: &str = "d_max";
const D_NUMERATOR: &str = "d_numerator";
const K: &str = "k";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prodigy {
    /// Multiplies the rate that is found; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Share of the sums behind `d` that is kept at each step; √beta2 unless given.
    pub beta3: Option<f64>,
    /// Added to the root of the mean square, times `d`.
    pub eps: f64,
    /// Share of the value that goes at each step, times the rate; an L2 penalty unless `decouple`.
    pub weight_decay: f64,
    /// Decays the value itself, as AdamW does.
    pub decouple: bool,
    /// Corrects the moments for their start at zero, as Adam does.
    pub use_bias_correction: bool,
    /// Keeps a warm-up of `lr` out of the estimate's divisor.
    pub safeguard_warmup: bool,
    /// The first `d`.
    pub d0: f64,
    /// Multiplies the estimate; the field to tune.
    pub d_coef: f64,
    /// How much `d` can grow in a step, as a factor; without bound unless given.
    pub growth_rate: Option<f64>,
}

impl Default for Prodigy {
    fn default() -> Self {
        Self {
            lr: 1.0,
            beta1: 0.9,
            beta2: 0.999,
            beta3: None,
            eps: 1e-8,
            weight_decay: 0.0,
            decouple: true,
            use_bias_correction: false,
            safeguard_warmup: false,
            d0: 1e-6,
            d_coef: 1.0,
            growth_rate: None,
        }
    }
}

impl Configure for Prodigy {
    const ABOUT: About = About {
        name: "prodigy",
        aliases: &[],
        summary: "Adam that estimates its own learning rate",
        source: "Mishchenko & Defazio 2024, arXiv:2306.06101, algorithm 4",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::new("beta3", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("decouple", Range::Flag),
            Field::new("use_bias_correction", Range::Flag),
            Field::new("safeguard_warmup", Range::Flag),
            Field::new("d0", Range::Positive),
            Field::new("d_coef", Range::Positive),
            Field::new("growth_rate", Range::Positive),
        ],
        cost: "two passes and two sums",
    };

    fn check(&self) -> Result<(), ConfigError> {
        if let Some(rate) = self.growth_rate.filter(|rate| *rate < 1.0) {
            return Err(ConfigError::out_of_range(
                Self::ABOUT.name,
                "growth_rate",
                rate.to_string(),
                "at least 1",
            ));
        }
        Ok(())
    }
}

impl Optimize for Prodigy {
    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(WholeModel::new(self.clone())))
    }

    fn memory(&self, shape: &[usize]) -> usize {
        4 * shape.iter().product::<usize>()
    }
}

/// The moments and the sum of one element.
#[derive(Debug, Clone, Copy)]
struct Moments {
    beta1: f64,
    beta2: f64,
    beta3: f64,
    /// What the gradient, its square, and the gradient again bring.
    mean: f64,
    square: f64,
    sum: f64,
}

impl Formula<3, 1> for Moments {
    #[inline(always)]
    fn apply<R: Real>(&self, [mean, square, sum]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        [
            mean * self.beta1 + gradient.clone() * self.mean,
            square * self.beta2 + gradient.clone() * gradient.clone() * self.square,
            sum * self.beta3 + gradient * self.sum,
        ]
    }
}

/// The step of one element.
#[derive(Debug, Clone, Copy)]
struct Move {
    rate: f64,
    decay: WeightDecay,
    eps: f64,
}

impl Formula<1, 2> for Move {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [mean, square]: [R; 2]) -> [R; 1] {
        let value = self.decay.shrink(value);
        [value - mean / (square.sqrt() + self.eps) * self.rate]
    }
}

impl WholeModelRule for Prodigy {
    const NAME: &'static str = Prodigy::ABOUT.name;
    const REEVALUATES: bool = false;

    fn names(&self) -> Names<'_> {
        Names {
            tensors: &[MEAN, SQUARE, SUM, START],
            numbers: &[D, D_MAX, D_NUMERATOR, K],
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
        _reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let lr = joint.rate(step)?;
        if lr == 0.0 {
            return Ok(parameters);
        }
        let number =
            |kept: &Kept, name: &str, first| kept.numbers.get(name).copied().unwrap_or(first);
        let (d, d0) = (number(kept, D, self.d0), self.d0);
        let k = number(kept, K, 0.0) + 1.0;
        let beta1 = step.momentum.unwrap_or(self.beta1);
        let (beta2, beta3) = (self.beta2, self.beta3.unwrap_or(self.beta2.sqrt()));
        let correction = if self.use_bias_correction {
            (1.0 - beta2.powf(k)).sqrt() / (1.0 - beta1.powf(k))
        } else {
            1.0
        };
        let rate = d * lr * correction;
        let decay = |index: usize| {
            step.weight_decay.unwrap_or(self.weight_decay) * step.group(index).weight_decay
        };

        let (mut entries, mut sums) = (Vec::new(), Vec::new());
        for (at, path) in joint.which.iter().zip(&joint.paths) {
            let (value, gradient) = (&parameters.0[*at].value, gradients.0[*at].take());
            let Some(mut gradient) = gradient else {
                continue;
            };
            if !self.decouple && decay(*at) != 0.0 {
                gradient = gradient + value.clone() * decay(*at);
            }
            let state = kept.parameters.entry(path.clone()).or_default();
            let start = state.tensors.entry(START.into());
            let start = start.or_insert_with(|| value.clone());
            sums.push((gradient.clone() * (start.clone() - value.clone())).sum());
            entries.push(Tensors {
                formula: Moments {
                    beta1,
                    beta2,
                    beta3,
                    mean: d * (1.0 - beta1),
                    square: d * d * (1.0 - beta2),
                    sum: d / d0 * if self.safeguard_warmup { d } else { rate },
                },
                written: [MEAN, SQUARE, SUM].map(|name| state.take_or_zeros(name, value)),
                read: [gradient],
            });
        }
        for (path, [mean, square, sum]) in joint.paths.iter().zip(apply(entries)) {
            sums.push(sum.clone().abs().sum());
            let state = kept.parameters.entry(path.clone()).or_default();
            let named = [(MEAN, mean), (SQUARE, square), (SUM, sum)];
            let named = named.map(|(name, tensor)| (name.to_string(), tensor));
            state.tensors.extend(named);
        }
        // One transfer for all: on a GPU each one waits for the queue.
        let sums: Vec<_> = Tensor::cat(sums, 0).into_data().iter::<f64>().collect();
        let (products, magnitudes) = sums.split_at(joint.which.len());
        let divisor: f64 = magnitudes.iter().sum();
        let mut next = d;
        if divisor > 0.0 {
            let numerator = number(kept, D_NUMERATOR, 0.0) * beta3
                + d / d0 * rate * products.iter().sum::<f64>();
            let estimate = self.d_coef * numerator / divisor;
            if d == d0 {
                next = next.max(estimate);
            }
            let highest = number(kept, D_MAX, d0).max(estimate);
            next = highest.min(next * self.growth_rate.unwrap_or(f64::INFINITY));
            let numbers = [
                (D, next),
                (D_MAX, highest),
                (D_NUMERATOR, numerator),
                (K, k),
            ];
            for (name, number) in numbers {
                kept.numbers.insert(name.into(), number);
            }
            let mut entries = Vec::new();
            for (at, path) in joint.which.iter().zip(&joint.paths) {
                let value = &mut parameters.0[*at].value;
                let tensors = &kept.parameters[path].tensors;
                let empty = Tensor::empty([0], &value.device());
                entries.push(Tensors {
                    formula: Move {
                        rate,
                        decay: if self.decouple {
                            WeightDecay::decoupled(decay(*at) * rate)
                        } else {
                            WeightDecay::NONE
                        },
                        eps: next * self.eps,
                    },
                    written: [std::mem::replace(value, empty)],
                    read: [tensors[MEAN].clone(), tensors[SQUARE].clone()],
                });
            }
            for (at, [value]) in joint.which.iter().zip(apply(entries)) {
                parameters.0[*at].value = value;
            }
        } else {
            for (name, number) in [(D, d), (D_MAX, d), (D_NUMERATOR, 0.0), (K, 0.0)] {
                kept.numbers.entry(name.into()).or_insert(number);
            }
        }
        kept.count(joint);
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::{assert_near, descend, kept};

    const PLAIN: Prodigy = Prodigy {
        lr: 1.0,
        beta1: 0.5,
        beta2: 0.75,
        beta3: Some(0.5),
        eps: 1.0,
        weight_decay: 0.0,
        decouple: true,
        use_bias_correction: false,
        safeguard_warmup: false,
        d0: 0.5,
        d_coef: 2.0,
        growth_rate: None,
    };

    #[test]
    fn two_steps_by_hand() {
        // g = 2, η = 0.5: m = 0.5, v = 0.25, s = 1, r = 0; θ = 1 - 0.5 · 0.5 / (0.5 + 0.5) = 0.75.
        // g = 2: m = 0.75, v = 0.4375, s = 1.5, r = 0.5 · 2 · (1 - 0.75) = 0.25, d̂ = 2 · 0.25 / 1.5,
        // below d.
        let (values, state) = descend(PLAIN.build().unwrap(), 1.0, &[2.0, 2.0]);
        let second = 0.5 * 0.75 / (0.4375_f64.sqrt() + 0.5);
        assert_near(&values, &[0.75, 0.75 - second]);
        assert_near(&[kept(&state, SUM), kept(&state, START)], &[1.5, 1.0]);
        // With ten times the coefficient d̂ = 10/3, and only the divisor sees it yet.
        let far = Prodigy {
            d_coef: 20.0,
            ..PLAIN
        };
        let (values, _) = descend(far.build().unwrap(), 1.0, &[2.0, 2.0]);
        let second = 0.5 * 0.75 / (0.4375_f64.sqrt() + 10.0 / 3.0);
        assert_near(&values, &[0.75, 0.75 - second]);
    }

    #[test]
    fn gradients_of_zero_change_nothing() {
        let (values, state) = descend(PLAIN.build().unwrap(), 1.0, &[0.0, 0.0]);
        assert_near(&values, &[1.0, 1.0]);
        assert_eq!(kept(&state, SUM), 0.0);
    }
}
