//! How a command fails: an error message and an exit status.

/// Why a command did not do what was asked.
pub(crate) enum Failure {
    /// The work failed: status 1.
    Work(String),
    /// The settings cannot be used: status 2.
    Usage(String),
    /// Ctrl-C, after a checkpoint: status 130.
    Interrupted(String),
}

impl<E: Into<firebrick::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if error.is_usage() {
            Self::Usage(error.to_string())
        } else {
            Self::Work(error.to_string())
        }
    }
}
