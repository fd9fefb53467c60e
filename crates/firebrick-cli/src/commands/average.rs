//! `firebrick average`.

use clap::Args;
use firebrick::ensemble::average::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the averages of weights, or describe one
#[derive(Args)]
pub(crate) struct Average {
    #[command(subcommand)]
    action: Listing,
}

impl Average {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
