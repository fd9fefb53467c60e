//! Memory-bound operations: our kernels called directly, and Burn's operations on flex.

use std::hint::black_box;

use anyhow::{Result, bail};
use burn::module::Module;
use burn::tensor::activation::relu;
use firebrick::core::nn::{BatchNormConfig, MaxPool2dConfig};
use firebrick::prelude::Device;
use firebrick_kernels::Image;
use firebrick_kernels::activation::Activation;
use firebrick_kernels::batch_norm::{self, Fused, Saved};
use firebrick_kernels::elementwise;
use firebrick_kernels::pool::{self, Window};

use crate::case::{Elementwise, Operation};
use crate::network;
use crate::opened::Opened;
use crate::who::Who;

const EPS: f32 = 1e-5;

pub(crate) fn open(who: Who, case: &Elementwise) -> Result<Opened> {
    if let Operation::BatchNormReluBoth = case.operation {
        return Ok(layers(
            who,
            case,
            &firebrick::core::device("flex")?.autodiff(),
        ));
    }
    match who {
        Who::Ours => Ok(kernel(case)),
        Who::Flex => operation(case, &firebrick::core::device("flex")?),
    }
}

fn kernel(case: &Elementwise) -> Opened {
    let [n, c, h, w] = case.shape;
    let image = Image { n, h, w, c };
    let x = network::entries(image.len());
    let step: Box<dyn FnMut()> = match case.operation {
        Operation::BatchNormRelu | Operation::BatchNormReluBoth => {
            let (gamma, beta) = (vec![1.0; c], vec![0.0; c]);
            Box::new(move || {
                let fused = Fused {
                    residual: None,
                    activation: Some(Activation::Relu),
                };
                black_box(batch_norm::forward_train(&x, c, &gamma, &beta, EPS, fused));
            })
        }
        Operation::BatchNormReluGrad => batch_norm_grad(x, c),
        Operation::Relu => Box::new(move || {
            black_box(elementwise::relu(&x));
        }),
        Operation::ReluGrad => {
            let (_, bits) = elementwise::relu(&x);
            Box::new(move || {
                black_box(elementwise::relu_grad(&x, &bits));
            })
        }
        Operation::MaxPool => Box::new(move || {
            black_box(pool::max(&x, image, &HALVES));
        }),
        Operation::MaxPoolGrad => {
            let (y, positions) = pool::max(&x, image, &HALVES);
            Box::new(move || {
                black_box(pool::max_grad(&y, &positions, image, &HALVES));
            })
        }
        Operation::Add => {
            let y = x.clone();
            Box::new(move || {
                black_box(elementwise::add(&x, &y));
            })
        }
    };
    done(step).report("how", "kernel")
}

/// 2×2 windows side by side.
const HALVES: Window = Window {
    kernel: [2, 2],
    stride: [2, 2],
    padding: [(0, 0), (0, 0)],
    ceil_mode: false,
};

fn batch_norm_grad(x: Vec<f32>, channels: usize) -> Box<dyn FnMut()> {
    let (gamma, beta) = (vec![1.0; channels], vec![0.0; channels]);
    let fused = Fused {
        residual: None,
        activation: Some(Activation::Relu),
    };
    let trained = batch_norm::forward_train(&x, channels, &gamma, &beta, EPS, fused);
    let dy = x.clone();
    Box::new(move || {
        let saved = Saved {
            x: &x,
            gamma: &gamma,
            beta: &beta,
            mean: &trained.mean,
            variance: &trained.variance,
            eps: EPS,
            activation: Some(Activation::Relu),
            output: None,
        };
        black_box(batch_norm::backward(&saved, &dy, false));
    })
}

fn done(mut step: Box<dyn FnMut()>) -> Opened {
    Opened::new(move || {
        step();
        Ok(())
    })
}

fn operation(case: &Elementwise, device: &Device) -> Result<Opened> {
    let step: Box<dyn FnMut()> = match case.operation {
        Operation::BatchNormRelu | Operation::BatchNormReluBoth => {
            let device = device.clone().autodiff();
            let norm = BatchNormConfig::new(case.shape[1]).init(&device).train();
            let x = network::handed_on(Who::Flex, case.shape, &device);
            Box::new(move || {
                black_box(norm.forward_relu(x.clone()));
            })
        }
        Operation::Relu => {
            let x = network::handed_on(Who::Flex, case.shape, device);
            Box::new(move || {
                black_box(relu(x.clone()));
            })
        }
        Operation::MaxPool => {
            let (pool, x) = (
                MaxPool2dConfig::new(2).init(),
                network::handed_on(Who::Flex, case.shape, device),
            );
            Box::new(move || {
                black_box(pool.forward(x.clone()));
            })
        }
        Operation::Add => {
            let (x, y) = (
                network::handed_on(Who::Flex, case.shape, device),
                network::handed_on(Who::Flex, case.shape, device),
            );
            Box::new(move || {
                black_box(x.clone() + y.clone());
            })
        }
        Operation::BatchNormReluGrad | Operation::ReluGrad | Operation::MaxPoolGrad => {
            bail!("its gradients come with the forward pass")
        }
    };
    Ok(done(step).report("how", "operations"))
}

fn layers(who: Who, case: &Elementwise, device: &Device) -> Opened {
    let norm = BatchNormConfig::new(case.shape[1]).init(device).train();
    let x = network::handed_on(who, case.shape, device).require_grad();
    Opened::new(move || {
        // From a gradient of ones, which Burn makes row by row.
        black_box(norm.forward_relu(x.clone()).backward());
        Ok(())
    })
    .report("how", "layers")
}
