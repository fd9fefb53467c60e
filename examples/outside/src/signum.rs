//! `signum`: the sign of the momentum.
//!
//! ```text
//! m ← momentum · m + (1 - momentum) · g
//! θ ← θ - lr · (sign(m) + weight_decay · θ)
//! ```
//!
//! Every element moves by `lr`, or not at all where its momentum is 0; a rate that falls to zero is
//! what lets it come to rest.
//!
//! Source: Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", ICML 2018,
//! algorithm 2, on one worker.

use firebrick::optim::{
    About, Configure, Field, Formula, Range, Real, Rule, StateNames, Stepping, WeightDecay,
    elementwise,
};
use firebrick::prelude::Tensor;
use serde::{Deserialize, Serialize};

const MOMENTUM: &str = "momentum_buffer";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signum {
    /// Base learning rate.
    pub lr: f64,
    /// Share of the momentum that is kept at each step.
    pub momentum: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
}

impl Default for Signum {
    fn default() -> Self {
        Self {
            lr: 1e-4,
            momentum: 0.9,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Signum {
    const ABOUT: About = About {
        name: "signum",
        aliases: &[],
        summary: "the sign of the momentum",
        source: "Bernstein et al. 2018, ICML, algorithm 2",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass",
    };
}

impl Rule for Signum {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[MOMENTUM])
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, &[MOMENTUM], |one| Sign {
            lr: one.now.lr,
            momentum: one.now.momentum(self.momentum),
            decay: one.now.decoupled(self.weight_decay),
        })
    }
}

/// One element: written once, run as a fused pass on the CPU and as tensor operations elsewhere.
#[derive(Debug, Clone, Copy)]
struct Sign {
    lr: f64,
    momentum: f64,
    decay: WeightDecay,
}

impl Formula<2, 1> for Sign {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, kept]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let kept = kept * self.momentum + gradient * (1.0 - self.momentum);
        [
            self.decay.shrink(value) - kept.clone().sign() * self.lr,
            kept,
        ]
    }
}
