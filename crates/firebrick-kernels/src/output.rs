//! Memory for results, which is written once instead of being zeroed first.

/// A vector of `len` elements that `fill` writes, every one of them.
///
/// # Safety
/// `fill` writes all `len` elements behind the pointer and reads none before it has written it.
pub(crate) unsafe fn written<T: Copy>(len: usize, fill: impl FnOnce(*mut T)) -> Vec<T> {
    let mut out = Vec::with_capacity(len);
    if cfg!(debug_assertions) {
        // What is left out is seen: the bytes 0xff are NaN.
        // SAFETY: there is room for `len` elements.
        unsafe { std::ptr::write_bytes(out.as_mut_ptr(), 0xff, len) };
    }
    fill(out.as_mut_ptr());
    // SAFETY: `fill` wrote them.
    unsafe { out.set_len(len) };
    out
}
