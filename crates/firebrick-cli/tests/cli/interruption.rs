//! Runs that are killed, interrupted, or used by a second process at the same time.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{
    Ran, SMALL, bash, fails, metrics, model, newest, run, signal, start, succeeds, trained,
    wait_for_newer,
};

/// The checkpoint after the first update.
const FIRST: &str = "step-000000001";

fn begin(directory: &Path, arguments: &str) -> Child {
    start(directory, &arguments.split(' ').collect::<Vec<_>>())
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_model() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let whole = run(at, &format!("{SMALL} --epochs 4 --out whole --quiet"));
    succeeds(&whole);
    let mut arguments = format!("{SMALL} --epochs 4 --out cut --checkpoint-every 1 --quiet");
    let mut kills = 0;
    for workers in [0, 1, 3, 0, 2, 1] {
        let before = newest(&at.join("cut"));
        let mut child = begin(at, &format!("{arguments} --workers {workers}"));
        wait_for_newer(&mut child, &at.join("cut"), before.as_deref());
        // SIGKILL: nothing can be tidied up.
        let _ = child.kill();
        kills += usize::from(child.wait().unwrap().code().is_none());
        arguments = "train --resume cut --checkpoint-every 1 --quiet".into();
    }
    assert!(kills >= 3, "only {kills} runs were alive to be killed");
    let last = run(at, "train --resume cut --quiet");
    succeeds(&last);
    assert_eq!(model(at, "cut"), model(at, "whole"));
}

#[test]
fn ctrl_c_finishes_the_step_and_says_how_to_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let mut child = begin(
        at,
        &format!("{SMALL} --out run --epochs 40 --checkpoint-every 1"),
    );
    wait_for_newer(&mut child, &at.join("run"), Some(FIRST));
    signal(&child, "INT");
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    let command = format!(
        "continue with: {} train --resume run",
        env!("CARGO_BIN_EXE_firebrick")
    );
    assert!(ran.stderr.contains(&command), "{}", ran.stderr);
    let stopped = newest(&at.join("run")).unwrap();
    let updates = stopped["step-".len()..].parse::<u64>().unwrap() + 1;
    succeeds(&run(
        at,
        &format!("train --resume run --max-updates {updates}"),
    ));
}

/// Trains on little and validates on much: 25 updates in an epoch, then 1800 images.
const LONG_VALIDATION: &str = "train --dataset glyphs(train=2000,test=20) --model lenet5(dropout=0.1) --valid-fraction 0.9 --epochs 2 --batch-size 8 --quiet";

#[test]
fn an_epoch_is_saved_before_its_validation_which_signals_end() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let whole = run(at, &format!("{LONG_VALIDATION} --out whole"));
    succeeds(&whole);
    for name in ["KILL", "INT", "TERM"] {
        let out = format!("cut-{name}");
        let mut child = begin(at, &format!("{LONG_VALIDATION} --out {out}"));
        // The updates of the first epoch are made, and nothing says what came of them yet.
        wait_for_newer(&mut child, &at.join(&out), Some("step-000000024"));
        let validates = !at.join(&out).join("metrics.csv").exists();
        signal(&child, name);
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert!(validates, "{name}: the validation was over too soon");
        if name != "KILL" {
            assert_eq!(ran.status, 130, "{name}: {}", ran.stderr);
        }
        assert!(!at.join(&out).join("metrics.csv").exists(), "{name} waited");
        assert_eq!(newest(&at.join(&out)).unwrap(), "step-000000025");
        let resumed = run(at, &format!("train --resume {out} --json --quiet"));
        assert_eq!(resumed.json()["resumed_from"], "step 25");
        assert_eq!(metrics(at, &out), metrics(at, "whole"));
        assert_eq!(model(at, &out), model(at, "whole"), "{name}");
    }
}

#[test]
fn an_early_stopped_run_stays_stopped() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let small = SMALL.replace("--epochs 2", "--epochs 30");
    // The rate is so low that no accuracy changes.
    let ran = run(
        at,
        &format!("{small} --out run --early-stop 2 --lr 1e-12 --json --quiet"),
    );
    let first = ran.json();
    assert_eq!(first["ended"], "early_stop");
    let (whole, rows) = (model(at, "run"), metrics(at, "run"));
    // Killed after the last checkpoint, before the model was written.
    fs::remove_file(at.join("run/model.safetensors")).unwrap();
    for _ in 0..2 {
        let again = run(at, "train --resume run --json --quiet").json();
        for key in ["steps", "epochs", "ended", "best", "valid", "test"] {
            assert_eq!(again[key], first[key], "{key}");
        }
        assert_eq!(
            (model(at, "run"), metrics(at, "run")),
            (whole.clone(), rows.clone())
        );
    }
}

#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    for (ignored, sent) in [
        ("HUP", "HUP"),
        ("INT", "INT"),
        ("HUP", "TERM"),
        ("INT", "HUP"),
    ] {
        let out = format!("{ignored}-{sent}");
        let quoted: Vec<_> = SMALL.split(' ').map(|word| format!("'{word}'")).collect();
        let script = format!(
            "trap '' {ignored}; exec {} {} --epochs 6 --checkpoint-every 1 --out {out}",
            env!("CARGO_BIN_EXE_firebrick"),
            quoted.join(" ")
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .current_dir(at)
            .env("XDG_RUNTIME_DIR", at)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_newer(&mut child, &at.join(&out), Some(FIRST));
        signal(&child, sent);
        let ran: Ran = child.wait_with_output().unwrap().into();
        let expected = if ignored == sent { 0 } else { 130 };
        assert_eq!(ran.status, expected, "{out}: {}", ran.stderr);
    }
}

#[test]
fn a_resume_needs_the_weights_file_only_before_the_first_checkpoint() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    fs::copy(at.join("run/model.safetensors"), at.join("w.safetensors")).unwrap();
    let tuned = format!("{SMALL} --seed 3 --weights w.safetensors --quiet");
    succeeds(&run(at, &format!("{tuned} --out whole")));
    succeeds(&run(at, &format!("{tuned} --out cut --max-updates 4")));
    succeeds(&run(at, &format!("{tuned} --out none --max-updates 1")));
    fs::remove_dir_all(at.join("none/checkpoints")).unwrap();
    fs::remove_file(at.join("w.safetensors")).unwrap();
    let resumed = run(at, "train --resume cut --quiet");
    succeeds(&resumed);
    assert_eq!(model(at, "cut"), model(at, "whole"));
    let branch = run(
        at,
        "train --resume cut --schedule constant --out branch --quiet",
    );
    succeeds(&branch);
    let none = run(at, "train --resume none --quiet");
    fails(&none, 1, &["w.safetensors"]);
}

#[test]
fn a_lost_best_checkpoint_is_said_and_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // Accuracy cannot change, so that the first epoch is the best.
    let small = SMALL.replace("--epochs 2", "--epochs 4");
    let cut = run(
        at,
        &format!("{small} --out run --lr 1e-12 --max-updates 25 --keep 2 --json --quiet"),
    );
    let best = cut.json()["best"]["step"].as_u64().unwrap();
    assert!(best <= 21, "{best}");
    let gone = at.join(format!("run/checkpoints/step-{best:09}"));
    fs::remove_dir_all(gone).unwrap();
    let resumed = run(at, "train --resume run --json");
    let report = resumed.json();
    assert!(resumed.stderr.contains("are lost"), "{}", resumed.stderr);
    assert_ne!(report["best"]["step"], best);
    assert!(at.join("run/model.safetensors").is_file());
}

#[test]
fn a_branch_never_begins_from_scratch() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    succeeds(&run(
        at,
        &format!("{SMALL} --out trunk --max-updates 5 --quiet"),
    ));
    let branch = "train --resume trunk --schedule cosine(lr=0.002) --quiet --out";
    let mut child = begin(at, &format!("{branch} whole"));
    while !at.join("whole/recipe.toml").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
    }
    assert!(
        newest(&at.join("whole")).is_some(),
        "the checkpoint comes before the recipe"
    );
    assert!(child.wait().unwrap().success());
    // Killed between the two: the command can be given again.
    let first = "checkpoints/step-000000005";
    fs::create_dir_all(at.join("cut").join(first)).unwrap();
    for entry in fs::read_dir(at.join("trunk").join(first))
        .unwrap()
        .flatten()
    {
        fs::copy(
            entry.path(),
            at.join("cut").join(first).join(entry.file_name()),
        )
        .unwrap();
    }
    let early = run(at, "train --resume cut");
    fails(&early, 1, &["repeat that command"]);
    let again = run(at, &format!("{branch} cut"));
    succeeds(&again);
    assert_eq!(model(at, "cut"), model(at, "whole"));
    // A recipe of a branch says nothing of where the parent was.
    fs::create_dir(at.join("recipe-only")).unwrap();
    fs::copy(
        at.join("whole/recipe.toml"),
        at.join("recipe-only/recipe.toml"),
    )
    .unwrap();
    for arguments in [
        "train --resume recipe-only",
        "train --recipe whole/recipe.toml --out new",
    ] {
        let refused = run(at, arguments);
        fails(&refused, 2, &["branched off trunk at step 5"]);
    }
}

#[test]
fn two_processes_do_not_share_a_run() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let mut child = begin(at, &format!("{SMALL} --out run --epochs 40"));
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
    trained(at, SMALL);
    fs::create_dir(at.join("cut")).unwrap();
    fs::copy(at.join("run/recipe.toml"), at.join("cut/recipe.toml")).unwrap();
    succeeds(&run(at, "train --resume cut --quiet"));
    assert_eq!(model(at, "cut"), model(at, "run"));
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_used() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
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
    succeeds(&resumed);
    assert!(
        resumed.stderr.contains("step-000000009")
            && resumed.stderr.contains("model.safetensors is damaged"),
        "{}",
        resumed.stderr
    );
    assert_eq!(model(at, "cut"), model(at, "run"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let temp = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_firebrick");
    for arguments in ["models describe resnet110", "datasets list", "devices"] {
        let script =
            format!("{binary} {arguments} < /dev/null | head -n 1; exit ${{PIPESTATUS[0]}}");
        let ran = bash(temp.path(), &script);
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
    let ran = bash(temp.path(), &script);
    succeeds(&ran);
    assert!(
        temp.path().join("run/model.safetensors").is_file(),
        "training went on without a reader"
    );
}
