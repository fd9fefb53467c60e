//! `firebrick transfer`.

mod wise_ft;

use clap::{Args, Subcommand};
use firebrick::transfer::unfreezing;

use super::listing::Listing;
use crate::failure::Failure;

/// Transfer learning: fine-tuning strategies, and models between a probed and a fine-tuned one
#[derive(Args)]
pub(crate) struct Transfer {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    WiseFt(wise_ft::WiseFt),
    #[command(flatten)]
    Strategies(Listing),
}

impl Transfer {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::WiseFt(wise_ft) => wise_ft.run(),
            Action::Strategies(listing) => listing.of(&unfreezing::REGISTRY),
        }
    }
}
