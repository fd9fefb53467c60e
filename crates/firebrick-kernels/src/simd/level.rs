//! The instruction sets, and which of them an operation runs on.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "aarch64")]
use super::neon;
use super::portable::Portable;
use super::vector::{Simd, Task};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

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

/// Uses another instruction set in all operations that begin from now on, in the whole process; false
/// when this processor does not have it. For tests and measurements.
///
/// Operations that run already keep theirs. Weights packed before need packing again: see
/// [`forward_packed`](crate::conv2d::forward_packed).
pub fn force(level: Level) -> bool {
    let has = Level::available().contains(&level);
    if has {
        LEVEL.store(level as u8, Ordering::Relaxed);
    }
    has
}

/// The instruction set of one operation.
///
/// An operation reads it once, when it begins, and hands it to all of its parts. How memory is laid out
/// depends on the length of the vectors, so [`force`] must not change it half-way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vectors(Level);

impl Vectors {
    /// Those of the instruction set in use.
    pub(crate) fn in_use() -> Self {
        READS.set(READS.get() + 1);
        Self(level())
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }

    /// Elements of a vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::Avx2::LANES,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => neon::Neon::LANES,
            _ => Portable::LANES,
        }
    }

    /// Runs a task on them.
    #[inline]
    pub(crate) fn dispatch<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            // SAFETY: the level comes from `level`, which only says what the processor has.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::run(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::run(task) },
            // SAFETY: every aarch64 processor that Rust's targets name has NEON.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { neon::run(task) },
            // SAFETY: the portable vectors need nothing.
            _ => unsafe { task.run::<Portable>() },
        }
    }
}

thread_local! {
    static READS: Cell<usize> = const { Cell::new(0) };
}

/// How often this thread has asked for the instruction set in use, for the test that an operation does it once.
#[doc(hidden)]
#[must_use]
pub fn times_read() -> usize {
    READS.get()
}
