//! `firebrick augment`.

use clap::Args;
use firebrick::regularize::augment::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the augmentations (random changes to the training images), or describe one
#[derive(Args)]
pub(crate) struct Augment {
    #[command(subcommand)]
    action: Listing,
}

impl Augment {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
