//! Single kernels: `cargo bench -p firebrick-kernels`. Against PyTorch: `cargo xtask bench`.
//!
//! Throughput is in floating-point operations for convolutions (an "element" is one of them) and in
//! bytes moved elsewhere.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firebrick_kernels::activation::Activation;
use firebrick_kernels::batch_norm::{self, Fused, Saved};
use firebrick_kernels::conv2d::{self, Conv2d, Epilogue};
use firebrick_kernels::optimizer::{self, Formula, Real, Tensors};
use firebrick_kernels::{Image, memory, peak};

/// Made-up values in [-0.5, 0.5).
fn values(count: usize) -> Vec<f32> {
    let value = |index: usize| (index * 7919 % 1009) as f32 / 1009.0 - 0.5;
    (0..count).map(value).collect()
}

fn convolutions(criterion: &mut Criterion) {
    // Images, channels, side.
    for [n, c, side] in [
        [64, 64, 32],
        [64, 16, 32],
        [32, 128, 16],
        [32, 256, 8],
        [32, 512, 4],
    ] {
        let input = Image {
            n,
            h: side,
            w: side,
            c,
        };
        let conv = Conv2d {
            input,
            output_channels: c,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [(1, 1), (1, 1)],
            dilation: [1, 1],
            groups: 1,
        };
        let (x, weight) = (values(input.len()), values(conv.weight_len()));
        let mut group = criterion.benchmark_group(format!("conv 3×3 {c}→{c} @{side} b{n}"));
        group.throughput(Throughput::Elements((2 * input.len() * c * 9) as u64));
        group.bench_function("forward", |bencher| {
            bencher.iter(|| conv2d::forward(&conv, black_box(&x), &weight, Epilogue::default()));
        });
        group.bench_function("input_grad", |bencher| {
            bencher.iter(|| conv2d::input_grad(&conv, black_box(&x), &weight));
        });
        group.bench_function("weight_grad", |bencher| {
            bencher.iter(|| conv2d::weight_grad(&conv, black_box(&x), &x));
        });
    }
}

fn batch_norms(criterion: &mut Criterion) {
    for c in [16, 64] {
        let x = values(64 * 32 * 32 * c);
        let (gamma, beta) = (vec![1.0; c], vec![0.0; c]);
        let fused = Fused {
            activation: Some(Activation::Relu),
            ..Fused::default()
        };
        let train = || batch_norm::forward_train(black_box(&x), c, &gamma, &beta, 1e-5, fused);
        let mut group = criterion.benchmark_group(format!("batch norm + ReLU {c} @32 b64"));
        let bytes = |passes: usize| Throughput::Bytes((4 * passes * x.len()) as u64);
        group.throughput(bytes(3));
        group.bench_function("forward", |bencher| bencher.iter(train));
        let trained = train();
        group.throughput(bytes(5));
        group.bench_function("backward", |bencher| {
            let saved = Saved {
                x: &x,
                gamma: &gamma,
                beta: &beta,
                mean: &trained.mean,
                variance: &trained.variance,
                eps: 1e-5,
                activation: Some(Activation::Relu),
                output: None,
            };
            bencher.iter(|| batch_norm::backward(&saved, black_box(&x), false));
        });
    }
}

/// Adam without its bias correction, which is a matter of scalars.
#[derive(Clone, Copy)]
struct Adam;

impl Formula<3, 1> for Adam {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, mean, square]: [R; 3], [gradient]: [R; 1]) -> [R; 3] {
        let mean = mean * 0.9 + gradient.clone() * 0.1;
        let square = square * 0.999 + gradient.clone() * gradient * 0.001;
        let change = mean.clone() / (square.clone().sqrt() + 1e-8);
        [value + change * -1e-3, mean, square]
    }
}

fn optimizers(criterion: &mut Criterion) {
    const COUNT: usize = 11_000_000;
    let gradient = values(COUNT);
    let (mut value, mut mean, mut square) =
        (values(COUNT), vec![0.0_f32; COUNT], vec![0.0_f32; COUNT]);
    let mut group = criterion.benchmark_group("optimizer");
    group.throughput(Throughput::Bytes(7 * 4 * COUNT as u64));
    group.bench_function("adam, 11 M parameters", |bencher| {
        bencher.iter(|| {
            optimizer::apply(&mut [Tensors {
                formula: Adam,
                written: [&mut value, &mut mean, &mut square],
                read: [&gradient],
            }]);
        });
    });
}

fn peaks(criterion: &mut Criterion) {
    const ITERATIONS: usize = 1_000_000;
    const COUNT: usize = 16 << 20;
    let mut group = criterion.benchmark_group("peak");
    group.throughput(Throughput::Elements(peak::fma(ITERATIONS) as u64));
    group.bench_function("fma", |bencher| bencher.iter(|| peak::fma(ITERATIONS)));
    let mut triad = peak::Triad::new(COUNT);
    group.throughput(Throughput::Bytes(12 * COUNT as u64));
    group.bench_function("triad", |bencher| bencher.iter(|| triad.run()));
}

fn all(criterion: &mut Criterion) {
    memory::keep_freed_pages();
    peaks(criterion);
    convolutions(criterion);
    batch_norms(criterion);
    optimizers(criterion);
}

criterion_group!(kernels, all);
criterion_main!(kernels);
