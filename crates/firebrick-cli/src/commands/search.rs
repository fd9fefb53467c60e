//! `firebrick search`.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::report::scatter_svg;
use firebrick::search::Hooks;
use firebrick::training::run_dir::next_free;
use firebrick::training::search::{NextTrial, Search as Paper, Space, Trial};
use firebrick::{SearchJob, SearchReport};

use crate::failure::Failure;
use crate::figures::percent;
use crate::number::{real, whole};
use crate::progress::{Header, Progress};
use crate::run_name::{RUNS, run_name};
use crate::shell::{program, quoted_path};
use crate::signals::on_interrupt;
use crate::terminal;
use crate::train_flags::TrainFlags;

/// What the flags alone do not explain.
const DETAILS: &str = "\
The space:
  --space names settings of the recipe (lr, batch_size, clip_norm, optimizer, …) or options of
  what they name (optimizer.momentum, schedule.min_lr, schedule.then.min_lr, model.dropout,
  loss.label_smoothing, augment.pad_crop.size). It takes precedence over the recipe and the flags.

Rounds:
  Every trial draws random values from the space and trains the recipe with them. The trials of
  the first round train for --epochs-first epochs on the whole space. Each later round trains
  twice as long, up to the recipe's epochs, on a narrower space: every range is centred on the
  best trial so far and --shrink times as wide as in the round before, and a choice keeps only
  its best values. All trials share the seed and the validation split; none uses the test
  split.

Files:
  The directory holds search.json (all trials), best.toml (the recipe with the best values) and
  a run directory for each trial. To continue a search that was interrupted, repeat the command
  with the same --out; you may ask for more --rounds. Trials that diverge are ranked last.";

/// Search for hyper-parameters with random trials, from coarse to fine
#[derive(Args)]
#[command(args_override_self = true, after_help = DETAILS)]
pub(crate) struct Search {
    /// Recipe to train: a built-in one by name (see `firebrick recipes`) or a TOML file. Flags override
    /// its settings
    recipe: String,
    /// Settings to vary, such as 'lr=log(1e-4, 1e-1), batch_size=choice(32, 64)'. A range is log(low, high),
    /// uniform(low, high), int(low, high) or choice(a, b, …)
    #[arg(long, value_name = "SPACE", value_parser = space)]
    space: Space,
    /// Number of trials in each round
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole::<u64>)]
    trials: u64,
    /// Number of rounds
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = whole::<u64>)]
    rounds: u64,
    /// Number of epochs in the trials of the first round
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>)]
    epochs_first: u64,
    /// Width of the ranges in each round, as a share of their width in the round before, in (0, 1]
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = real)]
    shrink: f64,
    #[command(flatten)]
    flags: TrainFlags,
    /// Directory for the search; by default the next free one in runs/
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Write a chart of the validation accuracy over each hyper-parameter, coloured by round
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    svg: Option<PathBuf>,
    /// Print the results as one JSON document
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Do not print progress
    #[arg(long, help_heading = "Run")]
    quiet: bool,
}

fn space(text: &str) -> Result<Space, String> {
    text.parse()
        .map_err(|error: firebrick::core::ConfigError| error.to_string())
}

impl Search {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut recipe = super::recipe(&self.recipe)?;
        self.flags.apply(&mut recipe)?;
        let paper = Paper {
            space: self.space.clone(),
            trials: self.trials,
            rounds: self.rounds,
            shrink: self.shrink,
            epochs_first: self.epochs_first,
            epochs: recipe.epochs,
            seed: recipe.seed,
        };
        paper.check()?;
        let out = self.out.clone().map_or_else(
            || next_free(Path::new(RUNS), &format!("search-{}", run_name(&recipe))),
            Ok,
        )?;
        let interrupted = Arc::new(AtomicBool::new(false));
        on_interrupt(interrupted.clone())?;
        let report = self.search(recipe, paper, out.clone(), interrupted);
        // Remove the numbered directory again if nothing was written to it.
        if report.is_err() {
            let _ = std::fs::remove_dir(&out);
        }
        let report = report?;
        if let Some(path) = &self.svg {
            super::write_file(path, scatter_svg(&report.picture()))?;
        }
        if self.json {
            terminal::json(&report)?;
        } else {
            say(&report);
        }
        if report.ended == "interrupted" {
            return Err(Failure::Interrupted(format!(
                "interrupted after {} trials; to continue, repeat the command with --out {}",
                report.trials.len(),
                quoted_path(&out)
            )));
        }
        Ok(())
    }

    fn search(
        &self,
        recipe: Recipe,
        paper: Paper,
        out: PathBuf,
        interrupted: Arc<AtomicBool>,
    ) -> Result<SearchReport, Failure> {
        let quiet = self.quiet;
        // Printed with the first trial: by then the settings have been checked.
        let heading = Cell::new(Some(format!(
            "{} rounds of {} trials of {} on {}, in {}",
            paper.rounds,
            paper.trials,
            recipe.model,
            recipe.dataset,
            out.display()
        )));
        let header = Header::default();
        let hooks = |planned: &NextTrial| -> Hooks {
            if !quiet {
                let NextTrial {
                    round,
                    trial,
                    values,
                    ..
                } = planned;
                heading.take().iter().for_each(|line| terminal::log(line));
                terminal::log(&format!("round {round} trial {trial}: {values}"));
            }
            vec![Box::new(Progress::new(
                quiet,
                planned.epochs,
                header.clone(),
            ))]
        };
        let finished = |trial: &Trial| {
            if let Some(diverged) = trial.diverged.as_ref().filter(|_| !quiet) {
                terminal::log(&format!("diverged: {diverged}"));
            }
        };
        let report = firebrick::search::search(SearchJob {
            hooks: Box::new(hooks),
            finished: Box::new(finished),
            interrupted,
            notice: Box::new(terminal::notice),
            clock: Some(std::time::SystemTime::now),
            ..SearchJob::from_sources(recipe, super::sources(), paper, out)
        })?;
        Ok(report)
    }
}

fn say(report: &SearchReport) {
    let keys = report
        .search
        .space
        .0
        .iter()
        .map(|dimension| dimension.key.clone());
    let head = [
        "valid top-1",
        "valid loss",
        "round",
        "trial",
        "epochs",
        "seconds",
    ];
    let mut rows = vec![
        head.into_iter()
            .map(String::from)
            .chain(keys)
            .collect::<Vec<_>>(),
    ];
    for trial in &report.trials {
        let missing = |what: Option<String>| what.unwrap_or_else(|| "–".into());
        let mut row = vec![
            match trial.diverged {
                Some(_) => "diverged".into(),
                None => missing(trial.valid_top1.map(percent)),
            },
            missing(trial.valid_loss.map(|loss| format!("{loss:.4}"))),
            trial.round.to_string(),
            trial.trial.to_string(),
            trial.epochs.to_string(),
            format!("{:.1}", trial.seconds),
        ];
        row.extend(trial.values.0.iter().map(|(_, value)| value.to_string()));
        rows.push(row);
    }
    terminal::table(&rows);
    for round in &report.rounds {
        let epochs = if round.epochs == 1 {
            "1 epoch".into()
        } else {
            format!("{} epochs", round.epochs)
        };
        terminal::say(&format!(
            "round {}, {epochs} each: {}",
            round.round, round.space
        ));
    }
    for hint in &report.hints {
        terminal::say(&format!("hint: {hint}"));
    }
    match &report.best {
        Some(best) => {
            let recipe = Path::new(&report.search_dir).join("best.toml");
            terminal::say(&format!("best: {}", best.values));
            terminal::say(&format!(
                "to train with these values for all epochs: {} train --recipe {}",
                program(),
                quoted_path(&recipe)
            ));
        }
        _ if report.trials.is_empty() => {}
        _ => terminal::say("every trial diverged; search lower learning rates"),
    }
}
