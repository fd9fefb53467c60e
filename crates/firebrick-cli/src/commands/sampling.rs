//! `firebrick sampling`.

use clap::Args;
use firebrick::datasets::sampler::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the ways to draw the training images of an epoch, or describe one
#[derive(Args)]
pub(crate) struct Sampling {
    #[command(subcommand)]
    action: Listing,
}

impl Sampling {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.action.of(&REGISTRY)
    }
}
