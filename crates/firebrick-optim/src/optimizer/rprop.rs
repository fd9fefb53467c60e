//! `rprop`: steps by the sign of the gradient alone, with a size for each element that grows while the
//! sign stays and shrinks when it turns. For full batches: the signs of mini-batches turn by chance.
//!
//! ```text
//! η ← clamp(η · etaplus,  step_size_min, step_size_max)                    where g · prev > 0
//! η ← clamp(η · etaminus, step_size_min, step_size_max),   g ← 0           where g · prev < 0
//! θ ← θ - s · sign(g) · η                                                  η begins with lr
//! prev ← g
//! ```
//!
//! `s` is the learning rate of the moment over `lr`: 1 without a schedule.
//!
//! Source: Riedmiller & Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
//! Algorithm", ICNN 1993, in the variant without backtracking of Igel & Hüsken 2000 (iRprop-).
//! Reference: PyTorch's `torch.optim.Rprop`, whose `etas` and `step_sizes` are two fields each here.
//!
//! Burn has none. Differs from PyTorch's: there a learning rate that changes has no effect after the
//! first step, and `lr = 0` moves by `step_size_min`; here it scales the moves, so that schedules and
//! groups mean what they mean elsewhere and 0 moves nothing. The product `g · prev` is that of the
//! signs, so that it does not vanish where both are tiny.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, begin_with, elementwise};

const PREVIOUS: &str = "prev";
const SIZE: &str = "step_size";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rprop {
    /// The first step of every element.
    pub lr: f64,
    /// What a step is multiplied with when the gradient turns.
    pub etaminus: f64,
    /// What a step is multiplied with while the gradient keeps its sign.
    pub etaplus: f64,
    /// The smallest step.
    pub step_size_min: f64,
    /// The largest step.
    pub step_size_max: f64,
}

impl Default for Rprop {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            etaminus: 0.5,
            etaplus: 1.2,
            step_size_min: 1e-6,
            step_size_max: 50.0,
        }
    }
}

impl Configure for Rprop {
    const ABOUT: About = About {
        name: "rprop",
        aliases: &[],
        summary: "resilient backpropagation: uses only the sign of the gradient, with a step size for each element; for full batches",
        source: "Riedmiller & Braun 1993, ICNN; Igel & Hüsken 2000 (iRprop-)",
        fields: &[
            Field::LR,
            Field::new("etaminus", Range::Between(0.0, 1.0)),
            Field::new("etaplus", Range::Between(1.0, f64::INFINITY)),
            Field::new("step_size_min", Range::Positive),
            Field::new("step_size_max", Range::Positive),
        ],
        cost: "one pass over the parameters",
    };

    fn check(&self) -> Result<(), ConfigError> {
        if self.step_size_min > self.step_size_max {
            return Err(ConfigError::Conflict(format!(
                "rprop: step_size_min = {} is above step_size_max = {}",
                self.step_size_min, self.step_size_max
            )));
        }
        Ok(())
    }
}

impl Rule for Rprop {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[PREVIOUS, SIZE])
    }

    fn step(&self, mut tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        begin_with(&mut tensors, SIZE, self.lr);
        elementwise(tensors, &[PREVIOUS, SIZE], |one| Signs {
            minus: self.etaminus,
            plus: self.etaplus,
            smallest: self.step_size_min,
            largest: self.step_size_max,
            scale: if self.lr == 0.0 {
                0.0
            } else {
                one.now.lr / self.lr
            },
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Signs {
    minus: f64,
    plus: f64,
    smallest: f64,
    largest: f64,
    scale: f64,
}

impl Formula<3, 1> for Signs {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, previous, size]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let same = gradient.clone().sign() * previous.sign();
        // 1 where the sign stays, and -1 where it turns.
        let (stays, turns) = (same.clone().clamp(0.0, 1.0), same.clamp(-1.0, 0.0));
        let factor = stays * (self.plus - 1.0) + turns.clone() * (1.0 - self.minus) + 1.0;
        let size = (size * factor).clamp(self.smallest, self.largest);
        let gradient = gradient * (turns + 1.0);
        let step = gradient.clone().sign() * size.clone();
        [value - step * self.scale, gradient, size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, descend_at, kept};

    const PLAIN: Rprop = Rprop {
        lr: 0.1,
        etaminus: 0.5,
        etaplus: 1.5,
        step_size_min: 0.06,
        step_size_max: 0.2,
    };

    #[test]
    fn steps_by_hand() {
        // 0.1; it stays: 0.15; it turns: no step, 0.075; after that: 0.075; it turns: 0.0375, but at
        // least 0.06.
        let gradients = [3.0, 2.0, -1.0, -1e-9, 5.0];
        let (values, state) = descend(PLAIN.build().unwrap(), 0.1, &gradients);
        assert_near(&values, &[0.9, 0.75, 0.75, 0.825, 0.825]);
        assert_near(&[kept(&state, SIZE), kept(&state, PREVIOUS)], &[0.06, 0.0]);
        // At most 0.2.
        let (values, _) = descend(PLAIN.build().unwrap(), 0.1, &[1.0; 3]);
        assert_near(&values, &[0.9, 0.75, 0.55]);
    }

    #[test]
    fn the_rate_of_the_moment_scales_the_moves() {
        let rates = [0.05, 0.1, 0.0];
        let (values, state) = descend_at(PLAIN.build().unwrap(), &rates, &[1.0; 3]);
        assert_near(&values, &[0.95, 0.8, 0.8]);
        assert_near(&[kept(&state, SIZE)], &[0.2]);
        let still = Rprop { lr: 0.0, ..PLAIN };
        let (values, _) = descend(still.build().unwrap(), 0.0, &[1.0; 3]);
        assert_eq!(values, [1.0; 3]);
    }

    #[test]
    fn sizes_that_cross_are_refused() {
        let crossed = Rprop {
            step_size_min: 0.3,
            ..PLAIN
        };
        let error = crossed.build().err().unwrap().to_string();
        assert!(
            error.contains("step_size_min = 0.3") && error.contains("step_size_max = 0.2"),
            "{error}"
        );
    }
}
