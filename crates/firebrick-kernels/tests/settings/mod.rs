//! Every instruction set and several numbers of threads, and numbers to try them on.
#![allow(dead_code)] // no test needs all of it

use std::sync::{Mutex, PoisonError};

use firebrick_kernels::simd::{self, Level};

/// The instruction set in use is one for the whole process.
static LEVEL: Mutex<()> = Mutex::new(());

/// Runs `test` with every instruction set of this processor.
pub(crate) fn every_level(mut test: impl FnMut(Level)) {
    alone(|| {
        for level in Level::available() {
            assert!(simd::force(level));
            test(level);
        }
    });
}

/// Runs `test` while no other one changes the instruction set, which is as before afterwards.
pub(crate) fn alone(test: impl FnOnce()) {
    struct Restore(Level);
    impl Drop for Restore {
        fn drop(&mut self) {
            simd::force(self.0);
        }
    }
    let _alone = LEVEL.lock().unwrap_or_else(PoisonError::into_inner);
    let _restore = Restore(simd::level());
    test();
}

/// What `run` gives, which has to be the same bits for several numbers of threads.
pub(crate) fn same_for_all_threads(run: impl Fn() -> Vec<Vec<f32>> + Sync) {
    every_level(|level| {
        let results = [1, 2, 3, 8].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let results = pool.build().expect("a pool").install(&run);
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            results.into_iter().map(bits).collect::<Vec<_>>()
        });
        for other in &results[1..] {
            assert!(results[0] == *other, "{level:?}");
        }
    });
}

/// Numbers from -1 to 1 that depend on the seed alone.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..len).map(next).collect()
}

/// Whether each pair is within the tolerance, or both are NaN, or the same infinity.
#[track_caller]
pub(crate) fn close(
    what: &str,
    actual: &[f32],
    expected: &[f64],
    tolerance: impl Fn(usize) -> f64,
) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let actual = f64::from(*actual);
        let same = actual == *expected || actual.is_nan() && expected.is_nan();
        assert!(
            same || (actual - expected).abs() <= tolerance(index),
            "{what}[{index}]: {actual} for {expected}, tolerance {}",
            tolerance(index)
        );
    }
}
