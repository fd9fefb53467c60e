//! `group_lasso`: λ Σ √n ‖unit‖, which switches off whole units (Yuan and Lin 2006).

use firebrick_core::about::About;
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Charge, Penalty};
use serde::{Deserialize, Serialize};

use super::definition::{APPLY, Apply, LAMBDA, PATH, PenaltyConfig};
use super::units::{norms, with_matrix};

/// λ Σ √n ‖w‖ over the units of a layer, of n weights each. The gradient of a unit that is 0 is 0.
///
/// As decay, the norm of each unit shrinks by λ √n times the learning rate, down to 0. For weights of rank 2
/// and more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupLasso {
    /// The strength λ, finite and at least 0.
    pub lambda: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
    /// How it takes effect.
    pub apply: Apply,
}

impl Default for GroupLasso {
    fn default() -> Self {
        Self {
            lambda: 1e-4,
            path: "*".into(),
            apply: Apply::Loss,
        }
    }
}

impl PenaltyConfig for GroupLasso {
    const ABOUT: About = About::new(
        "group_lasso",
        "penalizes the norms of whole units, which switches off units that are not needed",
        &[LAMBDA, PATH, APPLY],
    )
    .source("Yuan and Lin 2006");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        self.apply.action(self.clone())
    }
}

impl GroupLasso {
    /// λ √n.
    fn strength(&self, parameter: &Parameter) -> f64 {
        let ([rows, columns], within) = parameter.units();
        self.lambda * ([rows, columns][within] as f64).sqrt()
    }
}

impl Penalty for GroupLasso {
    fn charge(&self, parameter: &Parameter) -> Charge {
        let strength = self.strength(parameter);
        let (values, norms) = norms(parameter);
        let off = norms.clone().equal_elem(0.0);
        let gradient = values / norms.clone().mask_fill(off, 1.0) * strength;
        Charge {
            value: norms.sum() * strength,
            gradient: with_matrix(parameter.clone(), gradient).value,
        }
    }

    fn takes(&self, shape: &[usize]) -> bool {
        shape.len() > 1
    }

    fn decay(&self, parameter: Parameter, rate: f64) -> Parameter {
        let by = rate * self.strength(&parameter);
        let (values, norms) = norms(&parameter);
        let off = norms.clone().equal_elem(0.0);
        let kept = (norms.clone() - by).clamp_min(0.0) / norms.mask_fill(off, 1.0);
        with_matrix(parameter, values * kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::penalty::units::tests::{parameter, values};

    #[test]
    fn as_decay_it_shortens_units_down_to_0() {
        let lasso = GroupLasso {
            lambda: 1.0,
            ..GroupLasso::default()
        };
        let kernels = [3.0, 4.0, 0.0, 0.0, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0];
        let decayed = lasso.decay(parameter(&[3, 1, 2, 2], &kernels), 0.5);
        // Each norm loses 0.5 · √4: 5 becomes 4, 0.2 and 0 become 0.
        let expected = [2.4, 3.2, 0.0, 0.0];
        let found = values(decayed.value);
        assert!(
            found[..4]
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?}"
        );
        assert_eq!(found[4..], [0.0; 8]);
    }
}
