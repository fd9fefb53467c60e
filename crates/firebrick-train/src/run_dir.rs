//! A run directory: locked by the kernel while in use, every file written whole or not at all.
//!
//! ```text
//! recipe.toml  metrics.csv  events.jsonl  run.json  report.html  model.safetensors
//! checkpoints/step-000001234/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use firebrick_core::run::EpochRow;
use serde_json::Value;

use crate::error::TrainError;

/// Tells the time of day: a program hands [`SystemTime::now`] in, a test what it likes.
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
        // The first checkpoint of a branch comes before its recipe; what has only that was cut off
        // before anything was trained.
        let begun = ["recipe.toml", "events.jsonl"].map(|name| path.join(name).exists());
        if let Some(first) = found.first().filter(|_| begun.contains(&true)) {
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
        let made = !path.exists();
        fs::create_dir_all(path.join("checkpoints")).map_err(|error| {
            TrainError::run_dir(path, format!("cannot make the run directory: {error}"))
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

    /// Takes an existing run directory.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] when it is none, is in use, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        if !path.join("recipe.toml").is_file() {
            let problem = if !checkpoint_dirs(path).is_empty() {
                "it has no recipe.toml: where a run was being branched off into this directory and was cut off, give that command again"
            } else if path.exists() {
                "not a run directory: it has no recipe.toml"
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

    /// Takes back what a start left that failed before its first checkpoint: the whole directory, or
    /// the files of a run in a directory that was there before. With a checkpoint, nothing happens.
    pub fn abandon(self) {
        if !self.checkpoints().is_empty() {
            return;
        }
        // What cannot be removed is in nobody's way.
        if self.made {
            let _ = fs::remove_dir_all(&self.path);
            return;
        }
        for name in ["recipe.toml", "events.jsonl", ".lock"] {
            let _ = fs::remove_file(self.path.join(name));
        }
        let _ = fs::remove_dir_all(self.path.join("checkpoints"));
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

    /// Gives a checkpoint a name under which nothing goes on from it and nothing prunes it; returns
    /// that name.
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

    /// Gives a checkpoint its name back that was being replaced by a newer one of the same step when
    /// the process was killed.
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
                    TrainError::run_dir(&checkpoint, format!("cannot be taken back: {error}"))
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

    /// Writes a file of the directory whole: to a temporary name, synced, then renamed.
    ///
    /// # Errors
    /// [`TrainError::RunDir`] naming the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        write_atomic(&path, bytes)
            .map_err(|error| TrainError::run_dir(path, format!("cannot write: {error}")))
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
const TEMPORARY: &str = ".tmp-";

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

/// Whether a directory holds a run that can be gone on with.
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

/// Writes a file whole or not at all.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
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
        assert!(in_use_while_held(&path));
        fs::create_dir(path.join("checkpoints/step-000000000")).unwrap();
        fs::write(path.join("recipe.toml"), "").unwrap();
        assert!(
            RunDir::create(&path)
                .unwrap_err()
                .to_string()
                .contains("--resume")
        );
    }

    fn in_use_while_held(path: &Path) -> bool {
        let held = RunDir::create(path).unwrap();
        let during = in_use(path);
        drop(held);
        during && !in_use(path) && !in_use(&path.join("nowhere"))
    }

    #[test]
    fn directories_are_numbered_in_order_and_an_abandoned_one_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let parent = temp.path().join("runs");
        let first = RunDir::create_next(&parent, "photos-lenet5").unwrap();
        let second = RunDir::create_next(&parent, "photos-lenet5").unwrap();
        assert_eq!(second.path(), parent.join("photos-lenet5-2"));
        first.write("recipe.toml", b"").unwrap();
        first.event(&serde_json::json!({})).unwrap();
        first.abandon();
        assert!(!parent.join("photos-lenet5-1").exists());
        // One with a checkpoint stays.
        fs::create_dir(second.path().join("checkpoints/step-000000000")).unwrap();
        second.abandon();
        assert!(parent.join("photos-lenet5-2").is_dir());
        // So do a directory that was there before, and what someone else put into it.
        let own = temp.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("notes.txt"), b"mine").unwrap();
        let run = RunDir::create(&own).unwrap();
        run.write("recipe.toml", b"").unwrap();
        run.abandon();
        let left: Vec<_> = fs::read_dir(&own).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].file_name(), "notes.txt");
    }

    #[test]
    fn events_have_the_time_that_the_clock_tells() {
        use std::time::{Duration, UNIX_EPOCH};
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run");
        let at = |clock: Option<Clock>| RunDir::create(&path).unwrap().with_clock(clock);
        let start = serde_json::json!({ "event": "start", "from": null });
        // 2000-02-29 12:34:56.789 UTC: a leap day in a year that 100 divides.
        let leap: Clock = || UNIX_EPOCH + Duration::from_millis(951_827_696_789);
        let first = at(Some(leap));
        assert_eq!(first.now().as_deref(), Some("2000-02-29T12:34:56Z"));
        first.event(&start).unwrap();
        drop(first);
        let later: Clock = || UNIX_EPOCH + Duration::from_secs(4_102_444_800);
        let second = at(Some(later));
        second
            .event(&serde_json::json!({ "event": "epoch" }))
            .unwrap();
        second.event(&start).unwrap();
        let events = path.join("events.jsonl");
        let text = fs::read_to_string(&events).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"time":"2000-02-29T12:34:56.789Z","event":"start","from":null}"#
        );
        assert!(
            lines[1].starts_with(r#"{"time":"2100-01-01T00:00:00.000Z""#),
            "{text}"
        );
        let sessions = Sessions {
            count: 2,
            began: Some("2000-02-29T12:34:56Z".into()),
        };
        assert_eq!(second.sessions(), sessions);
        // A torn line and one without a time take nothing away.
        fs::write(&events, text + "{\"event\":\"st").unwrap();
        assert_eq!(second.sessions(), sessions);
        drop(second);
        fs::remove_file(&events).unwrap();
        let timeless = at(None);
        timeless.event(&start).unwrap();
        assert_eq!(fs::read_to_string(&events).unwrap(), format!("{start}\n"));
        assert_eq!(
            (timeless.now(), timeless.sessions()),
            (
                None,
                Sessions {
                    count: 1,
                    began: None
                }
            )
        );
    }

    #[test]
    fn a_branch_cut_off_before_its_recipe_can_be_made_again() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run");
        drop(RunDir::create(&path).unwrap());
        fs::create_dir(path.join("checkpoints/step-000000007")).unwrap();
        let error = RunDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("give that command again"), "{error}");
        let run = RunDir::create(&path).unwrap();
        assert_eq!(run.checkpoints(), [] as [PathBuf; 0]);
        assert!(path.join("checkpoints/set-aside-step-000000007").is_dir());
        // Nothing is lost, however often.
        fs::create_dir(path.join("checkpoints/step-000000007")).unwrap();
        drop(run);
        RunDir::create(&path).unwrap();
        assert!(path.join("checkpoints/set-aside-step-000000007-2").is_dir());
    }

    #[test]
    fn checkpoints_are_in_the_order_of_their_updates_and_only_they() {
        let temp = tempfile::tempdir().unwrap();
        let run = RunDir::create(&temp.path().join("run")).unwrap();
        for name in [
            "step-1000000000",
            "step-999999999",
            "step-000000007",
            "step-",
            "step-+5",
            "step-7x",
            ".tmp-1",
        ] {
            fs::create_dir(run.path().join("checkpoints").join(name)).unwrap();
        }
        let steps: Vec<_> = run
            .checkpoints()
            .iter()
            .filter_map(|path| step_of(path))
            .collect();
        assert_eq!(steps, [7, 999_999_999, 1_000_000_000]);
        assert_eq!(run.checkpoints().len(), 3);
    }

    #[test]
    fn a_checkpoint_that_was_being_replaced_is_taken_back() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run");
        drop(RunDir::create(&path).unwrap());
        fs::write(path.join("recipe.toml"), "").unwrap();
        let checkpoints = path.join("checkpoints");
        for name in [
            ".tmp-old-step-000000005",
            ".tmp-old-step-000000006",
            "step-000000006",
        ] {
            fs::create_dir(checkpoints.join(name)).unwrap();
        }
        let run = RunDir::open(&path).unwrap();
        let names: Vec<_> = run
            .checkpoints()
            .iter()
            .filter_map(|path| step_of(path))
            .collect();
        assert_eq!(names, [5, 6]);
        assert!(!checkpoints.join(".tmp-old-step-000000005").exists());
        assert!(checkpoints.join(".tmp-old-step-000000006").exists());
    }

    #[test]
    fn what_crashes_left_behind_goes_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run");
        drop(RunDir::create(&path).unwrap());
        let sets = path.join("checkpoints");
        fs::write(path.join("recipe.toml"), "").unwrap();
        for ours in [".tmp-aB3dE9", "checkpoints/.tmp-x1y2z3/model.safetensors"] {
            fs::create_dir_all(path.join(ours).parent().unwrap()).unwrap();
            fs::write(path.join(ours), "half").unwrap();
        }
        let theirs = [".tmp-notes.txt", ".tmp-", "tmp-aB3dE9", "notes.tmp"];
        theirs
            .iter()
            .for_each(|name| fs::write(path.join(name), "").unwrap());

        let _held = RunDir::open(&path).unwrap();
        let names = |path: &Path| {
            let entries = fs::read_dir(path).unwrap().flatten();
            let mut names: Vec<_> = entries
                .map(|e| e.file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let mut kept = theirs.to_vec();
        kept.extend([".lock", "checkpoints", "recipe.toml"]);
        kept.sort_unstable();
        assert_eq!(names(&path), kept);
        assert_eq!(names(&sets), [] as [String; 0]);
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
