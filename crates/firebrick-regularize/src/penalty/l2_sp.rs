//! `l2_sp`: λ Σ (w - w⁰)², a weight decay towards the pretrained weights w⁰ with which fine-tuning begins.
//!
//! Source: Li, Grandvalet and Davoine, "Explicit inductive bias for transfer learning with convolutional networks", ICML 2018,
//! equation 3. Their α/2 and β/2 are `lambda` and `fresh` here, as λ Σ w² is `l2`.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Charge, Penalty, StartingPoint};
use serde::{Deserialize, Serialize};

use super::definition::{APPLY, Apply, LAMBDA, PATH, PenaltyConfig};

/// λ Σ (w - w⁰)² for parameters that begin with pretrained weights w⁰, and μ Σ w² for those that do not, such as a new last layer.
///
/// The starting point is that of the run, also after a resume and in a run that branches off: each parameter is measured from where
/// it was before the first update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct L2Sp {
    /// The strength λ for pretrained parameters, finite and at least 0.
    pub lambda: f64,
    /// The strength μ for parameters without pretrained weights, finite and at least 0.
    pub fresh: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
    /// How it takes effect.
    pub apply: Apply,
}

impl Default for L2Sp {
    fn default() -> Self {
        Self {
            lambda: 0.05,
            fresh: 0.005,
            path: "*".into(),
            apply: Apply::Loss,
        }
    }
}

impl PenaltyConfig for L2Sp {
    const ABOUT: About = About::new(
        "l2_sp",
        "penalizes the sum of the squares of how far weights have moved from the pretrained ones; new weights, such as those of a new last layer, are penalized as by l2(fresh)",
        &[LAMBDA, Field::new("fresh", Range::NotNegative), PATH, APPLY],
    )
    .source("Li, Grandvalet and Davoine 2018");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        self.apply.action(FromStart {
            config: self.clone(),
            start: StartingPoint::default(),
        })
    }
}

/// The penalty of a run, which knows where the run began.
struct FromStart {
    config: L2Sp,
    start: StartingPoint,
}

impl Penalty for FromStart {
    fn charge(&self, parameter: &Parameter) -> Charge {
        let value = parameter.value.clone();
        let (moved, strength) = match self.start.of(&parameter.path) {
            Some(start) => (value - start, self.config.lambda),
            None => (value, self.config.fresh),
        };
        Charge {
            value: moved.clone().square().sum() * strength,
            gradient: moved * (2.0 * strength),
        }
    }

    fn starting_point(&self) -> Option<&StartingPoint> {
        Some(&self.start)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::parameters::Parameters;

    use super::*;
    use crate::penalty::build;
    use crate::penalty::units::tests::{parameter, values};

    #[test]
    fn what_has_not_moved_stays_to_the_bit() {
        let penalties = build(&"l2_sp(0.3, fresh=0.5, apply=decay)".parse().unwrap()).unwrap();
        let start = parameter(&[3], &[0.1, -0.7, 1e-3]);
        assert!(penalties.measure_from_start() && !penalties.have_begun());
        penalties.begin(&Parameters(vec![start.clone()]));
        assert!(penalties.have_begun());
        let of = |parameter: Parameter| {
            let after = penalties.after_update(Parameters(vec![parameter]), &[0.1]);
            values(after.0[0].value.clone())
        };
        assert_eq!(of(start), [0.1, -0.7, 1e-3]);
        let moved = of(parameter(&[3], &[1.1, -0.7, 1e-3]));
        assert_eq!(moved, [1.1 - 0.1 * 0.6 * (1.1 - 0.1), -0.7, 1e-3]);
        let fresh = Parameter {
            path: "head.weight".into(),
            ..parameter(&[2], &[2.0, -1.0])
        };
        assert_eq!(of(fresh), [2.0 - 0.2, -1.0 + 0.1]);
    }
}
