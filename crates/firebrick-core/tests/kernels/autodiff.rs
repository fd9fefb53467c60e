//! The kernels under Burn's automatic differentiation: in one model with Burn's layers, and through tensors that are
//! used twice.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::kernels;
use firebrick_core::nn::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvBnRelu, ConvBnReluConfig,
    conv_bn,
};

use crate::support::{
    Fill, Lie, alone, assert_close, both, check, devices, noise, refusal, scalar, values,
};

/// Our layers, burn's layers and burn's operations in turn; one tensor used three times.
#[derive(Module, Debug)]
struct Mixed {
    first: ConvBnRelu,
    burns: burn::nn::conv::Conv2d,
    norm: burn::nn::GroupNorm,
    conv: Conv2d,
    bn: BatchNorm,
    linear: burn::nn::Linear,
}

impl Mixed {
    fn new(device: &Device) -> Self {
        let burns = burn::nn::conv::Conv2dConfig::new([6, 6], [3, 3])
            .with_padding(burn::nn::PaddingConfig2d::Same);
        Self {
            first: ConvBnReluConfig::new([3, 6], 3).init(device),
            burns: burns.init(device),
            norm: burn::nn::GroupNormConfig::new(2, 6).init(device),
            conv: Conv2dConfig::new([6, 6], 3).with_padding(1).init(device),
            bn: BatchNormConfig::new(6).init(device),
            linear: burn::nn::LinearConfig::new(6, 4).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.first.forward(x);
        let y = burn::tensor::activation::gelu(self.norm.forward(self.burns.forward(x.clone())));
        let y = conv_bn(&self.conv, &self.bn, y, Some(x.clone()), Activation::Relu);
        let y = self.first.bn.forward_add_relu(y.clone(), y) + x;
        self.linear.forward(kernels::global_avg_pool(y))
    }
}

#[test]
fn ours_and_burns_mix_in_one_model() {
    for device in devices() {
        let (with, without) = both(|| {
            let device = device.clone().autodiff();
            let model = Mixed::new(&device).map(&mut Fill(20));
            let x = noise([2, 3, 6, 5], 1, &device).require_grad();
            let output = model.forward(x.clone());
            let gradients = scalar(&output, Lie::ChannelsFirst).backward();
            let of = |found: Option<Tensor<4>>| values(&found.unwrap());
            [
                values(&output),
                of(x.grad(&gradients)),
                of(model.first.conv.weight.grad(&gradients)),
                of(model.burns.weight.grad(&gradients)),
                of(model.conv.weight.grad(&gradients)),
                values(
                    &model
                        .first
                        .bn
                        .gamma
                        .as_ref()
                        .unwrap()
                        .grad(&gradients)
                        .unwrap(),
                ),
                values(&model.bn.beta.as_ref().unwrap().grad(&gradients).unwrap()),
            ]
        });
        for (with, without) in with.iter().zip(&without) {
            assert_close("mixed", with, without, 1e-4);
        }
    }
}

#[test]
fn gradient_checkpointing_gives_the_same() {
    let device = firebrick_core::device("flex").unwrap();
    let gradient = |device: &Device| {
        let model = Mixed::new(device).map(&mut Fill(20));
        let x = noise([2, 3, 6, 5], 1, device).require_grad();
        let gradients = scalar(&model.forward(x.clone()), Lie::ChannelsFirst).backward();
        values(&x.grad(&gradients).unwrap())
    };
    let _alone = alone();
    let plain = gradient(&device.clone().autodiff());
    let saving = gradient(&device.autodiff().gradient_checkpointing());
    assert_close("checkpointing", &saving, &plain, 1e-6);
}

#[test]
fn a_tensor_used_twice_gets_both_gradients() {
    let image = [2, 3, 4, 5];
    // Of ours, of burn's, and of both, with the sum of either layout.
    check("twice", image, &[], |x, _| {
        let y = kernels::relu(x.square());
        kernels::relu(y.clone()) + kernels::relu(y * 0.5)
    });
    check("thrice", image, &[], |x, _| {
        let y = kernels::relu(x + 0.1);
        let sum = kernels::add_relu(y.clone(), y.clone());
        kernels::add_relu(sum, y)
    });
    check("a leaf", image, &[], |x, _| {
        kernels::add_relu(kernels::relu(x.clone()), kernels::relu(x.clone())) + x
    });
}

/// Sums of gradients rely on this: what a pass has summed up, no later pass meets again.
#[test]
fn burn_refuses_a_second_backward_pass_over_the_same_tensor() {
    for device in devices() {
        let (with, without) = both(|| {
            let device = device.clone().autodiff();
            let x = noise([2, 3, 4, 5], 1, &device).require_grad();
            // Of burn's own operation, whose step tells the kernels nothing.
            let y = burn::tensor::activation::tanh(x);
            let pass = || {
                let gradients = kernels::relu(y.clone()).sum().backward();
                drop(gradients);
            };
            pass();
            refusal(&pass)
        });
        assert!(with.contains("already been consumed"), "{with}");
        assert!(without.contains("already been consumed"), "{without}");
    }
}
