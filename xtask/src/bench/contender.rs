//! The programs that a benchmark compares, each in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::photos::Photos;
use super::who::{PEERS, Who};

/// Someone who runs a case, and on how many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Contender {
    pub(super) who: Who,
    pub(super) threads: usize,
}

impl Contender {
    pub(super) fn label(self) -> String {
        format!("{} ({} threads)", self.who.label(), self.threads)
    }
}

/// Where the programs are.
pub(super) struct Programs {
    worker: PathBuf,
    before: Option<PathBuf>,
    python: String,
    /// `bench`, with the programs in Python.
    folder: PathBuf,
}

/// How many threads a contender has is said in each of these.
const THREADS: [&str; 5] = [
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
];

/// Large blocks are kept by the process instead of going back to the system: what PyTorch and
/// the libraries for images run best with.
const TUNED_MALLOC: [(&str, &str); 2] = [
    ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
    ("MALLOC_TRIM_THRESHOLD_", "8589934592"),
];

impl Programs {
    /// Builds the worker, unless there is one. Python is `$FIREBRICK_BENCH_PYTHON`, else `python3`.
    pub(super) fn build(worker: Option<PathBuf>, before: Option<PathBuf>) -> Result<Self> {
        let worker = match worker {
            Some(worker) => worker,
            None => build_worker()?,
        };
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        Ok(Self {
            worker,
            before,
            python: std::env::var("FIREBRICK_BENCH_PYTHON").unwrap_or_else(|_| "python3".into()),
            folder: PathBuf::from(root).join("bench"),
        })
    }

    fn command(&self, contender: Contender) -> Command {
        let before = contender.who == Who::Before;
        let worker = self.before.as_ref().filter(|_| before);
        let rust = |who| {
            let mut command = Command::new(worker.unwrap_or(&self.worker));
            command.arg(who);
            command
        };
        let python = |who| self.script("peer.py", &[who]);
        let augment = |who| self.script("peer_augment.py", &[who]);
        let mut command = match contender.who {
            Who::Ours | Who::Before | Who::Fma | Who::Triad => rust("ours"),
            Who::Flex => rust("flex"),
            Who::Torch => python("torch"),
            Who::Tuned => python("tuned"),
            Who::Onnx => python("onnx"),
            Who::Torchvision => augment("torchvision"),
            Who::Pillow => augment("pillow"),
            Who::Albumentations => augment("albumentations"),
            Who::OpenCv => augment("opencv"),
        };
        for (name, _) in TUNED_MALLOC {
            command.env_remove(name);
        }
        if contender.who == Who::Tuned || PEERS.contains(&contender.who) {
            command.envs(TUNED_MALLOC);
        }
        let threads = contender.threads.to_string();
        for name in THREADS {
            command.env(name, &threads);
        }
        command
    }

    fn script(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.folder.join(script)).args(arguments);
        command.envs([
            ("PYTHONWARNINGS", "ignore"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]);
        command
    }

    /// Writes photos as JPEGs, with Pillow.
    pub(super) fn write_photos(&self, folder: &Path, photos: Photos) -> Result<()> {
        let [side, count] = [photos.side, photos.count].map(|number| number.to_string());
        let mut command = self.script("peer_augment.py", &["photos"]);
        let status = command.arg(folder).args([side, count]).status();
        let status = status.with_context(|| format!("cannot start {}", self.python))?;
        if !status.success() {
            bail!("bench/peer_augment.py cannot write JPEGs: {status}");
        }
        Ok(())
    }
}

/// The path of the worker, newly built.
fn build_worker() -> Result<PathBuf> {
    eprintln!("building the worker; the first release build takes minutes …");
    let build = [
        "build",
        "--release",
        "--locked",
        "--package=firebrick-bench",
        "--message-format=json-render-diagnostics",
    ];
    let output = Command::new(env!("CARGO"))
        .args(build)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed", build.join(" "));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| Some(message["executable"].as_str()?.into()))
        .context("cargo names no executable")
}

/// A contender that waits for commands.
pub(super) struct Process {
    child: Child,
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start(contender: Contender, programs: &Programs) -> Result<Self> {
        let mut command = programs.command(contender);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", contender.label()))?;
        let commands = child.stdin.take();
        let replies = child.stdout.take().context("no pipe")?;
        Ok(Self {
            child,
            commands,
            replies: BufReader::new(replies),
        })
    }

    /// Sends a command and waits for the reply; one that died says so as any reason why a case is
    /// missing.
    pub(super) fn ask(&mut self, command: &Value) -> Result<Value> {
        let ended = || json!({ "missing": "the process ended" });
        let Some(commands) = &mut self.commands else {
            return Ok(ended());
        };
        let mut line = String::new();
        let sent = writeln!(commands, "{command}").and_then(|()| commands.flush());
        if sent.is_err() || self.replies.read_line(&mut line).unwrap_or(0) == 0 {
            self.commands = None;
            return Ok(ended());
        }
        serde_json::from_str(&line).with_context(|| format!("not a reply: {line}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A closed pipe ends it.
        self.commands = None;
        let _ = self.child.wait();
    }
}
