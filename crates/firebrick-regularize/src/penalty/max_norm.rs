//! `max_norm`: keeps the norm of each unit's weights at or below a limit (Srebro and Shraibman 2005), as was
//! used with dropout (Srivastava et al. 2014, section 5.1).

use firebrick_core::about::{About, Field, Range};
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Constraint};
use serde::{Deserialize, Serialize};

use super::definition::{PATH, PenaltyConfig};
use super::units::{norms, with_matrix};

/// After each update, a unit whose weights have a 2-norm above the limit is scaled down to it; the others stay
/// as they are. For weights of rank 2 and more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaxNorm {
    /// The greatest norm, finite and above 0.
    pub limit: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
}

impl Default for MaxNorm {
    fn default() -> Self {
        Self {
            limit: 3.0,
            path: "*".into(),
        }
    }
}

impl PenaltyConfig for MaxNorm {
    const ABOUT: About = About::new(
        "max_norm",
        "keeps the norm of each unit's weights at or below a limit",
        &[Field::new("limit", Range::Positive), PATH],
    )
    .source("Srebro and Shraibman 2005; Srivastava et al. 2014");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        Action::Constrain(Box::new(self.clone()))
    }
}

impl Constraint for MaxNorm {
    fn project(&self, parameter: Parameter) -> Parameter {
        let (values, norms) = norms(&parameter);
        let within = norms.clone().lower_equal_elem(self.limit);
        // A factor of exactly 1 changes no bit.
        let factor = (norms.recip() * self.limit).mask_fill(within, 1.0);
        with_matrix(parameter, values * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::penalty::units::tests::{parameter, values};

    #[test]
    fn only_what_is_above_the_limit_changes() {
        let limit = MaxNorm {
            limit: 2.5,
            ..MaxNorm::default()
        };
        let columns = [3.0, 0.0, 0.7, 4.0, 0.0, 1.1];
        let found = values(limit.project(parameter(&[2, 3], &columns)).value);
        assert_eq!(found, [1.5, 0.0, 0.7, 2.0, 0.0, 1.1]);
        assert!(!limit.takes(&[3]) && limit.takes(&[2, 3]));
    }
}
