//! `firebrick search`: its files, how it continues after an interruption, and what it refuses.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, run_with, succeeds};
#[cfg(unix)]
use crate::support::{signal, start, wait_for_newer};

/// Two rounds of two trials on few glyphs.
const SMALL: &[&str] = &[
    "search",
    "glyphs",
    "--dataset",
    "glyphs(train=400,test=20)",
    "--limit-train",
    "200",
    "--model",
    "lenet5",
    "--epochs",
    "2",
    "--batch-size",
    "32",
    "--trials",
    "2",
    "--rounds",
    "2",
    "--space",
    "lr=log(1e-4, 0.1), batch_size=choice(16, 32)",
];

fn search(at: &Path, more: &[&str]) -> Ran {
    run_with(at, &[SMALL, more].concat())
}

/// `search.json` without the time that trials took.
#[cfg(unix)]
fn record(at: &Path, out: &str) -> Value {
    let text = fs::read_to_string(at.join(out).join("search.json")).unwrap();
    without_seconds(&text)
}

fn without_seconds(text: &str) -> Value {
    let mut record: Value = serde_json::from_str(text).unwrap();
    for trial in record["trials"].as_array_mut().unwrap() {
        trial["seconds"] = Value::Null;
    }
    record
}

#[test]
fn it_goes_from_coarse_to_fine_and_names_the_best() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let ran = search(at, &["--out", "s", "--json", "--svg", "s.svg"]);
    let report = ran.json();
    let trials = report["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 4);
    let scores: Vec<f64> = trials
        .iter()
        .map(|trial| trial["valid_top1"].as_f64().unwrap())
        .collect();
    assert!(
        scores.is_sorted_by(|a, b| a >= b),
        "the best first: {scores:?}"
    );
    for trial in trials {
        assert_eq!(trial["epochs"], trial["round"], "one epoch, then two");
    }
    assert_eq!(report["best"], trials[0]);
    let width = |round: usize| -> f64 {
        let space = report["rounds"][round]["space"].as_str().unwrap();
        let ends = space
            .trim_start_matches("lr=log(")
            .split(')')
            .next()
            .unwrap();
        let ends: Vec<f64> = ends.split(", ").map(|end| end.parse().unwrap()).collect();
        (ends[1] / ends[0]).ln()
    };
    assert!(width(1) < 0.51 * width(0), "{}", report["rounds"]);
    let svg = fs::read_to_string(at.join("s.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<circle class=\"dot").count() >= 8);
    // The command is what it says: the recipe with the best values and all epochs.
    let best = fs::read_to_string(at.join("s/best.toml")).unwrap();
    let lr = report["best"]["values"]["lr"].as_f64().unwrap();
    assert!(
        best.contains(&format!("lr = {lr}")) && best.contains("epochs = 2"),
        "{best}"
    );
    assert_eq!(report["command"], "firebrick train --recipe s/best.toml");
    let trained = run_with(
        at,
        &[
            "train",
            "--recipe",
            "s/best.toml",
            "--max-updates",
            "1",
            "--out",
            "t",
            "--quiet",
        ],
    );
    succeeds(&trained);
    for trial in fs::read_dir(at.join("s/trials")).unwrap().flatten() {
        assert!(
            trial.path().join("report.html").is_file()
                && !trial.path().join("checkpoints").exists()
        );
    }
    // Given again, it has nothing left to train; with one more round, only that.
    let again = search(at, &["--out", "s", "--json"]);
    assert_eq!(
        without_seconds(&again.stdout)["trials"],
        without_seconds(&ran.stdout)["trials"]
    );
    assert!(!again.stderr.contains("epoch "), "{}", again.stderr);
    let more = search(at, &["--out", "s", "--rounds", "3"]);
    succeeds(&more);
    assert_eq!(more.stderr.matches("round 3 trial").count(), 2);
    assert!(!more.stderr.contains("round 2 trial"), "{}", more.stderr);
    assert!(more.stdout.contains("best: lr=") && more.stdout.contains("valid top-1"));
}

#[cfg(unix)]
#[test]
fn killed_again_and_again_it_ends_with_the_same_record() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let whole = search(at, &["--out", "whole", "--quiet"]);
    assert_eq!((whole.status, whole.stderr.as_str()), (0, ""));
    let arguments = [
        SMALL,
        &["--out", "cut", "--checkpoint-every", "1", "--quiet"],
    ]
    .concat();
    let mut stopped = Vec::new();
    for (trial, name) in [
        ("round-1-trial-01", "KILL"),
        ("round-1-trial-02", "INT"),
        ("round-2-trial-01", "KILL"),
    ] {
        let mut child = start(at, &arguments);
        let run = at.join("cut/trials").join(trial);
        wait_for_newer(&mut child, &run, Some("step-000000001"));
        signal(&child, name);
        stopped.push(child.wait().unwrap().code());
    }
    // A kill leaves no status; Ctrl-C ends after the step, with a status of its own.
    assert_eq!(stopped, [None, Some(130), None]);
    let last = search(at, &["--out", "cut", "--quiet"]);
    succeeds(&last);
    assert_eq!(record(at, "cut"), record(at, "whole"));
}

#[test]
fn diverged_trials_are_noted_and_the_search_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let space = "optimizer=choice(sgd(lr=1e30), adam(lr=0.001))";
    let ran = search(
        at,
        &[
            "--space", space, "--trials", "4", "--rounds", "1", "--seed", "4", "--out", "s",
            "--json",
        ],
    );
    let report = ran.json();
    let trials = report["trials"].as_array().unwrap();
    let diverged: Vec<bool> = trials
        .iter()
        .map(|trial| trial["diverged"].is_string())
        .collect();
    assert!(
        diverged.contains(&true) && diverged.contains(&false),
        "{report}"
    );
    assert!(diverged.is_sorted(), "diverged ones last");
    assert!(ran.stderr.contains("diverged: update"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_searched_is_refused_before_training() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let refused = |arguments: &[&str], needle: &str| {
        let ran = search(at, arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(needle),
            "{arguments:?}: `{needle}` is not in: {}",
            ran.stderr
        );
        assert!(
            !ran.stderr.contains("panicked") && !ran.stderr.contains("epoch "),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains("trials of"), "{}", ran.stderr);
    };
    for (space, needle) in [
        ("lr=log(0, 1)", "it must be above 0"),
        ("lr=log(2, 1)", "low < high"),
        ("lr=log(1e-5, 1", "expected `,` or `)`"),
        (
            "learning_rate=log(1e-5, 1)",
            "recipe has no key `learning_rate`",
        ),
        (
            "optimizer.momentm=uniform(0, 1)",
            "adam has no key `momentm`",
        ),
        (
            "optimizer.beta1=uniform(0.5, 1.0)",
            "beta1 = 1 is out of range",
        ),
        ("batch_size=uniform(1, 7.5)", "batch_size = 1.0"),
        (
            "epochs=int(1, 5)",
            "`epochs` cannot be searched: its rounds set the number of epochs",
        ),
        ("model=choice(lenet5, resnet21)", "unknown model `resnet21`"),
    ] {
        refused(&["--space", space, "--out", "s"], needle);
    }
    refused(&["--trials", "0"], "trials = 0");
    refused(&["--rounds", "0"], "rounds = 0");
    refused(&["--shrink", "2"], "shrink = 2");
    refused(&["--valid-fraction", "0"], "set --valid-fraction");
    let ran = run_with(
        at,
        &["search", "no/such.toml", "--space", "lr=log(1e-5, 1)"],
    );
    assert_eq!(ran.status, 2);
    assert!(
        ran.stderr.contains("cannot read the recipe no/such.toml"),
        "{}",
        ran.stderr
    );
    assert!(!at.join("s").exists(), "nothing was written");
    assert!(fs::read_dir(at.join("runs")).map_or(0, Iterator::count) == 0);
    // One directory, one search.
    let one = search(
        at,
        &["--rounds", "1", "--trials", "1", "--out", "one", "--quiet"],
    );
    succeeds(&one);
    for (more, needle) in [
        (["--seed", "1"], "its seed is 0, not 1"),
        (
            ["--space", "lr=log(1e-3, 0.1)"],
            "its space is lr=log(0.0001, 0.1)",
        ),
        (
            ["--loss", "cross_entropy(label_smoothing=0.1)"],
            "its recipe says loss =",
        ),
    ] {
        refused(
            &[
                &["--rounds", "1", "--trials", "1", "--out", "one"][..],
                &more,
            ]
            .concat(),
            needle,
        );
    }
    refused(
        &["--rounds", "1", "--trials", "2", "--out", "one"],
        "its number of trials is 1, not 2",
    );
}
