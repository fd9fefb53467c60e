//! `firebrick features`.

use std::path::PathBuf;

use clap::Args;
use firebrick::datasets::{OnBadImage, OpenOptions, Split, open};
use firebrick::eval::unreadable;
use firebrick::features::file::{self, Format};
use firebrick::features::{Extractor, Pass};
use serde_json::json;

use super::on_bad_image;
use super::plain_weights::{PlainWeights, trained_model};
use super::transfer::begin::data_set;
use crate::failure::Failure;
use crate::figures::{counted, grouped};
use crate::number::whole;
use crate::progress;
use crate::terminal;

/// Write a network's features of images, stage by stage, for other tools
#[derive(Args)]
pub(crate) struct Features {
    /// Images as DIR/CLASS/IMAGE or DIR/SPLIT/CLASS/IMAGE, a pack of them, or a data set by name
    #[arg(value_name = "DIR|NAME")]
    data: String,
    /// Run directory or model file; or give --model and --weights
    #[arg(long, value_name = "RUN", required_unless_present = "weights", conflicts_with_all = ["model", "weights"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Comma-separated stages: names (`firebrick models describe NAME` lists them), pooled (what the last layer reads), logits (the scores
    /// of the model's own classes) or all
    #[arg(
        long,
        value_name = "STAGE[,STAGE]",
        default_value = "pooled",
        value_delimiter = ','
    )]
    stage: Vec<String>,
    /// File to write; its extension chooses the format: .safetensors (a matrix for each stage), .npy (one matrix, with the labels and names
    /// in a .csv beside it) or .features (Firebrick's own; the same command continues it after an interruption)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Split to write: train, valid, test, or all for images without splits. By default train, or all if there are no splits
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    /// Directory that holds the files of the data set
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Number of threads that load images
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<usize>)]
    workers: usize,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    /// What to do with an image that cannot be read: fail (stop) or skip (leave it out)
    #[arg(long, value_name = "fail|skip", default_value = "fail", value_parser = on_bad_image())]
    on_bad_image: OnBadImage,
    /// Print one JSON document: {file, format, images, stages: [{name, width}], classes}
    #[arg(long)]
    json: bool,
    /// Do not print progress
    #[arg(long)]
    quiet: bool,
}

impl Features {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        // Before anything is computed.
        let format = Format::of(&self.out)?;
        let model = trained_model(self.run.as_deref(), &self.plain, &self.device, |_, _| {})?;
        let options = OpenOptions {
            data_dir: self.data_dir.clone(),
            default_data_dir: super::data_cache(),
            channels: Some(model.info.preprocessing.channels),
            on_bad_image: self.on_bad_image,
            valid_fraction: 0.0,
            ..OpenOptions::default()
        };
        let splits = open(&data_set(&self.data), &options)?;
        let unreadable = unreadable(&splits.skipped);
        for note in splits.notes.iter().chain(&unreadable) {
            terminal::notice(note);
        }
        let dataset = file::split(&splits, self.split)?;
        let stages: Vec<&str> = self.stage.iter().map(|stage| stage.trim()).collect();
        let extractor = match stages.as_slice() {
            ["all"] => Extractor::all(&model)?,
            stages => Extractor::new(&model, stages)?,
        };
        let pass = Pass {
            cache: (format == Format::Features).then(|| self.out.clone()),
            workers: self.workers,
            on_bad: self.on_bad_image,
            ..Pass::default()
        };
        let mut shown = progress::images(self.quiet || self.json);
        let found = extractor.of_dataset(&dataset, &pass, &mut shown)?;
        for note in &found.notes {
            terminal::notice(note);
        }
        let images = file::write(&self.out, format, &extractor, &found)?;
        if self.json {
            let stages: Vec<_> = extractor.stages().collect();
            return terminal::json(&json!({
                "file": self.out.display().to_string(), "format": format.name(), "images": images,
                "stages": stages, "classes": dataset.classes(),
            }));
        }
        let stages: Vec<String> = extractor
            .stages()
            .map(|stage| format!("{} ({})", stage.name, grouped(stage.width as u64)))
            .collect();
        terminal::say(&format!(
            "{}: features of {} from {}",
            self.out.display(),
            counted(images as u64, "image", "images"),
            stages.join(", ")
        ));
        if format == Format::Npy {
            let labels = file::labels_beside(&self.out);
            terminal::say(&format!("labels and names: {}", labels.display()));
        }
        Ok(())
    }
}
