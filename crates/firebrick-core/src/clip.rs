//! Gradient clipping: by value, by the norm of each tensor, adaptively by unit (AGC), and by global norm.

use burn::tensor::Tensor;

use crate::ConfigError;
use crate::error::check_positive;
use crate::parameters::{Gradients, Parameter, Parameters};

/// The least norm of a unit's weights that [`Gradients::clip_agc`] reckons with.
const AGC_EPS: f64 = 1e-3;

/// Limits of the gradients of an update, applied in the order of the fields; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Clipping {
    /// Limit of every entry, see [`Gradients::clip_value`].
    pub value: Option<f64>,
    /// Limit of each tensor's 2-norm, see [`Gradients::clip_tensor_norm`].
    pub tensor_norm: Option<f64>,
    /// Limit of each unit's 2-norm relative to its weights', see [`Gradients::clip_agc`].
    pub agc: Option<f64>,
    /// Limit of the joint 2-norm, see [`Gradients::clip_norm`].
    pub norm: Option<f64>,
}

impl Clipping {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field of a recipe: a limit is finite and above 0.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (field, limit) in [
            ("clip_value", self.value),
            ("clip_tensor_norm", self.tensor_norm),
            ("clip_agc", self.agc),
            ("clip_norm", self.norm),
        ] {
            limit.map_or(Ok(()), |limit| check_positive("train", field, limit))?;
        }
        Ok(())
    }

    /// The gradients within the limits. `norm` is their joint norm as they are given.
    #[must_use]
    pub fn apply(&self, gradients: Gradients, parameters: &Parameters, norm: f64) -> Gradients {
        let Some(limit) = self.norm else {
            return self.each(gradients, parameters);
        };
        // What comes before changes the norm.
        if self.value.or(self.tensor_norm).or(self.agc).is_some() {
            let gradients = self.each(gradients, parameters);
            let norm = gradients.norm();
            return gradients.clip_norm(norm, limit);
        }
        gradients.clip_norm(norm, limit)
    }

    fn each(&self, gradients: Gradients, parameters: &Parameters) -> Gradients {
        let gradients = match self.value {
            Some(limit) => gradients.clip_value(limit),
            None => gradients,
        };
        let gradients = match self.tensor_norm {
            Some(limit) => gradients.clip_tensor_norm(limit),
            None => gradients,
        };
        match self.agc {
            Some(factor) => gradients.clip_agc(parameters, factor),
            None => gradients,
        }
    }
}

impl Gradients {
    /// Scales each tensor alone so that its 2-norm is at most `limit` (PyTorch's `clip_grad_norm_` on
    /// one parameter at a time: the factor is `limit / (norm + 1e-6)` where that is below 1).
    #[must_use]
    pub fn clip_tensor_norm(self, limit: f64) -> Self {
        let factors = self.squares();
        let factors = factors
            .into_iter()
            .map(|square| (limit / (square.sqrt() + 1e-6)).min(1.0));
        self.scale_each(factors.collect())
    }

    /// Adaptive gradient clipping: scales each unit (what makes one output) so that the 2-norm of its
    /// gradient is at most `factor` times the norm of its weights, which counts as 1e-3 at least.
    ///
    /// A unit is a column of a linear layer's `[in, out]`, a kernel `[in, height, width]` of a
    /// convolution, and the whole of a tensor of rank 1. The module of the last matrix or kernel, the
    /// head, is left alone.
    ///
    /// Source: Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization",
    /// ICML 2021, equation 3. Reference: timm's `adaptive_clip_grad`; as there, a norm below 1e-6
    /// divides as 1e-6. Differs from it: timm leaves out the last two parameters as the head.
    ///
    /// # Panics
    /// When the parameters are not those of the gradients.
    #[must_use]
    pub fn clip_agc(self, parameters: &Parameters, factor: f64) -> Self {
        let head = parameters
            .0
            .iter()
            .rfind(|parameter| parameter.shape.len() > 1)
            .map(Parameter::module);
        let clipped = self.0.into_iter().zip(&parameters.0);
        let clipped = clipped.map(|(gradient, parameter)| {
            if head == Some(parameter.module()) {
                return gradient;
            }
            gradient.map(|gradient| clip_units(gradient, parameter, factor))
        });
        Self(clipped.collect())
    }
}

fn clip_units(gradient: Tensor<1>, parameter: &Parameter, factor: f64) -> Tensor<1> {
    let ([rows, columns], within) = parameter.units();
    let elements = rows * columns;
    let norm = |tensor: Tensor<2>| tensor.powi_scalar(2).sum_dim(within).sqrt();
    let weights = parameter.value.clone().reshape([rows, columns]);
    let most = norm(weights).clamp_min(AGC_EPS) * factor;
    let gradient = gradient.reshape([rows, columns]);
    let found = norm(gradient.clone());
    let small = found.clone().lower(most.clone());
    let scale = (most / found.clamp_min(1e-6)).mask_fill(small, 1.0);
    (gradient * scale).reshape([elements])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, TensorData};

    use super::*;

    fn tensor(values: &[f64]) -> Tensor<1> {
        let device = crate::device("flex").unwrap();
        Tensor::from_data(TensorData::from(values), (&device, DType::F64))
    }

    fn parameter(path: &str, shape: &[usize], values: &[f64]) -> Parameter {
        Parameter {
            path: path.into(),
            shape: shape.into(),
            value: tensor(values),
        }
    }

    fn values(gradients: &Gradients) -> Vec<Vec<f64>> {
        let tensors = gradients.0.iter().flatten();
        tensors
            .map(|tensor| tensor.to_data().iter::<f64>().collect())
            .collect()
    }

    fn assert_near(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        assert_eq!(found.len(), expected.len());
    }

    #[test]
    fn each_tensor_has_a_limit_of_its_own() {
        let gradients = Gradients(vec![
            Some(tensor(&[3.0, 4.0])),
            None,
            Some(tensor(&[0.3, 0.4])),
        ]);
        let clipped = gradients.clip_tensor_norm(1.0);
        assert!(clipped.0[1].is_none());
        assert_near(&values(&clipped).concat(), &[0.6, 0.8, 0.3, 0.4]);
    }

    #[test]
    fn units_are_columns_of_a_matrix_and_kernels_of_a_convolution_and_the_head_is_free() {
        // Columns (3, 4) and (0, 0); kernels of norms 5 and 0.5.
        let matrix = [3.0, 0.0, 4.0, 0.0];
        let kernels = [3.0, 4.0, 0.3, 0.4];
        let parameters = Parameters(vec![
            parameter("first.weight", &[2, 2], &matrix),
            parameter("conv.weight", &[2, 1, 1, 2], &kernels),
            parameter("conv.bias", &[2], &[3.0, 4.0]),
            parameter("fc.weight", &[2, 1], &[1.0, 1.0]),
            parameter("fc.bias", &[1], &[1.0]),
        ]);
        let ones = |count: usize| Some(tensor(&vec![1.0; count]));
        let gradients = Gradients(vec![ones(4), ones(4), ones(2), ones(2), ones(1)]);
        let clipped = values(&gradients.clip_agc(&parameters, 0.1));
        // Each unit has a gradient of norm √2: the limits are 0.5 and 1e-4, then 0.5 and 0.05.
        let root = std::f64::consts::SQRT_2;
        let (wide, none, narrow) = (0.5 / root, 1e-4 / root, 0.05 / root);
        assert_near(&clipped[0], &[wide, none, wide, none]);
        assert!((clipped[0][1] / none - 1.0).abs() < 1e-12);
        assert_near(&clipped[1], &[wide, wide, narrow, narrow]);
        assert_near(&clipped[2], &[wide, wide]);
        assert_eq!((&clipped[3], &clipped[4]), (&vec![1.0; 2], &vec![1.0]));
    }

    #[test]
    fn limits_apply_in_order_and_the_joint_one_sees_what_is_left() {
        let parameters = Parameters(vec![
            parameter("a", &[2], &[1.0, 1.0]),
            parameter("b", &[1], &[1.0]),
        ]);
        let gradients = || Gradients(vec![Some(tensor(&[30.0, 4.0])), Some(tensor(&[12.0]))]);
        let norm = gradients().norm();
        let clip =
            |clipping: Clipping| values(&clipping.apply(gradients(), &parameters, norm)).concat();
        assert_eq!(clip(Clipping::default()), [30.0, 4.0, 12.0]);
        let value = Clipping {
            value: Some(3.0),
            ..Clipping::default()
        };
        assert_eq!(clip(value), [3.0, 3.0, 3.0]);
        // (3, 4) and 12 have the joint norm 13 once the entries are at most 12 … and 5 by tensor.
        let both = Clipping {
            tensor_norm: Some(5.0),
            norm: Some(1.0),
            ..value
        };
        let (a, b) = (3.0_f64, 27.0_f64.sqrt());
        assert_near(&clip(both), &[a / b, a / b, a / b]);
        let bad = Clipping {
            agc: Some(0.0),
            ..value
        };
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains("clip_agc = 0"), "{error}");
    }
}
