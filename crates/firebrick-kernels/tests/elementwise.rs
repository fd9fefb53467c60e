//! The rectifier, sums, softmax cross-entropy and dropout against plain loops.
#![allow(missing_docs)]

mod settings;

use firebrick_kernels::{cross_entropy, dropout, elementwise};
use settings::{close, every_level, noise, same_for_all_threads};

const LENGTHS: [usize; 14] = [
    0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 1000, 40_007, 100_001,
];

fn set(bits: &[u32], index: usize) -> bool {
    bits[index / 32] >> (index % 32) & 1 == 1
}

#[test]
fn the_rectifier_remembers_where_it_let_pass() {
    every_level(|_| {
        for len in LENGTHS {
            let (a, b) = (noise(1, len), noise(2, len));
            let sums: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            let all = [
                (a.clone(), elementwise::relu(&a)),
                (sums, elementwise::add_relu(&a, &b)),
            ];
            for (before, (y, bits)) in all {
                assert_eq!(y, before.iter().map(|v| v.max(0.0)).collect::<Vec<_>>());
                assert_eq!(bits.len(), len.div_ceil(32));
                let passed: Vec<bool> = (0..len).map(|index| set(&bits, index)).collect();
                assert_eq!(passed, before.iter().map(|v| *v > 0.0).collect::<Vec<_>>());
                let behind = (len..bits.len() * 32).any(|index| set(&bits, index));
                assert!(!behind, "bits behind the last element are zero");
                let gradient: Vec<f32> = (0..len)
                    .map(|index| if passed[index] { b[index] } else { 0.0 })
                    .collect();
                assert_eq!(elementwise::relu_grad(&b, &bits), gradient);
            }
            let mut in_place = a.clone();
            elementwise::relu_in_place(&mut in_place);
            assert_eq!(in_place, elementwise::relu(&a).0);
        }
    });
}

#[test]
fn nan_passes_the_rectifier_and_zero_does_not() {
    let x = [
        f32::NAN,
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-45,
        -1e-45,
    ];
    every_level(|_| {
        for before in [0, 13, 30] {
            let mut moved = vec![-1.0; before];
            moved.extend(x);
            let (y, bits) = elementwise::relu(&moved);
            let y = &y[before..];
            assert!(y[0].is_nan());
            assert_eq!(y[1..], [0.0, 0.0, f32::INFINITY, 0.0, 1e-45, 0.0]);
            let passed: Vec<bool> = (0..7).map(|index| set(&bits, before + index)).collect();
            assert_eq!(passed, [true, false, false, true, false, true, false]);
            // A gradient that does not pass is zero, whatever it is.
            let gradient = elementwise::relu_grad(&vec![f32::NAN; before + 7], &bits);
            assert!(gradient[before].is_nan() && gradient[before + 1] == 0.0);
        }
    });
}

#[test]
fn sums_are_sums() {
    every_level(|_| {
        for len in LENGTHS {
            let (mut a, b) = (noise(1, len), noise(2, len));
            let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            assert_eq!(elementwise::add(&a, &b), expected);
            elementwise::add_into(&mut a, &b);
            assert_eq!(a, expected);
        }
    });
}

#[test]
#[should_panic(expected = "the same length")]
fn sums_of_different_lengths_are_refused() {
    let _ = elementwise::add(&[1.0; 3], &[1.0; 4]);
}

/// -Σ q · log softmax(z) of one row.
fn loss(z: &[f64], q: &[f64]) -> f64 {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = z.iter().map(|z| (z - top).exp()).sum();
    z.iter()
        .zip(q)
        .map(|(z, q)| {
            if *q == 0.0 {
                0.0
            } else {
                q * (top + total.ln() - z)
            }
        })
        .sum()
}

/// Its gradient.
fn slope(z: &[f64], q: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = z.iter().map(|z| (z - top).exp()).sum();
    let mass: f64 = q.iter().sum();
    z.iter()
        .zip(q)
        .map(|(z, q)| mass * (z - top).exp() / total - q)
        .collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[test]
fn cross_entropy_is_what_plain_loops_give() {
    for classes in [1, 2, 3, 8, 10, 16, 17, 33, 100, 1000] {
        for rows in [1, 2, 7, 64, 300] {
            for size in [1.0, 30.0, 1e4] {
                let z: Vec<f32> = noise(3, rows * classes).iter().map(|z| z * size).collect();
                let one_hot = (0..z.len()).map(|index| {
                    let (row, class) = (index / classes, index % classes);
                    if row * 7 % classes == class { 1.0 } else { 0.0 }
                });
                let soft = noise(4, z.len());
                let soft = soft.iter().map(|q| (q + 1.0) / classes as f32);
                for q in [one_hot.collect::<Vec<f32>>(), soft.collect()] {
                    let (mut sum, mut gradient) = (0.0, Vec::new());
                    for (z, q) in z.chunks(classes).zip(q.chunks(classes)) {
                        sum += loss(&wide(z), &wide(q));
                        gradient.extend(slope(&wide(z), &wide(q)));
                    }
                    every_level(|_| {
                        let (actual, dz) = cross_entropy::forward(&z, &q, classes);
                        let tolerance = 1e-6 * sum.abs() + 2e-7 * rows as f64;
                        assert!((actual - sum).abs() <= tolerance, "{actual} for {sum}");
                        // ln and exp see f32 differences; their error grows with the logits.
                        close("gradient", &dz, &gradient, |_| 1e-6);
                    });
                }
            }
        }
    }
}

#[test]
fn cross_entropy_has_the_gradient_of_central_differences() {
    let (z, q) = (noise(5, 12), noise(6, 12));
    let q: Vec<f32> = q.iter().map(|q| q.abs()).collect();
    let (_, gradient) = cross_entropy::forward(&z, &q, 4);
    let expected: Vec<f64> = (0..12)
        .map(|index| {
            let row = index / 4 * 4..index / 4 * 4 + 4;
            let at = |step: f64| {
                let mut z = wide(&z);
                z[index] += step;
                loss(&z[row.clone()], &wide(&q[row.clone()]))
            };
            (at(1e-6) - at(-1e-6)) / 2e-6
        })
        .collect();
    close("gradient", &gradient, &expected, |_| 1e-6);
}

#[test]
fn cross_entropy_at_the_edges() {
    let (nan, high, low) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    every_level(|_| {
        for classes in [3, 8, 16, 21] {
            let row = |start: &[f32]| {
                let mut row = vec![0.0; classes];
                row[..start.len()].copy_from_slice(start);
                row
            };
            let q = row(&[0.0, 1.0]);
            // A class that is ruled out costs nothing unless it is the target.
            let (sum, dz) = cross_entropy::forward(&row(&[low, 1.0]), &q, classes);
            let left = (1.0_f64 + (classes - 2) as f64 * (-1.0_f64).exp()).ln();
            assert!((sum - left).abs() < 1e-6, "{sum} {left}");
            assert_eq!(dz[0], 0.0);
            let (sum, dz) = cross_entropy::forward(&row(&[1.0, low]), &q, classes);
            assert_eq!((sum, dz[1]), (f64::INFINITY, -1.0));
            for bad in [
                row(&[nan]),
                row(&[0.0, 0.0, nan]),
                row(&[high]),
                vec![low; classes],
            ] {
                // The second row is not affected.
                let z = [bad, row(&[])].concat();
                let (sum, dz) = cross_entropy::forward(&z, &[&q[..], &q[..]].concat(), classes);
                assert!(sum.is_nan());
                assert!(dz[..classes].iter().all(|dz| dz.is_nan()), "{z:?} {dz:?}");
                assert!(dz[classes..].iter().all(|dz| dz.is_finite()));
            }
            // Far apart, but finite.
            let (sum, dz) = cross_entropy::forward(&row(&[1e4, -1e4]), &q, classes);
            assert_eq!((sum, dz[0], dz[1]), (2e4, 1.0, -1.0));
            let (sum, _) = cross_entropy::forward(&vec![3e38; classes], &q, classes);
            assert!((sum - (classes as f64).ln()).abs() < 1e-6);
        }
    });
}

#[test]
fn dropout_keeps_the_share_and_the_mean() {
    let x = vec![1.0; 200_003];
    for keep in [0.1, 0.5, 0.9] {
        let (y, bits) = dropout::apply(&x, keep, 7, 3);
        let kept = (0..x.len()).filter(|index| set(&bits, *index)).count() as f64;
        let share = kept / x.len() as f64;
        let bound = 5.0 * (keep * (1.0 - keep) / x.len() as f64).sqrt();
        assert!((share - keep).abs() < bound, "{keep}: {share}");
        let scale = (1.0 / keep) as f32;
        for (index, y) in y.iter().enumerate() {
            assert_eq!(*y, if set(&bits, index) { scale } else { 0.0 });
        }
        // Neighbours, and elements of neighbouring blocks and words, are independent.
        for apart in [1, 2, 16, 32, 64] {
            let both = (apart..x.len())
                .filter(|i| set(&bits, *i) && set(&bits, i - apart))
                .count();
            let share = both as f64 / (x.len() - apart) as f64;
            assert!(
                (share - keep * keep).abs() < 0.006,
                "{keep} {apart}: {share}"
            );
        }
    }
}

#[test]
fn dropout_is_the_same_everywhere() {
    let x = noise(8, 100_001);
    let mut results = Vec::new();
    every_level(|_| results.push(dropout::apply(&x, 0.7, 0x1234_5678_9abc_def0, 42)));
    assert!(results.iter().all(|result| *result == results[0]));
    let (y, bits) = &results[0];
    assert_eq!(
        *bits,
        dropout::bits(x.len(), 0.7, 0x1234_5678_9abc_def0, 42)
    );
    assert_eq!(*y, dropout::grad(&x, bits, 0.7));
    // Fewer elements have the same mask.
    for len in LENGTHS {
        let (fewer, fewer_bits) = dropout::apply(&x[..len], 0.7, 0x1234_5678_9abc_def0, 42);
        assert_eq!(fewer, y[..len]);
        assert!((0..len).all(|index| set(&fewer_bits, index) == set(bits, index)));
        assert!((len..fewer_bits.len() * 32).all(|index| !set(&fewer_bits, index)));
    }
}

#[test]
fn dropout_masks_are_pinned() {
    // Word 0 of blocks 0 and 1 with key and stream 0 are 0x6627e8d5 and 0xb7bd… of Philox4x32-10.
    let threshold = f64::from(0x6627_e8d5_u32) / 2f64.powi(32);
    assert!(!set(&dropout::bits(1, 1.0 - threshold - 1e-9, 0, 0), 0));
    assert!(set(&dropout::bits(1, 1.0 - threshold + 1e-9, 0, 0), 0));
    let base = dropout::bits(256, 0.5, 1, 2);
    for other in [(2, 2), (1, 3), (1 << 32 | 1, 2), (1, 1 << 32 | 2)] {
        assert_ne!(base, dropout::bits(256, 0.5, other.0, other.1));
    }
}

#[test]
fn dropout_of_all_and_of_nothing() {
    every_level(|_| {
        let x = noise(9, 1001);
        let (y, bits) = dropout::apply(&x, 1.0, 5, 6);
        assert_eq!((&y, bits[31]), (&x, (1 << 9) - 1));
        assert!(bits[..31].iter().all(|bits| *bits == u32::MAX));
        let (y, bits) = dropout::apply(&x, 0.0, 5, 6);
        assert!(y.iter().all(|y| *y == 0.0) && bits.iter().all(|bits| *bits == 0));
        assert_eq!(dropout::grad(&x, &bits, 0.0), y);
    });
}

#[test]
fn dropout_multiplies_nan() {
    every_level(|_| {
        for bad in [f32::NAN, f32::INFINITY] {
            let (y, bits) = dropout::apply(&[bad; 100], 0.5, 1, 1);
            let dx = dropout::grad(&[bad; 100], &bits, 0.5);
            for (index, (y, dx)) in y.iter().zip(&dx).enumerate() {
                let nan = bad.is_nan() || !set(&bits, index);
                assert_eq!((y.is_nan(), dx.is_nan()), (nan, nan), "{bad}");
            }
        }
    });
}

#[test]
#[should_panic(expected = "is not in [0, 1]")]
fn dropout_refuses_what_is_no_probability() {
    let _ = dropout::bits(1, f64::NAN, 0, 0);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (a, b) = (noise(1, 150_007), noise(2, 150_007));
    same_for_all_threads(|| {
        let (y, bits) = elementwise::add_relu(&a, &b);
        let gradient = elementwise::relu_grad(&b, &bits);
        let (dropped, mask) = dropout::apply(&a, 0.3, 1, 2);
        let (sum, dz) = cross_entropy::forward(&a[..150_000], &b[..150_000], 10);
        let sum = vec![sum as f32, (sum - f64::from(sum as f32)) as f32];
        let bits = bits.iter().chain(&mask).map(|bits| f32::from_bits(*bits));
        vec![
            y,
            gradient,
            dropped,
            sum,
            dz,
            bits.collect(),
            elementwise::add(&a, &b),
        ]
    });
}
