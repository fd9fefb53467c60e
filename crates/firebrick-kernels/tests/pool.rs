//! Pooling against plain loops in f64.
#![allow(missing_docs)]

mod settings;

use firebrick_kernels::Image;
use firebrick_kernels::pool::{
    Window, adaptive_avg, adaptive_avg_grad, avg, avg_grad, global_avg, global_avg_grad, max,
    max_grad, max_infer,
};
use proptest::prelude::*;
use settings::{close, every_level, noise, same_for_all_threads};

const CHANNELS: [usize; 11] = [1, 2, 3, 5, 6, 8, 10, 16, 17, 33, 64];

/// Calls `each(output pixel, input pixel, position, divisor with padding, without)` for every
/// pixel of the input under every window, row by row; pixels count from 0 over all images.
fn pairs(image: Image, window: &Window, mut each: impl FnMut(usize, usize, u16, f64, f64)) {
    let out = window.output(image);
    let [(top, bottom), (left, right)] = window.padding;
    for (n, oy, ox) in
        (0..out.n).flat_map(|n| (0..out.h).flat_map(move |y| (0..out.w).map(move |x| (n, y, x))))
    {
        let mut found = Vec::new();
        let mut padded = 0.0;
        for ky in 0..window.kernel[0] {
            for kx in 0..window.kernel[1] {
                let (y, x) = (oy * window.stride[0] + ky, ox * window.stride[1] + kx);
                if y >= image.h + top + bottom || x >= image.w + left + right {
                    continue;
                }
                padded += 1.0;
                if y >= top && y < image.h + top && x >= left && x < image.w + left {
                    let pixel = (n * image.h + y - top) * image.w + x - left;
                    found.push((pixel, (ky * window.kernel[1] + kx) as u16));
                }
            }
        }
        let inside = found.len() as f64;
        for (pixel, position) in found {
            each(
                (n * out.h + oy) * out.w + ox,
                pixel,
                position,
                padded,
                inside,
            );
        }
    }
}

fn expected_max(x: &[f32], image: Image, window: &Window) -> (Vec<f64>, Vec<u16>, Vec<usize>) {
    let (len, c) = (window.output(image).len(), image.c);
    let mut y = vec![f64::NEG_INFINITY; len];
    let mut positions = vec![None; len];
    let mut from = vec![usize::MAX; len];
    pairs(image, window, |o, i, position, _, _| {
        for channel in 0..c {
            let (o, i) = (o * c + channel, i * c + channel);
            let v = f64::from(x[i]);
            if positions[o].is_none() || v > y[o] || v.is_nan() {
                (y[o], positions[o], from[o]) = (v, Some(position), i);
            }
        }
    });
    let positions = positions.into_iter().map(Option::unwrap_or_default);
    (y, positions.collect(), from)
}

fn check(image: Image, window: &Window, seed: u64) {
    let out = window.output(image);
    // Few different values, so that there are equal maxima.
    let x: Vec<f32> = noise(seed, image.len())
        .iter()
        .map(|v| (v * 4.0).round())
        .collect();
    let dy = noise(seed + 1, out.len());

    let (y, expected_positions, from) = expected_max(&x, image, window);
    let (actual, positions) = max(&x, image, window);
    close("max", &actual, &y, |_| 0.0);
    assert_eq!(positions, expected_positions, "{image:?} {window:?}");
    assert_eq!(max_infer(&x, image, window), actual);
    let mut dx = vec![0.0; image.len()];
    for (from, dy) in from.iter().zip(&dy) {
        if *from != usize::MAX {
            dx[*from] += f64::from(*dy);
        }
    }
    close(
        "max_grad",
        &max_grad(&dy, &positions, image, window),
        &dx,
        |_| 1e-5,
    );

    let x = noise(seed + 2, image.len());
    for count_include_pad in [false, true] {
        let (mut y, mut dx) = (vec![0.0; out.len()], vec![0.0; image.len()]);
        pairs(image, window, |o, i, _, padded, inside| {
            let divisor = if count_include_pad { padded } else { inside };
            for channel in 0..image.c {
                let (o, i) = (o * image.c + channel, i * image.c + channel);
                y[o] += f64::from(x[i]) / divisor;
                dx[i] += f64::from(dy[o]) / divisor;
            }
        });
        close(
            "avg",
            &avg(&x, image, window, count_include_pad),
            &y,
            |_| 1e-6,
        );
        let actual = avg_grad(&dy, image, window, count_include_pad);
        close("avg_grad", &actual, &dx, |_| 1e-5);
    }
}

prop_compose! {
    fn windows()(
        kernel in [1..5_usize, 1..5_usize],
        stride in [1..5_usize, 1..5_usize],
        padding in [(0..3_usize, 0..3_usize), (0..3_usize, 0..3_usize)],
        ceil_mode in any::<bool>(),
    ) -> Window {
        Window { kernel, stride, padding, ceil_mode }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_is_what_plain_loops_give(
        n in 1..4_usize,
        [h, w] in [1..12_usize, 1..12_usize],
        c in prop::sample::select(&CHANNELS[..]),
        window in windows(),
        seed in 0..1000_u64,
    ) {
        let fits = |axis: usize, size: usize| {
            let (before, after) = window.padding[axis];
            window.kernel[axis] <= size + before + after
        };
        prop_assume!(fits(0, h) && fits(1, w));
        every_level(|_| check(Image { n, h, w, c }, &window, seed));
    }

    #[test]
    fn adaptive_windows_are_those_of_pytorch(
        n in 1..3_usize,
        [h, w] in [1..14_usize, 1..14_usize],
        c in prop::sample::select(&[1, 5, 16, 70][..]),
        output in [1..9_usize, 1..9_usize],
        seed in 0..1000_u64,
    ) {
        let image = Image { n, h, w, c };
        let [oh, ow] = output;
        let (x, dy) = (noise(seed, image.len()), noise(seed + 1, n * oh * ow * c));
        let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
        let window = |index: usize, size: usize, out: usize| {
            let start = (index as f64 * size as f64 / out as f64).floor() as usize;
            start..((index + 1) as f64 * size as f64 / out as f64).ceil() as usize
        };
        for o in 0..dy.len() {
            let (channel, pixel) = (o % c, o / c);
            let (rows, columns) = (window(pixel / ow % oh, h, oh), window(pixel % ow, w, ow));
            let share = 1.0 / (rows.len() * columns.len()) as f64;
            for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
                let i = ((pixel / ow / oh * h + row) * w + column) * c + channel;
                y[o] += f64::from(x[i]) * share;
                dx[i] += f64::from(dy[o]) * share;
            }
        }
        every_level(|_| {
            close("adaptive_avg", &adaptive_avg(&x, image, output), &y, |_| 1e-6);
            close("adaptive_avg_grad", &adaptive_avg_grad(&dy, image, output), &dx, |_| 2e-6);
        });
    }

    #[test]
    fn the_global_mean_is_that_of_all_pixels(
        n in 1..7_usize,
        [h, w] in [1..20_usize, 1..20_usize],
        c in prop::sample::select(&CHANNELS[..]),
        seed in 0..1000_u64,
    ) {
        let image = Image { n, h, w, c };
        let (x, dy) = (noise(seed, image.len()), noise(seed + 1, n * c));
        let (mut y, pixels) = (vec![0.0; n * c], (h * w) as f64);
        for (index, x) in x.iter().enumerate() {
            y[index / (h * w * c) * c + index % c] += f64::from(*x) / pixels;
        }
        let dx: Vec<f64> = (0..image.len())
            .map(|index| f64::from(dy[index / (h * w * c) * c + index % c]) / pixels)
            .collect();
        every_level(|_| {
            close("global_avg", &global_avg(&x, image), &y, |_| 1e-6);
            close("global_avg_grad", &global_avg_grad(&dy, image), &dx, |_| 1e-7);
        });
    }
}

#[test]
fn common_windows() {
    for (kernel, stride, pad) in [(2, 2, 0), (3, 2, 1), (3, 3, 0), (3, 1, 1), (2, 3, 0)] {
        for (h, w) in [(28, 28), (15, 9)] {
            let window = Window {
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding: [(pad, pad); 2],
                ceil_mode: false,
            };
            every_level(|_| check(Image { n: 5, h, w, c: 24 }, &window, 8));
        }
    }
}

#[test]
fn shapes_are_those_of_pytorch() {
    // (size, kernel, stride, padding, floor, ceil), from torch.nn.functional.max_pool2d.
    for (size, kernel, stride, pad, floor, ceil) in [
        (5, 2, 2, 0, 2, 3),
        (4, 2, 2, 0, 2, 2),
        (6, 3, 2, 0, 2, 3),
        (6, 3, 2, 1, 3, 4),
        // The fourth window would start in the padding behind the image.
        (5, 2, 2, 1, 3, 3),
        (1, 1, 3, 0, 1, 1),
        (7, 2, 3, 0, 2, 3),
        (7, 3, 4, 1, 2, 2),
        (112, 3, 2, 1, 56, 57),
    ] {
        for (ceil_mode, expected) in [(false, floor), (true, ceil)] {
            let window = Window {
                kernel: [kernel, 1],
                stride: [stride, 1],
                padding: [(pad, pad), (0, 0)],
                ceil_mode,
            };
            let image = Image {
                n: 1,
                h: size,
                w: 1,
                c: 1,
            };
            assert_eq!(window.output(image).h, expected, "{size} {window:?}");
        }
    }
}

fn square(kernel: usize, stride: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [(0, 0); 2],
        ceil_mode: false,
    }
}

#[test]
fn nan_wins_and_infinity_counts() {
    let (nan, low, high) = (f32::NAN, f32::NEG_INFINITY, f32::INFINITY);
    every_level(|_| {
        for c in CHANNELS {
            let spread = |values: [f32; 4]| -> Vec<f32> {
                values.iter().flat_map(|value| vec![*value; c]).collect()
            };
            let image = Image {
                n: 1,
                h: 2,
                w: 2,
                c,
            };
            // As torch.nn.functional.max_pool2d(.., return_indices=True).
            for (values, expected, position) in [
                ([1.0, nan, 3.0, 2.0], nan, 1),
                ([nan, 5.0, nan, high], nan, 2),
                ([low, low, low, low], low, 0),
                ([low, -1e30, low, low], -1e30, 1),
                ([0.0, high, high, 1.0], high, 1),
                ([7.0, 7.0, 7.0, 7.0], 7.0, 0),
            ] {
                let (y, positions) = max(&spread(values), image, &square(2, 2));
                assert!(
                    y.iter().all(|y| y.to_bits() == expected.to_bits()),
                    "{values:?} {y:?}"
                );
                assert_eq!(positions, vec![position; c]);
                let alone = max_infer(&spread(values), image, &square(2, 2));
                assert!(alone.iter().all(|y| y.to_bits() == expected.to_bits()));
                let dx = max_grad(&vec![3.0; c], &positions, image, &square(2, 2));
                let from = usize::from(position) * c;
                assert_eq!(dx[from..from + c], vec![3.0; c]);
                assert_eq!(dx.iter().sum::<f32>(), 3.0 * c as f32);
            }
            let y = avg(&spread([1.0, nan, 0.0, 0.0]), image, &square(2, 2), true);
            assert!(y.iter().all(|y| y.is_nan()));
        }
    });
}

#[test]
fn padding_never_wins() {
    let window = Window {
        padding: [(1, 1); 2],
        ..square(3, 1)
    };
    let image = Image {
        n: 1,
        h: 1,
        w: 1,
        c: 20,
    };
    every_level(|_| {
        let (y, positions) = max(&[-5.0; 20], image, &window);
        assert_eq!((y, positions), (vec![-5.0; 20], vec![4; 20]));
    });
}

#[test]
fn large_windows_have_positions() {
    let image = Image {
        n: 1,
        h: 200,
        w: 300,
        c: 1,
    };
    let window = Window {
        kernel: [200, 300],
        ..square(1, 1)
    };
    let mut x = vec![0.0; image.len()];
    x[59_998] = 1.0;
    every_level(|_| {
        let (y, positions) = max(&x, image, &window);
        assert_eq!((y, &positions[..]), (vec![1.0], &[59_998][..]));
        let dx = max_grad(&[2.0], &positions, image, &window);
        assert_eq!(dx[59_998], 2.0);
        assert_eq!(dx.iter().sum::<f32>(), 2.0);
    });
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let image = Image {
        n: 0,
        h: 4,
        w: 4,
        c: 3,
    };
    assert!(max(&[], image, &square(2, 2)).0.is_empty());
    assert!(avg_grad(&[], image, &square(2, 2), true).is_empty());
    assert!(global_avg(&[], image).is_empty());
    let without_channels = Image {
        n: 1,
        c: 0,
        ..image
    };
    assert!(global_avg(&[], without_channels).is_empty());
}

#[test]
#[should_panic(expected = "pooling")]
fn a_kernel_larger_than_the_image_is_refused() {
    let _ = square(3, 1).output(Image {
        n: 1,
        h: 2,
        w: 3,
        c: 1,
    });
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let image = Image {
        n: 9,
        h: 33,
        w: 31,
        c: 17,
    };
    for window in [square(2, 2), square(3, 2), square(3, 1)] {
        let x = noise(1, image.len());
        let dy = noise(2, window.output(image).len());
        same_for_all_threads(|| {
            let (y, positions) = max(&x, image, &window);
            vec![
                y,
                max_grad(&dy, &positions, image, &window),
                avg(&x, image, &window, true),
                avg_grad(&dy, image, &window, false),
                adaptive_avg(&x, image, [5, 7]),
                adaptive_avg_grad(&x[..9 * 30 * 17], image, [5, 6]),
                global_avg(&x, image),
                global_avg(&x[..2 * 33 * 31 * 17], Image { n: 2, ..image }),
                global_avg_grad(&x[..9 * 17], image),
            ]
        });
    }
}
