//! Formulas over many tensors: the kernels compared with Burn's operations, and which memory they change.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::kernels;
use firebrick_core::kernels::step::{Formula, Number, Real, Tensors, apply};
use firebrick_core::parameters::Gradients;

/// The switch is the whole process's: one test at a time, and the kernels on afterwards.
struct Exclusive(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Exclusive {
    fn new() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        kernels::enable(true);
        Self(guard)
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        kernels::enable(true);
    }
}

/// The result by the kernels and by burn's operations.
fn both<T>(of: impl Fn() -> T) -> (T, T) {
    kernels::enable(true);
    let fused = of();
    kernels::enable(false);
    let composed = of();
    kernels::enable(true);
    (fused, composed)
}

fn cpus() -> [Device; 2] {
    ["flex", "ndarray"].map(|name| firebrick_core::device(name).unwrap())
}

fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let number = |index: usize| ((index + 1) as f32 * (seed as f32 + 0.618)).sin() * 3.0;
    (0..len).map(number).collect()
}

fn tensor(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn values(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// Every operation at once: a, b ← √(a² + 2) · b, max(a, c) - clamp(b, -1, 2) / 3
#[derive(Debug, Clone, Copy)]
struct Mixture;

impl Formula<2, 1> for Mixture {
    #[inline(always)]
    fn apply<R: Real>(&self, [a, b]: [R; 2], [c]: [R; 1]) -> [R; 2] {
        let root = (a.clone() * a.clone() + 2.0).sqrt() * b.clone();
        let three = c.clone() * 0.0 + 3.0;
        [root, a.max(c) - b.clamp(-1.0, 2.0) / three]
    }
}

fn mixture(device: &Device, lengths: &[usize]) -> Vec<[Vec<f32>; 2]> {
    let tensors = lengths.iter().map(|&len| Tensors {
        formula: Mixture,
        written: [0, 1].map(|seed| tensor(&numbers(len, seed), device)),
        read: [tensor(&numbers(len, 2), device)],
    });
    let changed = apply(tensors.collect());
    changed
        .into_iter()
        .map(|two| two.each_ref().map(values))
        .collect()
}

#[test]
fn kernels_give_the_bits_of_burns_operations() {
    let _exclusive = Exclusive::new();
    for device in cpus() {
        let lengths = [1, 15, 16, 17, 1000, 40_000];
        let (fused, composed) = both(|| mixture(&device, &lengths));
        assert_eq!(fused, composed, "{device:?}");
        let plain = numbers(17, 0)[3];
        let root = (plain * plain + 2.0).sqrt() * numbers(17, 1)[3];
        assert_eq!(fused[3][0][3], root, "{device:?}");
    }
}

#[test]
fn numbers_stand_on_either_side_of_a_minus() {
    let _exclusive = Exclusive::new();
    #[derive(Debug, Clone, Copy)]
    struct Signs;
    impl Formula<3, 1> for Signs {
        #[inline(always)]
        fn apply<R: Real>(&self, _: [R; 3], [x]: [R; 1]) -> [R; 3] {
            [-x.clone(), Number(1.5) - x.clone(), x - 0.3]
        }
    }
    let given = [0.0, -2.5, 0.3, f32::INFINITY, f32::MIN_POSITIVE];
    for device in cpus() {
        let signs = || {
            let tensors = Tensors {
                formula: Signs,
                written: [0; 3].map(|_| tensor(&[9.0; 5], &device)),
                read: [tensor(&given, &device)],
            };
            let changed = apply(vec![tensors]).pop().unwrap();
            changed.each_ref().map(values)
        };
        let (fused, composed) = both(signs);
        assert_eq!(fused, composed, "{device:?}");
        let expected = [
            given.map(|x| -x),
            given.map(|x| 1.5 - x),
            given.map(|x| x - 0.3),
        ];
        assert_eq!(fused, expected.map(|x| x.to_vec()), "{device:?}");
        assert!(fused[0][0].is_sign_negative(), "-0 is a number too");
    }
}

#[test]
fn nan_goes_through_the_larger_one_from_both_sides() {
    let _exclusive = Exclusive::new();
    #[derive(Debug, Clone, Copy)]
    struct Larger;
    impl Formula<1, 1> for Larger {
        #[inline(always)]
        fn apply<R: Real>(&self, [a]: [R; 1], [b]: [R; 1]) -> [R; 1] {
            [a.max(b)]
        }
    }
    for device in cpus() {
        let larger = || {
            let tensors = Tensors {
                formula: Larger,
                written: [tensor(&[f32::NAN, 1.0, 2.0, f32::NAN], &device)],
                read: [tensor(&[1.0, f32::NAN, 3.0, f32::NAN], &device)],
            };
            let [changed] = apply(vec![tensors]).pop().unwrap();
            values(&changed).iter().map(|x| x.to_bits()).collect()
        };
        let nan = |bits: Vec<u32>| -> Vec<bool> {
            bits.into_iter()
                .map(|bits| f32::from_bits(bits).is_nan())
                .collect()
        };
        let (fused, composed) = both(larger);
        assert_eq!(nan(fused), [true, true, false, true], "{device:?}");
        assert_eq!(nan(composed), [true, true, false, true], "{device:?}");
    }
}

/// Where the elements of a tensor on flex lie.
fn place(tensor: &Tensor<1>) -> *const f32 {
    let primitive = tensor
        .clone()
        .try_into_primitive::<burn::backend::Flex>()
        .unwrap();
    primitive.storage::<f32>().as_ptr()
}

fn double(value: Tensor<1>, twice: Tensor<1>) -> Tensor<1> {
    let tensors = Tensors {
        formula: Sum,
        written: [value],
        read: [twice],
    };
    let [sum] = apply(vec![tensors]).pop().unwrap();
    sum
}

#[derive(Debug, Clone, Copy)]
struct Sum;

impl Formula<1, 1> for Sum {
    #[inline(always)]
    fn apply<R: Real>(&self, [a]: [R; 1], [b]: [R; 1]) -> [R; 1] {
        [a + b]
    }
}

#[test]
fn memory_of_its_own_is_changed_in_place() {
    let _exclusive = Exclusive::new();
    let [flex, _] = cpus();
    // Computed, as parameters are after their first step.
    let value = tensor(&numbers(1000, 0), &flex) * 1.0;
    let before = place(&value);
    let sum = double(value, tensor(&numbers(1000, 1), &flex));
    assert_eq!(place(&sum), before);
    let again = double(sum, tensor(&numbers(1000, 1), &flex));
    assert_eq!(place(&again), before);
}

#[test]
fn shared_memory_is_left_alone() {
    let _exclusive = Exclusive::new();
    for device in cpus() {
        let original = numbers(1000, 0);
        let expected: Vec<f32> = original.iter().map(|x| x + x).collect();
        let value = tensor(&original, &device) * 1.0;
        let kept = value.clone();
        // The same memory is read, too.
        let sum = double(value.clone(), value);
        assert_eq!(values(&kept), original, "{device:?}");
        assert_eq!(values(&sum), expected, "{device:?}");
        // A part of a tensor, and one that strides over it.
        let part = double(
            kept.clone().narrow(0, 10, 10),
            kept.clone().narrow(0, 10, 10),
        );
        assert_eq!(values(&part), expected[10..20], "{device:?}");
        let rows = kept.clone().reshape([500, 2]).slice([0..500, 1..2]);
        let rows = double(rows.clone().reshape([500]), rows.reshape([500]));
        let odd: Vec<f32> = expected.iter().skip(1).step_by(2).copied().collect();
        assert_eq!(values(&rows), odd, "{device:?}");
        let flipped = double(kept.clone().flip([0]), kept.clone().flip([0]));
        let back: Vec<f32> = expected.iter().rev().copied().collect();
        assert_eq!(values(&flipped), back, "{device:?}");
        assert_eq!(values(&kept), original, "{device:?}");
    }
}

#[test]
fn devices_and_types_may_differ_between_entries() {
    let _exclusive = Exclusive::new();
    let [flex, ndarray] = cpus();
    let double_of = |value: Tensor<1>| Tensors {
        formula: Sum,
        written: [value.clone()],
        read: [value],
    };
    let wide = Tensor::<1>::from_data(TensorData::from([1.0_f64 + 1e-12]), (&flex, DType::F64));
    let changed = apply(vec![
        double_of(tensor(&[1.0], &flex)),
        double_of(wide),
        double_of(tensor(&[], &flex)),
        double_of(tensor(&[3.0, 4.0], &ndarray)),
        double_of(tensor(&[5.0], &flex)),
    ]);
    let [a, b, c, d, e] = changed.try_into().unwrap();
    assert_eq!(values(&a[0]), [2.0]);
    assert_eq!(b[0].to_data().iter::<f64>().next(), Some(2.0 + 2e-12));
    assert_eq!(c[0].dims(), [0]);
    assert_eq!(values(&d[0]), [6.0, 8.0]);
    assert_eq!(d[0].device(), ndarray);
    assert_eq!(values(&e[0]), [10.0]);
    assert!(apply(Vec::<Tensors<Sum, 1, 1>>::new()).is_empty());
}

fn gradients(device: &Device) -> Gradients {
    let gradient = |len, seed| Some(tensor(&numbers(len, seed), device));
    Gradients(vec![
        gradient(7, 0),
        None,
        gradient(40_000, 1),
        gradient(1, 2),
    ])
}

fn all(gradients: &Gradients) -> Vec<Option<Vec<f32>>> {
    gradients
        .0
        .iter()
        .map(|one| one.as_ref().map(values))
        .collect()
}

#[test]
fn gradients_are_changed_as_by_burns_operations() {
    let _exclusive = Exclusive::new();
    for device in cpus() {
        let changes: [&dyn Fn(Gradients) -> Gradients; 5] = [
            &|of| of.scale(0.3),
            &|of| of.clip_value(0.7),
            &|of| of.clip_norm(100.0, 30.0),
            &|of| of.add_scaled(gradients(&device).scale(2.0), 0.25),
            &|mut of| {
                let mut other = gradients(&device);
                // Each side lacks one that the other has.
                of.0[0] = None;
                other.0[3] = None;
                of.add_scaled(other, 0.25)
            },
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let (fused, composed) = both(|| all(&change(gradients(&device))));
            assert_eq!(fused, composed, "change {index} on {device:?}");
            assert_ne!(fused, all(&gradients(&device)), "change {index}");
        }
    }
}

#[test]
fn the_norm_of_all_gradients_is_summed_in_f64() {
    let _exclusive = Exclusive::new();
    for device in cpus() {
        let (fused, composed) = both(|| gradients(&device).norm());
        let plain = |values: &[f32]| -> f64 { values.iter().map(|x| f64::from(*x).powi(2)).sum() };
        let squares = all(&gradients(&device));
        let expected = squares
            .iter()
            .flatten()
            .map(|one| plain(one))
            .sum::<f64>()
            .sqrt();
        assert!((fused / expected - 1.0).abs() < 1e-13, "{device:?} {fused}");
        assert!(
            (composed / expected - 1.0).abs() < 1e-5,
            "{device:?} {composed}"
        );
        // Beyond what squares in f32 can say.
        let large = Gradients(vec![Some(tensor(&[3e30, 4e30], &device))]);
        assert!((large.norm() / 5e30 - 1.0).abs() < 1e-6);
        assert_eq!(large.first_not_finite(), None);
        assert_eq!(Gradients(vec![None]).norm(), 0.0);
    }
}

#[test]
fn gradients_that_are_not_finite_are_found_as_by_burns_operations() {
    let _exclusive = Exclusive::new();
    for device in cpus() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (gradient, len) in [(0, 7), (2, 40_000), (3, 1)] {
                for at in [0, len / 2, len - 1] {
                    let mut spoilt = gradients(&device);
                    let mut of = numbers(len, 0);
                    of[at] = bad;
                    spoilt.0[gradient] = Some(tensor(&of, &device));
                    let found = both(|| (spoilt.first_not_finite(), spoilt.norm().is_finite()));
                    let expected = (Some(gradient), false);
                    assert_eq!(found, (expected, expected), "{device:?} {bad} {at}");
                }
            }
        }
        let found = both(|| gradients(&device).first_not_finite());
        assert_eq!(found, (None, None));
    }
}
