//! `firebrick loss`.

use clap::Args;
use firebrick::core::loss::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the losses, or describe one
#[derive(Args)]
pub(crate) struct Loss {
    #[command(subcommand)]
    action: Listing,
}

impl Loss {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
