//! `qhm`: quasi-hyperbolic momentum, between plain descent and descent along the mean gradient.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! b ← momentum · b + (1 - momentum) · g
//! θ ← θ - lr · ((1 - nu) · g + nu · b)
//! ```
//!
//! `nu = 0` is plain descent, `nu = 1` momentum with an averaging buffer, `nu = momentum` Nesterov's in
//! that form.
//!
//! Source: Ma & Yarats, "Quasi-hyperbolic momentum and Adam for deep learning", ICLR 2019, algorithm 1;
//! the defaults of `momentum` and `nu` are its recommendation. Reference: pytorch_optimizer's `QHM`, whose
//! defaults (0 and 1) are plain descent. Burn has none.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const BUFFER: &str = "momentum_buffer";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qhm {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the buffer that is kept at each step.
    pub momentum: f64,
    /// Share of the buffer in the step; the gradient has the rest.
    pub nu: f64,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
}

impl Default for Qhm {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            momentum: 0.999,
            nu: 0.7,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Qhm {
    const ABOUT: About = About {
        name: "qhm",
        aliases: &[],
        summary: "quasi-hyperbolic momentum: a weighted mean of the gradient and the momentum",
        source: "Ma & Yarats 2019, arXiv:1810.06801, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share),
            Field::new("nu", Range::Within(0.0, 1.0)),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Qhm {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[BUFFER])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &[BUFFER], |one| Mean {
            lr: one.now.lr,
            decay: one.now.weight_decay(self.weight_decay),
            momentum: one.now.momentum(self.momentum),
            nu: self.nu,
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Mean {
    lr: f64,
    decay: f64,
    momentum: f64,
    nu: f64,
}

impl Formula<2, 1> for Mean {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, buffer]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let gradient = penalized(gradient, &value, self.decay);
        let buffer = buffer * self.momentum + gradient.clone() * (1.0 - self.momentum);
        let direction = gradient * (1.0 - self.nu) + buffer.clone() * self.nu;
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
        let qhm = Qhm {
            momentum: 0.5,
            nu: 0.75,
            ..Qhm::default()
        };
        // b = 0.5; direction 0.25 · 1 + 0.75 · 0.5 = 0.625.
        // b = 0.25 - 1 = -0.75; direction 0.25 · -2 + 0.75 · -0.75 = -1.0625.
        let (values, state) = descend(qhm.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.9375, 1.04375]);
        assert_near(&[kept(&state, BUFFER)], &[-0.75]);
    }
}
