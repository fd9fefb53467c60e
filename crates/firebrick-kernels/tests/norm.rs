//! Batch norm against plain loops in f64.
#![allow(missing_docs)]

mod settings;

use firebrick_kernels::activation::Activation;
use firebrick_kernels::batch_norm::{Fused, Saved, Trained, apply, backward, forward_train};
use proptest::prelude::*;
use settings::{close, every_level, noise, same_for_all_threads};

const CHANNELS: [usize; 14] = [1, 2, 3, 5, 6, 8, 10, 16, 17, 33, 64, 65, 130, 512];

struct Case {
    channels: usize,
    x: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    eps: f32,
    residual: Option<Vec<f32>>,
    relu: bool,
    dy: Vec<f32>,
}

impl Case {
    fn new(rows: usize, channels: usize, mean: f32, residual: bool, relu: bool, seed: u64) -> Self {
        let len = rows * channels;
        let x = noise(seed, len);
        Self {
            channels,
            x: x.iter().map(|x| x * 1.7 + mean).collect(),
            gamma: noise(seed + 1, channels).iter().map(|v| v + 0.3).collect(),
            beta: noise(seed + 2, channels),
            eps: 1e-5,
            residual: residual.then(|| noise(seed + 3, len)),
            relu,
            dy: noise(seed + 4, len),
        }
    }

    fn fused(&self) -> Fused<'_> {
        Fused {
            residual: self.residual.as_deref(),
            activation: self.relu.then_some(Activation::Relu),
        }
    }

    fn forward(&self) -> Trained {
        forward_train(
            &self.x,
            self.channels,
            &self.gamma,
            &self.beta,
            self.eps,
            self.fused(),
        )
    }

    fn saved<'a>(&'a self, trained: &'a Trained) -> Saved<'a> {
        Saved {
            x: &self.x,
            gamma: &self.gamma,
            beta: &self.beta,
            mean: &trained.mean,
            variance: &trained.variance,
            eps: self.eps,
            activation: self.relu.then_some(Activation::Relu),
            output: (self.relu && self.residual.is_some()).then_some(&trained.output),
        }
    }

    fn rows(&self) -> f64 {
        (self.x.len() / self.channels) as f64
    }

    /// The same in f64, of any input: output before the rectifier, mean, variance.
    fn reference(&self, x: &[f64], gamma: &[f64], beta: &[f64]) -> [Vec<f64>; 3] {
        let c = self.channels;
        let (mut mean, mut variance) = (vec![0.0; c], vec![0.0; c]);
        for (index, x) in x.iter().enumerate() {
            mean[index % c] += x / self.rows();
        }
        for (index, x) in x.iter().enumerate() {
            variance[index % c] += (x - mean[index % c]).powi(2) / self.rows();
        }
        let output = x.iter().enumerate().map(|(index, x)| {
            let channel = index % c;
            let root = (variance[channel] + f64::from(self.eps)).sqrt();
            let normal = (x - mean[channel]) / root;
            let residual = self.residual.as_ref().map_or(0.0, |r| f64::from(r[index]));
            normal * gamma[channel] + beta[channel] + residual
        });
        [output.collect(), mean, variance]
    }

    /// Σ output · dy, with the gradient let through where `open` says.
    fn loss(&self, x: &[f64], gamma: &[f64], beta: &[f64], open: &[bool]) -> f64 {
        let [output, ..] = self.reference(x, gamma, beta);
        let pairs = output.iter().zip(&self.dy).zip(open);
        pairs
            .map(|((y, dy), open)| if *open { y * f64::from(*dy) } else { 0.0 })
            .sum()
    }

    /// dx, dγ, dβ in f64.
    fn gradients(&self, open: &[bool]) -> [Vec<f64>; 3] {
        let c = self.channels;
        let [_, mean, variance] =
            self.reference(&wide(&self.x), &wide(&self.gamma), &wide(&self.beta));
        let root = |channel: usize| (variance[channel] + f64::from(self.eps)).sqrt();
        let normal = |index: usize| (f64::from(self.x[index]) - mean[index % c]) / root(index % c);
        let g = |index: usize| {
            if open[index] {
                f64::from(self.dy[index])
            } else {
                0.0
            }
        };
        let (mut gamma, mut beta) = (vec![0.0; c], vec![0.0; c]);
        for index in 0..self.x.len() {
            gamma[index % c] += g(index) * normal(index);
            beta[index % c] += g(index);
        }
        let x = (0..self.x.len()).map(|index| {
            let channel = index % c;
            let scale = f64::from(self.gamma[channel]) / root(channel);
            let away = beta[channel] + normal(index) * gamma[channel];
            scale * (g(index) - away / self.rows())
        });
        [x.collect(), gamma, beta]
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn check(case: &Case) {
    let c = case.channels;
    let [output, mean, variance] =
        case.reference(&wide(&case.x), &wide(&case.gamma), &wide(&case.beta));
    let trained = case.forward();
    let size = |channel: usize| mean[channel].abs() + 2.0;
    // A sum of a chunk in f32, around the mean of its first rows.
    close("mean", &trained.mean, &mean, |channel| 5e-7 * size(channel));
    // Relative, and not worse for a large mean.
    close("variance", &trained.variance, &variance, |channel| {
        3e-6 * variance[channel] + 1e-13 * size(channel).powi(2)
    });
    // Folding γ and β into a scale and a shift costs a few roundings of x · scale.
    let scale = |channel: usize| {
        (f64::from(case.gamma[channel]) / (variance[channel] + f64::from(case.eps)).sqrt()).abs()
    };
    let relu = |y: &f64| if case.relu { y.max(0.0) } else { *y };
    let expected: Vec<f64> = output.iter().map(relu).collect();
    let tolerance = |index: usize| 1e-5 + 3e-7 * scale(index % c) * size(index % c);
    close("output", &trained.output, &expected, tolerance);

    // The gradient passes where the output is not zero: the very same elements.
    let open: Vec<bool> = trained
        .output
        .iter()
        .map(|y| !case.relu || *y > 0.0)
        .collect();
    let [x, gamma, beta] = case.gradients(&open);
    let gradients = backward(&case.saved(&trained), &case.dy, case.residual.is_some());
    let root = |channel: usize| (variance[channel] + f64::from(case.eps)).sqrt();
    let sum = case.rows() * 2e-7 + 1e-6;
    // (x - mean) is as good as the mean is in f32.
    let spoilt = |channel: usize| 1.0 + 0.05 * size(channel) / root(channel);
    close("dbeta", &gradients.beta, &beta, |_| sum);
    close("dgamma", &gradients.gamma, &gamma, |channel| {
        2.0 * sum * spoilt(channel)
    });
    close("dx", &gradients.x, &x, |index| {
        let channel = index % c;
        scale(channel) * (1e-6 + 1e-5 * spoilt(channel) / case.rows().sqrt())
    });
    let masked = case
        .dy
        .iter()
        .zip(&open)
        .map(|(dy, open)| if *open { *dy } else { 0.0 });
    let residual = (case.relu && case.residual.is_some()).then(|| masked.collect::<Vec<_>>());
    assert_eq!(gradients.residual, residual);
    if case.residual.is_some() && case.relu {
        // Whoever does not want the residual's gradient gets the same for the others.
        let alone = backward(&case.saved(&trained), &case.dy, false);
        assert_eq!(alone.residual, None);
        assert_eq!((&alone.x, &alone.gamma), (&gradients.x, &gradients.gamma));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_what_plain_loops_give(
        rows in prop_oneof![1..5_usize, 5..200_usize, 200..3000_usize],
        channels in prop::sample::select(&CHANNELS[..]),
        mean in prop::sample::select(&[0.0_f32, -30.0, 1000.0][..]),
        residual in any::<bool>(),
        relu in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let rows = rows.min(200_000 / channels);
        let case = Case::new(rows, channels, mean, residual, relu, seed);
        every_level(|_| check(&case));
    }
}

#[test]
fn many_chunks_are_combined() {
    for channels in [1, 3, 16, 64, 100, 512, 1030] {
        let case = Case::new(150_001 / channels, channels, 3.0, true, true, 5);
        every_level(|_| check(&case));
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for (residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
        let case = Case::new(7, 3, 0.5, residual, relu, 11);
        let trained = case.forward();
        let open: Vec<bool> = trained.output.iter().map(|y| !relu || *y > 0.0).collect();
        assert!(!relu || open.contains(&false));
        let gradients = backward(&case.saved(&trained), &case.dy, residual);
        let inputs = [wide(&case.x), wide(&case.gamma), wide(&case.beta)];
        let loss = |inputs: &[Vec<f64>; 3]| case.loss(&inputs[0], &inputs[1], &inputs[2], &open);
        for (which, actual) in [&gradients.x, &gradients.gamma, &gradients.beta]
            .into_iter()
            .enumerate()
        {
            let slope = |index: usize| {
                let at = |step: f64| {
                    let mut moved = inputs.clone();
                    moved[which][index] += step;
                    loss(&moved)
                };
                (at(1e-6) - at(-1e-6)) / 2e-6
            };
            let expected: Vec<f64> = (0..actual.len()).map(slope).collect();
            close("gradient", actual, &expected, |_| 1e-5);
        }
    }
}

#[test]
fn variance_does_not_suffer_from_where_a_chunk_begins() {
    // The rows that a chunk is centered around are far from all others.
    let x: Vec<f32> = noise(3, 40_000)
        .iter()
        .enumerate()
        .map(
            |(index, noise)| {
                if index < 500 { 0.0 } else { 1000.0 + noise }
            },
        )
        .collect();
    for channels in [1, 2, 16] {
        let mut case = Case::new(1, channels, 0.0, false, false, 1);
        case.x = x.clone();
        case.dy = x.clone();
        let [_, _, variance] = case.reference(&wide(&x), &wide(&case.gamma), &wide(&case.beta));
        every_level(|_| {
            let actual = case.forward().variance;
            close("variance", &actual, &variance, |channel| {
                3e-6 * variance[channel]
            });
        });
    }
}

#[test]
fn a_constant_channel_has_no_variance() {
    every_level(|_| {
        let x = vec![1234.567; 30_000];
        let trained = forward_train(&x, 6, &[1.0; 6], &[0.25; 6], 1e-5, Fused::default());
        assert_eq!(trained.mean, [1234.567; 6]);
        assert_eq!(trained.variance, [0.0; 6]);
        assert!(trained.output.iter().all(|y| (y - 0.25).abs() < 0.05));
    });
}

#[test]
fn inference_is_one_multiplication_and_one_addition() {
    for channels in CHANNELS {
        let case = Case::new(77, channels, 2.0, true, false, 9);
        for (residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
            let fused = Fused {
                residual: case.residual.as_deref().filter(|_| residual),
                activation: relu.then_some(Activation::Relu),
            };
            let expected: Vec<f64> = (0..case.x.len())
                .map(|index| {
                    let channel = index % channels;
                    let y = f64::from(case.x[index]) * f64::from(case.gamma[channel])
                        + f64::from(case.beta[channel])
                        + fused.residual.map_or(0.0, |r| f64::from(r[index]));
                    if relu { y.max(0.0) } else { y }
                })
                .collect();
            every_level(|_| {
                let y = apply(&case.x, &case.gamma, &case.beta, fused);
                close("y", &y, &expected, |_| 2e-6);
            });
        }
    }
}

#[test]
fn nan_and_infinity_stay_in_their_channel() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for channels in [3, 16, 33] {
            let mut case = Case::new(50, channels, 0.0, false, true, 2);
            case.x[7 * channels + 1] = bad;
            every_level(|_| {
                let trained = case.forward();
                let gradients = backward(&case.saved(&trained), &case.dy, false);
                for index in 0..case.x.len() {
                    let inside = index % channels == 1;
                    assert_eq!(trained.output[index].is_nan(), inside, "{bad} {index}");
                    assert_eq!(gradients.x[index].is_nan(), inside, "{bad} {index}");
                }
                assert!(trained.variance[1].is_nan());
                assert_eq!(trained.mean[1].is_nan(), bad.is_nan());
                assert!(gradients.gamma[1].is_nan() && !gradients.gamma[0].is_nan());
            });
        }
    }
}

#[test]
fn a_rectifier_passes_nan_on() {
    every_level(|_| {
        let y = apply(
            &[f32::NAN, -1.0, 2.0],
            &[1.0],
            &[0.0],
            Fused {
                residual: None,
                activation: Some(Activation::Relu),
            },
        );
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [0.0, 2.0]);
    });
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for (rows, channels) in [(40_000, 3), (9001, 16), (3000, 64), (500, 512)] {
        for (residual, relu) in [(false, true), (true, true)] {
            let case = Case::new(rows, channels, 5.0, residual, relu, 21);
            same_for_all_threads(|| {
                let trained = case.forward();
                let gradients = backward(&case.saved(&trained), &case.dy, residual);
                let Trained {
                    output,
                    mean,
                    variance,
                } = trained;
                let residual = gradients.residual.unwrap_or_default();
                let (x, gamma, beta) = (gradients.x, gradients.gamma, gradients.beta);
                vec![output, mean, variance, x, gamma, beta, residual]
            });
        }
    }
}

/// Value and slope in f64; none near a kink.
fn exact(activation: Activation, x: f64) -> Option<(f64, f64)> {
    let inside = |x: f64, low: f64, high: f64| x > low && x < high;
    let kinks: &[f64] = match activation {
        Activation::Silu => &[],
        Activation::Relu6 => &[0.0, 6.0],
        _ => &[-3.0, 3.0],
    };
    if kinks.iter().any(|kink| (x - kink).abs() < 1e-3) {
        return None;
    }
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    Some(match activation {
        Activation::Relu6 if inside(x, 0.0, 6.0) => (x, 1.0),
        Activation::Relu6 => (x.clamp(0.0, 6.0), 0.0),
        Activation::Hardswish if inside(x, -3.0, 3.0) => (x * (x + 3.0) / 6.0, x / 3.0 + 0.5),
        Activation::Hardswish if x < 0.0 => (0.0, 0.0),
        Activation::Silu => (x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid))),
        _ => (x, 1.0),
    })
}

#[test]
fn activations_follow_in_the_same_pass() {
    for activation in [Activation::Relu6, Activation::Hardswish, Activation::Silu] {
        for channels in [1, 5, 17, 64] {
            for residual in [false, true] {
                let mut case = Case::new(2000, channels, 0.5, residual, false, 7);
                case.gamma.iter_mut().for_each(|gamma| *gamma *= 3.0);
                let wide_gamma = wide(&case.gamma);
                let [normal, ..] = case.reference(&wide(&case.x), &wide_gamma, &wide(&case.beta));
                let mut slopes = Vec::new();
                for (index, x) in normal.iter().enumerate() {
                    let slope = exact(activation, *x).map(|(_, slope)| slope);
                    if slope.is_none() {
                        case.dy[index] = 0.0;
                    }
                    slopes.push(slope.unwrap_or_default());
                }
                let fused = Fused {
                    residual: case.residual.as_deref(),
                    activation: Some(activation),
                };
                // The same case with the slopes in the gradient, and no activation.
                let mut plain = Case::new(2000, channels, 0.5, residual, false, 7);
                plain.gamma.clone_from(&case.gamma);
                let dy = case.dy.iter().zip(&slopes);
                plain.dy = dy.map(|(dy, slope)| dy * *slope as f32).collect();
                let expected = plain.gradients(&vec![true; plain.dy.len()]);
                every_level(|_| {
                    let trained =
                        forward_train(&case.x, channels, &case.gamma, &case.beta, 1e-5, fused);
                    for (x, y) in normal.iter().zip(&trained.output) {
                        let Some((value, _)) = exact(activation, *x) else {
                            continue;
                        };
                        let error = (value - f64::from(*y)).abs();
                        assert!(error < 1e-5, "{activation:?} at {x}: {y} for {value}");
                    }
                    if residual {
                        return;
                    }
                    let saved = Saved {
                        activation: Some(activation),
                        ..case.saved(&trained)
                    };
                    let found = backward(&saved, &case.dy, false);
                    let rows = |_| 2e-3;
                    close("dx", &found.x, &expected[0], |_| 3e-4);
                    close("dgamma", &found.gamma, &expected[1], rows);
                    close("dbeta", &found.beta, &expected[2], rows);
                });
            }
        }
    }
}
