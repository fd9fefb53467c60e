//! `sgd`: stochastic gradient descent with momentum.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! b ← g                                         at the first step with momentum
//! b ← momentum · b + (1 - dampening) · g        later
//! g ← g + momentum · b   if nesterov,   else b
//! θ ← θ - lr · g
//! ```
//!
//! Sources: Sutskever et al., "On the importance of initialization and momentum in deep learning",
//! ICML 2013, equations 1 to 4, in the form of the reference, PyTorch's `torch.optim.SGD`: the
//! learning rate is outside the buffer.
//!
//! Differs from burn's: `dampening` is 0 by default (burn: 0.1), Nesterov with dampening is refused,
//! and momentum can follow the schedule.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Moment, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const BUFFER: &str = "momentum_buffer";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the buffer that is kept at each step.
    pub momentum: f64,
    /// Share of the gradient that stays out of the buffer.
    pub dampening: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
    /// Looks ahead along the buffer.
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
        }
    }
}

impl Configure for Sgd {
    const ABOUT: About = About {
        name: "sgd",
        aliases: &[],
        summary: "stochastic gradient descent; optionally with momentum, Nesterov momentum and L2 weight decay",
        source: "Sutskever et al. 2013, ICML, equations 1 to 4",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share).lecture("0.9 or 0.99"),
            Field::new("dampening", Range::Within(0.0, 1.0)),
            Field::WEIGHT_DECAY,
            Field::new("nesterov", Range::Flag),
        ],
        cost: "one pass over the parameters",
    };

    fn check(&self) -> Result<(), ConfigError> {
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(ConfigError::Conflict(format!(
                "sgd: nesterov = true needs momentum above 0 and dampening = 0, but they are {} and {}",
                self.momentum, self.dampening
            )));
        }
        Ok(())
    }
}

impl Rule for Sgd {
    fn state(&self) -> StateNames {
        // Without momentum of its own there is a buffer only when the schedule brings momentum.
        let (tensors, optional): (&[_], &[_]) = if self.momentum == 0.0 {
            (&[], &[BUFFER])
        } else {
            (&[BUFFER], &[])
        };
        StateNames {
            tensors,
            optional,
            ..StateNames::NONE
        }
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        self.descend(tensors, |now| now.weight_decay(self.weight_decay))
    }
}

impl Sgd {
    /// A step with this weight decay.
    pub(super) fn descend(
        &self,
        tensors: Vec<Stepping<'_>>,
        decay: impl Fn(Moment) -> f64,
    ) -> Vec<Tensor<1>> {
        let momentum = |one: &Stepping<'_>| one.now.momentum(self.momentum);
        if self.momentum == 0.0 && tensors.iter().all(|one| momentum(one) == 0.0) {
            return elementwise(tensors, &[], |one| Plain {
                lr: one.now.lr,
                decay: decay(one.now),
            });
        }
        elementwise(tensors, &[BUFFER], |one| {
            let momentum = momentum(one);
            // The first buffer is the gradient.
            let (keep, take) = if one.state.tensors.contains_key(BUFFER) {
                (momentum, 1.0 - self.dampening)
            } else {
                (0.0, 1.0)
            };
            Momentum {
                lr: one.now.lr,
                decay: decay(one.now),
                keep,
                take,
                ahead: self.nesterov.then_some(momentum),
            }
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Plain {
    lr: f64,
    decay: f64,
}

impl Formula<1, 1> for Plain {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [gradient]: [R; 1]) -> [R; 1] {
        let gradient = penalized(gradient, &value, self.decay);
        [value - gradient * self.lr]
    }
}

#[derive(Debug, Clone, Copy)]
struct Momentum {
    lr: f64,
    decay: f64,
    /// Share of the buffer that is kept, and of the gradient that joins it.
    keep: f64,
    take: f64,
    /// Nesterov's momentum.
    ahead: Option<f64>,
}

impl Formula<2, 1> for Momentum {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, buffer]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let gradient = penalized(gradient, &value, self.decay);
        let buffer = buffer * self.keep + gradient.clone() * self.take;
        let direction = match self.ahead {
            Some(momentum) => gradient + buffer.clone() * momentum,
            None => buffer.clone(),
        };
        [value - direction * self.lr, buffer]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_by_hand() {
        let sgd = Sgd {
            momentum: 0.9,
            dampening: 0.5,
            weight_decay: 0.1,
            ..Sgd::default()
        };
        // g = 1 + 0.1 · 1 = 1.1; b = 1.1; θ = 1 - 0.11.
        // g = -2 + 0.1 · 0.89 = -1.911; b = 0.9 · 1.1 - 0.5 · 1.911 = 0.0345; θ = 0.89 - 0.00345.
        let (values, state) = descend(sgd.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.89, 0.88655]);
        assert_near(&[kept(&state, BUFFER)], &[0.0345]);
    }

    #[test]
    fn two_nesterov_steps_by_hand() {
        let sgd = Sgd {
            momentum: 0.5,
            nesterov: true,
            ..Sgd::default()
        };
        // b = 1; direction 1 + 0.5 · 1. Then b = 0.5 - 2 = -1.5; direction -2 - 0.75.
        let (values, state) = descend(sgd.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.85, 1.125]);
        assert_near(&[kept(&state, BUFFER)], &[-1.5]);
    }

    #[test]
    fn plain_steps_keep_no_buffer() {
        let (values, state) = descend(Sgd::default().build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.9, 1.1]);
        assert!(state.tensors.is_empty());
    }

    #[test]
    fn nesterov_needs_momentum_without_dampening() {
        for (momentum, dampening) in [(0.0, 0.0), (0.9, 0.1)] {
            let config = Sgd {
                momentum,
                dampening,
                nesterov: true,
                ..Sgd::default()
            };
            let error = config.build().err().unwrap().to_string();
            assert!(
                error.contains("nesterov") && error.contains("dampening"),
                "{error}"
            );
        }
    }
}
