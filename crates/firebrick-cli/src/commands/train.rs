//! `firebrick train`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::core::run::Scores;
use firebrick::core::setting::Scope;
use firebrick::datasets::registry::folder_path;
use firebrick::training::Hook;
use firebrick::zoo::Model;
use firebrick::{Job, RunPlace, Start, TrainReport};

use crate::epoch_table::same_loss;
use crate::failure::Failure;
use crate::figures::{counted, grouped, percent};
use crate::overview;
use crate::progress::{Header, Progress};
use crate::run_name::run_place;
use crate::shell::{program, quoted_path};
use crate::signals::on_interrupt;
use crate::terminal;
use crate::train_flags::TrainFlags;

/// Train a model; without arguments, a small network on built-in images
#[derive(Args)]
#[command(args_override_self = true)]
pub(crate) struct Train {
    #[command(flatten)]
    flags: TrainFlags,
    /// Recipe to start from: a built-in one by name (see `firebrick recipes`) or a TOML file. Flags
    /// override its settings; the value none switches off what the recipe sets, as in --clip-norm none
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    recipe: Option<String>,
    /// Continue this run from its newest checkpoint. With --out, start a new run from that checkpoint
    /// instead, for instance with another --schedule. If you have moved the images, give their new place
    /// with --dataset folder:PATH
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    resume: Option<PathBuf>,
    /// Directory for the run's files; by default runs/DATA-MODEL-N with the next free number
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Print the results as one JSON document
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Do not print progress
    #[arg(long, help_heading = "Run")]
    quiet: bool,
}

impl Train {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (recipe, start, out) = self.plan()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        on_interrupt(interrupted.clone())?;
        let header = Header::default();
        let progress: Box<dyn Hook<Model>> =
            Box::new(Progress::new(self.quiet, recipe.epochs, header));
        let quiet = self.quiet;
        let mut example = None;
        let report = firebrick::train(Job {
            recipe,
            sources: super::sources(),
            start,
            out,
            hooks: vec![progress],
            interrupted,
            overview: Box::new(|run| {
                example.clone_from(&run.data.example);
                if !quiet {
                    overview::of_run(run)
                        .iter()
                        .for_each(|line| terminal::log(line));
                }
            }),
            notice: Box::new(terminal::notice),
            program: crate::program::own().map(|program| program.name.into()),
            clock: Some(std::time::SystemTime::now),
        })?;
        let run = Path::new(&report.run_dir);
        if self.json {
            terminal::json(&report)?;
        } else if report.ended != "interrupted" {
            say_results(&report, run, example.as_deref());
        }
        if report.ended == "interrupted" {
            let text = format!(
                "interrupted after {}; continue with: {} train --resume {}",
                counted(report.steps, "update", "updates"),
                program(),
                quoted_path(run)
            );
            return Err(Failure::Interrupted(text));
        }
        Ok(())
    }

    /// What to do, from the flags.
    fn plan(&self) -> Result<(Recipe, Start, RunPlace), Failure> {
        let Some(parent) = &self.resume else {
            let mut recipe = self
                .recipe
                .as_deref()
                .map_or_else(|| Ok(Recipe::default()), super::recipe)?;
            self.flags.apply(&mut recipe)?;
            let out = run_place(self.out.as_ref(), &recipe);
            return Ok((recipe, Start::Fresh, out));
        };
        firebrick::training::run_dir::check_recipe(parent)?;
        let mut recipe = firebrick::run_recipe(parent)?.without_limits();
        let branch = self.out.as_ref().filter(|out| *out != parent);
        // Data may move: their fingerprint says whether they are the same.
        let folder = |dataset: &str| folder_path(dataset).is_some();
        let moved = self.flags.get("dataset").is_some_and(folder) && folder(&recipe.dataset);
        let others = if moved {
            self.flags.without("dataset")
        } else {
            self.flags.clone()
        };
        let may_change = match branch {
            Some(_) => Scope::changes_in_a_branch,
            None => Scope::changes_in_a_resume,
        };
        if let Some(flag) = others.first_not(may_change) {
            let advice = if branch.is_some() {
                "start a new run to change it"
            } else {
                "a resumed run keeps its settings. To start a new run from its checkpoint, give a new directory with --out"
            };
            return Err(Failure::Usage(format!(
                "--{flag} cannot be changed with --resume: {advice}"
            )));
        }
        self.flags.apply(&mut recipe)?;
        match branch {
            Some(out) => Ok((
                recipe,
                Start::Branch {
                    parent: parent.clone(),
                },
                RunPlace::At(out.clone()),
            )),
            None => Ok((recipe, Start::Resume, RunPlace::At(parent.clone()))),
        }
    }
}

fn say_results(report: &TrainReport, run: &Path, example: Option<&str>) {
    let scores = |name: &str, scores: &Option<Scores>| {
        let Some(scores) = scores else { return };
        let nll = if same_loss(scores) {
            String::new()
        } else {
            format!(", nll {:.4}", scores.nll)
        };
        terminal::say(&format!(
            "{name}: top-1 {}, loss {:.4}{nll}, ece {:.4}",
            percent(scores.top1),
            scores.loss,
            scores.ece
        ));
    };
    if let Some(best) = &report.best {
        terminal::say(&format!(
            "best epoch {}: {} {:.4}",
            best.epoch, best.metric, best.value
        ));
    }
    if let Some(train) = &report.train_sample {
        let gap = report.valid.map(|valid| {
            let points = 100.0 * (train.top1 - valid.top1);
            let side = if points < 0.0 { "below" } else { "above" };
            format!(", {:.2} points {side} validation", points.abs())
        });
        terminal::say(&format!(
            "training ({} images, without augmentation): top-1 {}{}",
            train.count,
            percent(train.top1),
            gap.unwrap_or_default()
        ));
    }
    scores("validation", &report.valid);
    scores("test", &report.test);
    for average in &report.averages {
        let [valid, test] = [("validation", &average.valid), ("test", &average.test)]
            .map(|(split, scores)| scores.map(|s| format!("{split} {}", percent(s.top1))));
        let scores: Vec<String> = valid.into_iter().chain(test).collect();
        terminal::say(&format!(
            "{} after the last update: {} ({})",
            average.name,
            scores.join(", "),
            average.file
        ));
    }
    terminal::say(&format!(
        "{} parameters, {} in {:.0} s on {}, {:.0} images/s",
        grouped(report.parameters as u64),
        counted(report.steps, "update", "updates"),
        report.seconds,
        report.device,
        report.images_per_second
    ));
    terminal::say(&format!("run directory: {}", report.run_dir));
    terminal::say(&format!("report: {}", run.join("report.html").display()));
    let split = match (&report.test, &report.valid) {
        (Some(_), _) => "",
        (None, Some(_)) => " --split valid",
        // Nothing was kept aside: what is left is what it has seen.
        (None, None) => " --split train",
    };
    let (program, run) = (program(), quoted_path(run));
    terminal::say(&format!("next: {program} eval {run}{split}"));
    if let Some(example) = example {
        let image = quoted_path(Path::new(example));
        terminal::say(&format!("      {program} predict {run} {image}"));
    }
}
