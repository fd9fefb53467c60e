//! The name and version of the program: `firebrick`, or another one that is built on this crate.

use std::sync::OnceLock;

/// Name and version of a program that has the `firebrick` command line and something more, such as
/// an optimizer of its own. Help, `--version`, completions and manual pages show them, and a run that
/// needs the program says its name to whoever tries to resume it with another.
///
/// ```no_run
/// # use std::process::ExitCode;
/// fn main() -> ExitCode {
///     // … register what is your own …
///     firebrick_cli::Program {
///         name: "mine",
///         version: env!("CARGO_PKG_VERSION"),
///     }
///     .main()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// What the program is called on the command line.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// The program of this process, where it is not `firebrick`.
static OWN: OnceLock<Program> = OnceLock::new();

impl Program {
    /// Makes this the program of the process, unless it has one already.
    pub(crate) fn set_own(self) {
        OWN.get_or_init(|| self);
    }
}

/// The program of this process, where it is not `firebrick`.
pub(crate) fn own() -> Option<Program> {
    OWN.get().copied()
}
