//! `cargo xtask faults`: makes every system call that changes the directory of a run fail, or kills the run at it.
//! Resumed, each run must produce the same model.
//!
//! A small run is traced once. Then, for each `rename`, `fsync`, `write`, `unlink`, `mkdir` and file
//! creation that it makes in its run directory, the run is made again and that one call fails with
//! `EIO` or `ENOSPC`, or the process is killed at it. What a run may do about a failed call: stop
//! with status 1 and a message, or go on where the call does not matter. Resumed, or begun again if
//! it had nothing to resume, it must leave the model and the metrics of the undisturbed run.
//!
//! The faults are injected by `strace`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

pub(crate) const USAGE: &str = "cargo xtask faults [--every N] [--binary FILE]     each Nth call alone; a firebrick built before";

/// The run: two epochs with a checkpoint after each of their four updates.
const TRAIN: [&str; 13] = [
    "train",
    "--dataset=glyphs(train=64, test=16)",
    "--valid-fraction=0.25",
    "--model=lenet5",
    "--epochs=2",
    "--batch-size=24",
    "--checkpoint-every=1",
    "--optimizer=adam",
    "--seed=5",
    "--workers=0",
    "--image-size=28",
    "--quiet",
    "--out=run",
];

/// What is disturbed, under the names that `strace` traces.
const CALLS: &str = "rename,renameat,renameat2,fsync,fdatasync,write,pwrite64,unlink,unlinkat,rmdir,mkdir,mkdirat,openat,ftruncate,fchmod";

/// What happens instead of a call, as `strace -e inject=CALL:…` says it.
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];

/// One call of the undisturbed run: its name, and its place among the main thread's calls of that name.
struct Call {
    name: String,
    place: usize,
    line: String,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut every, mut binary) = (1, None);
    for pair in arguments.chunks(2) {
        match pair {
            [flag, number] if flag == "--every" => {
                let number = number.parse::<usize>().ok().filter(|every| *every > 0);
                every = number.context("--every wants a number from 1")?;
            }
            [flag, file] if flag == "--binary" => binary = Some(std::path::absolute(file)?),
            _ => bail!("usage:\n{USAGE}"),
        }
    }
    ensure!(
        Command::new("strace").arg("-V").output().is_ok(),
        "strace is not installed; it injects the faults (Debian: apt-get install strace)"
    );
    let firebrick = binary.map_or_else(build, Ok)?;
    let scratch = std::path::absolute("target/faults")?;
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;

    let calls = trace(&firebrick, &scratch)?;
    let expected = left_by(&scratch.join("run"))?;
    println!("{} calls change the run directory", calls.len());
    let mut wrong = Vec::new();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls.iter().step_by(every) {
        for fault in FAULTS {
            let outcome = disturb(&firebrick, &scratch, call, fault, &expected);
            let outcome = outcome.unwrap_or_else(|problem| {
                let place = format!("{} {} {fault}", call.name, call.place);
                wrong.push(format!("{place}: {problem:#}\n    {}", call.line));
                "WRONG".into()
            });
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    for (outcome, count) in &outcomes {
        println!("{count:6}  {outcome}");
    }
    ensure!(
        wrong.is_empty(),
        "{} faults were not survived:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let survived: usize = outcomes.values().sum();
    println!("{survived} passed, 0 failed");
    Ok(())
}

fn build() -> Result<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked"])
        .status()?;
    ensure!(built.success(), "the command line does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(std::path::absolute(
        Path::new(&target).join("release/firebrick"),
    )?)
}

/// Makes the undisturbed run and lists its calls that name something in the run directory.
fn trace(firebrick: &Path, scratch: &Path) -> Result<Vec<Call>> {
    let log = scratch.join("trace");
    let output = Command::new("strace")
        // One file for each thread; the main thread does what concerns the run directory.
        .args(["-ff", "-y", "-s", "0", "-e"])
        .arg(format!("trace={CALLS}"))
        .arg("-o")
        .arg(&log)
        .arg(firebrick)
        .args(TRAIN)
        .current_dir(scratch)
        .output()?;
    ensure!(
        output.status.success(),
        "the undisturbed run: {}",
        said(&output)
    );
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(scratch)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(id) = name
            .strip_prefix("trace.")
            .and_then(|id| id.parse::<u64>().ok())
        {
            threads.push((id, entry.path()));
        }
    }
    let (_, main) = threads.iter().min().context("strace left no trace")?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    let directory = scratch.join("run").display().to_string();
    for line in std::fs::read_to_string(main)?.lines() {
        let Some((name, rest)) = line.split_once('(') else {
            continue;
        };
        let place = counts.entry(name.into()).or_default();
        *place += 1;
        let inside = rest.contains(&directory) || rest.contains("\"run");
        let changes = name != "openat" || rest.contains("O_CREAT");
        if inside && changes && !rest.contains("ENOENT") {
            calls.push(Call {
                name: name.into(),
                place: *place,
                line: line.into(),
            });
        }
    }
    ensure!(calls.len() > 50, "only {} calls were seen", calls.len());
    Ok(calls)
}

/// One disturbed run and what follows it; how it went, in a few words.
fn disturb(
    firebrick: &Path,
    scratch: &Path,
    call: &Call,
    fault: &str,
    expected: &(Vec<u8>, String),
) -> Result<String> {
    let run = scratch.join("run");
    let _ = std::fs::remove_dir_all(&run);
    let Call { name, place, .. } = call;
    let output = Command::new("strace")
        .args(["-f", "-o", "disturbed", "-e"])
        .arg(format!("trace={name}"))
        .arg("-e")
        .arg(format!("inject={name}:{fault}:when={place}"))
        .arg(firebrick)
        .args(TRAIN)
        .current_dir(scratch)
        .stdin(Stdio::null())
        .output()?;
    let message = said(&output);
    ensure!(
        !message.contains("this is a bug in firebrick"),
        "it broke down: {message}"
    );
    let first = match output.status.code() {
        Some(0) => "went on",
        Some(1) => {
            ensure!(message.contains("error: "), "no message: {message}");
            "stopped with a message"
        }
        None => "was killed",
        Some(other) => bail!("status {other}: {message}"),
    };
    // A fault that never came would prove nothing.
    if fault.starts_with("signal") {
        ensure!(first == "was killed", "the kill did not come: it {first}");
    } else {
        let log = std::fs::read_to_string(scratch.join("disturbed"))?;
        ensure!(log.contains("(INJECTED)"), "the call did not fail");
    }
    if first == "went on" && left_by(&run).ok().as_ref() == Some(expected) {
        return Ok(format!("{fault}: {first}"));
    }
    let resumed = Command::new(firebrick)
        .args(["train", "--quiet", "--resume=run"])
        .current_dir(scratch)
        .output()?;
    let second = if resumed.status.success() {
        "resumed"
    } else {
        // Nothing to resume yet: the message must say so, and the same command begins anew.
        let again = Command::new(firebrick)
            .args(TRAIN)
            .current_dir(scratch)
            .output()?;
        ensure!(
            again.status.success(),
            "neither to resume ({}) nor to begin again ({})",
            said(&resumed),
            said(&again)
        );
        "begun again"
    };
    let left = left_by(&run)?;
    ensure!(left.0 == expected.0, "{first}, {second}: another model");
    ensure!(
        left.1 == expected.1,
        "{first}, {second}: other metrics:\n{}\nin place of\n{}",
        left.1,
        expected.1
    );
    Ok(format!("{fault}: {first}, {second}"))
}

/// What a finished run leaves: its model file, and its metrics but for the columns of time.
fn left_by(run: &Path) -> Result<(Vec<u8>, String)> {
    let model = std::fs::read(run.join("model.safetensors")).context("no model file")?;
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).context("no metrics")?;
    let timeless = |line: &str| {
        let mut columns: Vec<_> = line.split(',').collect();
        columns.truncate(columns.len().saturating_sub(2));
        columns.join(",")
    };
    Ok((
        model,
        metrics.lines().map(timeless).collect::<Vec<_>>().join("\n"),
    ))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_string()
}
