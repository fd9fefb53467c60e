//! `firebrick search`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::report::scatter_svg;
use firebrick::search::Hooks;
use firebrick::training::run_dir::next_free;
use firebrick::training::search::{Planned, Search as Paper, Space, Trial};
use firebrick::{SearchJob, SearchReport, Sources};

use super::train::RUNS;
use crate::failure::Failure;
use crate::free_memory::free_memory;
use crate::number::{real, whole};
use crate::output::{self, percent};
use crate::progress::{Header, Progress};
use crate::run_name::run_name;
use crate::shell::{program, quoted_path};
use crate::signals::on_interrupt;
use crate::train_flags::TrainFlags;

/// Search hyper-parameters at random, from coarse to fine
///
/// Every trial draws its values from the space and trains the recipe with them. Rounds go from coarse
/// to fine: trials of the first train --epochs-first epochs over the whole space; each later round
/// trains twice as long (at most the recipe's epochs) in a range around the best trial so far whose
/// width is --shrink times that of the round before, in the logarithm for log(…), cut off at the ends
/// of the space; of a choice the best values stay.
///
/// KEY is a setting of the recipe (lr, batch_size, clip_norm, optimizer, …) or an argument of one
/// (optimizer.momentum, schedule.min_lr, model.dropout, loss.label_smoothing, augment.pad_crop.size,
/// schedule.then.min_lr). The space wins over recipe and flags. The split, the seed and what is
/// trained on stay the same in all trials; the test split is not looked at.
///
/// The directory holds search.json (all trials), best.toml (the recipe with the best values) and a run
/// directory for each trial. A search that was stopped goes on when the same command is given with
/// the same --out; more --rounds may be asked for. Trials that diverge are noted and come last.
#[derive(Args)]
#[command(args_override_self = true)]
pub(crate) struct Search {
    /// What to train: a recipe by name (see `firebrick recipes`) or file; flags win over it
    recipe: String,
    /// What to search: KEY=RANGE, …; a range is log(low, high), uniform(low, high), int(low, high) or
    /// choice(a, b, …), as in 'lr=log(1e-5, 1), optimizer.momentum=uniform(0.5, 0.99)'
    #[arg(long, value_name = "SPACE", value_parser = space)]
    space: Space,
    /// Trials in each round
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole::<u64>)]
    trials: u64,
    /// Rounds
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = whole::<u64>)]
    rounds: u64,
    /// Epochs of a trial of the first round
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>)]
    epochs_first: u64,
    /// Width of a round's ranges as a share of the round before, in (0, 1]
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = real)]
    shrink: f64,
    #[command(flatten)]
    flags: TrainFlags,
    /// Directory of the search; by default the next free one in runs/
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Draw validation accuracy over each hyper-parameter, coloured by round
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON document with the results
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(long)]
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
        // A numbered directory that nothing came into is taken back.
        if report.is_err() {
            let _ = std::fs::remove_dir(&out);
        }
        let report = report?;
        if let Some(path) = &self.svg {
            std::fs::write(path, scatter_svg(&report.picture())).map_err(|error| {
                Failure::Work(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        if self.json {
            output::json(&report)?;
        } else {
            say(&report);
        }
        if report.ended == "interrupted" {
            return Err(Failure::Interrupted(format!(
                "interrupted after {} trials; go on with the same command and --out {}",
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
        if !quiet {
            output::log(&format!(
                "{} rounds of {} trials of {} on {}, in {}",
                paper.rounds,
                paper.trials,
                recipe.model,
                recipe.dataset,
                out.display()
            ));
        }
        let header = Header::default();
        let hooks = |planned: &Planned| -> Hooks {
            if !quiet {
                let Planned {
                    round,
                    trial,
                    values,
                    ..
                } = planned;
                output::log(&format!("round {round} trial {trial}: {values}"));
            }
            vec![Box::new(Progress::new(
                quiet,
                planned.epochs,
                header.clone(),
            ))]
        };
        let finished = |trial: &Trial| {
            if let Some(diverged) = trial.diverged.as_ref().filter(|_| !quiet) {
                output::log(&format!("diverged: {diverged}"));
            }
        };
        let sources = Sources::in_cache(super::data_cache());
        let report = firebrick::search::search(SearchJob {
            free_memory: free_memory(),
            hooks: Box::new(hooks),
            finished: Box::new(finished),
            interrupted,
            notice: Box::new(output::notice),
            clock: Some(std::time::SystemTime::now),
            ..SearchJob::from_sources(recipe, sources, paper, out)
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
    output::table(&rows);
    for round in &report.rounds {
        let epochs = if round.epochs == 1 {
            "1 epoch".into()
        } else {
            format!("{} epochs", round.epochs)
        };
        output::say(&format!(
            "round {}, {epochs} each: {}",
            round.round, round.space
        ));
    }
    for hint in &report.hints {
        output::say(&format!("hint: {hint}"));
    }
    match &report.best {
        Some(best) => {
            let recipe = Path::new(&report.search_dir).join("best.toml");
            output::say(&format!("best: {}", best.values));
            output::say(&format!(
                "train with it for all epochs: {} train --recipe {}",
                program(),
                quoted_path(&recipe)
            ));
        }
        _ if report.trials.is_empty() => {}
        _ => output::say("every trial diverged; lower the rates"),
    }
}
