//! Settings of the memory allocator of this process.

/// Makes the C library keep the pages that it is given back, instead of handing them to the system and faulting them in
/// again, zeroed, at the next allocation: a training step frees and allocates the same large blocks every time.
///
/// Blocks of more than 64 MiB of threads other than the first, which do not fit their heaps, still go back.
///
/// For programs to call once at their start. It does nothing where the C library is not glibc.
pub fn keep_freed_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // glibc takes no larger one: half of a thread's heap.
        const LARGEST: libc::c_int = 32 * 1024 * 1024;
        // SAFETY: `mallopt` changes settings of the allocator under its own lock.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
            // Those above come from the heap as well: mapping memory for each of them is the last resort.
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            libc::mallopt(libc::M_TOP_PAD, LARGEST);
        }
    }
}
