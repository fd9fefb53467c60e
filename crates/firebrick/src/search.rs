//! A hyper-parameter search from start to end: it trains and records one trial after another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrick_core::recipe::{Recipe, Setting};
use firebrick_core::setting::{Family, Specs};
use firebrick_core::spec::{Spec, Value};
use firebrick_core::{Classifier, ConfigError};
use firebrick_optim::rates::{self, is_rate, optimizer_has_rate, schedule_has_rate};
use firebrick_report::{Axis, Panel, Scale, Scatter, ScatterPoint, Unit};
use firebrick_train::search::{
    Dimension, NextTrial, Point, Record, Search, SearchDir, SearchRange, Trial,
};
use firebrick_train::{Clock, Hook, TrainError, search};
use firebrick_zoo::Model;
use serde::Serialize;

use crate::train::run;
use crate::{Error, Job, Session, Sources, Start};

/// What runs beside the loop of one trial.
pub type Hooks<M = Model> = Vec<Box<dyn Hook<M>>>;

/// Makes the hooks of a trial.
pub type MakeHooks<'a, M = Model> = dyn FnMut(&NextTrial) -> Hooks<M> + 'a;

/// Everything about a search that is not on its paper. `M` is the type of the model.
pub struct SearchJob<'a, M = Model> {
    /// What the trials vary.
    pub recipe: Recipe,
    /// Where the images and the models come from.
    pub sources: Sources<M>,
    /// The search.
    pub search: Search,
    /// The directory of the search: `search.json`, `best.toml` and a run directory for each trial.
    pub out: PathBuf,
    /// Makes the hooks that run beside the loop of a trial.
    pub hooks: Box<MakeHooks<'a, M>>,
    /// Told of every trial that is done.
    pub finished: Box<dyn FnMut(&Trial) + 'a>,
    /// Set from outside to end after the current step.
    pub interrupted: Arc<AtomicBool>,
    /// Told what a person should know while it runs.
    pub notice: Box<dyn FnMut(&str) + 'a>,
    /// Tells the time of day; see [`Job::clock`].
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

/// What a search found. As JSON it is what `firebrick search --json` prints.
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

/// The recipe of a trial: the values of a point over those of a recipe. A rate in the point takes
/// the place of those in the recipe.
///
/// # Errors
/// [`ConfigError`] naming the key or value that does not fit.
pub fn at(recipe: &Recipe, point: &Point) -> Result<Recipe, ConfigError> {
    let mut recipe = recipe.clone();
    let is_rate = |(key, value): &(String, Value)| match (key.as_str(), value) {
        ("optimizer", Value::Spec(spec)) => optimizer_has_rate(spec),
        ("schedule", Value::Spec(spec)) => schedule_has_rate(spec),
        (key, _) => Ok(is_rate(key)),
    };
    let rates: Result<Vec<bool>, ConfigError> = point.0.iter().map(is_rate).collect();
    if rates?.contains(&true) {
        rates::clear(&mut recipe)?;
    }
    // A whole spec before its arguments.
    let mut values: Vec<&(String, Value)> = point.0.iter().collect();
    values.sort_by_key(|(key, _)| key.matches('.').count());
    for (key, value) in values {
        if let Some(why) = Setting::find(key).and_then(|setting| setting.about.fixed) {
            let text = format!("search space: `{key}` cannot be searched: {why}");
            return Err(ConfigError::Conflict(text));
        }
        name_arguments(&mut recipe, key)?;
        recipe.set(key, value)?;
    }
    Ok(recipe)
}

/// Turns positional arguments of the spec that `key` lies in into named ones.
fn name_arguments(recipe: &mut Recipe, key: &str) -> Result<(), ConfigError> {
    let Some((name, path)) = key.split_once('.') else {
        return Ok(());
    };
    let Some(setting) = Setting::find(name) else {
        return Ok(());
    };
    let spec = match setting.value_mut(recipe).specs() {
        Some(Specs::One(spec)) => Some(spec),
        Some(Specs::Steps(steps)) => {
            let step = path.split('.').next().unwrap_or_default();
            steps.iter_mut().find(|spec| spec.name == step)
        }
        None => None,
    };
    let (Some(spec), Some(family)) = (spec, setting.about.family) else {
        return Ok(());
    };
    let fields = arguments(family, spec)?;
    // Too many arguments are named when the unit is built.
    if spec.positional.len() <= fields.len() {
        let positional = std::mem::take(&mut spec.positional);
        let given = std::mem::take(&mut spec.named);
        spec.named = fields.into_iter().zip(positional).chain(given).collect();
    }
    Ok(())
}

/// The names of the arguments that the unit of a family takes, in order.
fn arguments(family: Family, spec: &Spec) -> Result<Vec<String>, ConfigError> {
    let fields = match family {
        Family::Models => match firebrick_zoo::REGISTRY.find(spec) {
            Ok(entry) => entry.fields,
            // What a model of one's own calls its arguments is not known here.
            Err(_) => return Ok(Vec::new()),
        },
        Family::Optimizers => firebrick_optim::optimizer::REGISTRY.find(spec)?.fields,
        Family::Schedules => firebrick_optim::schedule::REGISTRY.find(spec)?.fields,
        Family::Augmentations => firebrick_regularize::augment::REGISTRY.find(spec)?.fields,
        Family::Losses => firebrick_core::loss::REGISTRY.find(spec)?.fields,
        Family::Mixes => firebrick_regularize::mix::REGISTRY.find(spec)?.fields,
        Family::Penalties => firebrick_regularize::penalty::REGISTRY.find(spec)?.fields,
        Family::Samplers => firebrick_datasets::sampler::REGISTRY.find(spec)?.fields,
        Family::Datasets | Family::Normalizations | Family::Monitors => return Ok(Vec::new()),
    };
    Ok(fields().into_iter().map(|(name, _)| name).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe_at(recipe: &Recipe, space: &str) -> Result<Recipe, ConfigError> {
        let space: search::Space = space.parse()?;
        let first = |Dimension { key, range }: &Dimension| (key.clone(), range.corners().remove(0));
        at(recipe, &Point(space.0.iter().map(first).collect()))
    }

    #[test]
    fn values_go_over_the_recipe_and_rates_take_the_place_of_rates() {
        let recipe = Recipe {
            optimizer: "sgd(0.1, 0.9)".parse().unwrap(),
            schedule: "warmup(1ep, then=one_cycle(max_lr=0.2))".parse().unwrap(),
            augment: "pad_crop(4) | hflip".parse().unwrap(),
            lr: Some(0.1),
            ..Recipe::default()
        };
        let space = "optimizer.momentum=uniform(0.5, 0.9), lr=log(1e-3, 1), augment.pad_crop.size=int(1, 4), batch_size=choice(16)";
        let trial = recipe_at(&recipe, space).unwrap();
        assert_eq!(trial.optimizer.to_string(), "sgd(momentum=0.5)");
        assert_eq!(
            trial.schedule.to_string(),
            "warmup(steps=1ep, then=one_cycle)"
        );
        assert_eq!(trial.augment.to_string(), "pad_crop(size=1) | hflip");
        assert_eq!((trial.lr, trial.batch_size), (Some(1e-3), 16));
        // The rate of `linear` is called `from`.
        let line = Recipe {
            schedule: "linear(from=0.2, to=0)".parse().unwrap(),
            ..recipe.clone()
        };
        let trial = recipe_at(&line, "schedule.from=log(1e-3, 1)").unwrap();
        assert_eq!(
            (
                trial.optimizer.to_string(),
                trial.schedule.to_string(),
                trial.lr
            ),
            (
                "sgd(momentum=0.9)".into(),
                "linear(to=0, from=0.001)".into(),
                None
            )
        );
        let kept = recipe_at(&recipe, "optimizer.momentum=uniform(0.5, 0.9)").unwrap();
        assert_eq!(kept.optimizer.to_string(), "sgd(lr=0.1, momentum=0.5)");
        assert_eq!(kept.lr, Some(0.1));
        let whole = "optimizer.momentum=choice(0.3), optimizer=choice(sgd(lr=0.5))";
        let whole = recipe_at(&recipe, whole).unwrap();
        assert_eq!(whole.optimizer.to_string(), "sgd(lr=0.5, momentum=0.3)");
        assert_eq!(whole.lr, None);
        for (space, needle) in [
            (
                "epochs=int(1, 5)",
                "`epochs` cannot be searched: rounds set it",
            ),
            ("momentum=uniform(0, 1)", "recipe has no key `momentum`"),
            ("optimizer=choice(sgdd)", "did you mean `sgd`?"),
        ] {
            let error = recipe_at(&recipe, space).unwrap_err().to_string();
            assert!(error.contains(needle), "{space}: {error}");
        }
    }
}
