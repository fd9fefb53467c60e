//! `firebrick report`.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::core::run::RunRecord;

use crate::failure::Failure;
use crate::output;

/// Draw the report of one run again, or compare several
#[derive(Args)]
pub(crate) struct Report {
    /// Run directories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Where the page goes; by default report.html in the run, or comparison.html here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let records: Vec<RunRecord> = self
            .runs
            .iter()
            .map(|run| read(run))
            .collect::<Result<_, _>>()?;
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| match self.runs.as_slice() {
                [run] => run.join("report.html"),
                _ => "comparison.html".into(),
            });
        std::fs::write(&out, firebrick::report::page(&records))
            .map_err(|error| Failure::Work(format!("{}: {error}", out.display())))?;
        output::say(&out.display().to_string());
        Ok(())
    }
}

fn read(run: &Path) -> Result<RunRecord, Failure> {
    let path = run.join("run.json");
    let failed = |problem: String| Failure::Work(format!("{}: {problem}", path.display()));
    let bytes = std::fs::read(&path)
        .map_err(|error| failed(format!("{error}; a report needs a run that has ended")))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(format!("not a run record: {error}")))
}
