//! Runs that are killed, interrupted, or met by a second process.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Ran, SMALL, firebrick, model, run};

fn start(directory: &Path, arguments: &str) -> Child {
    firebrick(directory)
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The newest finished checkpoint's name.
fn newest(run: &Path) -> Option<String> {
    let entries = fs::read_dir(run.join("checkpoints")).ok()?.flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("step-"))
        .max()
}

/// Waits until a checkpoint newer than `old` is there.
fn wait_for_newer(child: &mut Child, run: &Path, old: Option<&String>) {
    let begun = Instant::now();
    while newest(run).as_ref() <= old {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "no checkpoint in two minutes"
        );
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_model() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let whole = run(at, &format!("{SMALL} --epochs 4 --out whole --quiet"));
    assert_eq!(whole.status, 0, "{}", whole.stderr);
    let mut arguments = format!("{SMALL} --epochs 4 --out cut --checkpoint-every 1 --quiet");
    let mut kills = 0;
    for workers in [0, 1, 3, 0, 2, 1] {
        let before = newest(&at.join("cut"));
        let mut child = start(at, &format!("{arguments} --workers {workers}"));
        wait_for_newer(&mut child, &at.join("cut"), before.as_ref());
        // SIGKILL: nothing can be tidied up.
        let _ = child.kill();
        kills += usize::from(child.wait().unwrap().code().is_none());
        arguments = "train --resume cut --checkpoint-every 1 --quiet".into();
    }
    assert!(kills >= 3, "only {kills} runs were alive to be killed");
    let last = run(at, "train --resume cut --quiet");
    assert_eq!(last.status, 0, "{}", last.stderr);
    assert_eq!(model(at, "cut"), model(at, "whole"));
}

#[test]
fn ctrl_c_finishes_the_step_and_says_how_to_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let mut child = start(
        at,
        &format!("{SMALL} --out run --epochs 40 --checkpoint-every 1"),
    );
    wait_for_newer(
        &mut child,
        &at.join("run"),
        Some(&"step-000000001".to_string()),
    );
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("go on with: firebrick train --resume run"),
        "{}",
        ran.stderr
    );
    let stopped = newest(&at.join("run")).unwrap();
    assert!(
        run(
            at,
            &format!(
                "train --resume run --max-updates {}",
                stopped[5..].trim_start_matches('0').parse::<u64>().unwrap() + 1
            )
        )
        .status
            == 0
    );
}

#[test]
fn two_processes_do_not_share_a_run() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let mut child = start(at, &format!("{SMALL} --out run --epochs 40"));
    wait_for_newer(&mut child, &at.join("run"), None);
    for arguments in [
        "train --resume run".to_string(),
        format!("{SMALL} --out run"),
    ] {
        let second = run(at, &arguments);
        assert_eq!(second.status, 1);
        assert!(
            second.stderr.contains("another process")
                || second.stderr.contains("already holds a run"),
            "{}",
            second.stderr
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        run(at, "train --resume run --max-updates 1 --quiet").status,
        0,
        "the kernel let go of the lock"
    );
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_over() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    run(at, &format!("{SMALL} --out whole --quiet"));
    fs::create_dir(at.join("cut")).unwrap();
    fs::copy(at.join("whole/recipe.toml"), at.join("cut/recipe.toml")).unwrap();
    assert_eq!(run(at, "train --resume cut --quiet").status, 0);
    assert_eq!(model(at, "cut"), model(at, "whole"));
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_used() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    run(at, &format!("{SMALL} --out whole --quiet"));
    run(
        at,
        &format!("{SMALL} --out cut --quiet --max-updates 9 --checkpoint-every 3"),
    );
    let last = at
        .join("cut/checkpoints")
        .join(newest(&at.join("cut")).unwrap())
        .join("model.safetensors");
    let mut bytes = fs::read(&last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&last, bytes).unwrap();
    let resumed = run(at, "train --resume cut");
    assert_eq!(resumed.status, 0, "{}", resumed.stderr);
    assert!(
        resumed.stderr.contains("step-000000009")
            && resumed.stderr.contains("model.safetensors is damaged"),
        "{}",
        resumed.stderr
    );
    assert_eq!(model(at, "cut"), model(at, "whole"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let temp = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_firebrick");
    for arguments in ["models describe resnet110", "datasets list", "devices"] {
        let script =
            format!("{binary} {arguments} < /dev/null | head -n 1; exit ${{PIPESTATUS[0]}}");
        let ran: Ran = Command::new("bash")
            .args(["-c", &script])
            .current_dir(temp.path())
            .env("XDG_RUNTIME_DIR", temp.path())
            .output()
            .unwrap()
            .into();
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments}");
        assert_eq!(ran.stdout.lines().count(), 1);
    }
    let script = format!(
        "{binary} {SMALL} --out run <&- 2>&1 | head -n 1",
        SMALL = SMALL
            .replace('|', "\\|")
            .replace('(', "\\(")
            .replace(')', "\\)")
    );
    let ran: Ran = Command::new("bash")
        .args(["-c", &script])
        .current_dir(temp.path())
        .env("XDG_RUNTIME_DIR", temp.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        temp.path().join("run/model.safetensors").is_file(),
        "training went on without a reader"
    );
}
