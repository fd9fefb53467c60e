//! `firebrick tta`.

use clap::Args;
use firebrick::regularize::views::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the kinds of test-time augmentation, or describe one
#[derive(Args)]
pub(crate) struct Tta {
    #[command(subcommand)]
    action: Listing,
}

impl Tta {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
