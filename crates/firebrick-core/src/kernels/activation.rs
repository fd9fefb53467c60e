//! Activation functions, sums, and the rectifier after a sum.
//!
//! Values and gradients are PyTorch's on every device and in every type, at kinks too. Burn's own differ
//! from device to device: on backends without kernels for them, GELU has the gradient of the tanh form
//! and sigmoid is computed in f32; ELU's gradient is NaN where eˣ overflows.

mod composed;

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use burn::tensor::activation;
use firebrick_kernels::activation::{self as curves, Activation};
use firebrick_kernels::elementwise as kernel;

use super::host::{Host, arranged, from_arranged, values};
use super::operation::{Operation, run_single};
use super::take;

/// max(0, x), elementwise; remembers a bit of each element for the gradient.
#[must_use]
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !take(&x) {
        return activation::relu(x);
    }
    Tensor::from_dispatch(run_single(Relu, vec![x.into_dispatch()]))
}

/// max(0, a + b), elementwise.
///
/// # Panics
/// When the shapes cannot be added.
#[must_use]
pub fn add_relu<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    if !(take(&a) && take(&b) && a.dims() == b.dims()) {
        return activation::relu(a + b);
    }
    let inputs = vec![a.into_dispatch(), b.into_dispatch()];
    Tensor::from_dispatch(run_single(AddRelu, inputs))
}

/// a + b, elementwise.
///
/// # Panics
/// When the shapes cannot be added.
#[must_use]
pub fn add<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    if !(take(&a) && take(&b) && a.dims() == b.dims()) {
        return a + b;
    }
    let inputs = vec![a.into_dispatch(), b.into_dispatch()];
    Tensor::from_dispatch(run_single(Add, inputs))
}

/// x above zero, else `negative_slope` · x; at zero the gradient is `negative_slope`.
#[must_use]
pub fn leaky_relu<const D: usize>(x: Tensor<D>, negative_slope: f64) -> Tensor<D> {
    apply(Activation::LeakyRelu(negative_slope), x)
}

/// x above zero, else eˣ - 1.
#[must_use]
pub fn elu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Elu, x)
}

/// x · Φ(x), the exact form; Φ is the distribution function of the normal distribution.
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Gelu, x)
}

/// x · sigmoid(x).
#[must_use]
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Silu, x)
}

/// The hyperbolic tangent.
#[must_use]
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Tanh, x)
}

/// 1 / (1 + e⁻ˣ).
#[must_use]
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Sigmoid, x)
}

/// x between 0 and 6: min(max(0, x), 6); at 0 and 6 the gradient is 0.
#[must_use]
pub fn relu6<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Relu6, x)
}

/// The piecewise linear sigmoid: relu6(x + 3) / 6; at -3 and 3 the gradient is 0.
#[must_use]
pub fn hardsigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Hardsigmoid, x)
}

/// x · hardsigmoid(x); at -3 the gradient is 0, at 3 it is 1.
#[must_use]
pub fn hardswish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    apply(Activation::Hardswish, x)
}

/// The function of every element.
pub(super) fn apply<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    if activation == Activation::Relu {
        return relu(x);
    }
    if !take(&x) {
        return composed::apply(activation, x);
    }
    Tensor::from_dispatch(run_single(Curve(activation), vec![x.into_dispatch()]))
}

/// The gradient where the bits let it pass.
fn pass<B: Host>(gradient: FloatTensor<B>, bits: &[u32]) -> FloatTensor<B> {
    let shape = gradient.shape().to_vec();
    let gradient = arranged::<B>(gradient);
    from_arranged::<B>(kernel::relu_grad(values::<B>(&gradient), bits), &shape)
}

#[derive(Debug)]
struct Relu;

impl Operation for Relu {
    type Saved<B: Host> = Vec<u32>;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Vec<u32>) {
        let x = arranged::<B>(inputs.swap_remove(0));
        let (y, bits) = kernel::relu(values::<B>(&x));
        (vec![from_arranged::<B>(y, &x.shape())], bits)
    }

    fn infer<B: Host>(&self, mut inputs: Vec<FloatTensor<B>>) -> Vec<FloatTensor<B>> {
        let mut x = inputs.swap_remove(0);
        if let Some(x) = B::elements_mut(&mut x) {
            kernel::relu_in_place(x);
        } else {
            return self.forward::<B>(vec![x], &[false]).0;
        }
        vec![x]
    }

    fn backward<B: Host>(
        &self,
        bits: Vec<u32>,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        vec![Some(pass::<B>(gradient, &bits))]
    }
}

#[derive(Debug)]
struct AddRelu;

impl Operation for AddRelu {
    type Saved<B: Host> = Vec<u32>;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Vec<u32>) {
        let inputs: Vec<_> = inputs.into_iter().map(arranged::<B>).collect();
        let (y, bits) = kernel::add_relu(values::<B>(&inputs[0]), values::<B>(&inputs[1]));
        (vec![from_arranged::<B>(y, &inputs[0].shape())], bits)
    }

    fn backward<B: Host>(
        &self,
        bits: Vec<u32>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let gradient = pass::<B>(gradient, &bits);
        wanted
            .iter()
            .map(|wanted| wanted.then(|| gradient.clone()))
            .collect()
    }
}

#[derive(Debug)]
struct Add;

impl Operation for Add {
    type Saved<B: Host> = ();

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, ()) {
        let inputs: Vec<_> = inputs.into_iter().map(arranged::<B>).collect();
        let y = kernel::add(values::<B>(&inputs[0]), values::<B>(&inputs[1]));
        (vec![from_arranged::<B>(y, &inputs[0].shape())], ())
    }

    fn backward<B: Host>(
        &self,
        (): (),
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let wanted = wanted.iter();
        wanted
            .map(|wanted| wanted.then(|| gradient.clone()))
            .collect()
    }
}

#[derive(Debug)]
struct Curve(Activation);

impl Operation for Curve {
    /// The input.
    type Saved<B: Host> = FloatTensor<B>;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, FloatTensor<B>) {
        let x = arranged::<B>(inputs.swap_remove(0));
        let y = curves::forward(self.0, values::<B>(&x));
        (vec![from_arranged::<B>(y, &x.shape())], x)
    }

    fn infer<B: Host>(&self, mut inputs: Vec<FloatTensor<B>>) -> Vec<FloatTensor<B>> {
        let mut x = inputs.swap_remove(0);
        if let Some(x) = B::elements_mut(&mut x) {
            curves::forward_in_place(self.0, x);
        } else {
            return self.forward::<B>(vec![x], &[false]).0;
        }
        vec![x]
    }

    fn backward<B: Host>(
        &self,
        x: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let gradient = arranged::<B>(gradient);
        let dx = curves::backward(self.0, values::<B>(&x), values::<B>(&gradient));
        vec![Some(from_arranged::<B>(dx, &x.shape()))]
    }
}
