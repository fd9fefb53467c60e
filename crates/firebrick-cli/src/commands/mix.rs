//! `firebrick mix`.

use clap::Args;
use firebrick::regularize::mix::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the ways to mix training images (mixup, CutMix), or describe one
#[derive(Args)]
pub(crate) struct Mix {
    #[command(subcommand)]
    action: Listing,
}

impl Mix {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
