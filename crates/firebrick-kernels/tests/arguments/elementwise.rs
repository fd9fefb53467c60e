//! Operations on every element, and the layout of images.

use firebrick_kernels::activation::Activation;
use firebrick_kernels::optimizer::{Formula, Real, Tensors};
use firebrick_kernels::subsample::Subsample;
use firebrick_kernels::{
    activation, cross_entropy, dropout, elementwise, layout, optimizer, subsample,
};

use crate::refused::{image, refused};
use crate::settings::noise;

/// θ ← θ - g
#[derive(Clone, Copy)]
struct Descent;

impl Formula<1, 1> for Descent {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [gradient]: [R; 1]) -> [R; 1] {
        [value - gradient]
    }
}

#[test]
fn slices_of_different_lengths() {
    let (long, short, bits) = (noise(1, 70), noise(2, 69), [0_u32; 2]);
    refused(&["same length"], || elementwise::add(&long, &short));
    refused(&["same length"], || elementwise::add(&short, &long));
    refused(&["same length"], || elementwise::add_relu(&long, &short));
    refused(&["same length"], || {
        elementwise::add_into(&mut short.clone(), &long);
    });
    refused(&["same length"], || {
        elementwise::add_into(&mut long.clone(), &short);
    });
    refused(&["a bit for each"], || elementwise::relu_grad(&long, &bits));
    refused(&["a bit for each"], || dropout::grad(&long, &bits, 0.5));
    refused(&["keep = 1.5"], || dropout::apply(&long, 1.5, 1, 2));
    refused(&["keep = NaN"], || dropout::bits(70, f64::NAN, 1, 2));
    refused(&["same length"], || {
        activation::backward(Activation::Elu, &long, &short)
    });
    refused(&["same length"], || {
        activation::backward(Activation::Elu, &short, &long)
    });
    refused(&["one class"], || cross_entropy::forward(&long, &long, 0));
    refused(&["whole rows"], || cross_entropy::forward(&long, &long, 3));
    refused(&["a weight for each"], || {
        cross_entropy::forward(&long, &short, 7)
    });
    for (value, gradient) in [(&long, &short), (&short, &long)] {
        refused(&["tensors of one length"], || {
            optimizer::apply(&mut [Tensors {
                formula: Descent,
                written: [&mut value.clone()],
                read: [gradient],
            }]);
        });
    }
}

#[test]
fn images_of_another_shape() {
    let (x, size) = (noise(1, 2 * 3 * 5 * 7), image(2, 3, 5, 7));
    let wraps = image(1 << 31, 1 << 31, 1 << 2, 8);
    let half = Subsample {
        stride: 2,
        before: 0,
        after: 1,
    };
    let still = Subsample { stride: 0, ..half };
    refused(&["layout"], || layout::to_channels_first(&x[1..], size));
    refused(&["layout"], || layout::to_channels_last(&x[1..], size));
    refused(&["no memory"], || layout::to_channels_first(&[], wraps));
    refused(&["no memory"], || layout::to_channels_last(&[], wraps));
    refused(&["subsample: input"], || {
        subsample::forward(&x[1..], size, half)
    });
    refused(&["subsample: gradient"], || subsample::grad(&x, size, half));
    refused(&["a stride of 1"], || subsample::forward(&x, size, still));
    refused(&["a stride of 1"], || subsample::grad(&x, size, still));
}
