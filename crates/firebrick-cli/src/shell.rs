//! Formats commands for users to copy: the program as it was called, and arguments quoted for the shell.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

/// A word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A path as a shell reads it; one that looks like a flag is named from here.
pub(crate) fn quoted_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-') {
        return quoted(&format!("./{text}"));
    }
    quoted(&text)
}

/// What this program was called, as the first of its arguments says.
static CALLED: RwLock<Option<OsString>> = RwLock::new(None);

/// Notes what the program was called.
pub(crate) fn note_called(name: Option<&OsString>) {
    let mut called = CALLED.write().unwrap_or_else(PoisonError::into_inner);
    *called = name.filter(|name| !name.is_empty()).cloned();
}

/// This program as it was called, so that a command printed with it works in the same place:
/// `firebrick` from the search path, `target/release/firebrick` from `cargo run`.
pub(crate) fn program() -> String {
    quoted_path(Path::new(&called()))
}

/// What this program was called: a name or a path.
pub(crate) fn called() -> OsString {
    let called = CALLED.read().unwrap_or_else(PoisonError::into_inner);
    called.clone().unwrap_or_else(|| "firebrick".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted("cifar10"), "cifar10");
        assert_eq!(quoted("sgd(momentum=0.9)"), "'sgd(momentum=0.9)'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("~"), "'~'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted_path(Path::new("-run")), "./-run");
        assert_eq!(quoted_path(Path::new("my runs/a")), "'my runs/a'");
    }
}
