//! Fractional max pooling: the largest value of windows whose places are random.
//!
//! Source: Graham, "Fractional Max-Pooling" (2014), pseudo-random and overlapping; PyTorch's `FractionalMaxPool2d`:
//!
//! ```text
//! α = (side - kernel) / (out - 1),  u drawn uniformly from [0, 1) for each channel of each image, vertically and horizontally
//! window i begins at ⌊(i + u)·α⌋ - ⌊u·α⌋ for i < out - 1, and the last one at side - kernel
//! training: u is drawn;   evaluation: u = 1/2
//! ```
//!
//! Differs from PyTorch, which draws in evaluation too. `out` is `ratio` times the side, rounded down.

use std::sync::Arc;

use burn::tensor::{DType, Int, Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::mask::generator;
use super::{DropoutUnit, Perturbation, What};

/// The name in spec strings.
pub const NAME: &str = "fractional_max_pool";

/// Configuration of fractional max pooling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FractionalMaxPoolConfig {
    /// The side of the output as a share of that of the input, in (0, 1). 1/√2 by default, so that two of them halve the side.
    pub ratio: f64,
    /// Side of a window.
    pub kernel: usize,
}

impl Default for FractionalMaxPoolConfig {
    fn default() -> Self {
        Self {
            ratio: std::f64::consts::FRAC_1_SQRT_2,
            kernel: 2,
        }
    }
}

impl DropoutUnit for FractionalMaxPoolConfig {
    const ABOUT: About = About::new(
        NAME,
        "max pooling over random windows, which can shrink images by a factor that is not an integer",
        &[
            Field::new("ratio", Range::Between(0.0, 1.0)),
            Field::new("kernel", Range::Whole(1, 64)),
        ],
    )
    .source("Graham 2014, \"Fractional Max-Pooling\"; PyTorch's FractionalMaxPool2d");

    fn what(&self) -> Result<What, ConfigError> {
        Ok(What::Features(Arc::new(FractionalMaxPool(self.clone()))))
    }
}

#[derive(Debug)]
struct FractionalMaxPool(FractionalMaxPoolConfig);

impl FractionalMaxPool {
    fn output(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        [height, width].map(|side| (side as f64 * self.0.ratio) as usize)
    }

    fn pool(&self, features: Tensor<4>, samples: &[[f64; 2]]) -> Tensor<4> {
        let [_, _, height, width] = features.dims();
        apply(
            features,
            samples,
            self.0.kernel,
            self.output([height, width]),
        )
    }
}

impl Perturbation for FractionalMaxPool {
    fn train(&self, features: Tensor<4>) -> Tensor<4> {
        let [images, channels, ..] = features.dims();
        let mut rng = generator(&features.device());
        let draw = |_| [rng.random::<f64>(), rng.random::<f64>()];
        let samples: Vec<_> = (0..images * channels).map(draw).collect();
        self.pool(features, &samples)
    }

    fn evaluate(&self, features: Tensor<4>) -> Tensor<4> {
        let [images, channels, ..] = features.dims();
        self.pool(features, &vec![[0.5; 2]; images * channels])
    }
}

/// Where the windows of one axis begin.
fn starts(sample: f64, side: usize, kernel: usize, out: usize) -> Vec<usize> {
    let alpha = (side - kernel) as f64 / out.saturating_sub(1).max(1) as f64;
    let start = |i: usize| ((i as f64 + sample) * alpha) as usize - (sample * alpha) as usize;
    (0..out)
        .map(|i| if i + 1 < out { start(i) } else { side - kernel })
        .collect()
}

/// The largest value of each window, with PyTorch's windows for these samples, `[horizontal, vertical]` for each channel.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, C, output…]`; `samples` `[N · C]`, each in [0, 1).
///
/// # Panics
/// When no window fits in: `output + kernel - 1` must not be larger than the side, and `output` not be 0.
#[must_use]
pub fn apply(
    features: Tensor<4>,
    samples: &[[f64; 2]],
    kernel: usize,
    output: [usize; 2],
) -> Tensor<4> {
    let [images, channels, height, width] = features.dims();
    let [rows, columns] = output;
    let fits = |side: usize, out: usize| out >= 1 && out + kernel <= side + 1;
    assert!(
        fits(height, rows) && fits(width, columns),
        "fractional_max_pool: {rows}×{columns} windows of side {kernel} do not fit into {height}×{width} features; use larger images, a smaller kernel, or another ratio"
    );
    // The place of each winner in its plane, found on the host; the values and their gradients stay on the device.
    let values: Vec<f64> = features.to_data().iter::<f64>().collect();
    let mut winners = Vec::with_capacity(images * channels * rows * columns);
    for (plane, [across, down]) in values.chunks_exact(height * width).zip(samples) {
        let lefts = starts(*across, width, kernel, columns);
        for top in starts(*down, height, kernel, rows) {
            for left in &lefts {
                let window = (top..top + kernel)
                    .flat_map(|row| (*left..left + kernel).map(move |column| row * width + column));
                let first = top * width + left;
                let better = |best: usize, at: usize| plane[at] > plane[best] || plane[at].is_nan();
                let winner =
                    window.fold(first, |best, at| if better(best, at) { at } else { best });
                winners.push(winner as i32);
            }
        }
    }
    let device = features.device();
    let shape = [images, channels, rows * columns];
    let winners =
        Tensor::<3, Int>::from_data(TensorData::new(winners, shape), (&device, DType::I32));
    let planes = features.reshape([images, channels, height * width]);
    planes
        .gather(2, winners)
        .reshape([images, channels, rows, columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dropout::tests::{SCOPE, training, values};

    #[test]
    fn windows_cover_the_image_and_move_with_the_draw() {
        for sample in [0.0, 0.3, 0.5, 0.999] {
            let starts = starts(sample, 25, 2, 17);
            assert_eq!((starts[0], starts[16], starts.len()), (0, 23, 17));
            let steps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(
                steps.iter().all(|step| [1, 2].contains(step)),
                "{sample}: {steps:?}"
            );
        }
        assert_ne!(starts(0.1, 25, 2, 17), starts(0.6, 25, 2, 17));
        assert_eq!(starts(0.7, 5, 3, 1), [2]);
    }

    #[test]
    fn training_draws_and_evaluation_does_not() {
        let layer = FractionalMaxPoolConfig::default().layer().unwrap();
        let ramp: Vec<f32> = (0..2 * 20 * 20).map(|v| (v % 400) as f32).collect();
        let ramp =
            Tensor::<1>::from_floats(ramp.as_slice(), &training("flex")).reshape([1, 2, 20, 20]);
        let drawn = values(&SCOPE.enter(|| layer.forward(ramp.clone())));
        assert_eq!(drawn.len(), 2 * 14 * 14);
        assert_ne!(
            drawn[..196],
            drawn[196..],
            "each channel has its own windows"
        );
        assert_eq!(drawn, values(&SCOPE.enter(|| layer.forward(ramp.clone()))));
        let evaluated = values(&layer.forward(ramp.clone().inner()));
        assert_eq!(evaluated[..196], evaluated[196..]);
        let middle = apply(ramp.inner(), &[[0.5; 2]; 2], 2, [14, 14]);
        assert_eq!(evaluated, values(&middle), "the middle of what is drawn");
    }

    #[test]
    fn each_axis_has_a_draw_of_its_own() {
        let layer = FractionalMaxPoolConfig::default().layer().unwrap();
        // The greatest value of a window of a ramp is its last; of one along an axis, its place on this axis.
        let ramp = |stride: [usize; 2]| {
            let values: Vec<f32> = (0..400)
                .map(|at| (at / 20 * stride[0] + at % 20 * stride[1]) as f32)
                .collect();
            Tensor::<1>::from_floats(values.as_slice(), &training("flex")).reshape([1, 1, 20, 20])
        };
        let rows = values(&SCOPE.enter(|| layer.forward(ramp([1, 0]))));
        let columns = values(&SCOPE.enter(|| layer.forward(ramp([0, 1]))));
        let down: Vec<f32> = rows.iter().step_by(14).copied().collect();
        assert_ne!(down, columns[..14]);
    }

    #[test]
    fn the_largest_value_wins_and_nan_most_of_all() {
        let rows = [[1.0, 5.0, 2.0], [7.0, 3.0, f32::NAN], [0.0, 4.0, 6.0]];
        let input = Tensor::<2>::from_floats(rows, &training("flex")).reshape([1, 1, 3, 3]);
        let output = values(&apply(input, &[[0.5; 2]], 2, [2, 2]));
        assert_eq!((output[0], output[2]), (7.0, 7.0));
        assert!(output[1].is_nan() && output[3].is_nan());
    }

    #[test]
    #[should_panic(expected = "2×2 windows of side 3 do not fit into 3×4 features")]
    fn features_that_are_too_small_are_named() {
        let layer = FractionalMaxPoolConfig {
            ratio: 0.7,
            kernel: 3,
        }
        .layer()
        .unwrap();
        let _ = layer.forward(Tensor::<4>::ones([1, 1, 3, 4], &training("flex")));
    }
}
