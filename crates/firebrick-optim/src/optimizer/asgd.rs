//! `asgd`: averaged SGD: the rate falls, and the model is evaluated at the average of its weights.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! η = lr / (1 + lambd · lr · (t - 1))^alpha
//! θ ← θ - lambd · η · θ - η · g
//! ax ← ax + (θ - ax) / max(1, t - 1 - t0)
//! ```
//!
//! `ax` is what is evaluated and saved: `θ` itself for the first `t0` steps, then their running mean.
//! With the default of a million steps most runs never average: give `t0` the step at which the
//! values begin to wander around the minimum.
//!
//! Source: Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, as Xu,
//! "Towards Optimal One Pass Large Scale Learning with Averaged Stochastic Gradient Descent", 2011,
//! and Bottou's `svmasgd` have it. Reference: PyTorch's `torch.optim.ASGD`.
//!
//! Burn has none. Differs from PyTorch's: a learning rate that changes counts at once (there from the
//! next step on), η is f64 (there a float32), and the average is the evaluation view (there only kept in
//! the state).

use burn::tensor::Tensor;
use firebrick_core::update::ParameterState;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const AVERAGE: &str = "ax";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asgd {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Decay of the values, and how fast the learning rate falls, times the learning rate.
    pub lambd: f64,
    /// Power of the fall of the learning rate.
    pub alpha: f64,
    /// Steps before the averaging.
    pub t0: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
}

impl Default for Asgd {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            lambd: 1e-4,
            alpha: 0.75,
            t0: 1e6,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Asgd {
    const ABOUT: About = About {
        name: "asgd",
        aliases: &[],
        summary: "averaged SGD: the model is evaluated with the average of its weights",
        source: "Polyak & Juditsky 1992; Xu 2011, arXiv:1107.2490",
        fields: &[
            Field::LR,
            Field::new("lambd", Range::NotNegative),
            Field::new("alpha", Range::NotNegative),
            Field::new("t0", Range::NotNegative),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Asgd {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[AVERAGE])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &[AVERAGE], |one| {
            let (lr, before) = (one.now.lr, (one.now.step - 1) as f64);
            let rate = lr / (1.0 + self.lambd * lr * before).powf(self.alpha);
            Averaged {
                penalty: one.now.weight_decay(self.weight_decay),
                keep: 1.0 - self.lambd * rate,
                rate,
                share: 1.0 / (before - self.t0).max(1.0),
            }
        })
    }

    fn evaluation(&self, _: &Tensor<1>, state: &ParameterState) -> Option<Tensor<1>> {
        state.tensors.get(AVERAGE).cloned()
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Averaged {
    penalty: f64,
    /// Share of the value that stays.
    keep: f64,
    rate: f64,
    /// Share of the value in the average.
    share: f64,
}

impl Formula<2, 1> for Averaged {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, average]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let gradient = penalized(gradient, &value, self.penalty);
        let value = value * self.keep - gradient * self.rate;
        let average = if self.share == 1.0 {
            value.clone()
        } else {
            average.clone() + (value.clone() - average) * self.share
        };
        [value, average]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn steps_by_hand() {
        let asgd = Asgd {
            lambd: 2.5,
            alpha: 1.0,
            t0: 0.0,
            ..Asgd::default()
        };
        // η = 0.4: 1 - 1 - 0.4. η = 0.4 / 2 = 0.2: -0.4 · 0.5 + 0.2 = 0.
        // η = 0.4 / 3: 0 + 0.4; the average has half of it.
        let (values, state) = descend(asgd.build().unwrap(), 0.4, &[1.0, -1.0, -3.0]);
        assert_near(&values, &[-0.4, 0.0, 0.4]);
        assert_near(&[kept(&state, AVERAGE)], &[0.2]);
        let decayed = Asgd {
            weight_decay: 0.5,
            ..asgd
        };
        let (values, _) = descend(decayed.build().unwrap(), 0.4, &[0.5]);
        assert_near(&values, &[-0.4]);
    }

    #[test]
    fn the_view_is_the_average() {
        let asgd = Asgd {
            lambd: 0.0,
            t0: 1.0,
            ..Asgd::default()
        };
        let view = |gradients: &[f64]| {
            let (values, state) = descend(asgd.build().unwrap(), 0.1, gradients);
            let value = Tensor::<1>::zeros([1], &state.tensors[AVERAGE].device());
            let view = asgd.evaluation(&value, &state).unwrap();
            (values, view.into_scalar::<f64>())
        };
        // 0.9, 0.8, 0.7 as they are; then 0.6 has half.
        let (values, third) = view(&[1.0; 3]);
        assert_eq!(values[2], third);
        let (_, fourth) = view(&[1.0; 4]);
        assert_near(&[fourth], &[0.65]);
    }
}
