//! Batch norm that is folded into the convolution before it.

use firebrick_core::kernels;
use firebrick_core::nn::{Activation, Conv2dConfig, ConvBnRelu, LinearConfig, conv_bn};

use crate::support::{
    LIES, TOLERANCE, alone, assert_close, both, devices, evaluated, lay, noise, values,
};

#[test]
fn folded_inference_is_the_layers_one_by_one() {
    for device in devices() {
        for (bias, residual, activation) in [
            (false, false, Activation::Relu),
            (true, true, Activation::Relu),
            (true, false, Activation::Identity),
            (false, true, Activation::Tanh),
        ] {
            for lie in LIES {
                let (with, without) = both(|| {
                    let layer = evaluated(bias, &device);
                    let x = lay(noise([2, 3, 5, 4], 1, &device), lie);
                    let residual = residual.then(|| lay(noise([2, 6, 5, 4], 2, &device), lie));
                    let (conv, bn) = (&layer.conv, &layer.bn);
                    // The first call folds, the second finds it folded.
                    let first = conv_bn(conv, bn, x.clone(), residual.clone(), activation);
                    let second = conv_bn(conv, bn, x, residual, activation);
                    assert_eq!(values(&first), values(&second));
                    values(&first)
                });
                assert_close("folded", &with, &without, TOLERANCE);
            }
        }
    }
}

#[test]
fn folded_weights_follow_every_change() {
    for device in devices() {
        let _alone = alone();
        let layer = evaluated(true, &device);
        let x = noise([2, 3, 5, 4], 1, &device);
        let plain = |layer: &ConvBnRelu| {
            let output = layer.bn.forward(layer.conv.forward(x.clone()));
            values(&kernels::relu(output))
        };
        let mut before = values(&layer.forward(x.clone()));
        let mut changed = |what: &str, layer: &ConvBnRelu| {
            let now = values(&layer.forward(x.clone()));
            assert_close(what, &now, &plain(layer), TOLERANCE);
            assert_ne!(now, before, "{what} changed nothing");
            before = now;
        };
        let mut layer = layer;
        layer.conv.weight = layer.conv.weight.map(|w| w * 1.5);
        changed("weight", &layer);
        layer.conv.bias = layer.conv.bias.map(|bias| bias.map(|b| b + 0.5));
        changed("bias", &layer);
        layer.bn.gamma = layer.bn.gamma.map(|gamma| gamma.map(|gamma| gamma * -1.0));
        changed("gamma", &layer);
        layer.bn.beta = layer.bn.beta.map(|beta| beta.map(|beta| beta + 1.0));
        changed("beta", &layer);
        let mean = layer.bn.running_mean.as_ref().unwrap().value() + 0.5;
        layer.bn.running_mean.as_ref().unwrap().update(mean);
        let _ = layer.bn.running_mean.as_ref().unwrap().value_sync();
        changed("running mean", &layer);
        let variance = layer.bn.running_var.as_ref().unwrap().value() * 4.0;
        layer.bn.running_var.as_ref().unwrap().update(variance);
        let _ = layer.bn.running_var.as_ref().unwrap().value_sync();
        changed("running variance", &layer);
        layer.bn.epsilon = 0.5;
        changed("epsilon", &layer);
        layer.conv.padding = [(0, 2), (1, 1)];
        changed("padding", &layer);
    }
}

#[test]
fn an_activation_is_part_of_the_pass_before_it() {
    for device in devices() {
        let _alone = alone();
        let mut conv = Conv2dConfig::new([3, 6], 3).init(&device);
        // A single pixel takes another way.
        let gate = Conv2dConfig::new([3, 6], 1).init(&device);
        let linear = LinearConfig::new(20, 7).init(&device);
        let [image, pixel] = [[2, 3, 5, 4], [2, 3, 1, 1]].map(|shape| noise(shape, 1, &device));
        let rows = noise([3, 20], 2, &device);
        for (name, activation) in Activation::ALL {
            for (layer, input) in [(&conv, &image), (&gate, &pixel)] {
                let one = layer.forward_activated(input.clone(), activation);
                let two = activation.forward(layer.forward(input.clone()));
                assert_close(name, &values(&one), &values(&two), TOLERANCE);
            }
            let one = linear.forward_activated(rows.clone(), activation);
            let two = activation.forward(linear.forward(rows.clone()));
            assert_close(name, &values(&one), &values(&two), TOLERANCE);
        }
        // The weights that it keeps are those of now.
        conv.weight = conv.weight.map(|weight| weight * 1.5);
        let one = conv.forward_activated(image.clone(), Activation::Silu);
        let two = Activation::Silu.forward(conv.forward(image));
        assert_close("other weights", &values(&one), &values(&two), TOLERANCE);
    }
}
