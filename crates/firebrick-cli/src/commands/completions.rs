//! `firebrick completions`.

use std::path::Path;

use clap::Args;
use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::{output, shell};

/// Print the script with which a shell completes commands and flags
///
/// bash:  firebrick completions bash > ~/.local/share/bash-completion/completions/firebrick
/// zsh:   firebrick completions zsh > DIR/_firebrick, where DIR is in $fpath
/// fish:  firebrick completions fish > ~/.config/fish/completions/firebrick.fish
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        // A program of someone else's is completed under its own name.
        let called = shell::called();
        let name = Path::new(&called).file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut script = Vec::new();
        generate(self.shell, &mut crate::command(), name, &mut script);
        output::say(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
