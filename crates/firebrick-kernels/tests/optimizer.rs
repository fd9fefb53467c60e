//! Passes over many tensors against plain loops in f64, on every instruction set of this machine.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use firebrick_kernels::optimizer::{Formula, PIECE, Real, Tensors, apply, sums_of_squares};
use firebrick_kernels::simd::{Level, force, level};

const LENGTHS: [usize; 9] = [0, 1, 15, 16, 17, 1000, PIECE - 1, PIECE + 1, 70_000];

/// The instruction set is the whole process's: one test at a time, and the best one afterwards.
struct Exclusive(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Exclusive {
    fn new() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        Self(ONE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        force(Level::available().pop().unwrap());
    }
}

/// Adam with every option.
#[derive(Debug, Clone, Copy)]
struct Adam {
    coupled: f64,
    decoupled: f64,
    beta1: f64,
    beta2: f64,
    root: f64,
    eps: f64,
    rate: f64,
}

const ADAM: Adam = Adam {
    coupled: 0.1,
    decoupled: 0.01,
    beta1: 0.9,
    beta2: 0.99,
    root: 1.5,
    eps: 1e-3,
    rate: 0.02,
};

impl Adam {
    #[inline(always)]
    fn step<R: Real>(&self, [value, mean, square, largest]: [R; 4], gradient: R) -> [R; 4] {
        let value = value * (1.0 - self.decoupled);
        let gradient = gradient + value.clone() * self.coupled;
        let mean = mean * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let square = square * self.beta2 + gradient.clone() * gradient * (1.0 - self.beta2);
        let largest = largest.max(square.clone());
        let divisor = largest.clone().sqrt() * self.root + self.eps;
        let value = value - mean.clone() / divisor * self.rate;
        [value, mean, square, largest]
    }

    fn plain(&self, [value, mean, square, largest]: [f64; 4], gradient: f64) -> [f64; 4] {
        let value = value - value * self.decoupled;
        let gradient = gradient + self.coupled * value;
        let mean = self.beta1 * mean + (1.0 - self.beta1) * gradient;
        let square = self.beta2 * square + (1.0 - self.beta2) * gradient.powi(2);
        let largest = if square > largest { square } else { largest };
        let divisor = largest.sqrt() * self.root + self.eps;
        [value - self.rate * mean / divisor, mean, square, largest]
    }
}

impl Formula<4, 1> for Adam {
    #[inline(always)]
    fn apply<R: Real>(&self, written: [R; 4], [gradient]: [R; 1]) -> [R; 4] {
        self.step(written, gradient)
    }
}

/// The same numbers every time, of both signs and several magnitudes.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let number = |index: usize| {
        let phase = ((index + 1) * (2 * seed + 3)) as f32 * 0.618_034;
        phase.sin() * [1.0, 1e-3, 30.0][index % 3]
    };
    (0..len).map(number).collect()
}

fn positive(len: usize, seed: usize) -> Vec<f32> {
    numbers(len, seed).iter().map(|x| x * x).collect()
}

/// A parameter with three states and a gradient.
#[derive(Debug, Clone)]
struct Parameter {
    written: [Vec<f32>; 4],
    gradient: Vec<f32>,
}

impl Parameter {
    fn new(len: usize) -> Self {
        Self {
            written: [
                numbers(len, 0),
                numbers(len, 1),
                positive(len, 2),
                positive(len, 3),
            ],
            gradient: numbers(len, 4),
        }
    }

    fn bits(&self) -> Vec<Vec<u32>> {
        let bits = |tensor: &Vec<f32>| tensor.iter().map(|x| x.to_bits()).collect();
        self.written.iter().map(bits).collect()
    }
}

fn step(parameters: &mut [Parameter]) {
    let mut tensors: Vec<_> = parameters
        .iter_mut()
        .enumerate()
        .map(|(index, parameter)| Tensors {
            // Each tensor has numbers of its own.
            formula: Adam {
                rate: ADAM.rate * (index + 1) as f64,
                ..ADAM
            },
            written: parameter.written.each_mut().map(Vec::as_mut_slice),
            read: [&parameter.gradient],
        })
        .collect();
    apply(&mut tensors);
}

fn all() -> Vec<Parameter> {
    LENGTHS.into_iter().map(Parameter::new).collect()
}

fn stepped() -> Vec<Parameter> {
    let mut parameters = all();
    step(&mut parameters);
    parameters
}

fn bits(parameters: &[Parameter]) -> Vec<Vec<Vec<u32>>> {
    parameters.iter().map(Parameter::bits).collect()
}

#[test]
fn every_instruction_set_follows_the_plain_loop() {
    let _exclusive = Exclusive::new();
    let before = all();
    for set in Level::available() {
        assert!(force(set) && level() == set);
        for (tensor, (after, before)) in stepped().iter().zip(&before).enumerate() {
            let formula = Adam {
                rate: ADAM.rate * (tensor + 1) as f64,
                ..ADAM
            };
            for (index, gradient) in before.gradient.iter().enumerate() {
                let old = before.written.each_ref().map(|t| f64::from(t[index]));
                let expected = formula.plain(old, f64::from(*gradient));
                for (found, expected) in after.written.iter().zip(expected) {
                    let found = f64::from(found[index]);
                    let error = (found - expected).abs();
                    assert!(
                        error <= 1e-6 * expected.abs().max(1.0),
                        "{set:?}, {index} of {}: {found} {expected}",
                        before.gradient.len()
                    );
                }
            }
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let _exclusive = Exclusive::new();
    assert!(force(Level::Portable));
    let expected = bits(&stepped());
    let gradients: Vec<_> = all().into_iter().map(|one| one.gradient).collect();
    let gradients: Vec<_> = gradients.iter().map(Vec::as_slice).collect();
    let sums = sums_of_squares(&gradients);
    for set in Level::available() {
        assert!(force(set));
        assert_eq!(bits(&stepped()), expected, "{set:?}");
        assert_eq!(sums_of_squares(&gradients), sums, "{set:?}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let _exclusive = Exclusive::new();
    let gradient = numbers(300_000, 7);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let both = || (bits(&stepped()), sums_of_squares(&[&gradient, &[0.1; 5]]));
        pool.build().unwrap().install(both)
    };
    let expected = run(1);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), expected, "{threads} threads");
    }
}

#[test]
fn many_tensors_are_each_as_if_alone() {
    let _exclusive = Exclusive::new();
    let lengths = (0..200).map(|index| index * 37 % 211);
    let mut together: Vec<_> = lengths.map(Parameter::new).collect();
    let mut alone = together.clone();
    step(&mut together);
    for (index, parameter) in alone.iter_mut().enumerate() {
        apply(&mut [Tensors {
            formula: Adam {
                rate: ADAM.rate * (index + 1) as f64,
                ..ADAM
            },
            written: parameter.written.each_mut().map(Vec::as_mut_slice),
            read: [&parameter.gradient],
        }]);
    }
    assert_eq!(bits(&together), bits(&alone));
}

#[derive(Debug, Clone, Copy)]
struct Scale(f64);

impl Formula<1, 0> for Scale {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], []: [R; 0]) -> [R; 1] {
        [value * self.0]
    }
}

#[test]
fn nothing_around_a_tensor_is_touched() {
    let _exclusive = Exclusive::new();
    for set in Level::available() {
        assert!(force(set));
        for start in 0..3 {
            for len in [0, 1, 7, 16, 17, 33] {
                let mut memory = numbers(64, 0);
                let before = memory.clone();
                apply(&mut [Tensors {
                    formula: Scale(2.0),
                    written: [&mut memory[start..start + len]],
                    read: [],
                }]);
                for (index, (after, before)) in memory.iter().zip(&before).enumerate() {
                    let inside = (start..start + len).contains(&index);
                    let factor = if inside { 2.0 } else { 1.0 };
                    assert_eq!(*after, before * factor, "{set:?} {start} {len} {index}");
                }
            }
        }
    }
}

/// The operations of `Real` one by one: sum, difference, product, ratio, root, larger, within,
/// size, sign, cube root.
#[derive(Debug, Clone, Copy)]
struct Operations;

impl Formula<10, 2> for Operations {
    #[inline(always)]
    fn apply<R: Real>(&self, _: [R; 10], [a, b]: [R; 2]) -> [R; 10] {
        [
            a.clone() + b.clone(),
            a.clone() - b.clone(),
            a.clone() * b.clone(),
            a.clone() / b.clone(),
            a.clone().sqrt(),
            a.clone().max(b),
            a.clone().clamp(-2.0, 1.5),
            a.clone().abs(),
            a.clone().sign(),
            a.cbrt(),
        ]
    }
}

#[test]
fn operations_are_those_of_ieee_754_and_pytorch() {
    let _exclusive = Exclusive::new();
    let special = [
        0.0,
        -0.0,
        1.0,
        -3.0,
        1e-40,
        3e38,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let pairs = special.map(|a| special.map(|b| (a, b)));
    let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().flatten().unzip();
    // `torch.maximum` and `torch.clamp` hand NaN on.
    let max = |a: f32, b: f32| if a > b || a.is_nan() { a } else { b };
    for set in Level::available() {
        assert!(force(set));
        let mut written: [Vec<f32>; 10] = std::array::from_fn(|_| vec![0.0; a.len()]);
        apply(&mut [Tensors {
            formula: Operations,
            written: written.each_mut().map(Vec::as_mut_slice),
            read: [&a, &b],
        }]);
        for (index, (a, b)) in a.iter().zip(&b).enumerate() {
            let clamped = a.clamp(-2.0, 1.5);
            let sign = if *a == 0.0 { 0.0 } else { a.signum() };
            let expected = [
                a + b,
                a - b,
                a * b,
                a / b,
                a.sqrt(),
                max(*a, *b),
                clamped,
                a.abs(),
                sign,
                a.cbrt(),
            ];
            for (operation, expected) in expected.into_iter().enumerate() {
                let found = written[operation][index];
                assert!(
                    found == expected || (found.is_nan() && expected.is_nan()),
                    "{set:?}, operation {operation} of {a} and {b}: {found}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn gradients_that_are_not_finite_spoil_their_own_element_alone() {
    let _exclusive = Exclusive::new();
    for set in Level::available() {
        assert!(force(set));
        let clean = {
            let mut parameter = [Parameter::new(40)];
            step(&mut parameter);
            parameter
        };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 15, 39] {
                let mut parameter = [Parameter::new(40)];
                parameter[0].gradient[at] = bad;
                step(&mut parameter);
                let [value, mean, square, largest] = &parameter[0].written;
                // As in PyTorch: ∞ in both moments, ∞ / ∞ in the value.
                assert!(value[at].is_nan());
                if bad.is_nan() {
                    assert!(mean[at].is_nan() && square[at].is_nan() && largest[at].is_nan());
                } else {
                    assert_eq!(mean[at], bad);
                    assert_eq!([square[at], largest[at]], [f32::INFINITY; 2]);
                }
                for (found, clean) in parameter[0].written.iter().zip(&clean[0].written) {
                    assert_eq!(found[..at], clean[..at]);
                    assert_eq!(found[at + 1..], clean[at + 1..]);
                }
            }
        }
    }
}

#[test]
fn sums_of_squares_follow_the_plain_loop() {
    let _exclusive = Exclusive::new();
    let tensors = LENGTHS.map(|len| numbers(len, len));
    let slices = tensors.each_ref().map(Vec::as_slice);
    for set in Level::available() {
        assert!(force(set));
        for (found, tensor) in sums_of_squares(&slices).into_iter().zip(&tensors) {
            let expected: f64 = tensor.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((found - expected).abs() <= 1e-13 * expected, "{set:?}");
        }
    }
    assert_eq!(sums_of_squares(&[]), Vec::<f64>::new());
}

#[test]
fn sums_of_squares_tell_which_tensor_is_not_finite() {
    let _exclusive = Exclusive::new();
    for set in Level::available() {
        assert!(force(set));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 31, 32, 40_000] {
                let (clean, mut spoilt) = (numbers(50_000, 0), numbers(50_000, 1));
                spoilt[at] = bad;
                let sums = sums_of_squares(&[&clean, &spoilt, &clean]);
                let finite: Vec<_> = sums.iter().map(|sum| sum.is_finite()).collect();
                assert_eq!(finite, [true, false, true], "{set:?} {bad} at {at}");
            }
        }
        // Squares beyond f32 in both directions.
        let huge = sums_of_squares(&[&[3e38; 100], &[1e-30; 100]]);
        let expected = [3e38_f32, 1e-30].map(|x| f64::from(x).powi(2) * 100.0);
        for (found, expected) in huge.into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-12, "{set:?} {found}");
        }
    }
}

#[test]
#[should_panic(expected = "one length")]
fn tensors_that_differ_in_length_are_refused() {
    let mut parameter = Parameter::new(10);
    parameter.gradient.pop();
    step(&mut [parameter]);
}
