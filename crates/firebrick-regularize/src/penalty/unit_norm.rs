//! `unit_norm`: keeps the norm of each unit's weights at 1 (Keras's `UnitNorm`).

use firebrick_core::about::About;
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Constraint};
use serde::{Deserialize, Serialize};

use super::definition::{PATH, PenaltyConfig};
use super::units::{norms, with_matrix};

/// After each update, the weights of each unit are divided by their 2-norm; a unit that is 0 stays 0. For
/// weights of rank 2 and more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnitNorm {
    /// The paths of the parameters that it is for.
    pub path: String,
}

impl Default for UnitNorm {
    fn default() -> Self {
        Self { path: "*".into() }
    }
}

impl PenaltyConfig for UnitNorm {
    const ABOUT: About = About::new(
        "unit_norm",
        "keeps the norm of each unit's weights at 1",
        &[PATH],
    )
    .source("Keras's UnitNorm");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        Action::Constrain(Box::new(self.clone()))
    }
}

impl Constraint for UnitNorm {
    fn project(&self, parameter: Parameter) -> Parameter {
        let (values, norms) = norms(&parameter);
        let off = norms.clone().equal_elem(0.0);
        with_matrix(parameter, values / norms.mask_fill(off, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::penalty::units::tests::{parameter, values};

    #[test]
    fn every_unit_has_norm_1_or_0() {
        let kernels = [0.0, 3.0, 4.0, 0.0, 0.0, 0.0];
        let found = UnitNorm::default().project(parameter(&[2, 1, 1, 3], &kernels));
        assert_eq!(values(found.value), [0.0, 0.6, 0.8, 0.0, 0.0, 0.0]);
    }
}
