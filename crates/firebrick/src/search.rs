//! A hyper-parameter search from start to end: trains and records one trial after another.

mod point;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrick_core::recipe::Recipe;
use firebrick_core::spec::Value;
use firebrick_core::{Classifier, ConfigError};
use firebrick_report::{Axis, Panel, Scale, Scatter, ScatterPoint, Unit};
use firebrick_train::search::{
    Dimension, NextTrial, Point, Record, Search, SearchDir, SearchRange, Trial,
};
use firebrick_train::{Clock, Hook, TrainError, search};
use firebrick_zoo::Model;
use serde::Serialize;

use crate::train::run;
use crate::{Error, Job, Session, Sources, Start};

pub use point::at;

/// The hooks of one trial.
pub type Hooks<M = Model> = Vec<Box<dyn Hook<M>>>;

/// Makes the hooks of a trial.
pub type MakeHooks<'a, M = Model> = dyn FnMut(&NextTrial) -> Hooks<M> + 'a;

/// A search job: the search, the recipe, and where everything goes. `M` is the type of the model.
pub struct SearchJob<'a, M = Model> {
    /// The recipe whose settings the trials vary.
    pub recipe: Recipe,
    /// Where the images and the models come from.
    pub sources: Sources<M>,
    /// The search.
    pub search: Search,
    /// The directory of the search: `search.json`, `best.toml` and a run directory for each trial.
    pub out: PathBuf,
    /// Makes the hooks of a trial.
    pub hooks: Box<MakeHooks<'a, M>>,
    /// Called with every finished trial.
    pub finished: Box<dyn FnMut(&Trial) + 'a>,
    /// Set this from outside to stop after the current update.
    pub interrupted: Arc<AtomicBool>,
    /// Called with messages for the user while the search runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
    /// The clock; see [`Job::clock`].
    pub clock: Option<Clock>,
}

impl SearchJob<'_> {
    /// A search around `recipe` in the directory `out`, with models of the zoo.
    pub fn new(recipe: Recipe, search: Search, out: impl Into<PathBuf>) -> Self {
        Self::from_sources(recipe, Sources::default(), search, out)
    }
}

impl<M> SearchJob<'_, M> {
    /// A search around `recipe` in the directory `out`, with models or images of your own.
    pub fn from_sources(
        recipe: Recipe,
        sources: Sources<M>,
        search: Search,
        out: impl Into<PathBuf>,
    ) -> Self {
        Self {
            recipe,
            sources,
            search,
            out: out.into(),
            hooks: Box::new(|_| Vec::new()),
            finished: Box::new(|_| {}),
            interrupted: Arc::default(),
            notice: Box::new(|_| {}),
            clock: None,
        }
    }
}

/// The results of a search. `firebrick search --json` prints them as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchReport {
    /// The directory of the search.
    pub search_dir: String,
    /// The search.
    pub search: Search,
    /// What each round that has begun searched.
    pub rounds: Vec<Round>,
    /// All trials, the best first.
    pub trials: Vec<Trial>,
    /// The best trial; none where all diverged.
    pub best: Option<Trial>,
    /// The command that trains with the best values for all epochs.
    pub command: Option<String>,
    /// What to change before searching again.
    pub hints: Vec<String>,
    /// `finished` or `interrupted`.
    pub ended: &'static str,
}

/// One round of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// Its number, from 1.
    pub round: u64,
    /// Epochs of its trials.
    pub epochs: u64,
    /// Where its trials were drawn.
    pub space: String,
}

/// Runs a search to its end, or until it is interrupted; goes on with the one in its directory.
///
/// Every trial trains with the recipe's seed, is judged by its validation accuracy and never sees
/// the test split. One whose loss is not finite is recorded as diverged. The trials of a finished
/// round, and those drawn from them, do not depend on interruptions.
///
/// # Errors
/// [`Error`]; before any training, when the recipe cannot be trained at an end of a range, with a
/// choice, or without validation images, or when the directory holds something else.
pub fn search<M: Classifier>(job: SearchJob<'_, M>) -> Result<SearchReport, Error> {
    let SearchJob {
        recipe,
        sources,
        search,
        out,
        mut hooks,
        mut finished,
        interrupted,
        mut notice,
        clock,
    } = job;
    search.check()?;
    let notes = check_corners(&recipe, &search, &sources)?;
    notes.iter().for_each(|note| notice(note));
    let identity = recipe.identity().to_toml()?;
    let (dir, mut record) = SearchDir::open(&out, &search, &identity)?;
    for trial in &record.trials {
        drop_checkpoints(&trial_dir(&out, trial.round, trial.trial));
    }
    let mut ended = "finished";
    while let Some(planned) = search.next(&record.trials) {
        if interrupted.load(Ordering::Relaxed) {
            ended = "interrupted";
            break;
        }
        let out = trial_dir(&out, planned.round, planned.trial);
        let begun = firebrick_train::run_dir::holds_checkpoints(&out);
        let recipe = Recipe {
            epochs: planned.epochs,
            ..at(&recipe, &planned.values)?
        };
        let job = Job {
            start: if begun { Start::Resume } else { Start::Fresh },
            hooks: hooks(&planned),
            interrupted: interrupted.clone(),
            notice: Box::new(&mut *notice),
            clock,
            ..Job::from_sources(recipe, sources.clone(), out.clone())
        };
        let mut trial = Trial {
            round: planned.round,
            trial: planned.trial,
            epochs: planned.epochs,
            values: planned.values,
            valid_top1: None,
            valid_loss: None,
            seconds: 0.0,
            diverged: None,
        };
        match run(job, false) {
            Ok(report) if report.ended == "interrupted" => {
                ended = "interrupted";
                break;
            }
            Ok(report) => {
                trial.seconds = report.seconds;
                trial.valid_top1 = report.valid.map(|valid| valid.top1);
                let loss = report.valid.map(|valid| valid.loss);
                trial.valid_loss = loss.filter(|loss| loss.is_finite());
            }
            Err(Error::Train(
                error @ (TrainError::NonFinite { .. } | TrainError::TooManySkipped { .. }),
            )) => trial.diverged = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        finished(&trial);
        record.trials.push(trial);
        dir.save(&record)?;
        drop_checkpoints(&out);
    }
    dir.save(&record)?;
    report(&recipe, &dir, &record, ended)
}

/// Whether the recipe can be trained at the ends of every range and with every choice. Gives what a person should know
/// about the data.
fn check_corners<M: Classifier>(
    recipe: &Recipe,
    search: &Search,
    sources: &Sources<M>,
) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    let corners: Vec<(&String, Vec<Value>)> = search
        .space
        .0
        .iter()
        .map(|Dimension { key, range }| (key, range.corners()))
        .collect();
    let first = |(key, values): &(&String, Vec<Value>)| ((*key).clone(), values[0].clone());
    let base: Vec<(String, Value)> = corners.iter().map(first).collect();
    for (dimension, (_, values)) in corners.iter().enumerate() {
        // The first of each is checked with the first of the first.
        for value in values.iter().skip(usize::from(dimension > 0)) {
            let mut point = base.clone();
            point[dimension].1 = value.clone();
            let recipe = Recipe {
                epochs: search.epochs_of(1),
                ..at(recipe, &Point(point))?
            };
            let session = Session::open_with(&recipe, sources.clone())?;
            session.model()?;
            if session.data.splits.valid.is_none() {
                let text = format!(
                    "a search compares validation accuracies, but no images of {} are held out for validation; set --valid-fraction",
                    recipe.dataset
                );
                return Err(ConfigError::Conflict(text).into());
            }
            notes = session.data.splits.notes;
        }
    }
    Ok(notes)
}

fn report(
    recipe: &Recipe,
    dir: &SearchDir,
    record: &Record,
    ended: &'static str,
) -> Result<SearchReport, Error> {
    let Record { search, trials, .. } = record;
    let best = search::best(trials).cloned();
    let mut command = None;
    if let Some(best) = &best {
        let text = at(recipe, &best.values)?.to_toml()?;
        dir.write("best.toml", text.as_bytes())?;
        let file = dir.path().join("best.toml");
        command = Some(format!("firebrick train --recipe {}", file.display()));
    }
    let last = trials.last().map_or(0, |trial| trial.round);
    let round = |round| Round {
        round,
        epochs: search.epochs_of(round),
        space: search.space_of(round, trials).to_string(),
    };
    let mut sorted = trials.clone();
    sorted.sort_by(Trial::order);
    Ok(SearchReport {
        search_dir: dir.path().display().to_string(),
        search: search.clone(),
        rounds: (1..=last).map(round).collect(),
        trials: sorted,
        best,
        command,
        hints: search.hints(trials),
        ended,
    })
}

impl SearchReport {
    /// Validation accuracy over each hyper-parameter, coloured by round; diverged trials below.
    #[must_use]
    pub fn picture(&self) -> Scatter {
        let panel = |Dimension { key, range }: &Dimension| {
            let place = |value: &Value| match (range, value) {
                (SearchRange::Choice(values), _) => values
                    .iter()
                    .position(|other| other == value)
                    .map(|at| at as f64),
                (_, Value::Integer(value)) => Some(*value as f64),
                (_, Value::Number(value)) => Some(*value),
                _ => None,
            };
            let point = |trial: &Trial| {
                Some(ScatterPoint {
                    x: place(trial.values.get(key)?)?,
                    y: trial.valid_top1,
                    group: (trial.round - 1) as usize,
                    tooltip: format!(
                        "round {} trial {}: {}",
                        trial.round, trial.trial, trial.values
                    ),
                })
            };
            let (unit, scale) = match range {
                SearchRange::Log(..) => (Unit::Number, Scale::Log),
                SearchRange::Uniform(..) => (Unit::Number, Scale::Fit),
                SearchRange::Int(..) | SearchRange::Choice(_) => (Unit::Whole, Scale::Fit),
            };
            Panel {
                x: Axis::new(key, unit).scale(scale),
                names: match range {
                    SearchRange::Choice(values) => values.iter().map(ToString::to_string).collect(),
                    _ => Vec::new(),
                },
                points: self.trials.iter().filter_map(point).collect(),
            }
        };
        Scatter {
            title: "Validation accuracy".into(),
            y: Axis::new("top-1", Unit::Fraction),
            groups: self
                .rounds
                .iter()
                .map(|round| match round.epochs {
                    1 => format!("round {}, 1 epoch", round.round),
                    epochs => format!("round {}, {epochs} epochs", round.round),
                })
                .collect(),
            panels: self.search.space.0.iter().map(panel).collect(),
        }
    }
}

fn trial_dir(out: &Path, round: u64, trial: u64) -> PathBuf {
    out.join("trials")
        .join(format!("round-{round}-trial-{trial:02}"))
}

/// A trial that is done goes on no more; what it saved to go on is the most of its directory.
fn drop_checkpoints(trial: &Path) {
    // What cannot be removed is in nobody's way.
    let _ = std::fs::remove_dir_all(trial.join("checkpoints"));
}
