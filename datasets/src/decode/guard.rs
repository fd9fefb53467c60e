//! Catches panics inside decoders: they mean a bad image and do not end the program.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside an image decoder, whose panics are caught and become an error that
/// names the file. A panic hook should print nothing then.
#[must_use]
pub fn catches_panics() -> bool {
    CAUGHT.get()
}

/// Runs a decoder; when it panics, the first line of its message is the error.
pub(super) fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    let before = CAUGHT.replace(true);
    // What a panic left half changed is dropped with the closure.
    let result = catch_unwind(AssertUnwindSafe(decode));
    CAUGHT.set(before);
    result.map_err(|panic| {
        let line = panic_message(&*panic).lines().next();
        line.unwrap_or_default().to_string()
    })
}

/// What a caught panic says.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_errors_and_known_to_be_caught() {
        assert!(!catches_panics());
        assert_eq!(guarded(catches_panics), Ok(true));
        assert!(!catches_panics());
        // Also when one guard stands in another.
        let inner = guarded(|| (guarded(|| panic!("inner")), catches_panics()));
        assert_eq!(inner, Ok((Err::<(), _>("inner".into()), true)));
        for (panic, expected) in [
            ("one".to_string(), "one"),
            ("two\nthree".to_string(), "two"),
        ] {
            let error = guarded(|| panic!("{panic}")).unwrap_err();
            assert_eq!(error, expected);
        }
        assert!(!catches_panics());
    }
}
