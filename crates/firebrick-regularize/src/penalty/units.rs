//! The norms of a parameter's units.

use burn::tensor::Tensor;
use firebrick_core::parameters::Parameter;

/// The values as a matrix, and the 2-norm of each unit so that it can be multiplied with the matrix.
pub(super) fn norms(parameter: &Parameter) -> (Tensor<2>, Tensor<2>) {
    let (shape, within) = parameter.units();
    let values = parameter.value.clone().reshape(shape);
    let norms = values.clone().square().sum_dim(within).sqrt();
    (values, norms)
}

/// The parameter with other values, given as the matrix of its units.
pub(super) fn with_matrix(parameter: Parameter, matrix: Tensor<2>) -> Parameter {
    let count = parameter.shape.iter().product::<usize>();
    Parameter {
        value: matrix.reshape([count]),
        ..parameter
    }
}

#[cfg(test)]
pub(super) mod tests {
    use burn::tensor::{DType, TensorData};

    use super::*;

    /// A parameter on the CPU, in f64.
    pub(crate) fn parameter(shape: &[usize], values: &[f64]) -> Parameter {
        let device = firebrick_core::device("flex").unwrap();
        Parameter {
            path: "fc.weight".into(),
            shape: shape.into(),
            value: Tensor::from_data(TensorData::from(values), (&device, DType::F64)),
        }
    }

    pub(crate) fn values(tensor: Tensor<1>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    #[test]
    fn a_unit_is_a_column_of_a_matrix_and_a_kernel_of_a_convolution() {
        let (_, linear) = norms(&parameter(&[2, 3], &[3.0, 0.0, 1.0, 4.0, 2.0, 0.0]));
        assert_eq!(values(linear.reshape([3])), [5.0, 2.0, 1.0]);
        let (_, kernels) = norms(&parameter(&[2, 1, 1, 3], &[0.0, 3.0, 4.0, 1.0, 2.0, 2.0]));
        assert_eq!(values(kernels.reshape([2])), [5.0, 3.0]);
    }
}
