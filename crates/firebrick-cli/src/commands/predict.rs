//! `firebrick predict`.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::ModelInfo;
use firebrick::core::error::check;
use firebrick::datasets::image_files::EXTENSIONS;
use firebrick::datasets::image_list::ListedImages;
use firebrick::predict::{Prediction, image_files, predict};

use super::plain_weights::{PlainWeights, trained_model};
use crate::failure::Failure;
use crate::number::whole;
use crate::terminal;
use crate::tta_flags::TtaFlags;

/// Predict the classes of images
#[derive(Args)]
pub(crate) struct Predict {
    /// A run directory or model file, followed by image files, directories of images or packs. With --model and
    /// --weights, only images
    #[arg(required = true, value_name = "RUN IMAGE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Number of classes to print for each image, the most likely first
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = whole::<usize>)]
    top: usize,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    /// What to do with an image that cannot be read: fail or skip
    #[arg(long, value_name = "fail|skip", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_image: String,
    #[command(flatten)]
    tta: TtaFlags,
    /// Print one JSON document: an array of {path, top: [{class, index, probability}]}
    #[arg(long)]
    json: bool,
    /// With --json, also print the logits: the scores of all classes before the softmax
    #[arg(long, requires = "json")]
    logits: bool,
}

impl Predict {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        check("predict", "top", self.top, 1..).map_err(Failure::from)?;
        let (run, images) = self.run_and_images()?;
        let model = trained_model(run, &self.plain, &self.device, |info| {
            if run.is_none() {
                self.name_classes(info);
            }
        })?;
        let ListedImages {
            images: files,
            left_out,
        } = image_files(images);
        if let Some(note) = left_out.note() {
            terminal::notice(&note);
        }
        let total = files.len();
        let mut predictions = Vec::new();
        let mut unreadable = Vec::new();
        predict(
            &model,
            files,
            self.tta.views()?.as_ref(),
            self.top,
            self.logits,
            &mut |result| match result {
                Ok(prediction) if self.json => predictions.push(prediction),
                Ok(prediction) => say(&prediction),
                Err(error) => unreadable.push(error.to_string()),
            },
        );
        if self.json {
            terminal::json(&predictions)?;
        }
        if unreadable.is_empty() {
            return Ok(());
        }
        if self.on_bad_image == "skip" && unreadable.len() < total {
            unreadable
                .iter()
                .for_each(|error| terminal::notice(&format!("left out: {error}")));
            return Ok(());
        }
        Err(Failure::Work(unreadable.join("\nerror: ")))
    }
}

impl Predict {
    /// What the positional paths are: the first is the run, unless plain weights are given.
    fn run_and_images(&self) -> Result<(Option<&Path>, &[PathBuf]), Failure> {
        let (run, images) = match (&self.plain.weights, self.paths.split_first()) {
            (None, Some((run, images))) => (run, images),
            _ => return Ok((None, &self.paths)),
        };
        let shown = run.display();
        if is_image_by_name(run) {
            return Err(Failure::Usage(format!(
                "{shown} is an image, but the first argument must be a run directory or a model file: \
                 firebrick predict RUN {shown}"
            )));
        }
        if images.is_empty() {
            return Err(Failure::Usage(format!(
                "no images were given: the first argument, {shown}, is the run directory or model file. Add images \
                 or directories of images: firebrick predict {shown} IMAGE…"
            )));
        }
        Ok((Some(run), images))
    }

    /// Gives the classes of plain weights the names of the data set that they are for.
    fn name_classes(&self, info: &mut ModelInfo) {
        let Some(named) = self.plain.names_of_a_known_set(info) else {
            return;
        };
        if !self.json {
            terminal::notice(&format!(
                "using the class names of {}, because {}; --classes {} prints numbers instead",
                named.set,
                named.why,
                info.classes.len()
            ));
        }
        info.classes = named.classes;
    }
}

fn is_image_by_name(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let known = EXTENSIONS.iter();
    !path.is_dir()
        && known
            .into_iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
}

fn say(prediction: &Prediction) {
    let guesses: Vec<_> = prediction
        .top
        .iter()
        .map(|guess| {
            format!(
                "{} {:.1} %",
                terminal::name(&guess.class),
                100.0 * guess.probability
            )
        })
        .collect();
    terminal::say(&format!(
        "{}: {}",
        terminal::name(&prediction.path),
        guesses.join(", ")
    ));
}
