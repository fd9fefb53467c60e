//! `firebrick predict`.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::core::error::check;
use firebrick::datasets::image_files::Listed;
use firebrick::predict::{Prediction, image_files, predict};

use super::eval::{PlainWeights, model_file};
use crate::failure::Failure;
use crate::output;

/// Say what is on images
#[derive(Args)]
pub(crate) struct Predict {
    /// A run directory or a model file, then image files or directories; with --model and
    /// --weights, images only
    #[arg(required = true, value_name = "RUN IMAGE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Classes to print for each image
    #[arg(long, value_name = "K", default_value_t = 3)]
    top: usize,
    /// Device; see `firebrick devices`
    #[arg(long, default_value = "flex")]
    device: String,
    /// What to do about an image that cannot be read: fail or skip
    #[arg(long, value_name = "fail|skip", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_image: String,
    /// Print one JSON document: an array of {path, top: [{class, index, probability}]}
    #[arg(long)]
    json: bool,
    /// With --json, also print the scores of all classes before the softmax
    #[arg(long, requires = "json")]
    logits: bool,
}

impl Predict {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        check("predict", "top", self.top, 1..).map_err(Failure::from)?;
        let device = firebrick::core::device(&self.device)?;
        let (run, images): (Option<&Path>, &[PathBuf]) =
            match (&self.plain.weights, self.paths.split_first()) {
                (None, Some((run, images))) => (Some(run), images),
                _ => (None, &self.paths),
            };
        if images.is_empty() {
            return Err(Failure::Usage(
                "no images: firebrick predict RUN IMAGE…".into(),
            ));
        }
        let file = model_file(run, &self.plain)?;
        let Listed { files, left_out } = image_files(images);
        if left_out.count() > 0 {
            output::notice(&format!(
                "{} files that are no images were left out: {left_out}",
                left_out.count()
            ));
        }
        let total = files.len();
        let mut predictions = Vec::new();
        let mut unreadable = Vec::new();
        predict(
            &file,
            &device,
            files,
            self.top,
            self.logits,
            &mut |result| match result {
                Ok(prediction) if self.json => predictions.push(prediction),
                Ok(prediction) => say(&prediction),
                Err(error) => unreadable.push(error.to_string()),
            },
        )?;
        if self.json {
            output::json(&predictions)?;
        }
        if unreadable.is_empty() {
            return Ok(());
        }
        if self.on_bad_image == "skip" && unreadable.len() < total {
            unreadable
                .iter()
                .for_each(|error| output::log(&output::message(&format!("left out: {error}"))));
            return Ok(());
        }
        Err(Failure::Work(unreadable.join("\nerror: ")))
    }
}

fn say(prediction: &Prediction) {
    let guesses: Vec<_> = prediction
        .top
        .iter()
        .map(|guess| {
            format!(
                "{} {:.1} %",
                output::name(&guess.class),
                100.0 * guess.probability
            )
        })
        .collect();
    output::say(&format!(
        "{}: {}",
        output::name(&prediction.path),
        guesses.join(", ")
    ));
}
