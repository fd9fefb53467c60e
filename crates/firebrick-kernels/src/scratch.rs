//! Working memory of the kernels. Each thread keeps its own, so only the first training step allocates it.

use std::cell::RefCell;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` elements, aligned to cache lines, with unspecified contents.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let lines = len.div_ceil(16);
    let mut buffer = FREE.with_borrow_mut(|free| {
        // The smallest that is large enough, or the largest, which then grows.
        let fits = |(_, buffer): &(usize, &Vec<Line>)| buffer.len() >= lines;
        let best = free
            .iter()
            .enumerate()
            .filter(fits)
            .min_by_key(|(_, b)| b.len());
        let any = || free.iter().enumerate().max_by_key(|(_, b)| b.len());
        let index = best.or_else(any).map(|(index, _)| index);
        index
            .map(|index| free.swap_remove(index))
            .unwrap_or_default()
    });
    if buffer.len() < lines {
        buffer.clear();
        buffer.resize(lines, Line([0.0; 16]));
    }
    // SAFETY: `Line` is 16 initialized f32 without padding, and there are `lines * 16 >= len`.
    let floats = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<f32>(), len) };
    if cfg!(debug_assertions) {
        // A kernel that reads what it did not write gives NaN, not what was there by chance.
        floats.fill(f32::NAN);
    }
    let result = work(floats);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}
