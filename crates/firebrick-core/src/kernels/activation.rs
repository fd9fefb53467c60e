//! The rectifier, on its own and after a sum.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use burn::tensor::activation;
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
