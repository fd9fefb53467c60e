//! `firebrick train`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::core::run::Scores;
use firebrick::training::Hook;
use firebrick::zoo::Model;
use firebrick::{Job, Start, TrainReport};

use crate::failure::Failure;
use crate::free_memory::free_memory;
use crate::output::{self, grouped, percent};
use crate::progress::Progress;
use crate::signals::on_interrupt;
use crate::train_flags::TrainFlags;

/// Train a model; without arguments, on drawn glyphs
#[derive(Args)]
#[command(args_override_self = true)]
pub(crate) struct Train {
    #[command(flatten)]
    flags: TrainFlags,
    /// Start from a recipe by name (see `firebrick recipes`) or file; flags win over it
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    recipe: Option<String>,
    /// Go on with a run; with --out, branch a new run off it, for instance with another --schedule
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Run directory; by default the next free one in runs/
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON document with the results
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(long)]
    quiet: bool,
}

impl Train {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (recipe, start, out) = self.plan()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        on_interrupt(interrupted.clone())?;
        let progress: Box<dyn Hook<Model>> = Box::new(Progress::new(self.quiet, recipe.epochs));
        if !self.quiet {
            output::log(&format!(
                "{} on {}, {} epochs, in {}",
                recipe.model,
                recipe.dataset,
                recipe.epochs,
                out.display()
            ));
        }
        let report = firebrick::train(Job {
            recipe,
            start,
            out: out.clone(),
            cache: super::data_cache(),
            free_memory: free_memory(),
            hooks: vec![progress],
            interrupted,
            notice: Box::new(|text| output::log(&output::message(&format!("note: {text}")))),
            clock: Some(std::time::SystemTime::now),
        });
        // A numbered directory that nothing came into is taken back.
        if report.is_err() {
            let _ = std::fs::remove_dir(&out);
        }
        let report = report?;
        if self.json {
            output::json(&report)?;
        } else if report.ended != "interrupted" {
            say_results(&report);
        }
        if report.ended == "interrupted" {
            let text = format!(
                "interrupted after {} updates; go on with: firebrick train --resume {}",
                report.steps,
                out.display()
            );
            return Err(Failure::Interrupted(text));
        }
        Ok(())
    }

    /// What to do, from the flags.
    fn plan(&self) -> Result<(Recipe, Start, PathBuf), Failure> {
        let Some(parent) = &self.resume else {
            let mut recipe = self
                .recipe
                .as_deref()
                .map_or_else(|| Ok(Recipe::default()), firebrick::recipe)?;
            self.flags.apply(&mut recipe)?;
            let out = self.out.clone().map_or_else(|| next_run(&recipe, ""), Ok)?;
            return Ok((recipe, Start::Fresh, out));
        };
        let file = parent.join("recipe.toml");
        if !file.is_file() {
            return Err(Failure::Work(format!(
                "{}: not a run directory: it has no recipe.toml",
                parent.display()
            )));
        }
        // Limits cut a session short, not the run.
        let mut recipe = Recipe {
            max_updates: None,
            max_seconds: None,
            ..firebrick::run_recipe(parent)?
        };
        let branch = self.out.as_ref().filter(|out| *out != parent);
        let changed = if branch.is_some() {
            self.flags.changes_more_than_a_branch()
        } else {
            self.flags.changes_the_run()
        };
        if let Some(flag) = changed {
            let flag = flag.replace('_', "-");
            let advice = if branch.is_some() {
                "start a new run for that"
            } else {
                "a resume is exact; to branch off, name a new directory with --out"
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
                out.clone(),
            )),
            None => Ok((recipe, Start::Resume, parent.clone())),
        }
    }
}

/// `runs/DATASET-MODEL-N`, the first N that is free; made at once, so that two starts do not meet.
pub(crate) fn next_run(recipe: &Recipe, prefix: &str) -> Result<PathBuf, Failure> {
    let dataset: String = recipe
        .dataset
        .split('(')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    let failed = |path: &Path, error: std::io::Error| {
        Failure::Work(format!(
            "cannot make the run directory {}: {error}; choose another with --out",
            path.display()
        ))
    };
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs).map_err(|error| failed(runs, error))?;
    for number in 1.. {
        let path = runs.join(format!(
            "{prefix}{}-{}-{number}",
            dataset.trim_matches('-'),
            recipe.model.name
        ));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Err(Failure::Work("every run directory name is taken".into()))
}

fn say_results(report: &TrainReport) {
    let scores = |name: &str, scores: &Option<Scores>| {
        if let Some(Scores {
            loss,
            top1,
            nll,
            ece,
            ..
        }) = scores
        {
            output::say(&format!(
                "{name}: top-1 {}, loss {loss:.4}, nll {nll:.4}, ece {ece:.4}",
                percent(*top1)
            ));
        }
    };
    if let Some(best) = &report.best {
        output::say(&format!(
            "best epoch {}: {} {:.4}",
            best.epoch, best.metric, best.value
        ));
    }
    scores("validation", &report.valid);
    scores("test", &report.test);
    output::say(&format!(
        "{} parameters, {} updates in {:.0} s on {}, {:.0} images/s",
        grouped(report.parameters as u64),
        report.steps,
        report.seconds,
        report.device,
        report.images_per_second
    ));
    let run = &report.run_dir;
    output::say(&format!(
        "run directory: {run}  (report: {run}/report.html, model: {run}/model.safetensors)"
    ));
    output::say(&format!(
        "next: firebrick predict {run} IMAGE…   or   firebrick eval {run}"
    ));
}
