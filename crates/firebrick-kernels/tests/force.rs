//! Another instruction set is forced while an operation runs: it finishes on the one that it began with.

mod settings;

use std::sync::atomic::{AtomicBool, Ordering};

use firebrick_kernels::conv2d::{self, Conv2d, Epilogue};
use firebrick_kernels::optimizer::{self, Formula, Real, Tensors};
use firebrick_kernels::simd::{Level, force};
use firebrick_kernels::{Image, batch_norm};
use settings::{alone, every_level, noise};

/// Forces one instruction set after the other until it is dropped.
struct Flipping<'a>(&'a AtomicBool);

impl Drop for Flipping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the operation many times while another thread forces instruction sets: what it gives has to be
/// what one of them gives.
fn finishes_as_it_began(name: &str, operation: impl Fn() -> Vec<f32>) {
    let mut expected = Vec::new();
    every_level(|_| expected.push(operation()));
    alone(|| {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for level in Level::available() {
                        force(level);
                    }
                }
            });
            let _until_here = Flipping(&over);
            for _ in 0..12 {
                let found = operation();
                assert!(expected.contains(&found), "{name}");
            }
        });
    });
}

#[test]
fn convolutions_finish_as_they_began() {
    for (channels, kernel, groups) in [([24, 40], 3, 1), ([64, 48], 3, 1), ([24, 48], 1, 2)] {
        let conv = Conv2d {
            input: Image {
                n: 2,
                h: 16,
                w: 16,
                c: channels[0],
            },
            output_channels: channels[1],
            kernel: [kernel; 2],
            stride: [1, 1],
            padding: [(kernel / 2, kernel / 2); 2],
            dilation: [1, 1],
            groups,
        };
        let (x, weight) = (noise(1, conv.input.len()), noise(2, conv.weight_len()));
        let dy = noise(3, conv.output().len());
        finishes_as_it_began("forward", || {
            conv2d::forward(&conv, &x, &weight, Epilogue::default())
        });
        finishes_as_it_began("input gradient", || conv2d::input_grad(&conv, &dy, &weight));
        finishes_as_it_began("weight gradient", || conv2d::weight_grad(&conv, &x, &dy));
    }
}

#[test]
fn batch_norm_finishes_as_it_began() {
    let (x, channel) = (noise(1, 3000 * 33), noise(2, 33));
    finishes_as_it_began("batch norm", || {
        let fused = batch_norm::Fused::default();
        batch_norm::forward_train(&x, 33, &channel, &channel, 1e-5, fused).output
    });
}

/// θ ← θ - g, and another instruction set from here on.
#[derive(Clone, Copy)]
struct Forcing(Level);

impl Formula<1, 1> for Forcing {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [gradient]: [R; 1]) -> [R; 1] {
        force(self.0);
        [value - gradient]
    }
}

#[test]
fn a_formula_may_force_another() {
    every_level(|level| {
        for other in Level::available() {
            force(level);
            let (mut value, gradient) = (noise(1, 40_003), noise(2, 40_003));
            let expected: Vec<f32> = value.iter().zip(&gradient).map(|(v, g)| v - g).collect();
            optimizer::apply(&mut [Tensors {
                formula: Forcing(other),
                written: [&mut value],
                read: [&gradient],
            }]);
            assert_eq!(value, expected);
        }
    });
}
