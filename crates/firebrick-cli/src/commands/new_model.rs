//! The model file of commands that average weights.

use std::path::PathBuf;

use clap::Args;

use crate::number::whole;

/// Where an average of weights goes, and how its batch norm statistics come about.
#[derive(Args)]
pub(super) struct NewModel {
    /// Number of training batches from which the batch norm statistics are recomputed
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<usize>)]
    pub(super) recount: usize,
    /// Model file to write
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
}
