//! `firebrick ensemble`.

mod calibrate;
mod distill;
mod eval;
mod prune;
mod soup;
mod status;
mod train;

use clap::{Args, Subcommand};
use firebrick::ensemble::combine;

use super::listing::Listing;
use crate::failure::Failure;

pub(crate) use eval::{EnsembleFlags, evaluate};

/// Train, evaluate, average, prune and distill ensembles of models
#[derive(Args)]
pub(crate) struct Ensemble {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Train(Box<train::Train>),
    Status(status::Status),
    Eval(Box<eval::Eval>),
    Soup(soup::Soup),
    Prune(prune::Prune),
    Distill(Box<distill::Distill>),
    Calibrate(calibrate::Calibrate),
    #[command(flatten)]
    Combine(Listing),
}

impl Ensemble {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::Train(train) => train.run(),
            Action::Status(status) => status.run(),
            Action::Eval(eval) => eval.run(),
            Action::Soup(soup) => soup.run(),
            Action::Prune(prune) => prune.run(),
            Action::Distill(distill) => distill.run(),
            Action::Calibrate(calibrate) => calibrate.run(),
            Action::Combine(listing) => listing.of(&combine::REGISTRY),
        }
    }
}
