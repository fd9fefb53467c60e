//! `elastic_net`: λ₁ Σ abs(w) + λ₂ Σ w² (Zou and Hastie 2005).

use firebrick_core::about::{About, Field, Range};
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Charge, Penalty};
use serde::{Deserialize, Serialize};

use super::definition::{APPLY, Apply, PATH, PenaltyConfig};
use super::l1::soft_threshold;

/// λ₁ Σ abs(w) + λ₂ Σ w². As decay, the soft threshold of `l1` comes first, then each weight shrinks by the
/// factor 1 / (1 + 2 λ₂ times the learning rate): the proximal step of both together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNet {
    /// The strength λ₁ of the absolute values, finite and at least 0.
    pub l1: f64,
    /// The strength λ₂ of the squares, finite and at least 0.
    pub l2: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
    /// How it takes effect.
    pub apply: Apply,
}

impl Default for ElasticNet {
    fn default() -> Self {
        Self {
            l1: 1e-5,
            l2: 1e-4,
            path: "*".into(),
            apply: Apply::Loss,
        }
    }
}

impl PenaltyConfig for ElasticNet {
    const ABOUT: About = About::new(
        "elastic_net",
        "penalizes the absolute values and the squares of weights",
        &[
            Field::new("l1", Range::NotNegative),
            Field::new("l2", Range::NotNegative),
            PATH,
            APPLY,
        ],
    )
    .source("Zou and Hastie 2005");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        self.apply.action(self.clone())
    }
}

impl Penalty for ElasticNet {
    fn charge(&self, parameter: &Parameter) -> Charge {
        let values = &parameter.value;
        let (absolute, squares) = (values.clone().abs().sum(), values.clone().square().sum());
        Charge {
            value: absolute * self.l1 + squares * self.l2,
            gradient: values.clone().sign() * self.l1 + values.clone() * (2.0 * self.l2),
        }
    }

    fn decay(&self, parameter: Parameter, rate: f64) -> Parameter {
        let kept = soft_threshold(parameter.value, rate * self.l1);
        Parameter {
            value: kept / (1.0 + 2.0 * rate * self.l2),
            ..parameter
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::penalty::units::tests::{parameter, values};

    #[test]
    fn as_decay_it_minimizes_penalty_and_distance() {
        let net = ElasticNet {
            l1: 0.5,
            l2: 0.25,
            ..ElasticNet::default()
        };
        let (rate, from) = (0.2, [1.0, -0.05, 0.3]);
        let found = values(net.decay(parameter(&[3], &from), rate).value);
        // The definition: w minimizes (w - from)² / 2 + rate · penalty(w), here on a fine grid.
        for (found, from) in found.iter().zip(from) {
            let cost = |w: f64| (w - from).powi(2) / 2.0 + rate * (0.5 * w.abs() + 0.25 * w * w);
            let grid = (-2000..2000).map(|at| f64::from(at) * 1e-3);
            let best = grid.min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap();
            assert!((found - best).abs() <= 1e-3, "{found} {best}");
        }
        assert_eq!(found[1], 0.0);
    }
}
