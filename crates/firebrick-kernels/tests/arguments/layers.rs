//! Linear layers and batch norm.

use firebrick_kernels::batch_norm::{Fused, Saved};
use firebrick_kernels::{batch_norm, linear};

use crate::refused::refused;
use crate::settings::noise;

#[test]
fn slices_that_do_not_fit_a_linear_layer() {
    let (x, weight, dy) = (noise(1, 4 * 6), noise(2, 6 * 9), noise(3, 4 * 9));
    let size = [4, 6, 9];
    refused(&["input"], || linear::forward(&x[1..], &weight, None, size));
    refused(&["a weight of"], || {
        linear::forward(&x, &weight[1..], None, size)
    });
    refused(&["one bias"], || {
        linear::forward(&x, &weight, Some(&[0.0; 8]), size)
    });
    refused(&["input"], || linear::input_grad(&dy[1..], &weight, size));
    refused(&["a weight of"], || {
        linear::input_grad(&dy, &weight[1..], size)
    });
    refused(&["gradient"], || linear::weight_grad(&x[1..], &dy, size));
    refused(&["input"], || linear::weight_grad(&x, &dy[1..], size));
    let huge = [1 << 62, 4, 4];
    refused(&["no memory"], || {
        linear::forward(&[], &weight[..16], None, huge)
    });
    refused(&["no memory"], || linear::weight_grad(&[], &[], huge));
}

#[test]
fn slices_that_do_not_fit_batch_norm() {
    let (x, two, three) = (noise(1, 30), [0.5; 2], [0.5; 3]);
    let plain = Fused::default();
    let residual = Fused {
        residual: Some(&x[..27]),
        relu: true,
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
        relu: true,
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
