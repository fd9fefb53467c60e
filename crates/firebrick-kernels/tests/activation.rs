//! Activation functions against plain loops in f64, on every instruction set.

mod settings;

use firebrick_kernels::activation::{Activation, backward, forward, forward_in_place};
use settings::{every_level, noise, same_for_all_threads};

const ALL: [Activation; 11] = [
    Activation::LeakyRelu(0.01),
    Activation::LeakyRelu(0.3),
    Activation::Elu,
    Activation::Gelu,
    Activation::Silu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Relu,
    Activation::Relu6,
    Activation::Hardsigmoid,
    Activation::Hardswish,
];

/// Φ(x): the series of the distribution near zero, a continued fraction in the tails.
fn normal(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() < 4.0 {
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while term.abs() > 1e-18 * sum.abs() {
            term *= x * x / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return 0.5 + density * sum;
    }
    let fraction = (1..200)
        .rev()
        .fold(0.0, |below, n| f64::from(n) / (x.abs() + below));
    let tail = density / (x.abs() + fraction);
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// Value and slope.
fn exact(activation: Activation, x: f64) -> (f64, f64) {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::LeakyRelu(slope) if x <= 0.0 => (slope * x, slope),
        Activation::Elu if x <= 0.0 => (x.exp_m1(), x.exp()),
        Activation::LeakyRelu(_) | Activation::Elu => (x, 1.0),
        Activation::Gelu => {
            let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (x * normal(x), normal(x) + x * density)
        }
        Activation::Silu => (x * sigmoid, sigmoid * (1.0 + x / (1.0 + x.exp()))),
        Activation::Tanh => (x.tanh(), 1.0 / x.cosh().powi(2)),
        Activation::Sigmoid => (sigmoid, sigmoid / (1.0 + x.exp())),
        Activation::Relu => (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }),
        Activation::Relu6 => {
            let inside = x > 0.0 && x < 6.0;
            (x.clamp(0.0, 6.0), if inside { 1.0 } else { 0.0 })
        }
        Activation::Hardsigmoid => {
            let inside = x > -3.0 && x < 3.0;
            let slope = if inside { 1.0 / 6.0 } else { 0.0 };
            ((x + 3.0).clamp(0.0, 6.0) / 6.0, slope)
        }
        Activation::Hardswish => {
            let slope = match x {
                x if x <= -3.0 => 0.0,
                x if x < 3.0 => x / 3.0 + 0.5,
                _ => 1.0,
            };
            (x * (x + 3.0).clamp(0.0, 6.0) / 6.0, slope)
        }
    }
}

/// From -30 to 30, zero among them, and ever nearer to zero.
fn inputs() -> Vec<f32> {
    let wide = (-6000..=6000).map(|i| i as f32 * 0.005);
    let near = (0..800).map(|i| 2.0_f32.powf(-(i as f32) / 30.0));
    let kinks = [-3.0, 3.0, 6.0, 0.0, -0.0];
    let all = wide.chain(near.clone()).chain(near.map(|x| -x));
    all.chain(kinks).collect()
}

#[test]
fn values_and_slopes_are_exact_to_the_last_digits() {
    let x = inputs();
    let dy = vec![-2.0; x.len()];
    every_level(|level| {
        for activation in ALL {
            let (y, dx) = (forward(activation, &x), backward(activation, &x, &dy));
            for (at, x) in x.iter().enumerate() {
                let (value, slope) = exact(activation, (*x).into());
                // The slope of GELU and SiLU crosses zero: the error is relative to its first term.
                let near = |found: f32, expected: f64, what: &str| {
                    let size = match (activation, what) {
                        (Activation::Gelu | Activation::Silu, "slope") => {
                            expected.abs().max(normal(f64::from(*x)))
                        }
                        (Activation::Hardswish, "slope") => expected.abs().max(0.5),
                        _ => expected.abs(),
                    };
                    let error = (f64::from(found) - expected).abs();
                    // exp(-x²/2) inherits the rounding of the square.
                    let tail = if activation == Activation::Gelu {
                        1.0 + f64::from(*x).powi(2) / 8.0
                    } else {
                        1.0
                    };
                    assert!(
                        error <= 6e-7 * tail * size + 1e-36,
                        "{level:?} {activation:?} {what} at {x}: {found} for {expected}"
                    );
                };
                near(y[at], value, "value");
                near(dx[at] / -2.0, slope, "slope");
            }
            let mut place = x.clone();
            forward_in_place(activation, &mut place);
            assert_eq!(place, y, "{activation:?} in place");
        }
    });
}

#[test]
fn nan_passes_through_and_the_ends_are_the_limits() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 100.0, -100.0];
    every_level(|_| {
        for activation in ALL {
            let (y, dx) = (forward(activation, &x), backward(activation, &x, &[1.0; 5]));
            assert!(y[0].is_nan(), "{activation:?}");
            // As PyTorch's vectors have it: what asks whether x is small lets NaN pass, what asks whether it is inside
            // a range does not.
            match activation {
                Activation::Relu | Activation::LeakyRelu(_) | Activation::Elu => {
                    assert_eq!(dx[0], 1.0, "{activation:?}");
                }
                Activation::Relu6 | Activation::Hardsigmoid => {
                    assert_eq!(dx[0], 0.0, "{activation:?}");
                }
                _ => assert!(dx[0].is_nan(), "{activation:?}"),
            }
            let (high, low) = match activation {
                Activation::LeakyRelu(slope) => (1.0, slope as f32),
                Activation::Tanh
                | Activation::Sigmoid
                | Activation::Relu6
                | Activation::Hardsigmoid => (0.0, 0.0),
                _ => (1.0, 0.0),
            };
            assert!((dx[3] - high).abs() < 1e-6, "{activation:?}: {}", dx[3]);
            assert!((dx[4] - low).abs() < 1e-6, "{activation:?}: {}", dx[4]);
            let (top, bottom) = match activation {
                Activation::Tanh => (1.0, -1.0),
                Activation::Sigmoid | Activation::Hardsigmoid => (1.0, 0.0),
                Activation::Relu6 => (6.0, 0.0),
                Activation::Relu => (f32::INFINITY, 0.0),
                _ => continue,
            };
            assert_eq!([y[1], y[2]], [top, bottom], "{activation:?}");
        }
    });
}

#[test]
fn threads_change_no_bit_and_any_length_is_covered() {
    for len in [0, 1, 5, 33, 100_003] {
        let (x, dy) = (noise(1, len), noise(2, len));
        same_for_all_threads(|| {
            ALL.map(|activation| backward(activation, &x, &forward(activation, &dy)))
                .to_vec()
        });
    }
}
