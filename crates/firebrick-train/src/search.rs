//! Random search for hyper-parameters, from coarse to fine.
//!
//! Every trial draws its values from the space at random, not on a grid: of many hyper-parameters
//! few matter, and every trial tries another value of those (Bergstra and Bengio 2012, "Random Search
//! for Hyper-Parameter Optimization"). Rounds go from coarse to fine: the first trains few epochs on
//! the whole space; each later one trains twice as long, in a range around the best trial so far
//! whose width is a fixed share of the one before, in the logarithm where the range has one.
//!
//! [`Search`] says what to try next; it trains nothing. What it says depends on the seed and on the
//! results of earlier rounds, so a search that was cut short goes on to the same trials.

mod space;

pub use space::{Dimension, End, Point, SearchRange, Space};

use std::cmp::Ordering;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use firebrick_core::ConfigError;
use firebrick_core::error::check;
use firebrick_core::spec::Value;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::run_dir::{checkpoint_dirs, hold, write_whole};

/// A search on paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// What is searched.
    pub space: Space,
    /// Trials in each round.
    pub trials: u64,
    /// Rounds.
    pub rounds: u64,
    /// The width of a round's ranges as a share of those of the round before, in (0, 1].
    pub shrink: f64,
    /// Epochs of a trial of the first round; they double from round to round.
    pub epochs_first: u64,
    /// The most epochs of a trial.
    pub epochs: u64,
    /// Seed of the draws.
    pub seed: u64,
}

/// A trial that is to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct NextTrial {
    /// Its round, from 1.
    pub round: u64,
    /// Its number within the round, from 1.
    pub trial: u64,
    /// Epochs to train.
    pub epochs: u64,
    /// Its values.
    pub values: Point,
}

/// A trial that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its round, from 1.
    pub round: u64,
    /// Its number within the round, from 1.
    pub trial: u64,
    /// Epochs it was trained.
    pub epochs: u64,
    /// Its values.
    pub values: Point,
    /// Validation accuracy, a fraction; none where it diverged.
    pub valid_top1: Option<f64>,
    /// Validation loss; none where it diverged or is not finite.
    pub valid_loss: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
    /// How it diverged, if it did.
    pub diverged: Option<String>,
}

impl Trial {
    /// The better trial is the lesser: by accuracy, then by loss; diverged ones come last.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let accuracy = |trial: &Self| trial.valid_top1.unwrap_or(-1.0);
        let loss = |trial: &Self| trial.valid_loss.unwrap_or(f64::INFINITY);
        accuracy(other)
            .total_cmp(&accuracy(self))
            .then(loss(self).total_cmp(&loss(other)))
    }
}

/// The best of some trials, the first of equals; none where all diverged.
#[must_use]
pub fn best(trials: &[Trial]) -> Option<&Trial> {
    let finished = trials.iter().filter(|trial| trial.valid_top1.is_some());
    finished.min_by(|a, b| a.order(b))
}

impl Search {
    /// Checks every number.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field and its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        check("search", "trials", self.trials, 1..=10_000)?;
        check("search", "rounds", self.rounds, 1..=100)?;
        check("search", "epochs_first", self.epochs_first, 1..)?;
        check("search", "epochs", self.epochs, 1..)?;
        if self.shrink.is_nan() || self.shrink <= 0.0 || self.shrink > 1.0 {
            let shrink = self.shrink;
            return Err(ConfigError::out_of_range(
                "search",
                "shrink",
                shrink,
                "in (0, 1]",
            ));
        }
        if self.space.0.is_empty() {
            return Err(ConfigError::Conflict("the search space is empty".into()));
        }
        Ok(())
    }

    /// Epochs of the trials of a round (from 1).
    #[must_use]
    pub fn epochs_of(&self, round: u64) -> u64 {
        let doublings = u32::try_from(round.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2u64.checked_pow(doublings).unwrap_or(u64::MAX);
        self.epochs_first.saturating_mul(factor).min(self.epochs)
    }

    /// The space of a round, given the trials of the rounds before; the whole one while no trial
    /// has succeeded.
    #[must_use]
    pub fn space_of(&self, round: u64, done: &[Trial]) -> Space {
        let mut before: Vec<&Trial> = done
            .iter()
            .filter(|trial| trial.round < round && trial.valid_top1.is_some())
            .collect();
        before.sort_by(|a, b| a.order(b));
        let Some(best) = before.first() else {
            return self.space.clone();
        };
        let share = self.shrink.powf(round.saturating_sub(1) as f64);
        let dimensions = self.space.0.iter().map(|Dimension { key, range }| {
            let ranked: Vec<Value> = before
                .iter()
                .filter_map(|trial| trial.values.get(key).cloned())
                .collect();
            let range = match best.values.get(key) {
                Some(centre) => range.narrowed(centre, share, &ranked),
                None => range.clone(),
            };
            let key = key.clone();
            Dimension { key, range }
        });
        Space(dimensions.collect())
    }

    /// What to try after the trials `done`, which are in order; nothing when all are done.
    #[must_use]
    pub fn next(&self, done: &[Trial]) -> Option<NextTrial> {
        let count = done.len() as u64;
        let (round, trial) = (count / self.trials + 1, count % self.trials + 1);
        (round <= self.rounds).then(|| NextTrial {
            round,
            trial,
            epochs: self.epochs_of(round),
            values: self.space_of(round, done).draw(self.seed, round, trial),
        })
    }

    /// Where the best value lies at the edge of its range: the best of all may lie beyond.
    #[must_use]
    pub fn hints(&self, done: &[Trial]) -> Vec<String> {
        let Some(best) = best(done) else {
            return Vec::new();
        };
        let hint = |Dimension { key, range }: &Dimension| {
            let value = best.values.get(key)?;
            let (end, way) = match range.edge(value)? {
                End::Low => ("lower", "down"),
                End::High => ("upper", "up"),
            };
            Some(format!(
                "the best {key} = {value} lies at the {end} end of {range}, so better values may lie outside; extend the range {way}wards"
            ))
        };
        self.space.0.iter().filter_map(hint).collect()
    }
}

impl Point {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }
}

/// What `search.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The search.
    pub search: Search,
    /// The recipe that the trials vary, TOML.
    pub recipe: String,
    /// The trials that are done, in order.
    pub trials: Vec<Trial>,
}

/// The directory of a search, held by this process.
#[derive(Debug)]
pub struct SearchDir {
    path: PathBuf,
    _lock: File,
}

impl SearchDir {
    /// Makes the directory, or takes one that holds the same search; gives the record to go on from.
    ///
    /// The same is the same space, recipe, seed and rounds so far: there may be more rounds now.
    ///
    /// # Errors
    /// [`TrainError::Config`] when it holds another search, [`TrainError::RunDir`] when it holds a
    /// run, is in use, or cannot be read or written.
    pub fn open(path: &Path, search: &Search, recipe: &str) -> Result<(Self, Record), TrainError> {
        fs::create_dir_all(path).map_err(|error| {
            TrainError::run_dir(path, format!("cannot make the search directory: {error}"))
        })?;
        let file = path.join("search.json");
        let new = Record {
            search: search.clone(),
            recipe: recipe.into(),
            trials: Vec::new(),
        };
        if !file.exists()
            && (path.join("recipe.toml").exists() || !checkpoint_dirs(path).is_empty())
        {
            let problem = "this directory already holds a run; choose another --out";
            return Err(TrainError::run_dir(path, problem));
        }
        let dir = Self {
            path: path.into(),
            _lock: hold(path)?,
        };
        let record = match fs::read(&file) {
            Ok(bytes) => {
                let old: Record = serde_json::from_slice(&bytes).map_err(|error| {
                    TrainError::run_dir(
                        &file,
                        format!("this is not the record of a search: {error}"),
                    )
                })?;
                if let Some(what) = difference(&old, &new) {
                    let path = path.display();
                    return Err(ConfigError::Conflict(format!(
                        "{path} holds another search: {what}; repeat the command with the same settings to continue it, or choose another --out"
                    ))
                    .into());
                }
                Record {
                    trials: old.trials,
                    ..new
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new,
            Err(error) => {
                return Err(TrainError::run_dir(&file, format!("cannot read: {error}")));
            }
        };
        Ok((dir, record))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the directory whole or not at all.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] naming the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        write_whole(&path, bytes)
            .map_err(|error| TrainError::run_dir(path, format!("cannot write: {error}")))
    }

    /// Writes `search.json`.
    ///
    /// # Errors
    /// [`TrainError::RunDir`].
    pub fn save(&self, record: &Record) -> Result<(), TrainError> {
        let text = serde_json::to_string_pretty(record).map_err(|error| {
            TrainError::run_dir(&self.path, format!("the search cannot be written: {error}"))
        })?;
        self.write("search.json", (text + "\n").as_bytes())
    }
}

/// In what a record differs from the search that is asked for.
fn difference(old: &Record, new: &Record) -> Option<String> {
    let Search {
        space,
        trials,
        shrink,
        epochs_first,
        epochs,
        seed,
        ..
    } = &new.search;
    let told = |what: &str, old: String, new: String| {
        (old != new).then(|| format!("its {what} is {old}, not {new}"))
    };
    let was = &old.search;
    told("space", was.space.to_string(), space.to_string())
        .or(told("seed", was.seed.to_string(), seed.to_string()))
        .or(told(
            "number of trials",
            was.trials.to_string(),
            trials.to_string(),
        ))
        .or(told("shrink", was.shrink.to_string(), shrink.to_string()))
        .or(told(
            "epochs-first",
            was.epochs_first.to_string(),
            epochs_first.to_string(),
        ))
        .or(told("epochs", was.epochs.to_string(), epochs.to_string()))
        .or_else(|| {
            let mut lines = old
                .recipe
                .lines()
                .filter(|line| !new.recipe.lines().any(|other| other == *line));
            let first = lines.next();
            (old.recipe != new.recipe).then(|| match first {
                Some(line) => format!("its recipe says {line}"),
                None => "its recipe lacks a setting that is given now".into(),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(space: &str) -> Search {
        Search {
            space: space.parse().unwrap(),
            trials: 3,
            rounds: 3,
            shrink: 0.5,
            epochs_first: 1,
            epochs: 3,
            seed: 1,
        }
    }

    /// A trial whose accuracy is best at lr = 0.01.
    fn run(planned: NextTrial) -> Trial {
        let Some(Value::Number(lr)) = planned.values.get("lr").cloned() else {
            panic!("no lr")
        };
        let far = (lr.log10() + 2.0).abs();
        Trial {
            round: planned.round,
            trial: planned.trial,
            epochs: planned.epochs,
            values: planned.values,
            valid_top1: (far < 1.9).then_some(1.0 - far / 4.0),
            valid_loss: Some(far),
            seconds: 0.0,
            diverged: None,
        }
    }

    fn all(search: &Search) -> Vec<Trial> {
        let mut done = Vec::new();
        while let Some(planned) = search.next(&done) {
            done.push(run(planned));
        }
        done
    }

    #[test]
    fn rounds_train_longer_in_narrower_ranges_around_the_best() {
        let search = search("lr=log(1e-4, 1)");
        let done = all(&search);
        let numbers: Vec<_> = done.iter().map(|t| (t.round, t.trial, t.epochs)).collect();
        let expected: Vec<_> = [(1, 1), (2, 2), (3, 3)]
            .into_iter()
            .flat_map(|(round, epochs)| (1..=3).map(move |trial| (round, trial, epochs)))
            .collect();
        assert_eq!(numbers, expected);
        let mut widest = f64::INFINITY;
        for round in 1..=3 {
            let space = search.space_of(round, &done);
            let SearchRange::Log(low, high) = space.0[0].range else {
                panic!("{space}")
            };
            let width = (high / low).ln();
            assert!(width < widest);
            widest = width * 0.51 / 0.5;
            for trial in done.iter().filter(|trial| trial.round == round) {
                let Some(Value::Number(lr)) = trial.values.get("lr") else {
                    panic!()
                };
                assert!((low..=high).contains(lr), "{lr} is outside {space}");
            }
            let before: Vec<Trial> = done.iter().filter(|t| t.round < round).cloned().collect();
            if let Some(Value::Number(lr)) = best(&before).and_then(|best| best.values.get("lr")) {
                assert!((low..=high).contains(lr));
                let inner = low > 1.001e-4 && high < 0.999;
                assert!(
                    !inner || ((low * high).sqrt() / lr - 1.0).abs() < 1e-2,
                    "{space} {lr}"
                );
            }
        }
        let first = best(&done[..3]).unwrap().valid_top1;
        assert!(best(&done).unwrap().valid_top1 >= first);
    }

    #[test]
    fn a_search_cut_short_goes_on_to_the_same_trials() {
        let search = search("lr=log(1e-4, 1), x=choice(a, b, c)");
        let whole = all(&search);
        for cut in 0..whole.len() {
            let record = serde_json::to_string(&whole[..cut]).unwrap();
            let done: Vec<Trial> = serde_json::from_str(&record).unwrap();
            assert_eq!(search.next(&done).map(run).as_ref(), whole.get(cut));
        }
        let longer = Search {
            rounds: 5,
            ..search
        };
        assert_eq!(
            all(&longer)[..9],
            whole[..],
            "more rounds change none before"
        );
    }

    #[test]
    fn diverged_trials_come_last_and_narrow_nothing() {
        let search = search("lr=log(1e-4, 1)");
        let mut done = all(&search);
        done.truncate(3);
        for trial in &mut done {
            trial.valid_top1 = None;
        }
        assert!(best(&done).is_none());
        assert_eq!(search.space_of(2, &done), search.space);
        done[1].valid_top1 = Some(0.1);
        assert_eq!(best(&done), Some(&done[1]));
        let mut sorted = done.clone();
        sorted.sort_by(Trial::order);
        assert_eq!(sorted[0], done[1]);
        // Equal accuracy: the loss decides.
        done[2].valid_top1 = Some(0.1);
        done[2].valid_loss = Some(1e-9);
        assert_eq!(best(&done), Some(&done[2]));
    }

    #[test]
    fn a_best_value_at_the_edge_is_told() {
        let search = search("lr=log(1e-6, 0.011)");
        let trial = |lr: f64| Trial {
            values: Point(vec![("lr".into(), Value::Number(lr))]),
            valid_top1: Some(lr),
            ..run(search.next(&[]).unwrap())
        };
        let hints = search.hints(&[trial(0.001), trial(0.01)]);
        assert_eq!(hints.len(), 1);
        assert!(
            hints[0].contains("lr = 0.01 lies at the upper end of log(1e-6, 0.011)"),
            "{hints:?}"
        );
        assert!(search.hints(&[trial(0.001)]).is_empty());
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = search("lr=log(1e-4, 1)");
        assert!(good.check().is_ok());
        for (bad, needle) in [
            (
                Search {
                    trials: 0,
                    ..good.clone()
                },
                "search: trials = 0",
            ),
            (
                Search {
                    rounds: 0,
                    ..good.clone()
                },
                "search: rounds = 0",
            ),
            (
                Search {
                    shrink: 1.5,
                    ..good.clone()
                },
                "search: shrink = 1.5",
            ),
            (
                Search {
                    shrink: f64::NAN,
                    ..good.clone()
                },
                "shrink = NaN",
            ),
            (
                Search {
                    epochs_first: 0,
                    ..good.clone()
                },
                "epochs_first = 0",
            ),
        ] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        assert_eq!(
            Search {
                epochs: u64::MAX,
                ..good
            }
            .epochs_of(100),
            u64::MAX
        );
    }

    #[test]
    fn a_directory_holds_one_search() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("s");
        let search = search("lr=log(1e-4, 1)");
        let (dir, mut record) = SearchDir::open(&path, &search, "a = 1\nb = 2\n").unwrap();
        record.trials.push(run(search.next(&[]).unwrap()));
        dir.save(&record).unwrap();
        let held = SearchDir::open(&path, &search, "").unwrap_err().to_string();
        assert!(held.contains("another process"), "{held}");
        drop(dir);
        let refused = |search: &Search, recipe: &str, needle: &str| {
            let error = SearchDir::open(&path, search, recipe)
                .unwrap_err()
                .to_string();
            assert!(error.contains(needle), "{error}");
        };
        let same = "a = 1\nb = 2\n";
        refused(
            &Search {
                seed: 2,
                ..search.clone()
            },
            same,
            "its seed is 1, not 2",
        );
        refused(&search, "a = 1\nb = 3\n", "its recipe says b = 2");
        let space = "lr=log(1e-3, 1)".parse().unwrap();
        refused(
            &Search {
                space,
                ..search.clone()
            },
            same,
            "its space is lr=log(0.0001, 1.0)",
        );
        let longer = Search {
            rounds: 9,
            ..search.clone()
        };
        let (dir, again) = SearchDir::open(&path, &longer, same).unwrap();
        assert_eq!((again.trials, again.search.rounds), (record.trials, 9));
        drop(dir);
        fs::write(path.join("search.json"), "{").unwrap();
        refused(&search, same, "not the record of a search");
        fs::remove_file(path.join("search.json")).unwrap();
        fs::write(path.join("recipe.toml"), "").unwrap();
        refused(&search, same, "already holds a run");
    }
}
