//! `orthogonal`: λ ‖W Wᵀ - I‖², soft orthogonality (Bansal et al. 2018, section 3.1).

use burn::tensor::Tensor;
use firebrick_core::about::About;
use firebrick_core::parameters::Parameter;
use firebrick_core::penalty::{Action, Charge, Penalty};
use serde::{Deserialize, Serialize};

use super::definition::{APPLY, Apply, LAMBDA, PATH, PenaltyConfig};
use super::units::with_matrix;

/// λ ‖W Wᵀ - I‖² with one row of W for each unit; λ ‖Wᵀ W - I‖² where there are more units than weights in
/// a unit, so that the penalty can be 0. For weights of rank 2 and more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Orthogonal {
    /// The strength λ, finite and at least 0.
    pub lambda: f64,
    /// The paths of the parameters that it is for.
    pub path: String,
    /// How it takes effect.
    pub apply: Apply,
}

impl Default for Orthogonal {
    fn default() -> Self {
        Self {
            lambda: 1e-4,
            path: "*".into(),
            apply: Apply::Loss,
        }
    }
}

impl PenaltyConfig for Orthogonal {
    const ABOUT: About = About::new(
        "orthogonal",
        "penalizes the distance of a layer's units from being orthonormal",
        &[LAMBDA, PATH, APPLY],
    )
    .source("Bansal et al. 2018");

    fn path(&self) -> &str {
        &self.path
    }

    fn action(&self) -> Action {
        self.apply.action(self.clone())
    }
}

impl Penalty for Orthogonal {
    fn charge(&self, parameter: &Parameter) -> Charge {
        let (shape @ [rows, columns], _) = parameter.units();
        let matrix = parameter.value.clone().reshape(shape);
        // The smaller of the two Gram matrices, whichever way units lie.
        let (gram, gradient): (_, fn(Tensor<2>, Tensor<2>) -> Tensor<2>) = if rows <= columns {
            let gram = matrix.clone().matmul(matrix.clone().transpose());
            (gram, |excess, matrix| excess.matmul(matrix))
        } else {
            let gram = matrix.clone().transpose().matmul(matrix.clone());
            (gram, |excess, matrix| matrix.matmul(excess))
        };
        let identity = Tensor::<2>::eye(gram.dims()[0], &gram.device()).cast(gram.dtype());
        let excess = gram - identity;
        let gradient = gradient(excess.clone(), matrix) * (4.0 * self.lambda);
        Charge {
            value: excess.square().sum() * self.lambda,
            gradient: with_matrix(parameter.clone(), gradient).value,
        }
    }

    fn takes(&self, shape: &[usize]) -> bool {
        shape.len() > 1
    }
}
