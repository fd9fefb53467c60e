//! Summaries of the runs in a directory: data and model, progress and scores.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use firebrick_core::data::DataError;
use firebrick_core::run::{EpochRow, Scores};
use firebrick_core::{Recipe, json_number};
use firebrick_train::progress::Best;
use firebrick_train::run_dir::{holds_checkpoints, in_use};
use firebrick_train::{Checkpoint, Monitor};
use serde::{Deserialize, Serialize};

use crate::{BestEpoch, Error};

/// What state a run is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process is training in its directory.
    Running,
    /// It ended by itself: all epochs, an early stop, or a hook.
    Done,
    /// It ended before that and can be resumed.
    Resumable,
    /// It has no checkpoint: resuming it starts it over.
    NotBegun,
    /// Its recipe cannot be read.
    Damaged,
}

/// A summary of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run directory.
    pub run_dir: String,
    /// The data set's spec; none when the recipe cannot be read.
    pub dataset: Option<String>,
    /// The model's spec; none when the recipe cannot be read.
    pub model: Option<String>,
    /// Epochs finished.
    pub epochs: u64,
    /// Epochs of the whole run; none when the recipe cannot be read.
    pub of_epochs: Option<u64>,
    /// The best epoch so far.
    pub best: Option<BestEpoch>,
    /// Scores on the test split, if the run has ended.
    pub test: Option<Scores>,
    /// What state it is in.
    pub state: RunState,
    /// When a file of the run was last written.
    #[serde(skip)]
    pub changed: Option<SystemTime>,
}

/// What is read of `run.json`.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    epochs: Vec<EpochRow>,
    #[serde(default, with = "json_number")]
    best: Option<(u64, f64)>,
    test: Option<Scores>,
}

impl Record {
    /// The best epoch, as a checkpoint describes it.
    fn best(&self) -> Option<Best> {
        let (epoch, value) = self.best?;
        let row = self.epochs.iter().find(|row| row.epoch == epoch);
        Some(Best {
            epoch,
            step: row.map_or(0, |row| row.step),
            value,
        })
    }
}

/// The runs directly below `directory`, the one written last first; `directory` itself when it is one.
///
/// # Errors
/// [`Error::Data`] when the directory cannot be read.
pub fn runs(directory: &Path) -> Result<Vec<RunSummary>, Error> {
    if is_run(directory) {
        return Ok(vec![summary(directory)]);
    }
    if !directory.is_dir() {
        let text = format!("{}: there is no such directory", directory.display());
        return Err(DataError::Invalid(text).into());
    }
    let failed = |error| DataError::io(directory, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_run(&path) {
            found.push(summary(&path));
        }
    }
    found.sort_by(|a, b| (b.changed, &a.run_dir).cmp(&(a.changed, &b.run_dir)));
    Ok(found)
}

fn is_run(path: &Path) -> bool {
    path.join("recipe.toml").is_file()
}

pub(crate) fn summary(path: &Path) -> RunSummary {
    let recipe = Recipe::read(&path.join("recipe.toml")).ok();
    let progress = Checkpoint::glance(path);
    let record = fs::read(path.join("run.json")).ok();
    let record: Option<Record> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let none: &[EpochRow] = &[];
    // A trial of a search has no checkpoints any more, only its record.
    let (rows, best, epochs) = match (&progress, &record) {
        (Some(progress), _) => (progress.rows.as_slice(), progress.best, progress.epoch),
        (None, Some(record)) => (
            record.epochs.as_slice(),
            record.best(),
            record.epochs.len() as u64,
        ),
        (None, None) => (none, None, 0),
    };
    let monitor = recipe
        .as_ref()
        .and_then(|recipe| Monitor::from_name(&recipe.monitor).ok());
    let validated = rows.last().is_none_or(|row| row.valid.is_some());
    let monitor = monitor.map(|monitor| {
        if validated {
            monitor
        } else {
            monitor.without_validation()
        }
    });
    let ended = last_end(path);
    let state = if recipe.is_none() {
        RunState::Damaged
    } else if in_use(path) {
        RunState::Running
    } else if matches!(ended.as_deref(), Some("finished" | "early_stop" | "hook")) {
        RunState::Done
    } else if holds_checkpoints(path) {
        RunState::Resumable
    } else {
        RunState::NotBegun
    };
    RunSummary {
        run_dir: path.display().to_string(),
        dataset: recipe.as_ref().map(|recipe| recipe.dataset.clone()),
        model: recipe.as_ref().map(|recipe| recipe.model.to_string()),
        epochs,
        of_epochs: recipe.as_ref().map(|recipe| recipe.epochs),
        best: best.zip(monitor).map(|(best, monitor)| BestEpoch {
            epoch: best.epoch,
            step: best.step,
            metric: monitor.name(),
            value: best.value,
        }),
        // The record of a run that was resumed since is out of date.
        test: record
            .filter(|_| ended.is_some() && state != RunState::Running)
            .and_then(|record| record.test),
        state,
        changed: changed(path),
    }
}

/// How the last session of a run ended; none when it was killed or is not over.
fn last_end(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(path.join("events.jsonl")).ok()?).into_owned();
    let events = text.lines().rev().filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        let name = event["event"].as_str()?.to_string();
        Some((name, event["ended"].as_str().map(ToString::to_string)))
    });
    let mut bounds = events.filter(|(name, _)| name == "start" || name == "end");
    bounds.next().and_then(|(_, ended)| ended)
}

fn changed(path: &Path) -> Option<SystemTime> {
    let files = [
        "checkpoints",
        "events.jsonl",
        "metrics.csv",
        "recipe.toml",
        "run.json",
    ];
    let times = files.map(|name| fs::metadata(path.join(name)).and_then(|file| file.modified()));
    times.into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Job, train};

    fn one(path: &Path) -> RunSummary {
        runs(path).unwrap().remove(0)
    }

    #[test]
    fn a_run_is_resumable_until_it_is_done() {
        let temp = tempfile::tempdir().unwrap();
        let run = temp.path().join("run");
        let recipe = Recipe {
            dataset: "glyphs(train=72, test=36)".into(),
            model: "lenet5".parse().unwrap(),
            epochs: 2,
            batch_size: 36,
            max_updates: Some(3),
            ..Recipe::default()
        };
        train(Job::new(recipe.clone(), &run)).unwrap();
        let part = one(&run);
        assert_eq!(
            (part.state, part.epochs, part.of_epochs),
            (RunState::Resumable, 1, Some(2))
        );
        assert_eq!(part.dataset.as_deref(), Some("glyphs(train=72, test=36)"));
        let whole = Job {
            start: crate::Start::Resume,
            ..Job::new(
                Recipe {
                    max_updates: None,
                    ..Recipe::read(&run.join("recipe.toml")).unwrap()
                },
                &run,
            )
        };
        let report = train(whole).unwrap();
        let done = one(temp.path());
        assert_eq!((done.state, done.epochs), (RunState::Done, 2));
        assert_eq!((done.test, done.best), (report.test, report.best));
        // A session that was killed leaves no end.
        let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
        fs::write(
            run.join("events.jsonl"),
            events + "{\"event\":\"start\"}\n{\"ev",
        )
        .unwrap();
        let killed = one(&run);
        assert_eq!((killed.state, killed.test), (RunState::Resumable, None));
        fs::remove_dir_all(run.join("checkpoints")).unwrap();
        let bare = one(&run);
        assert_eq!((bare.state, bare.epochs), (RunState::NotBegun, 2));
        fs::write(run.join("recipe.toml"), "epochs = [").unwrap();
        assert_eq!(one(temp.path()).state, RunState::Damaged);
    }

    #[test]
    fn a_run_without_checkpoints_is_read_from_its_record() {
        let temp = tempfile::tempdir().unwrap();
        let run = temp.path().join("trial");
        fs::create_dir(&run).unwrap();
        fs::write(run.join("recipe.toml"), "epochs = 2").unwrap();
        let row = |epoch: u64| {
            let step = 5 * epoch;
            format!(
                r#"{{"epoch": {epoch}, "step": {step}, "lr": 0.1, "train_loss": "NaN", "train_top1": "NaN",
                "valid": null, "seconds": 1.0, "images_per_second": 2.0}}"#
            )
        };
        let (first, second) = (row(1), row(2));
        let record =
            format!(r#"{{"epochs": [{first}, {second}], "best": [1, "NaN"], "test": null}}"#);
        fs::write(run.join("run.json"), record).unwrap();
        let trial = one(&run);
        let best = trial.best.unwrap();
        assert_eq!((trial.epochs, best.epoch, best.step), (2, 1, 5));
        assert_eq!(best.metric, "train_top1", "nothing was validated");
        assert!(best.value.is_nan());
    }

    #[test]
    fn the_newest_comes_first_and_what_is_no_run_is_left_out() {
        let temp = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        for (name, hours) in [("old", 1), ("new", 3), ("middle", 2)] {
            let run = temp.path().join(name);
            fs::create_dir(&run).unwrap();
            fs::write(run.join("recipe.toml"), "epochs = 7").unwrap();
            let file = fs::File::options()
                .append(true)
                .open(run.join("recipe.toml"))
                .unwrap();
            file.set_modified(long_ago + std::time::Duration::from_secs(3600 * hours))
                .unwrap();
        }
        fs::create_dir(temp.path().join("other")).unwrap();
        fs::write(temp.path().join("notes.txt"), "").unwrap();
        let found = runs(temp.path()).unwrap();
        let at = |name: &str| temp.path().join(name).display().to_string();
        let names: Vec<_> = found.into_iter().map(|run| run.run_dir).collect();
        assert_eq!(names, [at("new"), at("middle"), at("old")]);
        assert!(runs(&temp.path().join("nowhere")).is_err());
    }
}
