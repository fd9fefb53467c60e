//! What the kernels' tests share.
#![allow(dead_code)] // each test takes what it needs

use std::sync::{Mutex, PoisonError};

use firebrick_kernels::simd::{Level, force};

/// The instruction set is the process's: one test at a time.
static LEVEL: Mutex<()> = Mutex::new(());

/// Runs `test` on every instruction set of this processor.
pub fn every_level(test: impl Fn()) {
    let _guard = LEVEL.lock().unwrap_or_else(PoisonError::into_inner);
    for level in Level::available() {
        assert!(force(level));
        test();
    }
}

/// Values in [-1, 1], the same for the same length and seed.
pub fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ len as u64;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// Compares sums in f32 with sums in f64, given with the sum of their terms' magnitudes: within
/// 1e-6 of that, and 1e-6.
pub fn assert_close(found: &[f32], expected: &[(f64, f64)], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}: length");
    for (place, (found, (expected, size))) in found.iter().zip(expected).enumerate() {
        let far = (f64::from(*found) - expected).abs();
        assert!(
            far <= 1e-6 * (size + 1.0),
            "{name}: element {place} is {found}, not {expected}"
        );
    }
}
