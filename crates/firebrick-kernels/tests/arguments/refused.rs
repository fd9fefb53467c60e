//! What a refusal says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use firebrick_kernels::Image;

/// Whether the call panics with a message that has all these parts.
#[track_caller]
pub(crate) fn refused<T>(parts: &[&str], call: impl FnOnce() -> T) {
    let outcome = catch_unwind(AssertUnwindSafe(call));
    let Err(message) = outcome else {
        panic!("accepted where it should say {parts:?}");
    };
    let message = message
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| message.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

pub(crate) fn image(n: usize, h: usize, w: usize, c: usize) -> Image {
    Image { n, h, w, c }
}
