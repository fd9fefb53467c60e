//! `firebrick predict`.

mod beside;
mod explanations;

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::TrainedModel;
use firebrick::core::data::DataError;
use firebrick::core::error::check;
use firebrick::core::spec::Spec;
use firebrick::coverage::Coverage;
use firebrick::datasets::image_files::EXTENSIONS;
use firebrick::datasets::image_list::ListedImages;
use firebrick::ensemble::manifest::Manifest;
use firebrick::ensembles::{self, EnsemblePredict};
use firebrick::eval::EvalImages;
use firebrick::neighbours::Neighbours;
use firebrick::predict::{
    DropoutPasses, Prediction, Wanted, image_files, predict, predict_with_dropout,
};

use beside::Beside;
use explanations::Explanations;

use super::ensemble::EnsembleFlags;
use super::nearest_images;
use super::plain_weights::{PlainWeights, trained_model};
use crate::failure::Failure;
use crate::number::{real, whole};
use crate::terminal;
use crate::tta_flags::TtaFlags;

/// Predict the classes of images
#[derive(Args)]
pub(crate) struct Predict {
    /// A run directory, model file or ensemble, followed by image files, directories of images or packs. With
    /// --model and --weights, images only
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
    /// What to do with an image that cannot be read: fail (report it and exit with an error) or skip (leave it out)
    #[arg(long, value_name = "fail|skip", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_image: String,
    #[command(flatten)]
    tta: TtaFlags,
    #[command(flatten)]
    ensemble: EnsembleFlags,
    /// Number of members of an ensemble to keep in memory at a time
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = whole::<usize>)]
    members_in_memory: usize,
    /// Also predict a set of classes for each image that contains the right one with this probability, such as 0.9. The
    /// sets are calibrated on the validation images of the run
    #[arg(long, value_name = "P", value_parser = real)]
    coverage: Option<f64>,
    /// Score by which the sets of --coverage are made: lac (the smallest sets), aps or raps (sets that grow with the
    /// difficulty of an image)
    #[arg(
        long,
        value_name = "SPEC",
        default_value = "lac",
        requires = "coverage"
    )]
    conformal: Spec,
    /// Write a picture for each image that shows which parts of it speak for the most likely class: grad_cam (the last
    /// stage of the network, or that of grad_cam(stage=NAME)), or occlusion (which works with every model, and takes some
    /// hundred times as long)
    #[arg(long, value_name = "SPEC", requires = "out")]
    explain: Option<Spec>,
    /// Directory for the pictures of --explain
    #[arg(long, value_name = "DIR", requires = "explain")]
    out: Option<PathBuf>,
    /// Show the K training images that are nearest to each image by the features of the network, with their classes and the
    /// cosine of the angle between the features of both
    #[arg(long, value_name = "K", value_parser = whole::<usize>)]
    nearest: Option<usize>,
    /// Data set to look for the nearest images in, in place of the training images of the run, such as folder:PATH: its
    /// training split, or all images of a folder without splits
    #[arg(long, value_name = "NAME|folder:PATH", requires = "nearest")]
    among: Option<String>,
    /// Monte-Carlo dropout: the mean of this many passes with dropout on, with how sure the model is: the deviation of each
    /// probability over the passes and the entropy of their mean
    #[arg(long, value_name = "N", value_parser = whole::<usize>, conflicts_with_all = ["coverage", "tta", "logits", "explain", "nearest"])]
    mc_dropout: Option<usize>,
    /// Seed of the masks of --mc-dropout
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "mc_dropout", value_parser = whole::<u64>)]
    seed: u64,
    /// Print one JSON document: an array of {path, top: [{class, index, probability}]}, with --coverage also set, with
    /// --explain also explanation, the path of the picture, with --nearest also nearest: [{path, class, cosine}], with
    /// --mc-dropout also {mc_dropout: {passes, entropy, mutual_information, mean, variance}}
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
        let mut wanted = Wanted {
            tta: self.tta.views()?,
            top: self.top,
            logits: self.logits,
            sets: None,
        };
        let mut each = |result| match result {
            Ok(prediction) if self.json => predictions.push(prediction),
            Ok(prediction) => say(&prediction),
            Err(error) => unreadable.push(DataError::to_string(&error)),
        };
        if let Some(run) = run.filter(|run| Manifest::is_in(run)) {
            if self.explain.is_some() {
                let run = run.display();
                return Err(Failure::Usage(format!(
                    "--explain: {run} is an ensemble, and its members may look at different things; explain one of them: \
                     give the model file or the run directory of a member"
                )));
            }
            if self.nearest.is_some() {
                return Err(Failure::Usage(format!(
                    "--nearest: {} is an ensemble, and each of its members has features of its own: give one of them",
                    run.display()
                )));
            }
            if self.mc_dropout.is_some() {
                return Err(Failure::Usage(format!(
                    "--mc-dropout is for one model, and {} is an ensemble, whose members tell already how sure it is: \
                     `firebrick ensemble eval`. Give one of its members",
                    run.display()
                )));
            }
            let ensemble = self.ensemble.open(run, &self.device)?;
            let combine = self.ensemble.combine();
            if let Some(coverage) = self.coverage(ensemble.run().as_deref(), &wanted)? {
                wanted.sets = Some(coverage.of_ensemble(&ensemble, &combine)?);
            }
            let job = EnsemblePredict {
                ensemble: &ensemble,
                combine,
                members_in_memory: self.members_in_memory,
                wanted,
            };
            ensembles::predict(&job, files, &mut each)?;
        } else {
            let model = trained_model(run, &self.plain, &self.device, |info, data| {
                if run.is_none() {
                    self.plain.name_classes(info, data, self.json);
                }
            })?;
            let of_run = run.map(|run| {
                if run.is_dir() {
                    run
                } else {
                    run.parent().unwrap_or(run)
                }
            });
            if let Some(coverage) = self.coverage(of_run, &wanted)? {
                wanted.sets = Some(coverage.of_model(&model)?);
            }
            let mut beside = Beside {
                explanations: Explanations::new(
                    &model,
                    self.explain.as_ref(),
                    self.out.as_deref(),
                )?,
                neighbours: self.neighbours(&model, of_run)?,
                model: &model,
            };
            match self.mc_dropout {
                Some(count) => {
                    let passes = DropoutPasses {
                        count,
                        seed: self.seed,
                    };
                    predict_with_dropout(&model, files, passes, self.top, &mut each)?;
                }
                None if beside.is_empty() => predict(&model, files, &wanted, &mut each),
                None => beside.predict(files, &wanted, &mut each)?,
            }
        }
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

    /// The images of --nearest, and how many are wanted, for a model that lies in this run directory.
    fn neighbours(
        &self,
        model: &TrainedModel,
        run: Option<&Path>,
    ) -> Result<Option<(Neighbours, usize)>, Failure> {
        let Some(k) = self.nearest else {
            return Ok(None);
        };
        check("predict", "nearest", k, 1..)?;
        let run = run.filter(|run| run.join("recipe.toml").is_file());
        let neighbours = match (&self.among, run) {
            (Some(data), _) => nearest_images::of_data(model, data, self.json)?,
            (None, Some(run)) => nearest_images::of_run(model, run, None, self.json)?,
            (None, None) => {
                return Err(Failure::Usage(
                    "--nearest needs images to look among: give a run directory, or the images with --among folder:PATH".into(),
                ));
            }
        };
        Ok(Some((neighbours, k)))
    }

    /// How the sets of --coverage are calibrated, for a model that lies in this run directory.
    fn coverage(&self, run: Option<&Path>, wanted: &Wanted) -> Result<Option<Coverage>, Failure> {
        let Some(coverage) = self.coverage else {
            return Ok(None);
        };
        let run = run.filter(|run| run.join("recipe.toml").is_file());
        let Some(run) = run else {
            return Err(Failure::Usage(
                "--coverage needs the validation images of a run: give a run directory or an ensemble".into(),
            ));
        };
        Ok(Some(Coverage {
            coverage,
            score: self.conformal.clone(),
            images: EvalImages {
                recipe: firebrick::run_recipe(run)?,
                held_out: false,
                split: None,
                run: Some(run.into()),
                cache: super::data_cache(),
            },
            tta: wanted.tta.clone(),
        }))
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
            let deviation = prediction.mc_dropout.as_ref().map(|passes| {
                let deviation = passes.variance[guess.index].sqrt();
                format!(" ± {:.1}", 100.0 * deviation)
            });
            format!(
                "{} {:.1}{} %",
                terminal::name(&guess.class),
                100.0 * guess.probability,
                deviation.unwrap_or_default()
            )
        })
        .collect();
    let doubt = prediction.mc_dropout.as_ref().map(|passes| {
        format!(
            "; entropy {:.3} nats, {:.3} of it from the disagreement of {} passes",
            passes.entropy, passes.mutual_information, passes.passes
        )
    });
    let set = prediction.set.as_ref().map(|set| {
        let names: Vec<_> = set.iter().map(|name| terminal::name(name)).collect();
        format!(" [{}]", names.join(", "))
    });
    let explained = prediction.explanation.as_ref();
    let explained = explained.map(|picture| format!(" → {}", terminal::name(picture)));
    terminal::say(&format!(
        "{}: {}{}{}",
        terminal::name(&prediction.path),
        guesses.join(", "),
        set.unwrap_or_default(),
        explained.or(doubt).unwrap_or_default()
    ));
    for near in prediction.nearest.iter().flatten() {
        terminal::say(&format!(
            "  near {:.3} {} ({})",
            near.cosine,
            terminal::name(&near.path),
            terminal::name(&near.class)
        ));
    }
}
