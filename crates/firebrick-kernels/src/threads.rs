//! Work for several threads. How work is cut never depends on their number where the cut could
//! change a result.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work(0)`, …, `work(count - 1)`, in any order, on the caller's thread and those of rayon's
/// pool.
///
/// The caller works along, whether it belongs to the pool or not: handing all of the work over and
/// sleeping until it is done costs more than many of these loops.
pub(crate) fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    let threads = rayon::current_num_threads().min(count);
    if threads <= 1 {
        return (0..count).for_each(work);
    }
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            work(index);
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| run());
        }
        run();
    });
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
