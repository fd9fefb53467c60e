//! A panic inside a decoder is a bad image, not the end of the program.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, would be a decoder's, which is caught and becomes an error
/// that names the file. A panic hook has nothing to say then.
#[must_use]
pub fn catches_panics() -> bool {
    CAUGHT.get()
}

/// Runs a decoder; the first line of its panic is the error.
pub(super) fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    let before = CAUGHT.replace(true);
    // What a panic left half changed is dropped with the closure.
    let result = catch_unwind(AssertUnwindSafe(decode));
    CAUGHT.set(before);
    result.map_err(|panic| first_line(&*panic))
}

fn first_line(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let line = message.and_then(|message| message.lines().next());
    line.unwrap_or("no reason given").to_string()
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
