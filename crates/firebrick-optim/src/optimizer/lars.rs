//! `lars`: SGD with a trust ratio: the gradient of each tensor is scaled to the norm of its values.
//!
//! ```text
//! r ← trust_coeff · |θ| / (|g| + weight_decay · |θ| + eps),   1 where |θ| or |g| is 0
//! r ← min(r / lr, 1)   if trust_clip (LARC)
//! g ← r · (g + weight_decay · θ)
//! then as `sgd` with momentum, dampening, nesterov and weight_decay = 0
//! ```
//!
//! A tensor without weight decay is left out: r is 1 and it takes SGD's step, unless `always_adapt`.
//! So biases and norms belong in a group without weight decay.
//!
//! Source: You et al., "Large Batch Training of Convolutional Networks", 2017, algorithm 1.
//! Reference: timm's `Lars`. As there, the ratio is inside the momentum buffer and `lr` outside.
//!
//! Differs from timm's: `weight_decay` is 1e-4 by default (there 0, where the defaults are plain SGD
//! at a rate of 1); `eps = 0` is refused. Burn has none.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::sgd::Sgd;
use super::trust::{norm, trusted};
use crate::about::{About, Configure, Field, Range};
use crate::rule::{Rule, StateNames, Stepping};

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lars {
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
    /// The length of a scaled gradient over that of the values.
    pub trust_coeff: f64,
    /// Added to the norm of the gradient.
    pub eps: f64,
    /// The ratio over the learning rate is 1 at most (LARC).
    pub trust_clip: bool,
    /// Takes the ratio without weight decay too.
    pub always_adapt: bool,
}

impl Default for Lars {
    fn default() -> Self {
        Self {
            lr: 1.0,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 1e-4,
            nesterov: false,
            trust_coeff: 0.001,
            eps: 1e-8,
            trust_clip: false,
            always_adapt: false,
        }
    }
}

impl Lars {
    fn sgd(&self) -> Sgd {
        Sgd {
            momentum: self.momentum,
            dampening: self.dampening,
            nesterov: self.nesterov,
            ..Sgd::default()
        }
    }

    /// The gradient as SGD takes it.
    fn scaled(&self, one: &Stepping<'_>) -> Tensor<1> {
        let (lr, decay) = (one.now.lr, one.now.weight_decay(self.weight_decay));
        if decay == 0.0 && !self.always_adapt {
            return one.gradient.clone();
        }
        let norms = [norm(&one.value), norm(&one.gradient)];
        let [value, gradient] = norms.clone();
        let divisor = gradient + value.clone() * decay + self.eps;
        let ratio = trusted(value * self.trust_coeff / divisor, norms);
        let ratio = match self.trust_clip {
            // Every ratio is too large for a rate of 0.
            true if lr == 0.0 => ratio.ones_like(),
            true => (ratio / lr).clamp_max(1.0),
            false => ratio,
        };
        (one.gradient.clone() + one.value.clone() * decay) * ratio
    }
}

impl Configure for Lars {
    const ABOUT: About = About {
        name: "lars",
        aliases: &[],
        summary: "SGD with a trust ratio for each tensor, for large batches",
        source: "You et al. 2017, arXiv:1708.03888, algorithm 1",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share),
            Field::new("dampening", Range::Within(0.0, 1.0)),
            Field::WEIGHT_DECAY,
            Field::new("nesterov", Range::Flag),
            Field::new("trust_coeff", Range::Positive),
            Field::EPS,
            Field::new("trust_clip", Range::Flag),
            Field::new("always_adapt", Range::Flag),
        ],
        cost: "two passes and two norms",
    };

    fn check(&self) -> Result<(), ConfigError> {
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(ConfigError::Conflict(format!(
                "lars: nesterov = true needs momentum above 0 and dampening = 0, but they are {} and {}",
                self.momentum, self.dampening
            )));
        }
        Ok(())
    }
}

impl Rule for Lars {
    fn state(&self) -> StateNames {
        self.sgd().state()
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let scaled = tensors.into_iter().map(|one| Stepping {
            gradient: self.scaled(&one),
            ..one
        });
        self.sgd().descend(scaled.collect(), |_| 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend};

    const PLAIN: Lars = Lars {
        lr: 0.1,
        momentum: 0.5,
        dampening: 0.0,
        weight_decay: 1.0,
        nesterov: false,
        trust_coeff: 0.5,
        eps: 1.0,
        trust_clip: false,
        always_adapt: false,
    };

    #[test]
    fn two_steps_by_hand() {
        // r = 0.5 · 1 / (2 + 1 + 1) = 0.125; g = 0.125 · 3. Then θ = 0.9625 and
        // r = 0.5 · 0.9625 / (0 + …) is not taken, since |g| is 0: g = 0.9625, b = 0.1875 + 0.9625.
        let (values, _) = descend(PLAIN.build().unwrap(), 0.1, &[2.0, 0.0]);
        assert_near(&values, &[0.9625, 0.9625 - 0.115]);
    }

    #[test]
    fn the_ratio_is_for_tensors_with_decay_and_can_be_clipped() {
        let first = |lars: Lars| descend(lars.build().unwrap(), 0.1, &[2.0]).0;
        let plain = Lars {
            weight_decay: 0.0,
            ..PLAIN
        };
        assert_near(&first(plain.clone()), &[0.8]);
        let adapted = Lars {
            always_adapt: true,
            ..plain
        };
        assert_near(&first(adapted), &[1.0 - 0.1 * 2.0 / 6.0]);
        let clipped = Lars {
            trust_clip: true,
            ..PLAIN
        };
        // 0.125 / 0.1 is more than 1.
        assert_near(&first(clipped), &[0.7]);
    }

    #[test]
    fn nesterov_needs_momentum() {
        let lars = Lars {
            momentum: 0.0,
            nesterov: true,
            ..PLAIN
        };
        let error = lars.build().err().unwrap().to_string();
        assert!(error.contains("lars: nesterov"), "{error}");
    }
}
