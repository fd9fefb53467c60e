//! Convolution against plain loops in f64, on every instruction set, for any number of threads.

mod settings;

use firebrick_kernels::Image;
use firebrick_kernels::activation::{self, Activation};
use firebrick_kernels::conv2d::{self, Conv2d, Epilogue};
use proptest::prelude::*;
use settings::{close, every_level, noise, same_for_all_threads};

/// Sums in f32 against sums in f64, given with the sum of their terms' magnitudes: within 1e-6 of
/// that, and 1e-6.
#[track_caller]
fn assert_close(found: &[f32], expected: &[(f64, f64)], name: &str) {
    let sums: Vec<f64> = expected.iter().map(|(sum, _)| *sum).collect();
    close(name, found, &sums, |place| 1e-6 * (expected[place].1 + 1.0));
}

/// Calls `visit(x index, weight index, y index)` for every product of the convolution.
fn products(conv: &Conv2d, mut visit: impl FnMut(usize, usize, usize)) {
    let (x, y) = (conv.input, conv.output());
    let (inputs, outputs) = (x.c / conv.groups, y.c / conv.groups);
    for n in 0..y.n {
        for oy in 0..y.h {
            for ox in 0..y.w {
                for out in 0..y.c {
                    for input in 0..inputs {
                        for ky in 0..conv.kernel[0] {
                            for kx in 0..conv.kernel[1] {
                                let iy = (oy * conv.stride[0] + ky * conv.dilation[0]) as isize
                                    - conv.padding[0].0 as isize;
                                let ix = (ox * conv.stride[1] + kx * conv.dilation[1]) as isize
                                    - conv.padding[1].0 as isize;
                                if iy < 0 || ix < 0 || iy >= x.h as isize || ix >= x.w as isize {
                                    continue;
                                }
                                let channel = out / outputs * inputs + input;
                                visit(
                                    ((n * x.h + iy as usize) * x.w + ix as usize) * x.c + channel,
                                    ((out * inputs + input) * conv.kernel[0] + ky) * conv.kernel[1]
                                        + kx,
                                    ((n * y.h + oy) * y.w + ox) * y.c + out,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Case {
    conv: Conv2d,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(conv: Conv2d) -> Self {
        let y = conv.output();
        Self {
            conv,
            x: noise(1, conv.input.len()),
            weight: noise(2, conv.weight_len()),
            bias: noise(3, y.c),
            residual: noise(4, y.len()),
            dy: noise(5, y.len()),
        }
    }

    /// Result, input gradient and weight gradient, each with the sum of the terms' magnitudes.
    fn reference(&self) -> [Vec<(f64, f64)>; 3] {
        let mut y = vec![(0.0, 0.0); self.dy.len()];
        let mut dx = vec![(0.0, 0.0); self.x.len()];
        let mut dw = vec![(0.0, 0.0); self.weight.len()];
        let add = |sum: &mut (f64, f64), a: f32, b: f32| {
            let term = f64::from(a) * f64::from(b);
            sum.0 += term;
            sum.1 += term.abs();
        };
        products(&self.conv, |i, w, o| {
            add(&mut y[o], self.x[i], self.weight[w]);
            add(&mut dx[i], self.dy[o], self.weight[w]);
            add(&mut dw[w], self.dy[o], self.x[i]);
        });
        [y, dx, dw]
    }

    fn check(&self) {
        let Self {
            conv,
            x,
            weight,
            dy,
            ..
        } = self;
        let [y, dx, dw] = self.reference();
        let name = format!("{:?} {conv:?}", firebrick_kernels::simd::level());
        let plain = conv2d::forward(conv, x, weight, Epilogue::default());
        assert_close(&plain, &y, &format!("forward {name}"));
        assert_close(
            &conv2d::input_grad(conv, dy, weight),
            &dx,
            &format!("input gradient {name}"),
        );
        assert_close(
            &conv2d::weight_grad(conv, x, dy),
            &dw,
            &format!("weight gradient {name}"),
        );

        let epilogue = Epilogue {
            bias: Some(&self.bias),
            residual: Some(&self.residual),
            activation: Some(Activation::Relu),
        };
        let fused: Vec<(f64, f64)> = y
            .iter()
            .zip(&self.residual)
            .enumerate()
            .map(|(place, ((value, size), residual))| {
                let bias = self.bias[place % self.bias.len()];
                let sum = value + f64::from(bias) + f64::from(*residual);
                (sum.max(0.0), size + 2.0)
            })
            .collect();
        let packed = conv2d::pack(conv, weight);
        let folded = conv2d::forward_packed(conv, x, &packed, epilogue);
        assert_close(&folded, &fused, &format!("packed {name}"));
        let once = conv2d::forward(conv, x, weight, epilogue);
        assert_close(&once, &fused, &format!("epilogue {name}"));
        // Other activations: what they make of the same sums.
        let both = |activation| {
            let epilogue = Epilogue {
                activation,
                ..epilogue
            };
            let packed = conv2d::forward_packed(conv, x, &packed, epilogue);
            [packed, conv2d::forward(conv, x, weight, epilogue)]
        };
        let sums = both(None);
        for activation in [
            Activation::Relu6,
            Activation::Hardswish,
            Activation::Silu,
            Activation::Gelu,
        ] {
            let expected = sums
                .each_ref()
                .map(|sums| activation::forward(activation, sums));
            assert!(both(Some(activation)) == expected, "{activation:?} {name}");
        }

        let mut sums = vec![(0.0, 0.0); y.len() / plain.len() * self.bias.len()];
        for (place, value) in dy.iter().enumerate() {
            let sum = &mut sums[place % self.bias.len()];
            sum.0 += f64::from(*value);
            sum.1 += f64::from(value.abs());
        }
        let bias_grad = conv2d::bias_grad(dy, self.bias.len());
        assert_close(&bias_grad, &sums, &format!("bias gradient {name}"));
    }
}

fn square(n: usize, side: usize, channels: [usize; 2], kernel: usize, stride: usize) -> Conv2d {
    Conv2d {
        input: Image {
            n,
            h: side,
            w: side,
            c: channels[0],
        },
        output_channels: channels[1],
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [(kernel / 2, kernel / 2); 2],
        dilation: [1; 2],
        groups: 1,
    }
}

#[test]
fn the_shapes_of_real_networks() {
    every_level(|_| {
        for conv in [
            square(3, 32, [3, 16], 3, 1),
            square(3, 32, [16, 16], 3, 1),
            square(2, 32, [16, 32], 3, 2),
            square(5, 16, [32, 32], 3, 1),
            square(7, 14, [32, 48], 3, 1),
            square(3, 23, [36, 33], 3, 1),
            square(2, 24, [70, 100], 3, 1),
            square(7, 8, [64, 64], 3, 1),
            square(2, 28, [1, 32], 3, 1),
            square(2, 14, [1, 6], 5, 1),
            square(2, 14, [6, 16], 5, 1),
            square(1, 7, [96, 80], 3, 1),
            square(3, 4, [256, 130], 3, 1),
            square(1, 5, [36, 16], 3, 2),
            square(1, 3, [100, 40], 3, 1),
            square(2, 16, [64, 128], 1, 2),
            square(2, 9, [20, 48], 1, 1),
            square(1, 30, [3, 64], 7, 2),
        ] {
            Case::new(conv).check();
        }
    });
}

/// Rows of the output, and so blocks of the weight gradient, that see padding alone.
#[test]
fn more_padding_than_the_kernel_reaches() {
    every_level(|_| {
        for (channels, groups) in [([64, 16], 1), ([3, 16], 1), ([160, 16], 1), ([32, 32], 32)] {
            let conv = Conv2d {
                padding: [(9, 130), (2, 3)],
                stride: [2, 1],
                groups,
                ..square(1, 5, channels, 3, 1)
            };
            Case::new(conv).check();
        }
    });
}

#[test]
fn groups_and_depthwise() {
    every_level(|_| {
        for groups in [2, 4, 8] {
            let conv = Conv2d {
                groups,
                ..square(2, 7, [8, 24], 3, 1)
            };
            Case::new(conv).check();
        }
        for (channels, stride) in [(8, 1), (17, 2), (33, 1)] {
            let conv = Conv2d {
                groups: channels,
                ..square(3, 9, [channels, channels], 3, stride)
            };
            Case::new(conv).check();
        }
    });
}

/// Kernels, strides, paddings and numbers of channels that tiles and vectors do not fit, images that are
/// smaller than a tile or a kernel, and a single pixel.
#[test]
fn depthwise_tiles_and_what_is_left_over() {
    every_level(|_| {
        for kernel in [3, 5, 7] {
            for stride in [1, 2] {
                for (side, channels) in [
                    ([15, 16], 16),
                    ([8, 9], 37),
                    ([7, 7], 70),
                    ([3, 30], 24),
                    ([2, 1], 33),
                    ([1, 1], 17),
                ] {
                    for padding in [kernel / 2, kernel - 1] {
                        let conv = Conv2d {
                            input: Image {
                                n: 2,
                                h: side[0],
                                w: side[1],
                                c: channels,
                            },
                            groups: channels,
                            // One more on one side, as TensorFlow pads.
                            padding: [(padding, padding + 1), (padding + stride - 1, padding)],
                            ..square(1, 1, [channels; 2], kernel, stride)
                        };
                        Case::new(conv).check();
                    }
                }
            }
        }
        // No padding before, and more than the kernel reaches behind.
        let conv = Conv2d {
            groups: 20,
            padding: [(0, 5), (0, 9)],
            ..square(1, 11, [20; 2], 5, 2)
        };
        Case::new(conv).check();
    });
}

#[test]
fn groups_of_few_channels() {
    every_level(|_| {
        for (channels, each) in [(32, 2), (52, 4), (40, 8), (56, 8), (48, 16), (64, 32)] {
            for stride in [1, 2] {
                for side in [7, 9, 16] {
                    let conv = Conv2d {
                        groups: channels / each,
                        padding: [(1, 1), (0, 2)],
                        ..square(2, side, [channels; 2], 3, stride)
                    };
                    Case::new(conv).check();
                }
            }
        }
    });
}

/// Rows and columns of the input that a stem's patches see partly, or not at all.
#[test]
fn few_input_channels() {
    every_level(|_| {
        for (channels, kernel, stride, padding) in [
            (3, 7, 2, 3),
            (3, 11, 4, 2),
            (3, 4, 4, 0),
            (1, 5, 1, 2),
            (2, 3, 1, 6),
            (4, 3, 2, 1),
        ] {
            for side in [[12, 31], [5, 4]] {
                let conv = Conv2d {
                    input: Image {
                        n: 2,
                        h: side[0],
                        w: side[1],
                        c: channels,
                    },
                    padding: [(padding, padding + 3), (padding + 2, padding + 3)],
                    ..square(1, 1, [channels, 20], kernel, stride)
                };
                Case::new(conv).check();
            }
        }
    });
}

/// What squeeze-and-excite blocks do.
#[test]
fn one_by_one_on_few_pixels() {
    every_level(|_| {
        for (images, side, inputs, outputs) in [
            (1, 1, 40, 10),
            (8, 1, 10, 43),
            (3, 2, 33, 5),
            (1, 4, 70, 6),
            (17, 1, 20, 20),
        ] {
            Case::new(square(images, side, [inputs, outputs], 1, 1)).check();
        }
    });
}

fn any_conv() -> impl Strategy<Value = Conv2d> {
    let axis = || {
        (
            1..9_usize,
            1..5_usize,
            1..4_usize,
            0..4_usize,
            0..4_usize,
            1..3_usize,
        )
    };
    (
        axis(),
        axis(),
        1..4_usize,
        1..4_usize,
        1..20_usize,
        1..20_usize,
    )
        .prop_filter_map(
            "a kernel inside the padded image",
            |(y, x, n, groups, inputs, outputs)| {
                let fits =
                    |(size, kernel, _, before, after, dilation): (usize, usize, _, _, _, usize)| {
                        size + before + after > dilation * (kernel - 1)
                    };
                (fits(y) && fits(x)).then_some(Conv2d {
                    input: Image {
                        n,
                        h: y.0,
                        w: x.0,
                        c: groups * inputs,
                    },
                    output_channels: groups * outputs,
                    kernel: [y.1, x.1],
                    stride: [y.2, x.2],
                    padding: [(y.3, y.4), (x.3, x.4)],
                    dilation: [y.5, x.5],
                    groups,
                })
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_geometry(conv in any_conv()) {
        every_level(|_| Case::new(conv).check());
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for conv in [
        square(9, 12, [16, 16], 3, 1),
        square(2, 9, [12, 20], 3, 1),
        square(2, 8, [96, 40], 3, 2),
        Conv2d {
            groups: 16,
            ..square(5, 12, [16, 16], 3, 1)
        },
        Conv2d {
            groups: 300,
            ..square(1, 9, [300, 300], 5, 2)
        },
        Conv2d {
            groups: 12,
            ..square(2, 30, [96, 96], 3, 1)
        },
        square(2, 30, [3, 40], 7, 2),
        square(8, 1, [300, 400], 1, 1),
    ] {
        let case = Case::new(conv);
        same_for_all_threads(|| {
            vec![
                conv2d::forward(&conv, &case.x, &case.weight, Epilogue::default()),
                conv2d::input_grad(&conv, &case.dy, &case.weight),
                conv2d::weight_grad(&conv, &case.x, &case.dy),
                conv2d::bias_grad(&case.dy, conv.output_channels),
            ]
        });
    }
}

#[test]
fn not_a_number_and_infinity_reach_what_they_touch() {
    every_level(|_| {
        let conv = square(1, 5, [3, 4], 3, 1);
        let mut case = Case::new(conv);
        case.x[(2 * 5 + 2) * 3] = f32::NAN;
        let y = conv2d::forward(
            &conv,
            &case.x,
            &case.weight,
            Epilogue {
                activation: Some(Activation::Relu),
                ..Epilogue::default()
            },
        );
        for (place, value) in y.iter().enumerate() {
            let (row, column) = (place / 4 / 5, place / 4 % 5);
            let touched = row.abs_diff(2) <= 1 && column.abs_diff(2) <= 1;
            assert_eq!(value.is_nan(), touched, "pixel {row} {column}: {value}");
        }
        case.x[(2 * 5 + 2) * 3] = f32::INFINITY;
        let y = conv2d::forward(&conv, &case.x, &case.weight, Epilogue::default());
        assert!(y[(2 * 5 + 2) * 4].is_infinite());
        assert!(y[0].is_finite());
    });
}

#[test]
fn linear_layers() {
    use firebrick_kernels::linear;
    every_level(|_| {
        for (rows, inputs, outputs) in [(1, 1, 1), (3, 5, 10), (64, 100, 10), (7, 70, 130)] {
            let size = [rows, inputs, outputs];
            let (x, w) = (noise(1, rows * inputs), noise(2, inputs * outputs));
            let (bias, dy) = (noise(3, outputs), noise(4, rows * outputs));
            let mut y = vec![(0.0, 0.0); rows * outputs];
            let mut dx = vec![(0.0, 0.0); x.len()];
            let mut dw = vec![(0.0, 0.0); w.len()];
            let add = |sum: &mut (f64, f64), a: f32, b: f32| {
                sum.0 += f64::from(a) * f64::from(b);
                sum.1 += f64::from((a * b).abs());
            };
            for r in 0..rows {
                for o in 0..outputs {
                    add(&mut y[r * outputs + o], bias[o], 1.0);
                    for i in 0..inputs {
                        add(
                            &mut y[r * outputs + o],
                            x[r * inputs + i],
                            w[i * outputs + o],
                        );
                        add(
                            &mut dx[r * inputs + i],
                            dy[r * outputs + o],
                            w[i * outputs + o],
                        );
                        add(
                            &mut dw[i * outputs + o],
                            dy[r * outputs + o],
                            x[r * inputs + i],
                        );
                    }
                }
            }
            let name = format!("{size:?}");
            let epilogue = Epilogue {
                bias: Some(&bias),
                ..Epilogue::default()
            };
            assert_close(&linear::forward(&x, &w, epilogue, size), &y, &name);
            assert_close(&linear::input_grad(&dy, &w, size), &dx, &name);
            assert_close(&linear::weight_grad(&x, &dy, size), &dw, &name);
        }
    });
}

#[test]
fn layouts_turn_and_turn_back() {
    use firebrick_kernels::layout::{to_channels_first, to_channels_last};
    for (n, h, w, c) in [(1, 1, 1, 1), (2, 3, 5, 7), (3, 1, 1, 9), (2, 33, 17, 40)] {
        let image = Image { n, h, w, c };
        let x = noise(1, image.len());
        let last = to_channels_last(&x, image);
        for (place, value) in last.iter().enumerate() {
            let (pixel, channel) = (place / c, place % c);
            let (image, pixel) = (pixel / (h * w), pixel % (h * w));
            assert_eq!(*value, x[(image * c + channel) * h * w + pixel]);
        }
        assert_eq!(to_channels_first(&last, image), x);
    }
}
