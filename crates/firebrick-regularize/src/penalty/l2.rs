//! `l2`: λ Σ w², also called ridge or Tikhonov regularization.

use firebrick_core::about::About;
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Charge, Penalty};
use serde::{Deserialize, Serialize};

use super::definition::{APPLY, Apply, LAMBDA, PATH, PenaltyConfig};

/// λ Σ w². Added to the loss it is the same as a weight decay of 2λ in SGD and every optimizer that adds its
/// weight decay to the gradient; as decay it is the same as the decoupled weight decay 2λ of AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct L2 {
    /// The strength λ, finite and at least 0.
    pub lambda: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
    /// How it takes effect.
    pub apply: Apply,
}

impl Default for L2 {
    fn default() -> Self {
        Self {
            lambda: 1e-4,
            path: "*".into(),
            apply: Apply::Loss,
        }
    }
}

impl PenaltyConfig for L2 {
    const ABOUT: About = About::new(
        "l2",
        "penalizes the sum of the squares of weights; l2(λ) equals a weight decay of 2λ in SGD",
        &[LAMBDA, PATH, APPLY],
    )
    .source("Hoerl and Kennard 1970");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        self.apply.action(self.clone())
    }
}

impl Penalty for L2 {
    fn charge(&self, parameter: &Parameter) -> Charge {
        Charge {
            value: parameter.value.clone().square().sum() * self.lambda,
            gradient: parameter.value.clone() * (2.0 * self.lambda),
        }
    }
}
