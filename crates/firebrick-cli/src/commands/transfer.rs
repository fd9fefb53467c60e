//! `firebrick transfer`.

mod advise;
pub(super) mod begin;
mod stages;
mod train;
mod wise_ft;

use clap::{Args, Subcommand};
use firebrick::transfer::unfreezing;

use super::listing::Listing;
use crate::failure::Failure;

/// Make a classifier of your own photos from a pretrained network
#[derive(Args)]
pub(crate) struct Transfer {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Train(Box<train::Train>),
    Advise(Box<advise::Advise>),
    WiseFt(wise_ft::WiseFt),
    #[command(flatten)]
    Strategies(Listing),
}

impl Transfer {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::Train(train) => train.run(),
            Action::Advise(advise) => advise.run(),
            Action::WiseFt(wise_ft) => wise_ft.run(),
            Action::Strategies(listing) => listing.of(&unfreezing::REGISTRY),
        }
    }
}
