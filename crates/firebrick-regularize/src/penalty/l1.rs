//! `l1`: λ Σ abs(w), which makes weights exactly 0 where it is applied as decay (Tibshirani 1996).

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Charge, Penalty};
use serde::{Deserialize, Serialize};

use super::definition::{APPLY, Apply, LAMBDA, PATH, PenaltyConfig};

/// λ Σ abs(w). The gradient at 0 is 0, as PyTorch's.
///
/// As decay, each weight moves λ times the learning rate towards 0 and stops there (the soft threshold of
/// proximal gradient descent), so that weights become exactly 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct L1 {
    /// The strength λ, finite and at least 0.
    pub lambda: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
    /// How it takes effect.
    pub apply: Apply,
}

impl Default for L1 {
    fn default() -> Self {
        Self {
            lambda: 1e-5,
            path: "*".into(),
            apply: Apply::Loss,
        }
    }
}

impl PenaltyConfig for L1 {
    const ABOUT: About = About::new(
        "l1",
        "penalizes the sum of the absolute values of weights, which makes many of them 0",
        &[LAMBDA, PATH, APPLY],
    )
    .source("Tibshirani 1996");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        self.apply.action(self.clone())
    }
}

impl Penalty for L1 {
    fn charge(&self, parameter: &Parameter) -> Charge {
        Charge {
            value: parameter.value.clone().abs().sum() * self.lambda,
            gradient: parameter.value.clone().sign() * self.lambda,
        }
    }

    fn decay(&self, parameter: Parameter, rate: f64) -> Parameter {
        Parameter {
            value: soft_threshold(parameter.value, rate * self.lambda),
            ..parameter
        }
    }
}

/// Each value moved towards 0 by this much, or to 0.
pub(super) fn soft_threshold(values: Tensor<1>, by: f64) -> Tensor<1> {
    let kept = (values.clone().abs() - by).clamp_min(0.0);
    values.sign() * kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::penalty::units::tests::{parameter, values};

    #[test]
    fn as_decay_it_stops_at_0() {
        let l1 = L1 {
            lambda: 0.5,
            ..L1::default()
        };
        let decayed = l1.decay(parameter(&[4], &[1.0, -0.04, 0.0, -2.0]), 0.1);
        assert_eq!(values(decayed.value), [0.95, 0.0, 0.0, -1.95]);
    }
}
