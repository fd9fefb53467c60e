//! Work for several threads. How work is cut never depends on their number where the cut could
//! change a result.

use rayon::prelude::*;

/// Runs `work(0)`, …, `work(count - 1)`, in any order, on the threads of rayon's pool.
pub(crate) fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    if count <= 1 || rayon::current_num_threads() == 1 {
        (0..count).for_each(work);
    } else {
        (0..count)
            .into_par_iter()
            .with_max_len(1)
            .for_each(|i| work(i));
    }
}

/// A pointer that several threads write disjoint parts through.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: the pointer is only a number; whoever writes through it says why that is sound.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// The first element. A method, so that closures capture all of `self`.
    pub(crate) fn pointer(self) -> *mut T {
        self.0
    }

    /// # Safety
    /// `start..start + len` lies in the slice, and no one else reads or writes it meanwhile.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: as of this function.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}
