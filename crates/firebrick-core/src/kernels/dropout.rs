//! Dropout with a mask that depends only on its key.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Tensor, TensorData};
use firebrick_kernels::dropout as kernel;

use super::host::{Host, dense, from_values, values};
use super::operation::{Operation, run_single};
use super::take;

/// Drops elements and scales the others by `1 / keep`.
///
/// The mask is a function of `key`, `stream` and the element's place in row-major order: the same
/// on every device, whether the kernels are on or not.
///
/// # Shapes
/// `[…]` to the same; `keep` in (0, 1].
#[must_use]
pub fn dropout<const D: usize>(x: Tensor<D>, keep: f64, [key, stream]: [u64; 2]) -> Tensor<D> {
    if take(&x) {
        let operation = Dropout { keep, key, stream };
        return Tensor::from_dispatch(run_single(operation, vec![x.into_dispatch()]));
    }
    let mask = mask(&x, keep, [key, stream], 1.0 / keep);
    x * mask
}

/// 1 where [`dropout`] with this key keeps an element of `x`, and 0 elsewhere.
///
/// # Shapes
/// `[…]` to the same; `keep` in [0, 1].
#[must_use]
pub fn keep_mask<const D: usize>(x: &Tensor<D>, keep: f64, key: [u64; 2]) -> Tensor<D> {
    mask(x, keep, key, 1.0)
}

fn mask<const D: usize>(x: &Tensor<D>, keep: f64, [key, stream]: [u64; 2], kept: f64) -> Tensor<D> {
    let shape = x.shape();
    let bits = kernel::bits(shape.num_elements(), keep, key, stream);
    let value = |element: usize| {
        if bits[element / 32] >> (element % 32) & 1 == 1 {
            kept
        } else {
            0.0
        }
    };
    let values: Vec<f64> = (0..shape.num_elements()).map(value).collect();
    let (device, dtype) = (x.device(), x.dtype());
    Tensor::from_data(TensorData::new(values, shape), (&device, dtype))
}

#[derive(Debug)]
struct Dropout {
    keep: f64,
    key: u64,
    stream: u64,
}

impl Operation for Dropout {
    /// The bits of the elements that stay.
    type Saved<B: Host> = Vec<u32>;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Vec<u32>) {
        let x = dense::<B>(inputs.swap_remove(0));
        let (y, bits) = kernel::apply(values::<B>(&x), self.keep, self.key, self.stream);
        (vec![from_values::<B>(y, &x.shape())], bits)
    }

    fn backward<B: Host>(
        &self,
        bits: Vec<u32>,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let gradient = dense::<B>(gradient);
        let dx = kernel::grad(values::<B>(&gradient), &bits, self.keep);
        vec![Some(from_values::<B>(dx, &gradient.shape()))]
    }
}
