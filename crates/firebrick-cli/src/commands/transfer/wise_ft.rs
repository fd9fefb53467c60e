//! `firebrick transfer wise-ft`.

use std::path::PathBuf;

use clap::Args;
use firebrick::wise_ft::{Places, wise_ft};

use super::super::new_model::NewModel;
use crate::failure::Failure;
use crate::figures::percent;
use crate::number::{real, whole};
use crate::terminal;

/// Look for the best model between the weights of a linear-probed model and those of the fine-tuned one (WiSE-FT)
#[derive(Args)]
pub(crate) struct WiseFt {
    /// Run directory or model file of the linear-probed model, such as one trained with --fine-tune head
    #[arg(value_name = "PROBED")]
    probed: PathBuf,
    /// Run directory or model file of the model that was fine-tuned from it
    #[arg(value_name = "FINE_TUNED")]
    fine_tuned: PathBuf,
    /// Number of places to score, from 0 (the probed model) to 1 (the fine-tuned one)
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = whole::<usize>)]
    points: usize,
    /// Take the model at this place, in [0, 1], instead of the one with the highest validation accuracy
    #[arg(long, value_name = "ALPHA", value_parser = real)]
    alpha: Option<f64>,
    #[command(flatten)]
    new: NewModel,
    /// Print one JSON document: {file, models, places: [{alpha, valid}], alpha, valid}
    #[arg(long)]
    json: bool,
}

impl WiseFt {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let places = Places {
            count: self.points,
            alpha: self.alpha,
            recount: self.new.recount,
        };
        let sources = super::super::sources();
        let found = wise_ft(
            &self.probed,
            &self.fine_tuned,
            places,
            sources,
            &self.new.out,
        )?;
        if self.json {
            return terminal::json(&found);
        }
        let head = ["alpha", "validation", "nll", ""].map(String::from);
        let mut rows = vec![head.to_vec()];
        rows.extend(found.places.iter().map(|place| {
            let what = match place.alpha {
                0.0 => "the probed model",
                1.0 => "the fine-tuned model",
                _ => "",
            };
            vec![
                format!("{:.3}", place.alpha),
                percent(place.valid.top1),
                format!("{:.4}", place.valid.nll),
                what.into(),
            ]
        }));
        terminal::table(&rows);
        terminal::say(&format!(
            "taken: alpha {:.3}, validation {}",
            found.alpha,
            percent(found.valid.top1)
        ));
        terminal::say(&format!("model: {}", found.file));
        Ok(())
    }
}
