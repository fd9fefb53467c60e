//! `centralize`: wraps another optimizer and centralizes its gradients: their mean is subtracted.
//!
//! ```text
//! g ← g - mean(g)    over what makes one output, for tensors of rank 2 and more
//! θ ← a step of base with g
//! ```
//!
//! The mean is over a column of a linear layer's `[in, out]` and over a kernel
//! `[in, height, width]` of a convolution; vectors stay as they are.
//!
//! Source: Yong et al., "Gradient Centralization: A New Optimization Technique for Deep Neural
//! Networks", ECCV 2020, equation 1. Reference: pytorch_optimizer's `centralize_gradient`.
//!
//! The gradient alone is centralized; the penalty of weight decay joins it afterwards, in `base`. The
//! authors' SGD adds the penalty first.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::wrapper::{Wrapped, Wrapper, Wrapping};

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Centralize {
    /// Whether matrices stay as they are.
    pub conv_only: bool,
    /// The optimizer that steps.
    pub base: Spec,
}

impl Default for Centralize {
    fn default() -> Self {
        Self {
            conv_only: false,
            base: Spec::new("sgd"),
        }
    }
}

impl Configure for Centralize {
    const ABOUT: About = About {
        name: "centralize",
        aliases: &["gradient_centralization"],
        summary: "wraps another optimizer: gradient centralization, which subtracts its mean from each gradient",
        source: "Yong et al. 2020, arXiv:2004.01461, equation 1",
        fields: &[
            Field::new("conv_only", Range::Flag),
            Field::new("base", Range::Unit("optimizer")),
        ],
        cost: "that of the inner optimizer, and two passes over the gradients",
    };
}

impl Wrapping for Centralize {
    fn base(&self) -> &Spec {
        &self.base
    }

    fn around(&self, base: Box<dyn Update>) -> Result<Box<dyn Update>, ConfigError> {
        let least_rank = if self.conv_only { 3 } else { 2 };
        Wrapped::build(Self::ABOUT.name, Centralized { least_rank }, base)
    }
}

#[derive(Debug, Clone)]
struct Centralized {
    least_rank: usize,
}

fn centralized(gradients: Gradients, parameters: &Parameters, least_rank: usize) -> Gradients {
    let pairs = gradients.0.into_iter().zip(&parameters.0);
    let centralize = |gradient: Tensor<1>, parameter: &Parameter| {
        if parameter.shape.len() < least_rank {
            return gradient;
        }
        let (matrix, within) = parameter.units();
        let gradient = gradient.reshape(matrix);
        let mean = gradient.clone().mean_dim(within);
        (gradient - mean).reshape([matrix[0] * matrix[1]])
    };
    Gradients(
        pairs
            .map(|(gradient, parameter)| gradient.map(|gradient| centralize(gradient, parameter)))
            .collect(),
    )
}

impl Wrapper for Centralized {
    fn step(
        &mut self,
        base: &mut dyn Update,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let gradients = centralized(gradients, &parameters, self.least_rank);
        let mut again = |point: &Parameters| {
            let (loss, gradients) = reevaluate(point)?;
            Ok((loss, centralized(gradients, point, self.least_rank)))
        };
        base.step(step, parameters, gradients, &mut again)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, TensorData};

    use super::*;
    use crate::rule::tests::assert_near;

    /// One step of rate 1 from zeros: what was taken as the gradient, negative.
    fn taken(spec: &str, shape: &[usize], gradient: &[f64]) -> Vec<f64> {
        let device = firebrick_core::device("flex").unwrap();
        let mut update = crate::optimizer::build(&spec.parse().unwrap())
            .unwrap()
            .update;
        let gradient = Tensor::<1>::from_data(TensorData::from(gradient), (&device, DType::F64));
        let parameters = Parameters(vec![Parameter {
            path: "p".into(),
            shape: shape.into(),
            value: gradient.zeros_like(),
        }]);
        let stepped = update.step(
            &Step::new(0, 1.0),
            parameters,
            Gradients(vec![Some(gradient)]),
            &mut |_: &Parameters| panic!("no second evaluation here"),
        );
        let value = stepped.unwrap().0.remove(0).value;
        value.to_data().iter::<f64>().map(|value| -value).collect()
    }

    #[test]
    fn each_output_loses_its_mean() {
        let gradient = [1.0, 2.0, 5.0, 8.0];
        // Columns of a matrix, kernels of a convolution.
        assert_near(
            &taken("centralize", &[2, 2], &gradient),
            &[-2.0, -3.0, 2.0, 3.0],
        );
        assert_near(
            &taken("centralize", &[2, 1, 1, 2], &gradient),
            &[-0.5, 0.5, -1.5, 1.5],
        );
        assert_near(&taken("centralize", &[4], &gradient), &gradient);
        let conv_only = "centralize(conv_only=true)";
        assert_near(&taken(conv_only, &[2, 2], &gradient), &gradient);
        assert_near(
            &taken(conv_only, &[2, 1, 1, 2], &gradient),
            &[-0.5, 0.5, -1.5, 1.5],
        );
    }
}
