//! `firebrick penalty`.

use clap::Args;
use firebrick::regularize::penalty::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the penalties on the loss and the constraints on the weights, or describe one
#[derive(Args)]
pub(crate) struct Penalty {
    #[command(subcommand)]
    action: Listing,
}

impl Penalty {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
