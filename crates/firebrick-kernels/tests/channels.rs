//! What moves and scales channels, against plain loops.
#![allow(missing_docs)]

mod settings;

use firebrick_kernels::channels::{Channels, concat, deinterleave, interleave, part, shuffle};
use firebrick_kernels::{Image, channel_scale};
use settings::{close, every_level, noise, same_for_all_threads};

const COUNTS: [usize; 12] = [1, 2, 3, 5, 7, 8, 15, 16, 17, 33, 64, 70];

#[test]
fn channels_lie_side_by_side_and_come_apart_again() {
    for pixels in [1, 3, 300] {
        for (index, first) in COUNTS.into_iter().enumerate() {
            let counts = [first, COUNTS[(index + 5) % 12], COUNTS[(index + 2) % 12], 1];
            let sources: Vec<Vec<f32>> = (0..)
                .zip(counts)
                .map(|(seed, count)| noise(seed, pixels * count))
                .collect();
            let mut expected = Vec::new();
            for pixel in 0..pixels {
                for (source, count) in sources.iter().zip(counts) {
                    expected.extend(&source[pixel * count..(pixel + 1) * count]);
                }
            }
            every_level(|_| {
                let all: Vec<_> = sources
                    .iter()
                    .zip(counts)
                    .map(|(source, count)| Channels::all(source, count))
                    .collect();
                let together = concat(&all, pixels);
                assert_eq!(together, expected);
                let width = counts.iter().sum();
                let mut begin = 0;
                for (source, count) in sources.iter().zip(counts) {
                    assert_eq!(part(&together, width, begin, count), *source);
                    begin += count;
                }
            });
        }
    }
}

#[test]
fn a_source_may_be_a_part_of_what_lies_there_or_repeat() {
    let (x, row) = (noise(1, 50 * 9), noise(2, 4));
    every_level(|_| {
        let inner = Channels {
            values: &x[2..],
            count: 5,
            stride: 9,
        };
        let same = Channels {
            values: &row,
            count: 4,
            stride: 0,
        };
        let y = concat(&[same, inner], 50);
        for (pixel, y) in y.chunks(9).enumerate() {
            assert_eq!(y[..4], row);
            assert_eq!(y[4..], x[pixel * 9 + 2..pixel * 9 + 7]);
        }
    });
}

#[test]
fn channels_are_dealt_out_in_turn_and_gathered_again() {
    for pixels in [1, 3, 250] {
        for each in COUNTS {
            for groups in [1, 2, 3, 4] {
                let channels = groups * each;
                let x = noise(each as u64, pixels * channels);
                let mut expected = vec![0.0; x.len()];
                for (index, x) in x.iter().enumerate() {
                    let (pixel, channel) = (index / channels, index % channels);
                    let place = channel % each * groups + channel / each;
                    expected[pixel * channels + place] = *x;
                }
                every_level(|level| {
                    let there = shuffle(&x, channels, groups) == expected;
                    let back = shuffle(&expected, channels, each) == x;
                    assert!(there && back, "{level:?} {pixels} {each} {groups}");
                    if groups == 2 {
                        let half = |first: usize| Channels {
                            values: &x[first..],
                            count: each,
                            stride: channels,
                        };
                        assert_eq!(interleave([half(0), half(each)], pixels), expected);
                        let [a, b] = deinterleave(&expected, channels);
                        assert_eq!(
                            concat(&[Channels::all(&a, each), Channels::all(&b, each)], pixels),
                            x
                        );
                    }
                });
            }
        }
    }
}

#[test]
fn nothing_becomes_nothing() {
    assert!(concat(&[Channels::all(&[], 3)], 0).is_empty());
    assert!(shuffle(&[], 6, 2).is_empty());
    assert_eq!(deinterleave(&[], 6), [vec![], vec![]]);
    let image = Image {
        n: 0,
        h: 2,
        w: 2,
        c: 3,
    };
    assert!(channel_scale::forward(&[], image, &[], None).is_empty());
    assert_eq!(
        channel_scale::backward(&[], image, &[1.0; 3], &[]),
        (vec![], vec![0.0; 3])
    );
}

#[test]
fn factors_of_each_image_and_of_all() {
    for (n, h, w) in [(1, 1, 1), (3, 1, 1), (2, 7, 5), (1, 90, 41), (3, 60, 33)] {
        for c in COUNTS.into_iter().chain([200]) {
            if h > 50 && ![1, 5, 16, 33, 70].contains(&c) {
                continue;
            }
            let image = Image { n, h, w, c };
            let (x, dy) = (noise(1, image.len()), noise(2, image.len()));
            let residual = noise(3, image.len());
            for own in [true, false] {
                let factors = noise(4, if own { n * c } else { c });
                let place =
                    |index: usize| index % c + if own { index / (h * w * c) * c } else { 0 };
                let factor = |index: usize| f64::from(factors[place(index)]);
                let product = |index: usize| f64::from(x[index]) * factor(index);
                let plain: Vec<f64> = (0..x.len()).map(product).collect();
                let sum: Vec<f64> = (0..x.len())
                    .map(|index| product(index) + f64::from(residual[index]))
                    .collect();
                let dx: Vec<f64> = (0..x.len())
                    .map(|index| f64::from(dy[index]) * factor(index))
                    .collect();
                let mut slopes = vec![0.0; factors.len()];
                for index in 0..x.len() {
                    slopes[place(index)] += f64::from(x[index]) * f64::from(dy[index]);
                }
                every_level(|_| {
                    let forward = |residual| channel_scale::forward(&x, image, &factors, residual);
                    close("product", &forward(None), &plain, |_| 1e-7);
                    close("sum", &forward(Some(&residual)), &sum, |_| 3e-7);
                    let found = channel_scale::backward(&x, image, &factors, &dy);
                    close("dx", &found.0, &dx, |_| 1e-7);
                    close("dfactor", &found.1, &slopes, |_| 1e-4);
                });
            }
        }
    }
}

#[test]
fn nan_and_infinity_stay_where_they_are() {
    let image = Image {
        n: 2,
        h: 3,
        w: 3,
        c: 20,
    };
    let mut x = vec![1.0; image.len()];
    x[7] = f32::NAN;
    x[200] = f32::INFINITY;
    let factors = [2.0; 40];
    every_level(|_| {
        let y = channel_scale::forward(&x, image, &factors, None);
        let (dx, slopes) = channel_scale::backward(&x, image, &factors, &vec![1.0; x.len()]);
        for (index, (x, y)) in x.iter().zip(&y).enumerate() {
            assert!(*y == 2.0 * x || x.is_nan() && y.is_nan(), "{index}");
        }
        assert!(dx.iter().all(|dx| *dx == 2.0));
        assert!(slopes[7].is_nan());
        assert_eq!(slopes[20], f32::INFINITY);
        assert_eq!(slopes.iter().filter(|slope| **slope == 9.0).count(), 38);
    });
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let image = Image {
        n: 3,
        h: 61,
        w: 47,
        c: 26,
    };
    let (x, dy) = (noise(1, image.len()), noise(2, image.len()));
    let factors = noise(3, 3 * 26);
    same_for_all_threads(|| {
        let (dx, own) = channel_scale::backward(&x, image, &factors, &dy);
        let (_, all) = channel_scale::backward(&x, image, &factors[..26], &dy);
        let [even, odd] = deinterleave(&x, 26);
        vec![
            dx,
            own,
            all,
            channel_scale::forward(&x, image, &factors, Some(&dy)),
            even,
            odd,
            shuffle(&x, 26, 13),
            part(&x, 26, 3, 20),
        ]
    });
}
