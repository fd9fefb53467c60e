//! `adamw`: Adam with weight decay that does not pass through the moments.
//!
//! ```text
//! θ ← θ - lr · weight_decay · θ
//! then as `adam` with weight_decay = 0
//!
//! cautious:  c = 1 where m · g > 0, else 0
//!            the step of `adam` times c / max(mean(c), 0.001), the mean over the tensor
//! ```
//!
//! Sources: Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2;
//! `cautious` from Liang et al., "Cautious Optimizers: Improving Training with One Line of Code", 2024,
//! algorithm 2 (C-AdamW). References: PyTorch's `torch.optim.AdamW`, where the decay follows the
//! learning rate of the schedule (the paper's schedule multiplier times `lr`); timm's
//! `AdamW(caution=True)`. The signs of the step and the gradient are compared in place of the sign of
//! their product, which vanishes where both are tiny.
//!
//! Differs from burn's: `weight_decay` is 1e-2 by default (burn: 1e-4), `eps` 1e-8 (burn: 1e-5),
//! scalars are f64, and `beta1` can follow the schedule. Differs from PyTorch's: `eps = 0` is
//! refused, since a zero gradient would give 0 / 0.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::adam::{Adam, MAX_SQUARE, MEAN, Moments, SQUARE};
use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Moment, Real, Rule, StateNames, Stepping, elementwise};

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Divides by the largest mean square so far.
    pub amsgrad: bool,
    /// Leaves out what would go against the gradient, and scales the rest of the tensor up.
    pub cautious: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 1e-2,
            amsgrad: false,
            cautious: false,
        }
    }
}

impl AdamW {
    /// Adam with the same fields.
    fn adam(&self) -> Adam {
        let Self {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
            cautious: _,
        } = *self;
        Adam {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            amsgrad,
            bias_correction: true,
        }
    }

    fn moments(&self, now: Moment) -> Moments {
        self.adam().moments(now, now.decoupled(self.weight_decay))
    }

    /// A step that the whole tensor has a say in: the way to go is made in one pass, masked, and
    /// gone.
    fn cautious(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let (mut states, mut gradients, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for one in tensors {
            let Stepping {
                now,
                path,
                shape,
                value,
                gradient,
                state,
            } = one;
            states.push(state);
            gradients.push(gradient.clone());
            parts.push((now, path, shape, value, gradient));
        }
        let stepping = parts.into_iter().zip(&mut states).map(
            |((now, path, shape, value, gradient), state)| Stepping {
                now,
                path,
                shape,
                value,
                gradient,
                state,
            },
        );
        let stepping = stepping.collect();
        let ways = |one: &Stepping<'_>| Way(self.moments(one.now));
        let values = if self.amsgrad {
            elementwise::<_, 5>(stepping, &[MEAN, SQUARE, MAX_SQUARE, WAY], ways)
        } else {
            elementwise::<_, 4>(stepping, &[MEAN, SQUARE, WAY], ways)
        };
        let gone = values.into_iter().zip(gradients).zip(states);
        gone.map(
            |((value, gradient), state)| match state.tensors.remove(WAY) {
                Some(way) => {
                    let agrees = (way.clone().sign() * gradient.sign()).clamp_min(0.0);
                    let share = agrees.clone().mean().clamp_min(1e-3);
                    value - way * agrees / share
                }
                None => value,
            },
        )
        .collect()
    }
}

/// The way to go, kept within a step only.
const WAY: &str = "way";

/// The new moments and the way to go, in a tensor of its own.
#[derive(Debug, Clone, Copy)]
struct Way(Moments);

impl Formula<4, 1> for Way {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, square, _]: [R; 4], [gradient]: [R; 1]) -> [R; 4] {
        let [value, mean, square] = self.0.moments([value, mean, square], gradient);
        let way = self.0.along(&mean, &square);
        [value, mean, square, way]
    }
}

impl Formula<5, 1> for Way {
    #[inline(always)]
    fn apply<R: Real>(
        &self,
        [value, mean, square, largest, _]: [R; 5],
        [gradient]: [R; 1],
    ) -> [R; 5] {
        let [value, mean, square] = self.0.moments([value, mean, square], gradient);
        let largest = largest.max(square.clone());
        let way = self.0.along(&mean, &largest);
        [value, mean, square, largest, way]
    }
}

impl Configure for AdamW {
    const ABOUT: About = About {
        name: "adamw",
        aliases: &[],
        summary: "Adam with decoupled weight decay; cautious=true skips elements whose update opposes the gradient",
        source: "Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; cautious: Liang et al. 2024, arXiv:2411.16085",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("amsgrad", Range::Flag),
            Field::new("cautious", Range::Flag),
        ],
        cost: "one pass; cautious: a few more",
    };
}

impl Rule for AdamW {
    fn state(&self) -> StateNames {
        self.adam().state()
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        if self.cautious {
            self.cautious(tensors)
        } else {
            let moments = |one: &Stepping<'_>| self.moments(one.now);
            self.adam().step_by(tensors, moments)
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, TensorData};
    use firebrick_core::parameters::{Gradients, Parameter, Parameters};
    use firebrick_core::update::Step;

    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend};

    #[test]
    fn two_steps_by_hand() {
        let adamw = AdamW {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            weight_decay: 1.0,
            ..AdamW::default()
        };
        // θ = 1 · (1 - 0.1 · 1) - 0.08; then 0.82 · 0.9 less the step of Adam, whose moments are 1.
        let (values, _) = descend(adamw.build().unwrap(), 0.1, &[2.0, 1.0]);
        let second = 0.1 / 0.75 / (1.0 / 0.4375_f64.sqrt() + 0.5);
        assert_near(&values, &[0.82, 0.738 - second]);
    }

    #[test]
    fn caution_leaves_out_what_goes_against_the_gradient() {
        let adamw = AdamW {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            weight_decay: 0.0,
            cautious: true,
            ..AdamW::default()
        };
        let device = firebrick_core::device("flex").unwrap();
        let step = |adamw: &AdamW| {
            let mut update = adamw.build().unwrap();
            let mut value = Tensor::<1>::zeros([4], (&device, DType::F64));
            for gradients in [[2.0, 2.0, 2.0, 2.0], [1.0, -0.5, 1.0, 0.0]] {
                let parameter = Parameter {
                    path: "p".into(),
                    shape: vec![4],
                    value,
                };
                let gradient =
                    Tensor::from_data(TensorData::from(gradients), (&device, DType::F64));
                let updated = update.step(
                    &Step::new(0, 0.1),
                    Parameters(vec![parameter]),
                    Gradients(vec![Some(gradient)]),
                    &mut |_: &Parameters| panic!("no search"),
                );
                value = updated.unwrap().0.remove(0).value;
            }
            assert_eq!(
                update.state().parameters["p"].tensors.len(),
                adamw.state().tensors.len()
            );
            value.to_data().iter::<f64>().collect::<Vec<_>>()
        };
        // The first step is that of Adam. At the second, m = 1, 0.25, 1, 0.5 and two of four agree with
        // the gradient: their steps are doubled, the others stay.
        let second = 0.1 / 0.75 / (1.0 / 0.4375_f64.sqrt() + 0.5);
        let first = -0.08;
        assert_near(
            &step(&adamw),
            &[first - 2.0 * second, first, first - 2.0 * second, first],
        );
        let largest = AdamW {
            amsgrad: true,
            ..adamw
        };
        assert_near(
            &step(&largest),
            &[first - 2.0 * second, first, first - 2.0 * second, first],
        );
    }
}
