//! Tests of the models against published numbers, published weights and the theory of initialization.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod all_stages;
mod architectures;
mod fine_tuning;
mod golden;
mod members;
mod options;
mod photos;
mod pretrained;
mod statistics;
mod weights;

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_zoo::{Input, Model, build, default_input};
use rand::RngExt;

fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}

/// The model of a spec with its own input.
fn model(spec: &str, seed: u64) -> (Model, Input) {
    let spec = spec.parse().unwrap();
    let input = default_input(&spec).unwrap();
    (build(&spec, &input, seed, &flex()).unwrap(), input)
}

/// Images of values in [-1, 1) from a seed.
fn noise(count: usize, input: &Input, seed: u64) -> Tensor<4> {
    let shape = [count, input.channels, input.height, input.width];
    let mut rng = firebrick_core::random::rng(seed, "test", 0, 0);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &flex())
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec().unwrap()
}

/// The largest distance between two lists of the same length.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let distances = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    // NaN counts as the largest distance.
    distances.fold(
        0.0,
        |worst, distance| if distance <= worst { worst } else { distance },
    )
}
