//! Layer norm and local response norm against plain loops in f64.
#![allow(missing_docs)]

mod settings;

use firebrick_kernels::layer_norm::{Saved, backward, forward};
use firebrick_kernels::local_response_norm::{self as response_norm, Response};
use settings::{close, every_level, noise, same_for_all_threads};

const CHANNELS: [usize; 13] = [1, 2, 3, 5, 8, 15, 16, 17, 33, 64, 65, 130, 768];

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[test]
fn rows_are_normalized_as_in_plain_loops() {
    for c in CHANNELS {
        for (rows, mean) in [(1, 0.0), (3, 5.0), (700, -0.5)] {
            let x: Vec<f32> = noise(1, rows * c).iter().map(|x| x * 1.5 + mean).collect();
            let weight: Vec<f32> = noise(2, c).iter().map(|w| w + 0.3).collect();
            let (bias, dy, eps) = (noise(3, c), noise(4, rows * c), 1e-3);
            let (mut y, mut dx) = (Vec::new(), Vec::new());
            let (mut dweight, mut dbias) = (vec![0.0; c], vec![0.0; c]);
            let (wide_weight, wide_bias) = (wide(&weight), wide(&bias));
            for (x, dy) in x.chunks(c).zip(dy.chunks(c)) {
                let (x, dy) = (wide(x), wide(dy));
                let mean = x.iter().sum::<f64>() / c as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / c as f64;
                let root = (variance + eps).sqrt();
                let normal: Vec<f64> = x.iter().map(|x| (x - mean) / root).collect();
                let g: Vec<f64> = dy.iter().zip(&wide_weight).map(|(dy, w)| dy * w).collect();
                let share = g.iter().sum::<f64>() / c as f64;
                let pairs = g.iter().zip(&normal);
                let product = pairs.map(|(g, normal)| g * normal).sum::<f64>() / c as f64;
                for channel in 0..c {
                    y.push(normal[channel] * wide_weight[channel] + wide_bias[channel]);
                    dx.push((g[channel] - share - normal[channel] * product) / root);
                    dweight[channel] += dy[channel] * normal[channel];
                    dbias[channel] += dy[channel];
                }
            }
            every_level(|_| {
                let normalized = forward(&x, &weight, &bias, eps as f32);
                close("y", &normalized.output, &y, |_| 2e-5);
                let saved = Saved {
                    x: &x,
                    weight: &weight,
                    mean: &normalized.mean,
                    inverse: &normalized.inverse,
                };
                let found = backward(&saved, &dy);
                close("dx", &found.x, &dx, |at| 2e-5 + 2e-5 * dx[at].abs());
                close("dweight", &found.weight, &dweight, |_| 3e-4);
                close("dbias", &found.bias, &dbias, |_| 1e-4);
            });
        }
    }
}

#[test]
fn a_row_with_nan_or_infinity_is_nan_and_leaves_the_others() {
    for c in [5, 20, 70] {
        let mut x = noise(1, 3 * c);
        x[1] = f32::NAN;
        x[c + 2] = f32::INFINITY;
        let (ones, zeros) = (vec![1.0; c], vec![0.0; c]);
        every_level(|_| {
            let y = forward(&x, &ones, &zeros, 1e-5).output;
            assert!(y[..2 * c].iter().all(|y| y.is_nan()));
            assert!(y[2 * c..].iter().all(|y| y.is_finite()));
        });
    }
}

#[test]
fn no_rows_give_none() {
    let empty = forward(&[], &[1.0; 3], &[0.0; 3], 1e-5);
    assert!(empty.output.is_empty());
    let saved = Saved {
        x: &[],
        weight: &[1.0; 3],
        mean: &[],
        inverse: &[],
    };
    assert_eq!(backward(&saved, &[]).weight, [0.0; 3]);
}

/// y and dx in f64.
fn responses(x: &[f32], c: usize, r: Response, dy: &[f32]) -> [Vec<f64>; 2] {
    let (mut y, mut dx) = (Vec::new(), Vec::new());
    for (x, dy) in x.chunks(c).zip(dy.chunks(c)) {
        let (x, dy) = (wide(x), wide(dy));
        let of = |channel: usize| {
            let low = channel.saturating_sub(r.size / 2);
            low..c.min(channel + (r.size - 1) / 2 + 1)
        };
        let d = |channel: usize| {
            let sum: f64 = x[of(channel)].iter().map(|x| x * x).sum();
            r.k + r.alpha / r.size as f64 * sum
        };
        for channel in 0..c {
            y.push(x[channel] * d(channel).powf(-r.beta));
            let others: f64 = (0..c)
                .filter(|other| of(*other).contains(&channel))
                .map(|other| dy[other] * x[other] * d(other).powf(-r.beta - 1.0))
                .sum();
            let factor = 2.0 * r.alpha * r.beta / r.size as f64;
            dx.push(dy[channel] * d(channel).powf(-r.beta) - factor * x[channel] * others);
        }
    }
    [y, dx]
}

#[test]
fn responses_are_normalized_as_in_plain_loops() {
    for c in [1, 2, 5, 16, 17, 40, 96] {
        for size in [1, 2, 4, 5, 90] {
            for (alpha, beta, k) in [
                (1e-4, 0.75, 1.0),
                (0.9, 0.75, 2.0),
                (0.5, 0.5, 1.0),
                (0.5, 1.0, 1.5),
                (0.7, 0.6, 1.0),
            ] {
                let response = Response {
                    size,
                    alpha,
                    beta,
                    k,
                };
                let x: Vec<f32> = noise(1, 9 * c).iter().map(|x| x * 3.0).collect();
                let dy = noise(2, 9 * c);
                let [y, dx] = responses(&x, c, response, &dy);
                every_level(|_| {
                    let found = response_norm::forward(&x, c, response);
                    close("y", &found, &y, |at| 1e-6 * y[at].abs() + 1e-7);
                    let found = response_norm::backward(&x, c, response, &dy);
                    close("dx", &found, &dx, |_| 3e-6);
                });
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (rows, c) = (2003, 37);
    let (x, dy) = (noise(1, rows * c), noise(2, rows * c));
    let (weight, bias) = (noise(3, c), noise(4, c));
    let response = Response {
        size: 5,
        alpha: 0.1,
        beta: 0.75,
        k: 1.0,
    };
    same_for_all_threads(|| {
        let normalized = forward(&x, &weight, &bias, 1e-5);
        let saved = Saved {
            x: &x,
            weight: &weight,
            mean: &normalized.mean,
            inverse: &normalized.inverse,
        };
        let gradients = backward(&saved, &dy);
        vec![
            normalized.output,
            gradients.x,
            gradients.weight,
            gradients.bias,
            response_norm::forward(&x, c, response),
            response_norm::backward(&x, c, response, &dy),
        ]
    });
}
