//! A run directory: locked by the kernel while in use, every file written whole or not at all.
//!
//! ```text
//! recipe.toml  metrics.csv  events.jsonl  run.json  report.html  model.safetensors
//! checkpoints/step-000001234/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use firebrick_core::run::EpochRow;

use crate::error::TrainError;

/// A run directory that this process holds.
///
/// The lock lies on an open file, so the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Makes a new run directory, or takes an existing one that holds no checkpoint.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it holds checkpoints, is in use, or cannot be written.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        let found = checkpoint_dirs(path);
        if let Some(first) = found.first() {
            let name = first
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let problem = format!(
                "this directory already holds a run (checkpoint {name}); go on with --resume {0}, or choose another --out",
                path.display()
            );
            return Err(TrainError::run_dir(path, problem));
        }
        fs::create_dir_all(path.join("checkpoints")).map_err(|error| {
            TrainError::run_dir(path, format!("cannot make the run directory: {error}"))
        })?;
        Self::lock(path)
    }

    /// Takes an existing run directory.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it is none, is in use, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        if !path.join("recipe.toml").is_file() {
            let problem = if path.exists() {
                "not a run directory: it has no recipe.toml"
            } else {
                "no such run directory"
            };
            return Err(TrainError::run_dir(path, problem));
        }
        fs::create_dir_all(path.join("checkpoints")).map_err(|error| {
            TrainError::run_dir(path, format!("cannot write the run directory: {error}"))
        })?;
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, TrainError> {
        Ok(Self {
            path: path.into(),
            _lock: hold(path)?,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its checkpoint directories, oldest first, sound or not.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<PathBuf> {
        checkpoint_dirs(&self.path)
    }

    /// Writes a file of the directory whole: to a temporary name, synced, then renamed.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] naming the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        write_atomic(&path, bytes)
            .map_err(|error| TrainError::run_dir(path, format!("cannot write: {error}")))
    }

    /// Appends one line to `events.jsonl`.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it cannot be written.
    pub fn event(&self, event: &serde_json::Value) -> Result<(), TrainError> {
        let path = self.path.join("events.jsonl");
        let file = File::options().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(format!("{event}\n").as_bytes()))
            .map_err(|error| TrainError::run_dir(path, format!("cannot write: {error}")))
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
    Ok(lock)
}

/// Whether a directory holds a run that can be gone on with.
#[must_use]
pub fn holds_checkpoints(path: &Path) -> bool {
    !checkpoint_dirs(path).is_empty()
}

/// The checkpoint directories of a run directory, oldest first.
pub(crate) fn checkpoint_dirs(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("step-"))
        })
        .collect();
    found.sort();
    found
}

/// Writes a file whole or not at all.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
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
mod tests {
    use super::*;

    #[test]
    fn a_run_directory_is_held_by_one() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run");
        let held = RunDir::create(&path).unwrap();
        let error = RunDir::create(&path).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
        drop(held);
        let held = RunDir::create(&path).unwrap();
        drop(held);
        assert!(
            RunDir::open(&path)
                .unwrap_err()
                .to_string()
                .contains("no recipe.toml")
        );
        fs::create_dir(path.join("checkpoints/step-000000000")).unwrap();
        assert!(
            RunDir::create(&path)
                .unwrap_err()
                .to_string()
                .contains("--resume")
        );
    }

    #[test]
    fn files_are_replaced_whole() {
        let temp = tempfile::tempdir().unwrap();
        let run = RunDir::create(&temp.path().join("run")).unwrap();
        run.write("recipe.toml", b"a = 1").unwrap();
        run.write("recipe.toml", b"a = 2").unwrap();
        assert_eq!(fs::read(run.path().join("recipe.toml")).unwrap(), b"a = 2");
        let left = fs::read_dir(run.path())
            .unwrap()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with(".tmp"))
            .count();
        assert_eq!(left, 0);
    }
}
