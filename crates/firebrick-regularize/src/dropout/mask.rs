//! What the units share: where they draw, and how they multiply.

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use firebrick_core::kernels::channel_scale;
use firebrick_core::random::{HostRng, layer_rng, rng};
use rand::{Rng, RngExt};

/// The generator of a layer's next draw: that of the [`StepScope`](firebrick_core::random::StepScope), else one
/// that is seeded from burn's generator of the device.
pub(super) fn generator(device: &Device) -> HostRng {
    layer_rng().unwrap_or_else(|| {
        let words = Tensor::<1>::random([4], Distribution::Uniform(0.0, 1.0), device);
        let words: Vec<f64> = words.into_data().iter::<f64>().collect();
        // 24 bits of each, which f32 holds.
        let word = |at: usize| (words[at] * f64::from(1 << 24)) as u64;
        rng(word(0) << 24 | word(1), "device", word(2), word(3))
    })
}

/// Two words from a generator: the key of a mask that is drawn element by element.
pub(super) fn key(rng: &mut HostRng) -> [u64; 2] {
    [rng.next_u64(), rng.next_u64()]
}

/// For each of `count` things whether it stays, each with probability `keep`.
pub(super) fn kept(count: usize, keep: f64, rng: &mut HostRng) -> Vec<bool> {
    (0..count).map(|_| rng.random::<f64>() < keep).collect()
}

/// `x · factors`, which are constants.
///
/// # Shapes
/// `shape` is that of `x`, or has ones where a factor counts for the whole axis.
pub(super) fn times(x: Tensor<4>, factors: Vec<f64>, shape: [usize; 4]) -> Tensor<4> {
    let (device, dtype, channels) = (x.device(), x.dtype(), x.dims()[1]);
    let tensor = |factors: Vec<f64>, shape: [usize; 4]| {
        Tensor::from_data(TensorData::new(factors, shape), (&device, dtype))
    };
    match shape {
        [images, 1, 1, 1] => {
            let each = factors.into_iter();
            let each = each.flat_map(|factor| std::iter::repeat_n(factor, channels));
            channel_scale(x, tensor(each.collect(), [images, channels, 1, 1]), None)
        }
        [.., 1, 1] => channel_scale(x, tensor(factors, shape), None),
        _ => x * tensor(factors, shape),
    }
}

/// Zeros of the shape of `x`, also where `x` is not finite; no gradient goes through them.
pub(super) fn zeroed<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let all = x.ones_like().bool();
    x.mask_fill(all, 0.0)
}
