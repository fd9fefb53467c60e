//! `firebrick datasets stats`.

use std::path::PathBuf;

use clap::Args;
use firebrick::core::data::Preprocessing;
use firebrick::core::error::check;
use firebrick::core::spec::Spec;
use firebrick::datasets::OpenOptions;
use firebrick::datasets::decode::MAX_SIDE;
use firebrick::datasets::registry::{OnBadImage, folder_path, info};
use firebrick::datasets::statistics::{channel_statistics, colour_statistics};
use firebrick::regularize::augment::pca_noise::PcaNoise;
use serde_json::json;

use crate::commands::on_bad_image;
use crate::failure::Failure;
use crate::figures::counted;
use crate::number::whole;
use crate::terminal;

/// Measure the training images: mean and standard deviation of each channel, and the principal components of the
/// colours
#[derive(Args)]
pub(super) struct Stats {
    /// The data set: a name, or folder:PATH for a folder of images
    #[arg(value_name = "NAME|folder:PATH")]
    name: String,
    /// Directory that holds the files; by default the cache directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Resize images to N×N pixels before measuring them [default: the size of the data set; 224 for a folder]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    image_size: Option<usize>,
    /// What to do with an image that cannot be read: fail (stop) or skip (leave it out)
    #[arg(long, value_name = "fail|skip", default_value = "fail", value_parser = on_bad_image())]
    on_bad_image: OnBadImage,
    /// Print one JSON document: {images, size, mean, std, eigenvalues, eigenvectors, spec}; the last three are null for
    /// greyscale images
    #[arg(long)]
    json: bool,
}

/// Side of the images of a folder.
const FOLDER_SIDE: usize = 224;

impl Stats {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if let Some(side) = self.image_size {
            check("datasets", "image_size", side, 1..=MAX_SIDE as usize)?;
        }
        let options = OpenOptions {
            data_dir: self.data_dir.clone(),
            default_data_dir: crate::commands::data_cache(),
            valid_fraction: 0.0,
            ..OpenOptions::default()
        };
        let splits = firebrick::datasets::open(&self.name, &options)?;
        let (channels, [height, width]) = match folder_path(&self.name) {
            Some(_) => (3, [FOLDER_SIDE; 2]),
            None => {
                // What an option of the set says shows in its images.
                let sample = splits.train.get(0).map_err(firebrick::Error::from)?;
                (sample.image.channels, info(&self.name)?.build.size)
            }
        };
        let [height, width] = self.image_size.map_or([height, width], |side| [side; 2]);
        let preprocessing = Preprocessing::unnormalized(channels, height, width);
        let (statistics, directions) = if channels == 3 {
            let found = colour_statistics(&*splits.train, &preprocessing, self.on_bad_image);
            let (statistics, directions) = found.map_err(firebrick::Error::from)?;
            (statistics, Some(directions))
        } else {
            let found = channel_statistics(&*splits.train, &preprocessing, self.on_bad_image);
            (found.map_err(firebrick::Error::from)?, None)
        };
        let spec = directions.as_ref().map(|found| {
            let noise = PcaNoise {
                eigenvalues: found.eigenvalues.map(rounded),
                eigenvectors: found.eigenvectors.map(|vector| vector.map(rounded)),
                ..PcaNoise::default()
            };
            Spec::canonical("pca_noise", &noise).to_string()
        });
        if self.json {
            return terminal::json(&json!({
                "images": statistics.images,
                "size": [height, width],
                "mean": statistics.mean,
                "std": statistics.std,
                "eigenvalues": directions.as_ref().map(|found| found.eigenvalues),
                "eigenvectors": directions.as_ref().map(|found| found.eigenvectors),
                "spec": spec,
            }));
        }
        let images = counted(
            statistics.images as u64,
            "training image",
            "training images",
        );
        terminal::say(&format!(
            "{images}, resized to {width}×{height} pixels; values from 0 to 1"
        ));
        let numbers = |values: &[f32]| -> String {
            let numbers = values.iter().map(|value| format!("{value:.4}"));
            numbers.collect::<Vec<_>>().join(" ")
        };
        terminal::say(&format!("mean: {}", numbers(&statistics.mean)));
        terminal::say(&format!("standard deviation: {}", numbers(&statistics.std)));
        if let Some(spec) = spec {
            terminal::say(&format!("for --augment: {spec}"));
        }
        Ok(())
    }
}

/// With four digits after the point, or of a small number four digits in all.
fn rounded(value: f64) -> f64 {
    let digits = if value.abs() < 0.01 { 1e6 } else { 1e4 };
    (value * digits).round() / digits
}
