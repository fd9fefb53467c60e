//! Arguments that do not fit each other: every safe function refuses them before it touches memory, and
//! says what does not fit.

mod settings;

use std::panic::{AssertUnwindSafe, catch_unwind};

use firebrick_kernels::activation::{self, Activation};
use firebrick_kernels::batch_norm::{self, Fused, Saved};
use firebrick_kernels::conv2d::{self, Conv2d, Epilogue};
use firebrick_kernels::optimizer::{self, Formula, Real, Tensors};
use firebrick_kernels::pool::{self, Window};
use firebrick_kernels::simd::{Level, force};
use firebrick_kernels::subsample::{self, Subsample};
use firebrick_kernels::{Image, cross_entropy, dropout, elementwise, layout, linear};
use settings::{every_level, noise};

/// Whether the call panics with a message that has all these parts.
#[track_caller]
fn refused<T>(parts: &[&str], call: impl FnOnce() -> T) {
    let outcome = catch_unwind(AssertUnwindSafe(call));
    let Err(message) = outcome else {
        panic!("accepted where it should say {parts:?}");
    };
    let message = message
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| message.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

fn image(n: usize, h: usize, w: usize, c: usize) -> Image {
    Image { n, h, w, c }
}

/// 3×3 over images of 8×8 pixels.
fn conv(channels: [usize; 2], groups: usize) -> Conv2d {
    Conv2d {
        input: image(2, 8, 8, channels[0]),
        output_channels: channels[1],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [(1, 1), (1, 1)],
        dilation: [1, 1],
        groups,
    }
}

const NONE: Epilogue<'_> = Epilogue {
    bias: None,
    residual: None,
    relu: false,
};

#[test]
fn packed_weights_serve_their_own_geometry_alone() {
    // Without the check, the second of each pair reads the first one's weights past their end.
    let small = conv([8, 8], 1);
    let depthwise = conv([8, 8], 8);
    for (packed_for, used_for, parts) in [
        (
            small,
            conv([64, 8], 1),
            ["8 input and 8 output", "64 input and 8 output"],
        ),
        (small, conv([8, 96], 1), ["8 output", "96 output"]),
        (small, conv([8, 8], 2), ["1 group(s)", "2 group(s)"]),
        (small, depthwise, ["1 group(s)", "8 group(s)"]),
        (depthwise, small, ["8 group(s)", "1 group(s)"]),
        (depthwise, conv([32, 32], 32), ["8 input", "32 input"]),
        (
            small,
            Conv2d {
                kernel: [5, 3],
                ..small
            },
            ["kernel [3, 3]", "kernel [5, 3]"],
        ),
        (
            small,
            Conv2d {
                stride: [1, 2],
                ..small
            },
            ["stride [1, 1]", "stride [1, 2]"],
        ),
        (
            small,
            Conv2d {
                padding: [(1, 1), (0, 1)],
                ..small
            },
            ["padding [(1, 1), (1, 1)]", "padding [(1, 1), (0, 1)]"],
        ),
        (
            small,
            Conv2d {
                dilation: [2, 1],
                ..small
            },
            ["dilation [1, 1]", "dilation [2, 1]"],
        ),
    ] {
        let packed = conv2d::pack(&packed_for, &noise(1, packed_for.weight_len()));
        let x = noise(2, used_for.input.len());
        refused(&parts, || {
            conv2d::forward_packed(&used_for, &x, &packed, NONE)
        });
        refused(&["packed for", "used for"], || {
            conv2d::forward_packed(&used_for, &x, &packed, NONE)
        });
    }
    // Other images are no other geometry.
    let large = Conv2d {
        input: image(5, 21, 12, 32),
        ..conv([32, 32], 1)
    };
    let weight = noise(1, large.weight_len());
    let packed = conv2d::pack(&conv([32, 32], 1), &weight);
    let x = noise(2, large.input.len());
    let found = conv2d::forward_packed(&large, &x, &packed, NONE);
    assert_eq!(found.len(), large.output().len());
}

#[test]
fn packed_weights_serve_their_own_instruction_set_alone() {
    every_level(|level| {
        for conv in [conv([8, 24], 1), conv([32, 32], 1), conv([8, 8], 8)] {
            let packed = conv2d::pack(&conv, &noise(1, conv.weight_len()));
            let x = noise(2, conv.input.len());
            let before = conv2d::forward_packed(&conv, &x, &packed, NONE);
            assert_eq!(packed.level(), level);
            for other in Level::available() {
                assert!(force(other));
                if other == level {
                    let again = conv2d::forward_packed(&conv, &x, &packed, NONE);
                    assert_eq!(again, before);
                } else {
                    let parts = [format!("{level:?} vectors"), format!("{other:?} is in use")];
                    refused(&[&parts[0], &parts[1]], || {
                        conv2d::forward_packed(&conv, &x, &packed, NONE)
                    });
                }
            }
            assert!(force(level));
        }
    });
}

#[test]
fn impossible_convolutions() {
    let good = conv([8, 16], 1);
    for (bad, part) in [
        (conv([0, 16], 1), "at least 1 of each"),
        (conv([8, 0], 1), "at least 1 of each"),
        (conv([8, 16], 0), "0 groups"),
        (conv([8, 16], 3), "3 groups"),
        (conv([5, 7], 4), "4 groups"),
        (
            Conv2d {
                kernel: [0, 3],
                ..good
            },
            "kernel = 0",
        ),
        (
            Conv2d {
                stride: [1, 0],
                ..good
            },
            "stride = 0",
        ),
        (
            Conv2d {
                dilation: [0, 1],
                ..good
            },
            "dilation = 0",
        ),
        (
            Conv2d {
                stride: [usize::MAX, 1],
                ..good
            },
            "stride = 18446744073709551615",
        ),
        (
            Conv2d {
                dilation: [5, 1],
                ..good
            },
            "dilation 5 is larger than the image: 10 pixels",
        ),
        (
            Conv2d {
                kernel: [1 << 33, 1 << 33],
                dilation: [1 << 31, 1 << 31],
                ..good
            },
            "larger than the image",
        ),
        (
            Conv2d {
                padding: [(usize::MAX, 1), (0, 0)],
                ..good
            },
            "padding of 18446744073709551615 and 1",
        ),
        (
            Conv2d {
                padding: [(1 << 40, 1), (1 << 40, 1)],
                stride: [1 << 40, 1 << 40],
                ..good
            },
            "no memory holds",
        ),
        (
            // n · h · w · c is 0 in 64 bits.
            Conv2d {
                input: image(1 << 31, 1 << 31, 1 << 2, 8),
                ..good
            },
            "no memory holds",
        ),
    ] {
        let (x, weight) = (noise(1, 2 * 8 * 8 * 8), noise(2, 16 * 8 * 9));
        for empty in [false, true] {
            let x = if empty { &[] } else { &x[..] };
            let parts = ["convolution", part];
            refused(&parts, || conv2d::pack(&bad, &weight));
            refused(&parts, || conv2d::forward(&bad, x, &weight, NONE));
            refused(&parts, || conv2d::input_grad(&bad, x, &weight));
            refused(&parts, || conv2d::weight_grad(&bad, x, x));
        }
        let packed = conv2d::pack(&good, &weight);
        refused(&["convolution"], || {
            conv2d::forward_packed(&bad, &x, &packed, NONE)
        });
    }
}

#[test]
fn slices_that_do_not_fit_a_convolution() {
    for conv in [
        conv([8, 16], 1),
        conv([16, 16], 1),
        conv([8, 16], 2),
        conv([8, 8], 8),
    ] {
        let (input, output) = (conv.input.len(), conv.output().len());
        let (x, weight, dy) = (
            noise(1, input),
            noise(2, conv.weight_len()),
            noise(3, output),
        );
        let packed = conv2d::pack(&conv, &weight);
        let short = |values: &[f32]| values[..values.len() - 1].to_vec();
        let (short_x, short_weight, short_dy) = (short(&x), short(&weight), short(&dy));
        refused(&["input"], || {
            conv2d::forward(&conv, &short_x, &weight, NONE)
        });
        refused(&["input"], || {
            conv2d::forward_packed(&conv, &short_x, &packed, NONE)
        });
        refused(&["input"], || conv2d::weight_grad(&conv, &short_x, &dy));
        refused(&["a weight of"], || {
            conv2d::forward(&conv, &x, &short_weight, NONE)
        });
        refused(&["a weight of"], || conv2d::pack(&conv, &short_weight));
        refused(&["a weight of"], || {
            conv2d::input_grad(&conv, &dy, &short_weight)
        });
        refused(&["gradient"], || {
            conv2d::input_grad(&conv, &short_dy, &weight)
        });
        refused(&["gradient"], || conv2d::weight_grad(&conv, &x, &short_dy));
        let bias = noise(4, conv.output_channels - 1);
        let epilogue = Epilogue {
            bias: Some(&bias),
            ..NONE
        };
        refused(&["one bias"], || {
            conv2d::forward(&conv, &x, &weight, epilogue)
        });
        refused(&["one bias"], || {
            conv2d::forward_packed(&conv, &x, &packed, epilogue)
        });
        let epilogue = Epilogue {
            residual: Some(&short_dy),
            ..NONE
        };
        refused(&["the residual"], || {
            conv2d::forward(&conv, &x, &weight, epilogue)
        });
        refused(&["the residual"], || {
            conv2d::forward_packed(&conv, &x, &packed, epilogue)
        });
    }
    refused(&["10 elements in pixels of 3"], || {
        conv2d::bias_grad(&[0.0; 10], 3)
    });
    refused(&["pixels of 0 channels"], || {
        conv2d::bias_grad(&[0.0; 10], 0)
    });
}

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

#[test]
fn windows_and_slices_that_do_not_fit_pooling() {
    let size = image(2, 6, 6, 5);
    let good = Window {
        kernel: [2, 2],
        stride: [2, 2],
        padding: [(0, 0); 2],
        ceil_mode: false,
    };
    let (x, dy) = (noise(1, size.len()), noise(2, 2 * 3 * 3 * 5));
    let positions = vec![u16::MAX; dy.len()];
    refused(&["pooling: x"], || pool::max(&x[1..], size, &good));
    refused(&["pooling: x"], || pool::max_infer(&x[1..], size, &good));
    refused(&["pooling: x"], || pool::avg(&x[1..], size, &good, true));
    refused(&["pooling: dy"], || {
        pool::avg_grad(&dy[1..], size, &good, true)
    });
    refused(&["pooling: dy"], || {
        pool::max_grad(&dy[1..], &positions, size, &good)
    });
    refused(&["positions"], || {
        pool::max_grad(&dy, &positions[1..], size, &good)
    });
    // Positions that no window has go nowhere.
    assert!(
        pool::max_grad(&dy, &positions, size, &good)
            .iter()
            .all(|dx| *dx == 0.0)
    );
    refused(&["pooling: x"], || pool::global_avg(&x[1..], size));
    refused(&["pooling: dy"], || pool::global_avg_grad(&dy, size));
    refused(&["kernel of"], || {
        let large = Window {
            kernel: [257, 256],
            padding: [(128, 128), (128, 128)],
            ..good
        };
        pool::max(&x, size, &large)
    });
    for (bad, part) in [
        (
            Window {
                kernel: [0, 2],
                ..good
            },
            "1 or more",
        ),
        (
            Window {
                stride: [2, 0],
                ..good
            },
            "1 or more",
        ),
        (
            Window {
                kernel: [2, 7],
                ..good
            },
            "larger than the padded image",
        ),
        (
            Window {
                padding: [(usize::MAX, 3), (0, 0)],
                ..good
            },
            "padding of",
        ),
        (
            Window {
                padding: [(1 << 40, 0), (1 << 40, 0)],
                stride: [1 << 40, 1 << 40],
                ..good
            },
            "no memory holds",
        ),
    ] {
        refused(&[part], || pool::max(&x, size, &bad));
        refused(&[part], || pool::max_infer(&x, size, &bad));
        refused(&[part], || pool::avg(&x, size, &bad, true));
        refused(&[part], || pool::max_grad(&dy, &positions, size, &bad));
        refused(&[part], || pool::avg_grad(&dy, size, &bad, true));
    }
    // n · h · w · c is 0 in 64 bits.
    let huge = image(1 << 31, 1 << 31, 1 << 2, 8);
    refused(&["no memory holds"], || pool::max(&[], huge, &good));
    refused(&["no memory holds"], || pool::avg(&[], huge, &good, true));
    refused(&["no memory holds"], || {
        pool::avg_grad(&[], huge, &good, true)
    });
    refused(&["no memory holds"], || {
        pool::max_grad(&[], &[], huge, &good)
    });
    refused(&["no memory holds"], || pool::global_avg(&[], huge));
    refused(&["no memory holds"], || {
        pool::global_avg_grad(&[], image(1 << 61, 2, 2, 8))
    });
}

/// θ ← θ - g
#[derive(Clone, Copy)]
struct Descent;

impl Formula<1, 1> for Descent {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [gradient]: [R; 1]) -> [R; 1] {
        [value - gradient]
    }
}

#[test]
fn slices_of_different_lengths() {
    let (long, short, bits) = (noise(1, 70), noise(2, 69), [0_u32; 2]);
    refused(&["same length"], || elementwise::add(&long, &short));
    refused(&["same length"], || elementwise::add(&short, &long));
    refused(&["same length"], || elementwise::add_relu(&long, &short));
    refused(&["same length"], || {
        elementwise::add_into(&mut short.clone(), &long);
    });
    refused(&["same length"], || {
        elementwise::add_into(&mut long.clone(), &short);
    });
    refused(&["a bit for each"], || elementwise::relu_grad(&long, &bits));
    refused(&["a bit for each"], || dropout::grad(&long, &bits, 0.5));
    refused(&["keep = 1.5"], || dropout::apply(&long, 1.5, 1, 2));
    refused(&["keep = NaN"], || dropout::bits(70, f64::NAN, 1, 2));
    refused(&["same length"], || {
        activation::backward(Activation::Elu, &long, &short)
    });
    refused(&["same length"], || {
        activation::backward(Activation::Elu, &short, &long)
    });
    refused(&["one class"], || cross_entropy::forward(&long, &long, 0));
    refused(&["whole rows"], || cross_entropy::forward(&long, &long, 3));
    refused(&["a weight for each"], || {
        cross_entropy::forward(&long, &short, 7)
    });
    for (value, gradient) in [(&long, &short), (&short, &long)] {
        refused(&["tensors of one length"], || {
            optimizer::apply(&mut [Tensors {
                formula: Descent,
                written: [&mut value.clone()],
                read: [gradient],
            }]);
        });
    }
}

#[test]
fn images_of_another_shape() {
    let (x, size) = (noise(1, 2 * 3 * 5 * 7), image(2, 3, 5, 7));
    let wraps = image(1 << 31, 1 << 31, 1 << 2, 8);
    let half = Subsample {
        stride: 2,
        before: 0,
        after: 1,
    };
    let still = Subsample { stride: 0, ..half };
    refused(&["layout"], || layout::to_channels_first(&x[1..], size));
    refused(&["layout"], || layout::to_channels_last(&x[1..], size));
    refused(&["no memory"], || layout::to_channels_first(&[], wraps));
    refused(&["no memory"], || layout::to_channels_last(&[], wraps));
    refused(&["subsample: input"], || {
        subsample::forward(&x[1..], size, half)
    });
    refused(&["subsample: gradient"], || subsample::grad(&x, size, half));
    refused(&["a stride of 1"], || subsample::forward(&x, size, still));
    refused(&["a stride of 1"], || subsample::grad(&x, size, still));
}
