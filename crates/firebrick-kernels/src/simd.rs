//! Vectors of f32 for the instruction sets, and the choice between them at run time.
//!
//! A kernel is a `Task` whose `run` is generic over `Simd` and `#[inline(always)]`, so that it
//! is compiled once inside a function of each instruction set. Threads go outside, `dispatch`
//! inside: a closure handed to another thread would not be compiled for the instruction set.

use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

/// Instruction sets that the kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Whatever the target has by default.
    Portable = 1,
    /// 128-bit vectors of ARM.
    Neon = 2,
    /// 256-bit vectors with fused multiply-add.
    Avx2 = 3,
    /// 512-bit vectors.
    Avx512 = 4,
}

impl Level {
    /// Those that this processor has, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "aarch64")]
        levels.push(Self::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    levels.push(Self::Avx512);
                }
            }
        }
        levels
    }
}

/// 0 until it is asked for.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The instruction set in use: the best one that this processor has, unless [`force`]d.
#[must_use]
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Neon,
        3 => Level::Avx2,
        4 => Level::Avx512,
        _ => {
            let best = Level::available().pop().unwrap_or(Level::Portable);
            LEVEL.store(best as u8, Ordering::Relaxed);
            best
        }
    }
}

/// Uses another instruction set from now on, in the whole process; false when this processor does
/// not have it. For tests and measurements.
pub fn force(level: Level) -> bool {
    let has = Level::available().contains(&level);
    if has {
        LEVEL.store(level as u8, Ordering::Relaxed);
    }
    has
}

/// f32 vectors of one instruction set.
///
/// # Safety
/// Every function needs the instruction set; loads and stores need valid memory of `LANES`
/// elements, or of `count` for the `_first` forms. No alignment is needed.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// How many elements a vector holds: 4, 8 or 16.
    const LANES: usize;
    /// How many vector registers there are.
    const REGISTERS: usize;
    /// A vector.
    type V: Copy;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Loads `count <= LANES` elements, zeros behind them.
    unsafe fn load_first(from: *const f32, count: usize) -> Self::V;
    /// Stores `count <= LANES` elements.
    unsafe fn store_first(to: *mut f32, v: Self::V, count: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// a · b + c, rounded once where the instruction set has it.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one; `b` where either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// Bit i is set where lane i is above zero or NaN: where the gradient of a rectifier passes.
    unsafe fn passes(v: Self::V) -> u32;
    /// Lanes whose bit is set; zero elsewhere.
    unsafe fn keep(v: Self::V, bits: u32) -> Self::V;
    /// The lanes' sum, in an order that depends on `LANES` alone.
    unsafe fn sum(v: Self::V) -> f32;
    /// `v` where `by` is above zero or NaN, zero elsewhere.
    unsafe fn gate(v: Self::V, by: Self::V) -> Self::V;
    /// `then` where `v` is larger than `best` or NaN, `otherwise` elsewhere.
    unsafe fn wins(v: Self::V, best: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;
    /// `v` where `a` and `b` are equal, zero elsewhere.
    unsafe fn same(a: Self::V, b: Self::V, v: Self::V) -> Self::V;
    /// 2 to the power of `v`: whole numbers from -126 to 127. Anything for NaN.
    unsafe fn two_to(v: Self::V) -> Self::V;
    /// Loads `count <= LANES` whole numbers, zeros behind them.
    unsafe fn load_u16(from: *const u16, count: usize) -> Self::V;
    /// Stores `count <= LANES` whole numbers from 0 to 65535.
    unsafe fn store_u16(to: *mut u16, v: Self::V, count: usize);

    /// Loads `count <= LANES` elements, zeros behind them; quicker where they fill the vector.
    #[inline(always)]
    unsafe fn load_some(from: *const f32, count: usize) -> Self::V {
        // SAFETY: as of the trait.
        unsafe {
            if count == Self::LANES {
                Self::load(from)
            } else {
                Self::load_first(from, count)
            }
        }
    }

    /// Stores `count <= LANES` elements; quicker where they fill the vector.
    #[inline(always)]
    unsafe fn store_some(to: *mut f32, v: Self::V, count: usize) {
        // SAFETY: as of the trait.
        unsafe {
            if count == Self::LANES {
                Self::store(to, v);
            } else {
                Self::store_first(to, v, count);
            }
        }
    }

    /// max(0, v); NaN stays NaN.
    #[inline(always)]
    unsafe fn relu(v: Self::V) -> Self::V {
        // SAFETY: as of the trait.
        unsafe { Self::max(Self::splat(0.0), v) }
    }
}

/// A computation that is compiled for each instruction set.
pub(crate) trait Task {
    type Output;

    /// Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor has the instruction set `S`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Runs a task with the instruction set in use.
#[inline]
pub(crate) fn dispatch<T: Task>(task: T) -> T::Output {
    match level() {
        // SAFETY: `level` only says what the processor has.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::run(task) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2::run(task) },
        // SAFETY: every aarch64 processor that Rust's targets name has NEON.
        #[cfg(target_arch = "aarch64")]
        Level::Neon => unsafe { neon::run(task) },
        // SAFETY: the portable vectors need nothing.
        _ => unsafe { task.run::<portable::Portable>() },
    }
}

/// Lanes of the instruction set in use.
pub(crate) fn lanes() -> usize {
    match level() {
        Level::Avx512 => 16,
        Level::Avx2 => 8,
        Level::Neon => 4,
        Level::Portable => <portable::Portable as Simd>::LANES,
    }
}
