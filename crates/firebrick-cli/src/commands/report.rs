//! `firebrick report`.

use std::path::PathBuf;

use clap::Args;
use firebrick::core::run::RunRecord;

use crate::failure::Failure;
use crate::terminal;

/// Write the HTML report of a run again, or a page that compares several runs
#[derive(Args)]
pub(crate) struct Report {
    /// Run directories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// File to write; by default report.html in the run directory, or comparison.html in the current
    /// directory for several runs
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let records: Vec<RunRecord> = self
            .runs
            .iter()
            .map(|run| RunRecord::read(run))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::Work(error.to_string()))?;
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| match self.runs.as_slice() {
                [run] => run.join("report.html"),
                _ => "comparison.html".into(),
            });
        super::write_file(&out, firebrick::report::page(&records))?;
        terminal::say(&out.display().to_string());
        Ok(())
    }
}
