//! `firebrick eval`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use firebrick::ModelInfo;
use firebrick::core::Recipe;
use firebrick::core::spec::Spec;
use firebrick::datasets::Split;
use firebrick::datasets::registry::{self, folder_path};
use firebrick::ensemble::manifest::Manifest;
use firebrick::eval::{EvalImages, EvalJob, Evaluated, evaluate};
use firebrick::training::Evaluation;
use firebrick::tta::TtaEvaluation;
use firebrick::zoo::IMAGENET;
use serde_json::json;

use super::ensemble::{self, EnsembleFlags};
use super::plain_weights::{PlainWeights, trained_model};
use crate::class_scores;
use crate::epoch_table::TOP5_TELLS_NOTHING;
use crate::failure::Failure;
use crate::figures::percent;
use crate::number::whole;
use crate::progress;
use crate::terminal;
use crate::tta_flags::TtaFlags;

/// Evaluate a trained model: accuracy, loss, calibration, scores by class, confusion matrix
#[derive(Args)]
pub(crate) struct Eval {
    /// A run directory or model file; for other weights files, use --model and --weights instead
    #[arg(required_unless_present = "weights", conflicts_with_all = ["model", "weights"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Data set to evaluate on; by default the one that the run was trained on
    #[arg(long, value_name = "NAME|folder:PATH")]
    dataset: Option<String>,
    /// Directory that holds the files of the data set
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Split to evaluate: train, valid, test or all. By default test, or valid if there is no test split;
    /// all if --dataset names a folder without splits
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    /// Number of images in a batch
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    batch_size: Option<usize>,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    /// What to do with an image that cannot be read: fail (stop) or skip (leave it out)
    #[arg(long, value_name = "fail|skip")]
    on_bad_image: Option<String>,
    #[command(flatten)]
    tta: TtaFlags,
    #[command(flatten)]
    ensemble: EnsembleFlags,
    /// Print one JSON document: {split, loss, top1, top5, nll, ece, brier, count, seconds, per_class,
    /// confusion}; with --tta also {tta: {top1, top5, nll, ece, brier, views, images, seconds}}
    #[arg(long)]
    json: bool,
    /// Do not print progress
    #[arg(long)]
    quiet: bool,
}

/// The scores over several views, what they gain and what they cost.
fn tta_line(tta: &TtaEvaluation, plain: f64, seconds: f64) -> String {
    let scores = tta.evaluation.scores;
    let points = 100.0 * (scores.top1 - plain);
    format!(
        "with {} views of {} images: top-1 {} ({points:+.2} points), nll {:.4}, ece {:.4}, brier {:.4}, {:.1} s more, in all {:.1} times as long",
        tta.views,
        tta.images,
        percent(scores.top1),
        scores.nll,
        scores.ece,
        scores.brier,
        tta.seconds,
        1.0 + tta.seconds / seconds.max(1e-9),
    )
}

/// What an evaluation found, for a model or an ensemble.
struct Found<'a> {
    classes: &'a [String],
    dataset: &'a str,
    split: Split,
    evaluation: &'a Evaluation,
    tta: Option<&'a TtaEvaluation>,
    seconds: f64,
}

impl Eval {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if let Some(run) = self.run.as_deref().filter(|run| Manifest::is_in(run)) {
            return self.of_ensemble(run);
        }
        let run = self.run.as_deref();
        let model = trained_model(run, &self.plain, &self.device, |info, data| {
            if run.is_none() {
                self.name_classes(info, data);
            }
        })?;
        let of_run = self.run_recipe()?;
        let images = self.images(&model.info.model, of_run)?;
        let clock = Instant::now();
        let recipe = images.recipe.clone();
        let job = EvalJob {
            model: &model,
            images,
            numbered: self.run.is_none(),
            tta: self.tta.views()?,
        };
        let Evaluated {
            evaluation,
            tta,
            split,
            notes,
        } = evaluate(job, &mut progress::images(self.quiet || self.json))?;
        notes.iter().for_each(|note| terminal::notice(note));
        self.say(&Found {
            classes: &model.info.classes,
            dataset: &recipe.dataset,
            split,
            evaluation: &evaluation,
            tta: tta.as_ref(),
            seconds: clock.elapsed().as_secs_f64(),
        })
    }

    /// Names the classes of plain weights, if they are those of the data set to evaluate on. Others may be images of ImageNet, whatever the set
    /// is called.
    fn name_classes(&self, info: &mut ModelInfo, data: Option<&str>) {
        let dataset = self.dataset.as_deref();
        let dataset = dataset.and_then(|name| registry::info(name).ok());
        let named = self.plain.names_of_a_known_set(info, data);
        let named = named.filter(|named| {
            named.set == IMAGENET || dataset.is_some_and(|entry| entry.about.name == named.set)
        });
        if let Some(named) = named {
            named.give_to(info, self.quiet || self.json);
        }
    }

    /// Evaluates an ensemble as if it were one model.
    fn of_ensemble(&self, directory: &Path) -> Result<(), Failure> {
        let ensemble = self.ensemble.open(directory, &self.device)?;
        if !self.quiet && !self.json {
            terminal::log(&format!(
                "an ensemble of {} members; `firebrick ensemble eval` compares them",
                ensemble.members.len()
            ));
        }
        let of_run = ensemble.run();
        let of_run = of_run.as_deref().map(firebrick::run_recipe).transpose()?;
        let model = &ensemble.members[0].info.model;
        let images = self.images(model, of_run)?;
        let dataset = images.recipe.dataset.clone();
        let (combine, tta) = (self.ensemble.combine(), self.tta.views()?);
        let quiet = self.quiet || self.json;
        let found = ensemble::evaluate(&ensemble, images, combine, tta, quiet)?;
        self.say(&Found {
            classes: ensemble.classes(),
            dataset: &dataset,
            split: found.split,
            evaluation: &found.evaluation,
            tta: None,
            seconds: found.seconds,
        })
    }

    fn say(&self, found: &Found<'_>) -> Result<(), Failure> {
        let Found {
            classes,
            dataset,
            split,
            evaluation,
            tta,
            seconds,
        } = *found;
        let scores = evaluation.scores;
        if self.json {
            let mut document = json!({
                "split": split,
                "loss": scores.loss, "top1": scores.top1, "top5": scores.top5, "nll": scores.nll, "ece": scores.ece, "brier": scores.brier,
                "count": scores.count, "seconds": seconds,
                "per_class": class_scores::per_class_json(classes, &evaluation.confusion),
                "confusion": class_scores::confusion_json(classes, &evaluation.confusion),
            });
            if let Some(tta) = tta {
                let scores = tta.evaluation.scores;
                document["tta"] = json!({
                    "top1": scores.top1, "top5": scores.top5, "nll": scores.nll, "ece": scores.ece, "brier": scores.brier,
                    "views": tta.views, "images": tta.images, "seconds": tta.seconds,
                });
            }
            return terminal::json(&document);
        }
        let wrong = scores.count - (scores.top1 * scores.count as f64).round() as usize;
        let top5 = if classes.len() > TOP5_TELLS_NOTHING {
            format!(", top-5 {}", percent(scores.top5))
        } else {
            String::new()
        };
        terminal::say(&format!(
            "{} {}: top-1 {} ({wrong} of {} wrong){top5}",
            dataset,
            split,
            percent(scores.top1),
            scores.count
        ));
        // The loss of an evaluation is the plain negative log-likelihood.
        terminal::say(&format!(
            "nll {:.4}, ece {:.4}, brier {:.4}, {seconds:.1} s",
            scores.nll, scores.ece, scores.brier
        ));
        if let Some(tta) = tta {
            terminal::say(&tta_line(tta, scores.top1, seconds - tta.seconds));
        }
        class_scores::lines(classes, &evaluation.confusion)
            .iter()
            .for_each(|line| terminal::say(line));
        Ok(())
    }

    /// The images to evaluate on.
    fn images(&self, model: &Spec, of_run: Option<Recipe>) -> Result<EvalImages, Failure> {
        Ok(EvalImages {
            held_out: self.is_held_out(of_run.as_ref()),
            recipe: self.recipe(model, of_run)?,
            split: self.split,
            run: self.run_dir(),
            cache: super::data_cache(),
        })
    }

    /// Whether the data set is another one than that of the run.
    fn is_held_out(&self, of_run: Option<&Recipe>) -> bool {
        let Some(dataset) = &self.dataset else {
            return false;
        };
        let place = |dataset: &str| folder_path(dataset).map(std::fs::canonicalize);
        let same = |recipe: &Recipe| match (place(dataset), place(&recipe.dataset)) {
            (Some(Ok(given)), Some(Ok(of_run))) => given == of_run,
            _ => *dataset == recipe.dataset,
        };
        !of_run.is_some_and(same)
    }

    /// The directory of the run, if the model lies in one.
    fn run_dir(&self) -> Option<PathBuf> {
        let run = self.run.as_ref()?;
        Some(if run.is_dir() {
            run.clone()
        } else {
            run.parent().unwrap_or(Path::new("")).into()
        })
    }

    /// The recipe of the run, if the model lies in one.
    fn run_recipe(&self) -> Result<Option<Recipe>, Failure> {
        let run = self
            .run_dir()
            .filter(|run| run.join("recipe.toml").is_file());
        let recipe = run.as_deref().map(firebrick::run_recipe).transpose()?;
        Ok(recipe)
    }

    /// The run's recipe, so that its splits are the same; flags override it.
    fn recipe(&self, model: &Spec, of_run: Option<Recipe>) -> Result<Recipe, Failure> {
        if of_run.is_none() && self.dataset.is_none() {
            return Err(Failure::Usage(
                "this model file does not say which data set to evaluate it on; give --dataset NAME or --dataset folder:PATH".into(),
            ));
        }
        let mut recipe = of_run.unwrap_or_default();
        recipe.model = model.clone();
        recipe.dataset = self.dataset.clone().unwrap_or(recipe.dataset);
        recipe.data_dir = self.data_dir.clone().or(recipe.data_dir);
        recipe.batch_size = self.batch_size.unwrap_or(recipe.batch_size);
        recipe.on_bad_image = self.on_bad_image.clone().unwrap_or(recipe.on_bad_image);
        if self.dataset.is_some() {
            recipe.limit_train = None;
        }
        Ok(recipe)
    }
}
