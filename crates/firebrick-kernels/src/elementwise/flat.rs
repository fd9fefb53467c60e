//! Loops over flat memory: in vectors, the last of which is masked, and in parts for several threads.

use std::ops::Range;

use crate::simd::Simd;
use crate::threads;

/// Elements that one thread takes at a time. Fixed, so that no result depends on the threads.
pub(crate) const PART: usize = 1 << 14;

/// Elements below which a second thread costs more than it does.
const ALONE: usize = 1 << 15;

/// Runs `work` over all of `0..units`, in parts of about [`PART`] elements; a unit has `size`.
pub(crate) fn parts(units: usize, size: usize, work: impl Fn(Range<usize>) + Sync) {
    parts_of(units, (PART / size.max(1)).max(1), size, work);
}

/// As [`parts`], with `each` units in a part.
pub(crate) fn parts_of(units: usize, each: usize, size: usize, work: impl Fn(Range<usize>) + Sync) {
    let count = units.div_ceil(each);
    let part = |index: usize| work(index * each..units.min((index + 1) * each));
    if units.saturating_mul(size) <= ALONE {
        (0..count).for_each(part);
    } else {
        threads::for_each(count, part);
    }
}

/// A pointer that several threads read through.
#[derive(Clone, Copy)]
pub(crate) struct Source(*const f32);

// SAFETY: the pointer is only a number; whoever reads through it says why that is sound.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

impl Source {
    pub(crate) fn new(slice: &[f32]) -> Self {
        Self(slice.as_ptr())
    }

    /// The first element. A method, so that closures capture all of `self`.
    pub(crate) fn pointer(self) -> *const f32 {
        self.0
    }
}

/// How much of a vector is meant.
///
/// # Safety
/// As of [`Simd`]: the memory of the lanes that are meant is valid.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Part: Copy {
    unsafe fn load<S: Simd>(self, from: *const f32) -> S::V;
    unsafe fn store<S: Simd>(self, to: *mut f32, v: S::V);
    fn count<S: Simd>(self) -> usize;
}

/// All lanes.
#[derive(Clone, Copy)]
pub(crate) struct Whole;

/// The first lanes; the others are loaded as zeros and not stored.
#[derive(Clone, Copy)]
pub(crate) struct First(pub(crate) usize);

impl Part for Whole {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, from: *const f32) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::load(from) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(self, to: *mut f32, v: S::V) {
        // SAFETY: as of the trait.
        unsafe { S::store(to, v) }
    }
    #[inline(always)]
    fn count<S: Simd>(self) -> usize {
        S::LANES
    }
}

impl Part for First {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, from: *const f32) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::load_first(from, self.0) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(self, to: *mut f32, v: S::V) {
        // SAFETY: as of the trait.
        unsafe { S::store_first(to, v, self.0) }
    }
    #[inline(always)]
    fn count<S: Simd>(self) -> usize {
        self.0
    }
}

/// What happens to one vector.
pub(crate) trait Step {
    /// The vector starts at `at`, which is `column` elements into its line.
    ///
    /// # Safety
    /// The lanes that `part` means exist there, and the processor has `S`.
    unsafe fn step<S: Simd, P: Part>(&self, at: usize, column: usize, part: P);
}

/// Steps over a line of `width` elements from `at`.
///
/// # Safety
/// The elements exist, and the processor has `S`.
#[inline(always)]
pub(crate) unsafe fn walk<S: Simd, T: Step>(step: &T, at: usize, width: usize) {
    let mut column = 0;
    // SAFETY: all steps lie inside the line.
    unsafe {
        while column + S::LANES <= width {
            step.step::<S, Whole>(at + column, column, Whole);
            column += S::LANES;
        }
        if column < width {
            step.step::<S, First>(at + column, column, First(width - column));
        }
    }
}

/// Steps over `len` elements as lines of `line`; the last one may be shorter.
///
/// # Safety
/// As of [`walk`].
#[inline(always)]
pub(crate) unsafe fn walk_lines<S: Simd, T: Step>(step: &T, len: usize, line: usize) {
    let mut at = 0;
    while at < len {
        let width = line.min(len - at);
        // SAFETY: the line lies inside the elements.
        unsafe { walk::<S, T>(step, at, width) };
        at += width;
    }
}

/// How far ahead memory is asked for, in elements: what the processor does by itself stops at the
/// end of a page.
const AHEAD: usize = 1024;

/// Asks for the memory that a walk will soon load. The pointer may lie anywhere.
#[inline(always)]
pub(crate) fn soon(from: *const f32) {
    let from = from.wrapping_add(AHEAD);
    // SAFETY: a hint reads nothing and never faults; every x86-64 processor has it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(from.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = from;
}
