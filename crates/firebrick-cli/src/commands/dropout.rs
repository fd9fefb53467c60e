//! `firebrick dropout`.

use clap::Args;
use firebrick::regularize::dropout::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the layers of the dropout family (for models of your own), or describe one
#[derive(Args)]
pub(crate) struct Dropout {
    #[command(subcommand)]
    action: Listing,
}

impl Dropout {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
