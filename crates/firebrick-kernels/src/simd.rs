//! Vectors of f32 for the instruction sets, and the choice between them at run time.
//!
//! A kernel is a `Task` whose `run` is generic over `Simd` and `#[inline(always)]`, so that it
//! is compiled once inside a function of each instruction set. Threads go outside, `dispatch`
//! inside: a closure handed to another thread would not be compiled for the instruction set.
//!
//! Every operation reads the instruction set in use once, as `Vectors`, and all of its tasks run on that
//! one, whatever [`force`] does meanwhile.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod vector;
mod wide;

pub(crate) use level::Vectors;
#[doc(hidden)]
pub use level::times_read;
pub use level::{Level, force, level};
pub(crate) use vector::{Simd, Task};
pub use wide::{Wide, wide};
