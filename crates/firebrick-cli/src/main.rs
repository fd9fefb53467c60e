//! The `firebrick` command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    firebrick_cli::main()
}
