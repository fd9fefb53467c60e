//! `firebrick augment`.

mod apply;
mod drawn_text;
mod preview;
mod subject;

use clap::{Args, Subcommand};
use firebrick::regularize::augment::REGISTRY;

use super::listing::Listing;
use crate::failure::Failure;

/// List the augmentations, describe one, or see what they do to an image
#[derive(Args)]
pub(crate) struct Augment {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    #[command(flatten)]
    Listing(Listing),
    Preview(preview::Preview),
    Apply(apply::Apply),
}

impl Augment {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::Listing(listing) => listing.of(&REGISTRY),
            Action::Preview(preview) => preview.run(),
            Action::Apply(apply) => apply.run(),
        }
    }
}
