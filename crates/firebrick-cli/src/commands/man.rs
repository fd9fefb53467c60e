//! `firebrick man`.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::failure::Failure;
use crate::terminal;

/// Write manual pages, one for each command
#[derive(Args)]
pub(crate) struct Man {
    /// Directory to write the pages to; created if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, command: Command) -> Result<(), Failure> {
        let directory = &self.directory;
        let pages = crate::examples::in_description(command);
        let written = std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(pages, directory));
        written.map_err(|error| {
            Failure::Work(format!(
                "cannot write manual pages to {}: {error}",
                directory.display()
            ))
        })?;
        terminal::say(&format!("manual pages are in {}", directory.display()));
        Ok(())
    }
}
