//! Linear layers and batch norm.

use firebrick_kernels::activation::Activation;
use firebrick_kernels::batch_norm::{Fused, Saved};
use firebrick_kernels::channels::{self, Channels};
use firebrick_kernels::conv2d::Epilogue;
use firebrick_kernels::local_response_norm::{self, Response};
use firebrick_kernels::{Image, batch_norm, channel_scale, layer_norm, linear};

use crate::refused::refused;
use crate::settings::noise;

#[test]
fn slices_that_do_not_fit_a_linear_layer() {
    let (x, weight, dy) = (noise(1, 4 * 6), noise(2, 6 * 9), noise(3, 4 * 9));
    let (size, none) = ([4, 6, 9], Epilogue::default());
    let bias = Epilogue {
        bias: Some(&[0.0; 8]),
        ..none
    };
    refused(&["input"], || linear::forward(&x[1..], &weight, none, size));
    refused(&["a weight of"], || {
        linear::forward(&x, &weight[1..], none, size)
    });
    refused(&["one bias"], || linear::forward(&x, &weight, bias, size));
    refused(&["input"], || linear::input_grad(&dy[1..], &weight, size));
    refused(&["a weight of"], || {
        linear::input_grad(&dy, &weight[1..], size)
    });
    refused(&["gradient"], || linear::weight_grad(&x[1..], &dy, size));
    refused(&["input"], || linear::weight_grad(&x, &dy[1..], size));
    let huge = [1 << 62, 4, 4];
    refused(&["no memory"], || {
        linear::forward(&[], &weight[..16], none, huge)
    });
    refused(&["no memory"], || linear::weight_grad(&[], &[], huge));
}

#[test]
fn slices_that_do_not_fit_batch_norm() {
    let (x, two, three) = (noise(1, 30), [0.5; 2], [0.5; 3]);
    let plain = Fused::default();
    let residual = Fused {
        residual: Some(&x[..27]),
        activation: Some(Activation::Relu),
    };
    let train = |x: &[f32], gamma: &[f32], beta: &[f32], fused: Fused<'_>| {
        batch_norm::forward_train(x, 3, gamma, beta, 1e-5, fused)
    };
    refused(&["gamma"], || train(&x, &two, &three, plain));
    refused(&["beta"], || train(&x, &three, &two, plain));
    refused(&["whole rows"], || train(&x[..29], &three, &three, plain));
    refused(&["one row"], || train(&[], &three, &three, plain));
    refused(&["residual"], || train(&x, &three, &three, residual));
    refused(&["one channel"], || {
        batch_norm::forward_train(&x, 0, &[], &[], 1e-5, plain)
    });
    refused(&["shift"], || batch_norm::apply(&x, &three, &two, plain));
    refused(&["whole rows"], || {
        batch_norm::apply(&x[..29], &three, &three, plain)
    });
    refused(&["residual"], || {
        batch_norm::apply(&x, &three, &three, residual)
    });
    refused(&["one channel"], || batch_norm::apply(&x, &[], &[], plain));

    let saved = Saved {
        x: &x,
        gamma: &three,
        beta: &three,
        mean: &three,
        variance: &three,
        eps: 1e-5,
        activation: Some(Activation::Relu),
        output: Some(&x),
    };
    let back = |saved: Saved<'_>, dy: &[f32]| batch_norm::backward(&saved, dy, true);
    refused(&["beta"], || {
        back(
            Saved {
                beta: &two,
                ..saved
            },
            &x,
        )
    });
    refused(&["mean"], || {
        back(
            Saved {
                mean: &two,
                ..saved
            },
            &x,
        )
    });
    refused(&["variance"], || {
        back(
            Saved {
                variance: &two,
                ..saved
            },
            &x,
        )
    });
    refused(&["dy like x"], || back(saved, &x[..27]));
    refused(&["one row"], || back(Saved { x: &[], ..saved }, &[]));
    refused(&["whole rows"], || {
        back(
            Saved {
                x: &x[..29],
                ..saved
            },
            &x[..29],
        )
    });
    refused(&["dy like the output"], || {
        back(
            Saved {
                output: Some(&x[..27]),
                ..saved
            },
            &x,
        )
    });
    refused(&["the output"], || {
        back(
            Saved {
                output: None,
                ..saved
            },
            &x,
        )
    });
}

#[test]
fn activations_that_are_not_fused_are_refused() {
    let (x, three) = (noise(1, 30), [0.5; 3]);
    let fused = Fused {
        residual: None,
        activation: Some(Activation::Tanh),
    };
    refused(&["Tanh is not fused"], || {
        batch_norm::forward_train(&x, 3, &three, &three, 1e-5, fused)
    });
}

#[test]
fn a_sum_has_no_gradient_through_other_activations_than_the_rectifier() {
    let (x, three) = (noise(1, 30), [0.5; 3]);
    let saved = Saved {
        x: &x,
        gamma: &three,
        beta: &three,
        mean: &three,
        variance: &three,
        eps: 1e-5,
        activation: Some(Activation::Silu),
        output: Some(&x),
    };
    refused(&["goes through a rectifier"], || {
        batch_norm::backward(&saved, &x, true)
    });
}

#[test]
fn slices_that_do_not_fit_layer_norm() {
    let (x, two, three) = (noise(1, 30), [0.5; 2], [0.5; 3]);
    let ten = [0.5; 10];
    refused(&["bias"], || layer_norm::forward(&x, &three, &two, 1e-5));
    refused(&["whole rows"], || {
        layer_norm::forward(&x[..29], &three, &three, 1e-5)
    });
    refused(&["one channel"], || layer_norm::forward(&x, &[], &[], 1e-5));
    let saved = layer_norm::Saved {
        x: &x,
        weight: &three,
        mean: &ten,
        inverse: &ten,
    };
    let back = |saved: layer_norm::Saved<'_>, dy: &[f32]| layer_norm::backward(&saved, dy);
    refused(&["dy like x"], || back(saved, &x[..27]));
    refused(&["mean"], || {
        let mean = &ten[1..];
        back(layer_norm::Saved { mean, ..saved }, &x)
    });
    refused(&["inverse"], || {
        let inverse = &ten[1..];
        back(layer_norm::Saved { inverse, ..saved }, &x)
    });
    refused(&["whole rows"], || {
        let x = &x[..29];
        back(layer_norm::Saved { x, ..saved }, x)
    });
}

#[test]
fn slices_that_do_not_fit_a_factor_for_each_channel() {
    let image = Image {
        n: 2,
        h: 5,
        w: 1,
        c: 3,
    };
    let (x, six) = (noise(1, 30), [0.5; 6]);
    refused(&["x of"], || {
        channel_scale::forward(&x[1..], image, &six, None)
    });
    refused(&["a factor"], || {
        channel_scale::forward(&x, image, &six[1..], None)
    });
    refused(&["residual"], || {
        channel_scale::forward(&x, image, &six, Some(&x[1..]))
    });
    refused(&["dy like x"], || {
        channel_scale::backward(&x, image, &six, &x[1..])
    });
}

#[test]
fn slices_that_do_not_fit_moving_channels() {
    let x = noise(1, 30);
    refused(&["4 channels of 8 pixels"], || {
        channels::concat(&[Channels::all(&x, 4)], 8)
    });
    refused(&["30 values"], || {
        let far = Channels {
            values: &x,
            count: 3,
            stride: usize::MAX,
        };
        channels::concat(&[far], 8)
    });
    refused(&["as many of both"], || {
        channels::interleave([Channels::all(&x, 4), Channels::all(&x, 3)], 2)
    });
    refused(&["channels: 2 from 2 on, of 3"], || {
        channels::part(&x, 3, 2, 2)
    });
    refused(&["from 18446744073709551615"], || {
        channels::part(&x, 3, usize::MAX, 2)
    });
    refused(&["in pairs"], || channels::deinterleave(&x, 3));
    refused(&["2 equal groups of 3"], || channels::shuffle(&x, 3, 2));
    refused(&["whole pixels"], || channels::shuffle(&x, 4, 2));
}

#[test]
fn slices_that_do_not_fit_local_response_norm() {
    let x = noise(1, 30);
    let response = Response {
        size: 5,
        alpha: 1e-4,
        beta: 0.75,
        k: 1.0,
    };
    let with =
        |channels: usize, response: Response| local_response_norm::forward(&x, channels, response);
    refused(&["whole pixels"], || with(4, response));
    refused(&["one channel"], || with(0, response));
    refused(&["a size"], || {
        with(
            3,
            Response {
                size: 0,
                ..response
            },
        )
    });
    refused(&["dy like x"], || {
        local_response_norm::backward(&x, 3, response, &x[1..])
    });
}
