//! Batch norm folded into the convolution before it: one layer in place of two, for inference elsewhere.

use burn::tensor::{DType, Tensor, TensorData};

use super::{BatchNorm, Conv2d};
use crate::ConfigError;
use crate::kernels::fold_scale_and_shift;

/// The convolution that gives what `bn(conv(x))` gives in evaluation:
///
/// ```text
/// weight' = weight · γ / √(running_var + ε)        bias' = (bias - running_mean) · γ / √(running_var + ε) + β
/// ```
///
/// The layers of the zoo compute this way by themselves in evaluation ([`conv_bn`](super::conv_bn())); this is for models that are
/// taken elsewhere. The result is trained and saved like any convolution; its weights are computed in f64 and kept in f32.
///
/// ```
/// use firebrick_core::nn::{BatchNormConfig, Conv2dConfig, fold};
/// # use burn::module::Module;
/// let device = firebrick_core::device("flex").unwrap();
/// let conv = Conv2dConfig::new([3, 8], 3).with_bias(false).init(&device);
/// let bn = BatchNormConfig::new(8).init(&device);
/// let plain = fold(&conv, &bn)?;
/// assert_eq!(plain.bias.as_ref().unwrap().dims(), [8]);
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError::Conflict`] when the batch norm is for another number of channels, or has no running statistics.
pub fn fold(conv: &Conv2d, bn: &BatchNorm) -> Result<Conv2d, ConfigError> {
    let Some([mean, variance]) = bn.statistics() else {
        return Err(ConfigError::Conflict(
            "fold: the batch norm has no running statistics (tracked: false), so it normalizes by the batch in evaluation as well and cannot be part of a convolution".into(),
        ));
    };
    let weight = conv.weight.val();
    let [outputs, ..] = weight.dims();
    let [channels] = mean.dims();
    if channels != outputs {
        return Err(ConfigError::Conflict(format!(
            "fold: the convolution has {outputs} channels, but the batch norm {channels}; give the batch norm that follows the convolution"
        )));
    }
    let device = weight.device();
    let host = |tensor: &Tensor<1>| tensor.to_data().iter::<f32>().collect::<Vec<f32>>();
    let [gamma, beta] = bn.affine(outputs, &device, DType::F32);
    let (scale, mut shift) = fold_scale_and_shift(
        &host(&gamma),
        &host(&beta),
        &host(&mean),
        &host(&variance),
        bn.epsilon,
    );
    if let Some(bias) = &conv.bias {
        for ((shift, scale), bias) in shift.iter_mut().zip(&scale).zip(host(&bias.val())) {
            *shift += bias * scale;
        }
    }
    let shape = weight.dims();
    let mut weight: Vec<f32> = weight.to_data().iter::<f32>().collect();
    let each = weight.len() / outputs;
    for (weights, scale) in weight.chunks_exact_mut(each).zip(&scale) {
        weights.iter_mut().for_each(|weight| *weight *= scale);
    }
    Ok(conv.with_weights(
        Tensor::from_data(TensorData::new(weight, shape), (&device, DType::F32)),
        Tensor::from_data(TensorData::new(shift, [outputs]), (&device, DType::F32)),
    ))
}
