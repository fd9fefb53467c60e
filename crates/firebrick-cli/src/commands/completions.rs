//! `firebrick completions`.

use std::path::Path;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::{shell, terminal};

/// Print a completion script for your shell
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell to complete commands and flags in
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), Failure> {
        // Another program built on this command line is completed under its own name.
        let called = shell::called();
        let name = Path::new(&called).file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut script = Vec::new();
        generate(self.shell, command, name, &mut script);
        terminal::say(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
