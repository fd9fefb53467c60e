//! Activation functions where the kernels do not apply: values and slopes from Burn's operations, joined
//! by a step of the backward pass that multiplies by the slope.

// burn-ndarray is deprecated upstream, and the dispatch that is generated here names it.
#![allow(deprecated)]

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{Tensor, activation};
use firebrick_kernels::activation::Activation;

/// The function of every element, see [`firebrick_kernels::activation`].
pub(super) fn apply<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    let plain = x.clone().without_autodiff();
    let value = value(activation, plain.clone());
    if !x.is_autodiff() {
        return value;
    }
    // Nothing reads the slope if no gradient is wanted: the value stands in for it.
    let slope = if x.is_tracked() {
        slope(activation, plain)
    } else {
        value.clone()
    };
    Tensor::from_dispatch(<Dispatch as Attach>::attach(
        x.into_dispatch(),
        value.into_dispatch(),
        slope.into_dispatch(),
    ))
}

fn value<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::LeakyRelu(slope) => {
            let below = x.clone().lower_equal_scalar(0.0);
            x.clone().mask_where(below, x * slope)
        }
        Activation::Elu => {
            let below = x.clone().lower_equal_scalar(0.0);
            let curve = x.clone().clamp_max(0.0).exp() - 1.0;
            x.mask_where(below, curve)
        }
        Activation::Gelu => x.clone() * normal(x),
        Activation::Silu => x.clone() * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Relu => activation::relu(x),
        Activation::Relu6 => to_six(x),
        Activation::Hardsigmoid => to_six(x + 3.0) / 6.0,
        Activation::Hardswish => x.clone() * to_six(x + 3.0) / 6.0,
    }
}

fn slope<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::LeakyRelu(slope) => {
            let below = x.clone().lower_equal_scalar(0.0);
            x.ones_like().mask_fill(below, slope)
        }
        Activation::Elu => {
            let below = x.clone().lower_equal_scalar(0.0);
            let curve = x.clone().clamp_max(0.0).exp();
            x.ones_like().mask_where(below, curve)
        }
        Activation::Gelu => {
            let density =
                (x.clone().square() * -0.5).exp() * (FRAC_2_SQRT_PI * FRAC_1_SQRT_2 / 2.0);
            normal(x.clone()) + x * density
        }
        Activation::Silu => {
            let (large, small) = sigmoids(x.clone());
            sigmoid(x.clone()) + x * large * small
        }
        Activation::Tanh => {
            let (large, small) = sigmoids(x * 2.0);
            large * small * 4.0
        }
        Activation::Sigmoid => {
            let (large, small) = sigmoids(x);
            large * small
        }
        Activation::Relu => {
            let below = x.clone().lower_equal_scalar(0.0);
            x.ones_like().mask_fill(below, 0.0)
        }
        Activation::Relu6 => inside(&x, 0.0, 6.0),
        // PyTorch's constant is an f32 in every type.
        Activation::Hardsigmoid => inside(&x, -3.0, 3.0) * f64::from(1.0_f32 / 6.0),
        Activation::Hardswish => {
            let below = x.clone().lower_equal_scalar(-3.0);
            let above = x.clone().greater_equal_scalar(3.0);
            let between = x / 3.0 + 0.5;
            between.mask_fill(below, 0.0).mask_fill(above, 1.0)
        }
    }
}

/// min(max(0, x), 6).
fn to_six<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let above = x.clone().greater_equal_scalar(6.0);
    activation::relu(x).mask_fill(above, 6.0)
}

/// 1 where `low` < x < `high`, 0 elsewhere and where x is NaN.
fn inside<const D: usize>(x: &Tensor<D>, low: f64, high: f64) -> Tensor<D> {
    let inside = x
        .clone()
        .greater_scalar(low)
        .bool_and(x.clone().lower_scalar(high));
    x.zeros_like().mask_fill(inside, 1.0)
}

/// Φ(x).
fn normal<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}

/// σ(|x|) and σ(-|x|), without an overflow on either side.
fn sigmoids<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let e = x.abs().neg().exp();
    let large = (e.clone() + 1.0).recip();
    (large.clone(), e * large)
}

fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let below = x.clone().lower_equal_scalar(0.0);
    let (large, small) = sigmoids(x);
    large.mask_where(below, small)
}

/// Makes `value` a function of `x`: the gradient with respect to `x` is the gradient with respect to the
/// value, times `slope`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub(super) trait Attach: Backend {
    fn attach(
        x: FloatTensor<Self>,
        value: FloatTensor<Self>,
        slope: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

macro_rules! without_gradient {
    ($feature:meta, $backend:ident) => {
        #[cfg($feature)]
        impl Attach for burn::backend::$backend {
            fn attach(
                _x: FloatTensor<Self>,
                value: FloatTensor<Self>,
                _slope: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                value
            }
        }
    };
}
without_gradient!(feature = "flex", Flex);
without_gradient!(feature = "ndarray", NdArray);
without_gradient!(any(feature = "wgpu", feature = "cuda"), Cube);

impl<B: Backend + Attach, C: CheckpointStrategy> Attach for Autodiff<B, C> {
    fn attach(
        x: FloatTensor<Self>,
        value: FloatTensor<Self>,
        slope: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let value = value.into_primitive();
        let prepared = Slope.prepare::<C>([x.node()]).compute_bound().stateful();
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(slope.into_primitive(), value),
            OpsKind::UnTracked(prepared) => prepared.finish(value),
        }
    }
}

/// The step of the backward pass.
#[derive(Debug)]
struct Slope;

impl<B: Backend> Backward<B, 1> for Slope {
    /// The slope.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            gradients.register::<B>(parent.id, B::float_mul(gradient, ops.state));
        }
    }
}
