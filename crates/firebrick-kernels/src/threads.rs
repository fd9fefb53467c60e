//! Work for several threads. How work is cut never depends on their number where the cut could
//! change a result.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work(0)`, …, `work(count - 1)`, in any order, on the caller's thread and those of rayon's
/// pool.
///
/// The caller works along, whether it belongs to the pool or not, and waits for no thread that has
/// not begun: waking one up takes longer than many of these loops.
pub(crate) fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    let threads = rayon::current_num_threads().min(count);
    if threads <= 1 {
        return (0..count).for_each(work);
    }
    let work: &(dyn Fn(usize) + Sync) = &work;
    // SAFETY: only the lifetime changes. The work is called between `enter` and `leave` alone, and
    // `Closing` keeps this function from returning before all have left and none can enter.
    let work: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(work) };
    let region = Arc::new(Region {
        work,
        count,
        next: AtomicUsize::new(0),
        inside: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
    });
    for _ in 1..threads {
        let region = Arc::clone(&region);
        rayon::spawn(move || region.help());
    }
    let closing = Closing(&region);
    region.run();
    drop(closing);
    assert!(
        !region.failed.load(Ordering::Relaxed),
        "a kernel failed on another thread"
    );
}

/// Work that several threads take from.
struct Region {
    work: &'static (dyn Fn(usize) + Sync),
    count: usize,
    next: AtomicUsize,
    /// The helpers at work, and [`CLOSED`].
    inside: AtomicUsize,
    failed: AtomicBool,
}

/// No helper begins any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

impl Region {
    fn run(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.count {
                break;
            }
            (self.work)(index);
        }
    }

    fn help(&self) {
        if self.inside.fetch_add(1, Ordering::Acquire) & CLOSED == 0 {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.run()));
            if outcome.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
        }
        self.inside.fetch_sub(1, Ordering::Release);
    }
}

/// Closes a region and waits for its helpers, also when the caller's share of the work panics.
struct Closing<'a>(&'a Region);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let inside = &self.0.inside;
        inside.fetch_or(CLOSED, Ordering::AcqRel);
        let mut turns = 0_u32;
        while inside.load(Ordering::Acquire) != CLOSED {
            turns += 1;
            if turns < 4096 {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
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

    /// Memory that may not be written yet.
    pub(crate) fn at(first: *mut T) -> Self {
        Self(first)
    }

    /// The first element. A method, so that closures capture all of `self`.
    pub(crate) fn pointer(self) -> *mut T {
        self.0
    }

    /// # Safety
    /// `start..start + len` lies in the slice, and no one else reads or writes it meanwhile.
    pub(crate) unsafe fn part<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: as of this function.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool").install(|| {
                for count in [0, 1, 2, 3, 1000] {
                    let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                    for_each(count, |index| {
                        // Work inside of work.
                        for_each(3, |_| {
                            done[index].fetch_add(1, Ordering::Relaxed);
                        });
                    });
                    assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 3));
                }
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let outcome = catch_unwind(|| for_each(64, |index| assert!(index != 40, "piece 40")));
        assert!(outcome.is_err());
        for_each(64, |_| ());
    }
}
