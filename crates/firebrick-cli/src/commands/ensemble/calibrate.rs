//! `firebrick ensemble calibrate`.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use firebrick::core::data::DataError;
use firebrick::ensemble::table;

use super::eval::figures;
use crate::failure::Failure;
use crate::terminal;

/// Compute accuracy, likelihood and calibration from a table of probabilities, before and after a temperature
#[derive(Args)]
pub(crate) struct Calibrate {
    /// A CSV file: in each line the class of an image, counted from 0, then the probability of each class. A first
    /// line of names is passed over
    file: PathBuf,
    /// Print one JSON document: {top1, top5, nll, brier, ece, ece_adaptive, aurc, temperature, nll_at_temperature,
    /// ece_at_temperature}
    #[arg(long)]
    json: bool,
}

impl Calibrate {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let path = &self.file;
        let file = File::open(path).map_err(|error| DataError::io(path, error))?;
        let found = table::read(file)
            .and_then(|table| table.figures())
            .map_err(|error| Failure::Work(format!("{}: {error}", path.display())))?;
        if self.json {
            return terminal::json(&found);
        }
        figures(&found).iter().for_each(|line| terminal::say(line));
        Ok(())
    }
}
