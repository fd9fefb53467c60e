//! An experiment of many runs, which can be killed at any time and continued by the same command.
//!
//! ```text
//! recipe.toml      what the runs share
//! NAME/            a run
//! NAME.diverged    why a run has no end
//! NAME.json        a value that was worked out from runs
//! ```

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use firebrick::core::recipe::SETTINGS;
use firebrick::core::run::RunRecord;
use firebrick::prelude::*;
use firebrick::training::run_dir::write_whole;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// It was trained to its end.
    Finished(Box<RunRecord>),
    /// The loss or a gradient became NaN or infinite; the message.
    Diverged(String),
}

/// A directory of runs. A run that has ended is not trained again, and one that was interrupted goes on.
#[derive(Debug)]
pub struct Experiment {
    /// The directory.
    pub directory: PathBuf,
    /// What the runs share.
    pub recipe: Recipe,
}

impl Experiment {
    /// Begins an experiment, or goes on with it.
    ///
    /// # Errors
    /// A directory that cannot be written, or holds an experiment with other settings.
    pub fn begin(directory: impl Into<PathBuf>, recipe: Recipe) -> anyhow::Result<Self> {
        let directory = directory.into();
        let file = directory.join("recipe.toml");
        if file.is_file() {
            let begun = Recipe::read(&file)?.identity();
            let wanted = recipe.identity();
            let texts = |recipe: &Recipe| {
                let texts = SETTINGS
                    .iter()
                    .map(|row| row.value(recipe).text().unwrap_or("none".into()));
                texts.collect::<Vec<_>>()
            };
            let pairs = SETTINGS
                .iter()
                .zip(texts(&begun).into_iter().zip(texts(&wanted)));
            let others = pairs.filter(|(_, (begun, wanted))| begun != wanted);
            let others: Vec<String> = others
                .map(|(row, (begun, wanted))| format!("{} = {begun}, not {wanted}", row.key))
                .collect();
            if !others.is_empty() {
                bail!(
                    "{}: this experiment was begun with {}; give the same flags again, or another --out",
                    directory.display(),
                    others.join("; ")
                );
            }
        } else {
            std::fs::create_dir_all(&directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
            write_whole(&file, recipe.to_toml()?.as_bytes())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(Self { directory, recipe })
    }

    /// Opens an experiment to look at what it has found.
    ///
    /// # Errors
    /// A directory that holds none.
    pub fn read(directory: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let directory = directory.into();
        let recipe = Recipe::read(&directory.join("recipe.toml"))
            .with_context(|| format!("{} holds no experiment", directory.display()))?;
        Ok(Self { directory, recipe })
    }

    /// The directory of a run.
    pub fn run(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// How a run ended; `None` where it has not.
    ///
    /// # Errors
    /// A record that is damaged.
    pub fn ended(&self, name: &str) -> anyhow::Result<Option<End>> {
        if let Some(text) = read_if_there(&self.file(name, "diverged"))? {
            return Ok(Some(End::Diverged(text)));
        }
        let run = self.run(name);
        if !run.join("run.json").is_file() {
            return Ok(None);
        }
        let record = RunRecord::read(&run)?;
        // A run that was interrupted has a record as well, without this.
        let finished = record.test.is_some();
        Ok(finished.then(|| End::Finished(Box::new(record))))
    }

    /// Trains a run to its end, unless that was done before.
    ///
    /// # Errors
    /// What stops a run, except that it diverges.
    pub fn train<M: Classifier>(
        &self,
        name: &str,
        recipe: Recipe,
        sources: Sources<M>,
    ) -> anyhow::Result<End> {
        if let Some(end) = self.ended(name)? {
            return Ok(end);
        }
        let run = self.run(name);
        let start = if run.join("recipe.toml").is_file() {
            Start::Resume
        } else {
            Start::Fresh
        };
        let trained = firebrick::train(Job {
            start,
            notice: Box::new(|text| eprintln!("{name}: {text}")),
            ..Job::from_sources(recipe, sources, &run)
        });
        match trained {
            Ok(report) => {
                let right = report.test.map_or(0.0, |test| test.top1);
                let seconds = report.seconds;
                eprintln!("{name}: {:.2} % test in {seconds:.0} s", 100.0 * right);
            }
            Err(firebrick::Error::Train(error @ TrainError::NonFinite { .. })) => {
                eprintln!("{name}: {error}");
                self.write(name, "diverged", error.to_string().as_bytes())?;
            }
            Err(error) => return Err(error).with_context(|| name.to_string()),
        }
        let end = self.ended(name)?;
        let end = end.with_context(|| format!("{name}: the run has not reached its end"))?;
        // Nothing resumes from them any more, and there are many runs.
        let _ = std::fs::remove_dir_all(run.join("checkpoints"));
        Ok(end)
    }

    /// A value that was noted under a name; `None` where none was.
    ///
    /// # Errors
    /// A file that cannot be read as one.
    pub fn noted<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let file = self.file(name, "json");
        let text = read_if_there(&file)?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .with_context(|| format!("{} cannot be read; remove it", file.display()))
    }

    /// Notes a value under a name.
    ///
    /// # Errors
    /// A directory that cannot be written.
    pub fn note<T: Serialize>(&self, name: &str, value: &T) -> anyhow::Result<()> {
        self.write(name, "json", &serde_json::to_vec_pretty(value)?)
    }

    /// Seconds of training in all runs that were trained to their end, and their number.
    ///
    /// # Errors
    /// A record that is damaged.
    pub fn seconds(&self) -> anyhow::Result<(f64, usize)> {
        let (mut seconds, mut runs) = (0.0, 0);
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(End::Finished(record)) = self.ended(&name)? {
                seconds += record.epochs.iter().map(|row| row.seconds).sum::<f64>();
                runs += 1;
            }
        }
        Ok((seconds, runs))
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{name}.{extension}"))
    }

    fn write(&self, name: &str, extension: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let file = self.file(name, extension);
        write_whole(&file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The text of a file; `None` where there is none.
fn read_if_there(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}
