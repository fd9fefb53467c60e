//! Convolutions: single passes of our kernels, and the layer with our kernels and with Burn's.

use std::hint::black_box;

use anyhow::{Result, bail};
use burn::module::Module;
use burn::tensor::Tensor;
use firebrick::core::nn::Conv2dConfig;
use firebrick::prelude::Device;
use firebrick_kernels::Image;
use firebrick_kernels::conv2d::{self, Conv2d, Epilogue};

use crate::case::{Convolution, Pass};
use crate::network;
use crate::opened::Opened;
use crate::who::Who;

pub(crate) fn open(who: Who, case: &Convolution) -> Result<Opened> {
    let opened = match (who, case.pass) {
        (_, Pass::ForwardBackward) => layer(who, case, &device(true)?),
        (Who::Flex, Pass::Forward) => layer_forward(case, &device(false)?),
        (Who::Flex, _) => bail!("its gradients come together, see forward_backward"),
        (Who::Ours, pass) => kernel(case, pass),
    };
    Ok(opened)
}

fn device(autodiff: bool) -> Result<Device> {
    let device = firebrick::core::device("flex")?;
    Ok(if autodiff { device.autodiff() } else { device })
}

fn kernel(case: &Convolution, pass: Pass) -> Opened {
    let conv = Conv2d {
        input: Image {
            n: case.batch,
            h: case.side,
            w: case.side,
            c: case.inputs,
        },
        output_channels: case.outputs,
        kernel: [case.kernel; 2],
        stride: [case.stride; 2],
        padding: [(case.padding, case.padding); 2],
        dilation: [1, 1],
        groups: case.groups,
    };
    let weight =
        network::entries(case.outputs * case.inputs / case.groups * case.kernel * case.kernel);
    let input = network::entries(conv.input.len());
    let gradient = network::entries(conv.output().len());
    Opened::new(move || {
        black_box(match pass {
            Pass::InputGrad => conv2d::input_grad(&conv, &gradient, &weight),
            Pass::WeightGrad => conv2d::weight_grad(&conv, &input, &gradient),
            Pass::Forward | Pass::ForwardBackward => {
                conv2d::forward(&conv, &input, &weight, Epilogue::default())
            }
        });
        Ok(())
    })
    .report("how", "kernel")
}

fn config(case: &Convolution) -> Conv2dConfig {
    Conv2dConfig::new([case.inputs, case.outputs], case.kernel)
        .with_stride(case.stride)
        .with_padding(case.padding)
        .with_groups(case.groups)
        .with_bias(false)
}

fn images(who: Who, case: &Convolution, device: &Device) -> Tensor<4> {
    let shape = [case.batch, case.inputs, case.side, case.side];
    network::handed_on(who, shape, device)
}

fn layer_forward(case: &Convolution, device: &Device) -> Opened {
    let conv = config(case).init(device);
    let images = images(Who::Flex, case, device);
    Opened::new(move || {
        black_box(conv.forward(images.clone()));
        Ok(())
    })
    .report("how", "layer")
}

fn layer(who: Who, case: &Convolution, device: &Device) -> Opened {
    let conv = config(case).init(device).train();
    let images = images(who, case, device).require_grad();
    Opened::new(move || {
        // From a gradient of ones, which Burn makes row by row.
        black_box(conv.forward(images.clone()).backward());
        Ok(())
    })
    .report("how", "layer")
}
