//! Run directories: what a run leaves, how it is made again, branched and protected.

use std::fs;

use crate::support::{SMALL, model, run};

#[test]
fn a_run_leaves_its_files_and_its_recipe_makes_the_same_model() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let first = run(at, &format!("{SMALL} --out one"));
    assert_eq!(first.status, 0, "{}", first.stderr);
    assert!(
        first.stdout.contains("run directory: one")
            && first.stdout.contains("next: firebrick predict"),
        "{}",
        first.stdout
    );
    assert!(
        first
            .stderr
            .lines()
            .filter(|line| line.starts_with("epoch "))
            .count()
            == 2,
        "{}",
        first.stderr
    );
    for file in [
        "recipe.toml",
        "metrics.csv",
        "events.jsonl",
        "run.json",
        "report.html",
        "model.safetensors",
    ] {
        assert!(at.join("one").join(file).is_file(), "{file}");
    }
    let again = run(
        at,
        "train --recipe one/recipe.toml --out two --workers 0 --quiet",
    );
    assert_eq!((again.status, again.stderr.as_str()), (0, ""));
    assert_eq!(
        model(at, "one"),
        model(at, "two"),
        "equal runs give equal bytes, whatever the workers"
    );
    let other = run(
        at,
        "train --recipe one/recipe.toml --out three --seed 1 --quiet",
    );
    assert_eq!(other.status, 0, "{}", other.stderr);
    assert_ne!(model(at, "one"), model(at, "three"));
    let page = run(at, "report one two");
    assert_eq!(page.status, 0, "{}", page.stderr);
    assert!(
        fs::read_to_string(at.join("comparison.html"))
            .unwrap()
            .contains("<svg")
    );
}

#[test]
fn without_out_runs_are_numbered() {
    let temp = tempfile::tempdir().unwrap();
    for number in 1..=2 {
        let ran = run(temp.path(), &format!("{SMALL} --max-updates 1 --quiet"));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(
            temp.path()
                .join(format!("runs/glyphs-lenet5-{number}/model.safetensors"))
                .is_file()
        );
    }
}

#[test]
fn a_directory_that_holds_a_run_is_refused_and_a_plain_resume_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    run(at, &format!("{SMALL} --out one --max-updates 3"));
    let again = run(at, &format!("{SMALL} --out one"));
    assert!(
        again.status == 1 && again.stderr.contains("already holds a run"),
        "{}",
        again.stderr
    );
    let changed = run(at, "train --resume one --lr 0.5");
    assert!(
        changed.status == 2 && changed.stderr.contains("--lr cannot be changed"),
        "{}",
        changed.stderr
    );
    assert_eq!(run(at, "train --resume one --workers 1 --quiet").status, 0);
    run(at, &format!("{SMALL} --out whole --quiet"));
    assert_eq!(model(at, "one"), model(at, "whole"));
}

#[test]
fn a_branch_has_its_own_schedule_and_lineage() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    run(at, &format!("{SMALL} --out trunk --max-updates 5"));
    let branch = run(
        at,
        "train --resume trunk --schedule cosine(lr=0.002) --out branch --json",
    );
    let report = branch.json();
    assert_eq!(report["resumed_from"], "step 5");
    assert_eq!(report["steps"], 14);
    let recipe = fs::read_to_string(at.join("branch/recipe.toml")).unwrap();
    assert!(
        recipe.contains("branched_from = \"trunk at step 5\"")
            && recipe.contains("schedule_start = 5"),
        "{recipe}"
    );
    assert!(
        recipe.contains("cosine(lr=0.002, steps=9"),
        "what is left of the run: {recipe}"
    );
    let metrics = fs::read_to_string(at.join("branch/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 3);
    // The branch can be resumed by itself, and the trunk is untouched.
    assert_eq!(run(at, "train --resume branch --quiet").status, 0);
    assert!(
        !fs::read_to_string(at.join("trunk/recipe.toml"))
            .unwrap()
            .contains("branched_from =")
    );
}

#[test]
fn weights_of_a_run_start_another() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    run(at, &format!("{SMALL} --out one"));
    let tuned = run(
        at,
        &format!(
            "{SMALL} --weights one/model.safetensors --out two --seed 3 --lr 0.0001 --json --quiet"
        ),
    )
    .json();
    let fresh = run(
        at,
        &format!("{SMALL} --out three --seed 3 --lr 0.0001 --json --quiet"),
    )
    .json();
    assert!(tuned["train"]["loss"].as_f64().unwrap() < fresh["train"]["loss"].as_f64().unwrap());
    let wrong = run(
        at,
        "train --model small_cnn --weights one/model.safetensors --out four",
    );
    assert!(
        wrong.status == 1 && wrong.stderr.contains("do not fit the model"),
        "{}",
        wrong.stderr
    );
}
