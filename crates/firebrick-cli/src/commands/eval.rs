//! `firebrick eval`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::datasets::Split;
use firebrick::datasets::registry::folder_path;
use firebrick::eval::{EvalJob, Evaluated, evaluate};
use firebrick::{ModelFile, Models};
use serde_json::json;

use super::plain_weights::{PlainWeights, model_file};
use crate::class_scores;
use crate::epoch_table::TOP5_TELLS_NOTHING;
use crate::failure::Failure;
use crate::number::whole;
use crate::output::{self, percent};
use crate::progress;

/// Evaluate a trained model on a split of a data set
#[derive(Args)]
pub(crate) struct Eval {
    /// A run directory or a model file; for plain weights, give --model and --weights instead
    #[arg(required_unless_present = "weights", conflicts_with_all = ["model", "weights"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Data set to evaluate on; by default that of the run
    #[arg(long, value_name = "NAME|folder:PATH")]
    dataset: Option<String>,
    /// Directory with the files of the data set
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Split to evaluate: train, valid or test; by default test, or valid where there is no test split.
    /// A folder of classes given with --dataset is by default evaluated whole
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    /// Images in a batch
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    batch_size: Option<usize>,
    /// Device; see `firebrick devices`
    #[arg(long, default_value = "flex")]
    device: String,
    /// What to do with an image that cannot be read: fail or skip
    #[arg(long, value_name = "fail|skip")]
    on_bad_image: Option<String>,
    /// Print one JSON document: {split, loss, top1, top5, nll, ece, brier, count, seconds, per_class,
    /// confusion}
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(long)]
    quiet: bool,
}

impl Eval {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let device = firebrick::core::device(&self.device)?;
        let file = model_file(self.run.as_deref(), &self.plain)?;
        let of_run = self.run_recipe()?;
        let held_out = self.is_held_out(of_run.as_ref());
        let recipe = self.recipe(&file, of_run)?;
        let clock = Instant::now();
        let job = EvalJob {
            file: &file,
            models: Models::default(),
            held_out,
            recipe: recipe.clone(),
            split: self.split,
            numbered: self.run.is_none(),
            run: self.run_dir(),
            cache: super::data_cache(),
        };
        let Evaluated {
            evaluation,
            split,
            notes,
        } = evaluate(job, &device, &mut progress::images(self.quiet || self.json))?;
        notes.iter().for_each(|note| output::notice(note));
        let seconds = clock.elapsed().as_secs_f64();
        let scores = evaluation.scores;
        if self.json {
            return output::json(&json!({
                "split": split,
                "loss": scores.loss, "top1": scores.top1, "top5": scores.top5, "nll": scores.nll, "ece": scores.ece, "brier": scores.brier,
                "count": scores.count, "seconds": seconds,
                "per_class": class_scores::per_class_json(&file.classes, &evaluation.confusion),
                "confusion": class_scores::confusion_json(&file.classes, &evaluation.confusion),
            }));
        }
        let wrong = scores.count - (scores.top1 * scores.count as f64).round() as usize;
        let top5 = if file.classes.len() > TOP5_TELLS_NOTHING {
            format!(", top-5 {}", percent(scores.top5))
        } else {
            String::new()
        };
        output::say(&format!(
            "{} {}: top-1 {} ({wrong} of {} wrong){top5}",
            recipe.dataset,
            split,
            percent(scores.top1),
            scores.count
        ));
        // The loss of an evaluation is the plain negative log-likelihood.
        output::say(&format!(
            "nll {:.4}, ece {:.4}, brier {:.4}, {seconds:.1} s",
            scores.nll, scores.ece, scores.brier
        ));
        class_scores::lines(&file.classes, &evaluation.confusion)
            .iter()
            .for_each(|line| output::say(line));
        Ok(())
    }

    /// Whether other data are scored than those of the run.
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

    /// The run's recipe, so that its splits are the same; flags win.
    fn recipe(&self, file: &ModelFile, of_run: Option<Recipe>) -> Result<Recipe, Failure> {
        if of_run.is_none() && self.dataset.is_none() {
            return Err(Failure::Usage(
                "which data set? give --dataset NAME or --dataset folder:PATH".into(),
            ));
        }
        let mut recipe = of_run.unwrap_or_default();
        recipe.model = file.model.clone();
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
