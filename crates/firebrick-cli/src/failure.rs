//! How a command fails: an error message and an exit status.

use std::process::ExitCode;

use crate::output;

/// Why a command did not do what was asked.
pub(crate) enum Failure {
    /// The work failed: status 1.
    Work(String),
    /// The settings cannot be used: status 2.
    Usage(String),
    /// Ctrl-C, after a checkpoint: status 130.
    Interrupted(String),
}

impl Failure {
    /// Says what happened and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Work(message) => {
                output::error(&message);
                ExitCode::from(1)
            }
            Self::Usage(message) => {
                output::error(&message);
                ExitCode::from(2)
            }
            Self::Interrupted(message) => {
                output::log(&output::message(&message));
                ExitCode::from(130)
            }
        }
    }
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
