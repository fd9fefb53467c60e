//! Convolutions: impossible ones, slices of other lengths, and packed weights that are for another one.

use firebrick_kernels::conv2d;
use firebrick_kernels::conv2d::{Conv2d, Epilogue};
use firebrick_kernels::simd::{Level, force};

use crate::refused::{image, refused};
use crate::settings::{every_level, noise};

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
    activation: None,
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
