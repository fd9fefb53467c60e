//! A run directory: locked by the kernel while in use, every file written whole or not at all.
//!
//! ```text
//! recipe.toml  metrics.csv  events.jsonl  run.json  report.html  model.safetensors  data.sha256
//! checkpoints/step-000001234/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use firebrick_core::run::EpochRow;
use serde_json::Value;

use crate::error::TrainError;

/// The time of day: a program passes [`SystemTime::now`], a test any function.
pub type Clock = fn() -> SystemTime;

/// A run directory that this process holds.
///
/// The lock lies on an open file, so the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    clock: Option<Clock>,
    /// Whether this process made the directory.
    made: bool,
    /// The files that this process put into it and that were not there before.
    new: Mutex<BTreeSet<String>>,
    _lock: File,
}

/// What `events.jsonl` knows of a run's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// How many there were, the present one included.
    pub count: usize,
    /// When the first one began, in UTC as RFC 3339, if the time was known.
    pub began: Option<String>,
}

impl RunDir {
    /// Makes a new run directory, or takes an existing one in which no run has begun.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it holds a run, is in use, or cannot be written.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        let found = checkpoint_dirs(path);
        // A branch writes its first checkpoint before its recipe: a directory with only that was
        // interrupted before anything was trained.
        let begun = ["recipe.toml", "events.jsonl"].map(|name| path.join(name).exists());
        if let Some(first) = found.first().filter(|_| begun.contains(&true)) {
            let name = first
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let problem = format!(
                "this directory already holds a run (checkpoint {name}); continue it with --resume {0}, or choose another --out",
                path.display()
            );
            return Err(TrainError::run_dir(path, problem));
        }
        let made = !path.exists();
        fs::create_dir_all(path.join("checkpoints")).map_err(|error| {
            TrainError::run_dir(
                path,
                format!("cannot make the run directory: {error}; choose another with --out"),
            )
        })?;
        let run = Self::lock(path, made)?;
        for checkpoint in found {
            run.set_aside(&checkpoint)?;
        }
        Ok(run)
    }

    /// Makes the next free one of `parent/name-1`, `parent/name-2`, ….
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it cannot be made.
    pub fn create_next(parent: &Path, name: &str) -> Result<Self, TrainError> {
        let path = next_free(parent, name)?;
        let run = Self::create(&path)?;
        Ok(Self { made: true, ..run })
    }

    /// Takes an existing run directory: one that [`Self::create`] made. Whether a recipe lies in it is
    /// for [`check_recipe`] to say.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it is none, is in use, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let begun = ["checkpoints", "recipe.toml"].map(|name| path.join(name).exists());
        if !begun.contains(&true) {
            let problem = if path.exists() {
                "not a run directory: it has neither checkpoints nor a recipe.toml"
            } else {
                "no such run directory"
            };
            return Err(TrainError::run_dir(path, problem));
        }
        fs::create_dir_all(path.join("checkpoints")).map_err(|error| {
            TrainError::run_dir(path, format!("cannot write the run directory: {error}"))
        })?;
        let run = Self::lock(path, false)?;
        run.take_back_replaced()?;
        Ok(run)
    }

    fn lock(path: &Path, made: bool) -> Result<Self, TrainError> {
        Ok(Self {
            path: path.into(),
            clock: None,
            made,
            new: Mutex::default(),
            _lock: hold(path)?,
        })
    }

    /// The same directory, with a clock that gives every event its time; without one, events have none.
    #[must_use]
    pub fn with_clock(self, clock: Option<Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The time in UTC as RFC 3339, to the second; `None` without a clock.
    #[must_use]
    pub fn now(&self) -> Option<String> {
        let now = self.clock?();
        Some(humantime::format_rfc3339_seconds(now).to_string())
    }

    /// Removes what a start that failed before its first checkpoint has written: the whole directory, or
    /// only the run's files in a directory that was there before. A run with a checkpoint stays.
    pub fn abandon(self) {
        if !self.checkpoints().is_empty() {
            return;
        }
        // The error that ended the start is the one to report.
        if self.made {
            let _ = fs::remove_dir_all(&self.path);
            return;
        }
        let new = self.new.into_inner().unwrap_or_default();
        for name in new.iter().map(String::as_str).chain([".lock"]) {
            let _ = fs::remove_file(self.path.join(name));
        }
        let _ = fs::remove_dir_all(self.path.join("checkpoints"));
    }

    /// Remembers a file that is about to be written.
    fn remember(&self, name: &str) {
        if !self.path.join(name).exists()
            && let Ok(mut new) = self.new.lock()
        {
            new.insert(name.into());
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint directory after `step` updates, there or not.
    pub(crate) fn checkpoint(&self, step: u64) -> PathBuf {
        self.path
            .join("checkpoints")
            .join(format!("{CHECKPOINT}{step:09}"))
    }

    /// Renames a checkpoint so that no run resumes from it and no pruning removes it; returns the new
    /// name.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it cannot be renamed.
    pub(crate) fn set_aside(&self, checkpoint: &Path) -> Result<String, TrainError> {
        let name = checkpoint.file_name().unwrap_or_default().to_string_lossy();
        let parent = self.path.join("checkpoints");
        let mut free = format!("set-aside-{name}");
        for number in 2.. {
            if !parent.join(&free).exists() {
                break;
            }
            free = format!("set-aside-{name}-{number}");
        }
        fs::rename(checkpoint, parent.join(&free)).map_err(|error| {
            TrainError::run_dir(checkpoint, format!("cannot be renamed to {free}: {error}"))
        })?;
        Ok(free)
    }

    /// Restores the name of a checkpoint that was being replaced by another of the same step when the
    /// process was killed.
    fn take_back_replaced(&self) -> Result<(), TrainError> {
        let parent = self.path.join("checkpoints");
        for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(step) = name.strip_prefix(REPLACED).and_then(step_in) else {
                continue;
            };
            let checkpoint = self.checkpoint(step);
            if !checkpoint.exists() {
                fs::rename(entry.path(), &checkpoint).map_err(|error| {
                    TrainError::run_dir(&checkpoint, format!("cannot be removed again: {error}"))
                })?;
            }
        }
        Ok(())
    }

    /// Its checkpoint directories, oldest first, sound or not.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<PathBuf> {
        checkpoint_dirs(&self.path)
    }

    /// Writes a file of the directory whole: to a temporary name, synced, then renamed. Directories in its name,
    /// as in `members/snapshot-1.safetensors`, are made.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] naming the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        self.remember(name);
        let path = self.path.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| write_whole(&path, bytes))
            .map_err(|error| TrainError::run_dir(path, format!("cannot write: {error}")))
    }

    /// Removes a file of the directory, if it is there.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] naming the file.
    pub fn remove(&self, name: &str) -> Result<(), TrainError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::run_dir(
                path,
                format!("cannot be removed: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Appends one line to `events.jsonl`, beginning with its time where there is a clock: `time`, in
    /// UTC as RFC 3339, to the millisecond.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it cannot be written.
    pub fn event(&self, event: &Value) -> Result<(), TrainError> {
        let mut event = event.clone();
        if let (Some(clock), Value::Object(fields)) = (self.clock, &mut event) {
            let time = humantime::format_rfc3339_millis(clock()).to_string();
            fields.shift_insert(0, "time".into(), time.into());
        }
        self.remember("events.jsonl");
        let path = self.path.join("events.jsonl");
        let file = File::options().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(format!("{event}\n").as_bytes()))
            .map_err(|error| TrainError::run_dir(path, format!("cannot write: {error}")))
    }

    /// The run's sessions, from the `start` events of `events.jsonl`; lines that are damaged are passed over.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        let bytes = fs::read(self.path.join("events.jsonl")).unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n');
        let events = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let mut sessions = Sessions::default();
        for event in events.filter(|event| event["event"] == "start") {
            if sessions.count == 0 {
                // To the second, as the end is told.
                let time = event["time"]
                    .as_str()
                    .and_then(|time| humantime::parse_rfc3339(time).ok());
                sessions.began =
                    time.map(|time| humantime::format_rfc3339_seconds(time).to_string());
            }
            sessions.count += 1;
        }
        sessions
    }

    /// Writes `metrics.csv`: one line for each epoch.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it cannot be written.
    pub fn metrics(&self, rows: &[EpochRow]) -> Result<(), TrainError> {
        let mut text = "epoch,step,lr,train_loss,train_top1,valid_loss,valid_top1,valid_top5,valid_nll,valid_ece,valid_brier,seconds,images_per_second\n".to_string();
        for row in rows {
            let valid = row.valid.as_ref().map_or_else(
                || ",".repeat(5),
                |v| {
                    format!(
                        "{},{},{},{},{},{}",
                        v.loss, v.top1, v.top5, v.nll, v.ece, v.brier
                    )
                },
            );
            text += &format!(
                "{},{},{},{},{},{valid},{:.3},{:.1}\n",
                row.epoch,
                row.step,
                row.lr,
                row.train_loss,
                row.train_top1,
                row.seconds,
                row.images_per_second
            );
        }
        self.write("metrics.csv", text.as_bytes())
    }
}

/// Makes the next free one of the directories `parent/name-1`, `parent/name-2`, …, at once, so that
/// two processes do not meet.
///
/// # Errors
/// [`TrainError::RunDir`] when it cannot be made.
pub fn next_free(parent: &Path, name: &str) -> Result<PathBuf, TrainError> {
    let failed = |path: &Path, error: std::io::Error| {
        let problem = format!("cannot make the run directory: {error}; choose another with --out");
        TrainError::run_dir(path, problem)
    };
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    let mut number = 1_u64;
    loop {
        let path = parent.join(format!("{name}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    }
}

/// Whether a process is training in a directory right now.
#[must_use]
pub fn in_use(path: &Path) -> bool {
    let lock = File::open(path.join(".lock"));
    lock.is_ok_and(|lock| {
        let held = lock.try_lock_shared();
        matches!(held, Err(fs::TryLockError::WouldBlock))
    })
}

/// Whether a run has begun in a directory, so that it has a recipe.
///
/// # Errors
/// [`TrainError::RunDir`] with what is there instead.
pub fn check_recipe(path: &Path) -> Result<(), TrainError> {
    let problem = if path.join("recipe.toml").is_file() {
        return Ok(());
    } else if !checkpoint_dirs(path).is_empty() {
        "it has no recipe.toml: if branching a run into this directory was interrupted, repeat that command"
    } else if path.exists() {
        "not a run directory: it has no recipe.toml"
    } else {
        "there is no such run directory; `firebrick runs` lists your runs"
    };
    Err(TrainError::run_dir(path, problem))
}

/// Takes hold of a directory, until the file is dropped or the process ends.
pub(crate) fn hold(path: &Path) -> Result<File, TrainError> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(".lock"));
    let lock = lock.map_err(|error| {
        TrainError::run_dir(path, format!("cannot write the run directory: {error}"))
    })?;
    lock.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => TrainError::run_dir(path, "another process is training in this run directory; wait for it or choose another --out"),
        fs::TryLockError::Error(error) => TrainError::run_dir(path, format!("cannot lock the run directory: {error}")),
    })?;
    // No one else writes here now.
    clear_temporary(path);
    Ok(lock)
}

/// What stands before the name of a file that is being written.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Removes what a killed process was writing in a run directory. What looks otherwise than our own
/// temporary files is left alone.
fn clear_temporary(run: &Path) {
    for folder in [run.to_path_buf(), run.join("checkpoints")] {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str() else { continue };
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let ours = name.strip_prefix(TEMPORARY).is_some_and(|rest| {
                rest.len() == 6 && rest.chars().all(|c| c.is_ascii_alphanumeric())
            });
            // Nothing can be done where this fails, and nothing is lost.
            let _ = match (ours, kind.is_dir(), kind.is_file()) {
                (true, true, _) => fs::remove_dir_all(&path),
                (true, _, true) => fs::remove_file(&path),
                _ => Ok(()),
            };
        }
    }
}

/// Whether a directory holds a run that can be resumed.
#[must_use]
pub fn holds_checkpoints(path: &Path) -> bool {
    !checkpoint_dirs(path).is_empty()
}

/// What the name of a checkpoint directory begins with; the number of updates follows.
const CHECKPOINT: &str = "step-";
/// What comes before the name of a checkpoint that is being replaced.
pub(crate) const REPLACED: &str = ".tmp-old-";

/// The number of updates in the name of a checkpoint directory.
fn step_in(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(CHECKPOINT)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The number of updates of a checkpoint directory.
pub(crate) fn step_of(checkpoint: &Path) -> Option<u64> {
    step_in(checkpoint.file_name()?.to_str()?)
}

/// The checkpoint directories of a run directory, oldest first.
pub(crate) fn checkpoint_dirs(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter_map(|path| Some((step_of(&path)?, path)))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Writes a file whole or not at all: to a temporary name beside it, synced, then renamed.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A bare file name has an empty parent.
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    // Temporary files are private; what is kept should be as readable as any other file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    sync_dir(parent)
}

/// Makes a rename in `dir` survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
