//! `firebrick ensemble prune`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use firebrick::Models;
use firebrick::ensemble::select::Criterion;
use firebrick::ensembles::{Ensemble, prune};

use super::eval::images;
use crate::failure::Failure;
use crate::figures::percent;
use crate::number::whole;
use crate::progress;
use crate::terminal;

/// Keep the members that are best together on validation, chosen one after another
#[derive(Args)]
pub(crate) struct Prune {
    /// The directory of the ensemble
    directory: PathBuf,
    /// Number of members to keep
    #[arg(long, value_name = "K", value_parser = whole::<usize>)]
    members: usize,
    /// What a member is chosen by
    #[arg(long, value_enum, default_value = "nll")]
    by: By,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    /// Directory for the smaller ensemble
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON document: an array of {name, top1, nll}, the scores of the ensemble with each member added
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// The negative log-likelihood
    Nll,
    /// The accuracy
    Accuracy,
}

impl Prune {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let device = firebrick::core::device(&self.device)?;
        let ensemble = Ensemble::open(&self.directory, Models::default(), device, false)?;
        let images = images(&ensemble, None, None)?;
        let by = match self.by {
            By::Nll => Criterion::Nll,
            By::Accuracy => Criterion::Accuracy,
        };
        let mut told = progress::images(self.json);
        let picks = prune(&ensemble, &images, self.members, by, &self.out, &mut told)?;
        if self.json {
            return terminal::json(&picks);
        }
        for (count, pick) in (1..).zip(&picks) {
            terminal::say(&format!(
                "{count}: {}, validation {}, nll {:.4}",
                pick.name,
                percent(pick.top1),
                pick.nll
            ));
        }
        terminal::say(&format!("ensemble: {}", self.out.display()));
        Ok(())
    }
}
