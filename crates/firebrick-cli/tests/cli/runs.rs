//! Run directories: their files, and how runs are repeated, branched and protected.

use std::fs;

use crate::support::{SMALL, fails, images, model, run, succeeds, trained};

#[test]
fn a_run_leaves_its_files_and_its_recipe_makes_the_same_model() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let first = run(at, &format!("{SMALL} --out one"));
    succeeds(&first);
    assert!(
        first.stdout.contains("run directory: one\n"),
        "{}",
        first.stdout
    );
    for epoch in ["1/2", "2/2"] {
        let rows = first.stderr.lines();
        let rows = rows.filter(|line| line.trim_start().starts_with(epoch));
        assert_eq!(rows.count(), 1, "{}", first.stderr);
    }
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
    succeeds(&other);
    assert_ne!(model(at, "one"), model(at, "three"));
    let page = run(at, "report one two");
    succeeds(&page);
    let page = fs::read_to_string(at.join("comparison.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("the same 60 images"));
}

#[test]
fn a_run_says_when_where_and_on_what_it_was_made() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let cut = run(at, &format!("{SMALL} --out one --max-updates 3 --quiet"));
    succeeds(&cut);
    succeeds(&run(at, "train --resume one --quiet"));
    let read = |name: &str| fs::read_to_string(at.join("one").join(name)).unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();

    // Every event has its time, and no time lies before the one before.
    let events: Vec<_> = read("events.jsonl").lines().map(json).collect();
    let times: Vec<&str> = events.iter().map(|e| e["time"].as_str().unwrap()).collect();
    let shape = |time: &&str| time.len() == 24 && time.ends_with('Z') && time.starts_with("20");
    assert!(times.iter().all(shape) && times.is_sorted(), "{times:?}");

    let record = json(&read("run.json"));
    let setting = &record["setting"];
    assert_eq!(setting["sessions"], 2);
    let (start, end) = (
        setting["started"].as_str().unwrap(),
        setting["ended"].as_str().unwrap(),
    );
    assert!(
        start.len() == 20 && times[0].starts_with(&start[..19]) && start <= end,
        "{setting}"
    );
    assert_eq!(setting["version"], env!("CARGO_PKG_VERSION"));
    assert!(setting["threads"].as_u64().unwrap() > 0 && setting["instruction_set"].is_string());
    assert_eq!(record["data"]["input"], serde_json::json!([1, 32, 32]));
    let images = |split: &str| record["data"][split].as_u64().unwrap();
    assert_eq!(
        [images("train"), images("valid"), images("test")],
        [216, 24, 60]
    );

    // The evaluation is there in all its parts, and they agree.
    let scores = &record["test"];
    let bins = record["calibration"].as_array().unwrap();
    let sum = |of: &dyn Fn(&serde_json::Value) -> f64| bins.iter().map(of).sum::<f64>();
    let count = |bin: &serde_json::Value| bin["count"].as_f64().unwrap();
    let accuracy = |bin: &serde_json::Value| bin["accuracy"].as_f64().unwrap();
    assert_eq!((bins.len(), sum(&count)), (15, 60.0));
    let right = sum(&|bin| count(bin) * accuracy(bin));
    assert!(
        (right / 60.0 - scores["top1"].as_f64().unwrap()).abs() < 1e-9,
        "{record}"
    );
    assert_eq!(record["answers"]["images"], 60);
    assert_eq!(
        record["first_batch"]["labels"].as_array().unwrap().len(),
        32
    );
    let page = read("report.html");
    for section in [
        "id=\"batch\"",
        "mean confidence",
        " UTC, in 2 sessions",
        "216 training",
    ] {
        assert!(page.contains(section), "{section}");
    }
}

#[test]
fn without_out_runs_are_numbered() {
    let temp = tempfile::tempdir().unwrap();
    for number in 1..=2 {
        let ran = run(temp.path(), &format!("{SMALL} --max-updates 1 --quiet"));
        succeeds(&ran);
        assert!(
            temp.path()
                .join(format!("runs/glyphs-lenet5-{number}/model.safetensors"))
                .is_file()
        );
    }
}

#[test]
fn runs_are_listed_the_newest_first() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let none = run(at, "runs");
    fails(&none, 1, &["runs: there is no such directory"]);
    succeeds(&run(at, &format!("{SMALL} --quiet")));
    run(
        at,
        &format!("{SMALL} --quiet --monitor valid_loss --max-updates 8"),
    );
    let table = run(at, "runs");
    succeeds(&table);
    let lines: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    // With the data, which the names of the runs begin with, it would be wider than a terminal.
    let head = ["run", "model", "epochs", "best", "test", "age", "state"];
    assert_eq!(lines[0], head);
    assert_eq!(lines.len(), 3, "{}", table.stdout);
    assert!(table.stdout.lines().all(|line| line.chars().count() <= 80));
    assert_eq!(
        (lines[1][0], lines[1][2], lines[1][6]),
        ("glyphs-lenet5-2", "1/2", "resumable")
    );
    assert!(lines[1][3].ends_with(" valid_loss"), "{:?}", lines[1]);
    assert_eq!(
        (lines[2][0], lines[2][2], lines[2][6]),
        ("glyphs-lenet5-1", "2/2", "done")
    );
    assert!(lines[2][4].ends_with('%'), "{:?}", lines[2]);
    let json = run(at, "runs runs/glyphs-lenet5-1 --json").json();
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join("runs/glyphs-lenet5-1/run.json")).unwrap())
            .unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["test"], report["test"]);
    assert_eq!(json[0]["dataset"], "glyphs(train=240,test=60)");
    assert!(json[0]["changed"].as_u64().unwrap() > 1_600_000_000);
    fs::create_dir(at.join("empty")).unwrap();
    let empty = run(at, "runs empty");
    assert_eq!((empty.status, empty.stdout.as_str()), (0, ""));
    assert_eq!(empty.stderr, "no runs in empty\n");
}

#[test]
fn a_directory_that_holds_a_run_is_refused_and_a_plain_resume_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    succeeds(&run(at, &format!("{SMALL} --out one --max-updates 3")));
    let again = run(at, &format!("{SMALL} --out one"));
    fails(&again, 1, &["already holds a run"]);
    let changed = run(at, "train --resume one --lr 0.5");
    fails(&changed, 2, &["--lr cannot be changed"]);
    succeeds(&run(at, "train --resume one --workers 1 --quiet"));
    trained(at, SMALL);
    assert_eq!(model(at, "one"), model(at, "run"));
}

#[test]
fn a_branch_has_its_own_schedule_and_lineage() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    succeeds(&run(at, &format!("{SMALL} --out trunk --max-updates 5")));
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
    succeeds(&run(at, "train --resume branch --quiet"));
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
    trained(at, SMALL);
    let tuned = run(
        at,
        &format!(
            "{SMALL} --weights run/model.safetensors --out two --seed 3 --lr 0.0001 --json --quiet"
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
        "train --model small_cnn --weights run/model.safetensors --out four",
    );
    fails(&wrong, 1, &["do not fit the model"]);
}

#[test]
fn what_is_not_measured_is_not_called_validation() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    for (arguments, metric) in [
        ("", "train_top1"),
        ("--monitor valid_ece", "train_loss"),
        ("--monitor train_loss", "train_loss"),
    ] {
        let out = format!("run{}", arguments.len());
        let ran = run(
            at,
            &format!("{SMALL} --valid-fraction 0 --epochs 1 {arguments} --out {out} --json"),
        );
        let report = ran.json();
        assert_eq!(report["best"]["metric"], metric, "{}", ran.stderr);
        assert!(report["valid"].is_null());
        assert_eq!(report["best"]["value"], report["train"][&metric[6..]]);
        let said = ran.stderr.contains("no images are held out for validation");
        assert_eq!(said, !arguments.contains("train_loss"), "{}", ran.stderr);
        let record = fs::read_to_string(at.join(&out).join("run.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["monitor"], metric);
    }
}

#[test]
fn one_image_too_few_for_batch_norm_joins_the_batch_before_or_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // Images of 4×4 are maps of 1×1 in the last stage.
    let train = "train --dataset glyphs(train=80,test=10) --model resnet20 --image-size 4 --epochs 2 --quiet --json";
    let joined = run(
        at,
        &format!("{train} --limit-train 33 --batch-size 16 --out joined"),
    );
    assert_eq!(joined.json()["steps"], 4, "{}", joined.stderr);
    assert!(
        joined
            .stderr
            .contains("33 training images in batches of 16 leave one over")
            && joined.stderr.contains("(17 images)"),
        "{}",
        joined.stderr
    );
    let cut = "--limit-train 33 --batch-size 16 --out cut --max-updates 3";
    succeeds(&run(at, &format!("{train} {cut}")));
    succeeds(&run(at, "train --resume cut --quiet"));
    assert_eq!(model(at, "cut"), model(at, "joined"));
    for (arguments, needle) in [
        (
            "--limit-train 33 --batch-size 1",
            "batch_size = 1: batch norm in resnet20",
        ),
        (
            "--limit-train 1 --batch-size 8",
            "there is only one training image",
        ),
    ] {
        let refused = run(at, &format!("{train} {arguments} --out refused"));
        assert!(
            refused.status == 2
                && refused.stderr.contains(needle)
                && refused.stderr.contains("4×4 image")
                && refused.stderr.contains("--image-size"),
            "{}",
            refused.stderr
        );
        assert!(!at.join("refused").exists());
    }
    // Larger maps have a spread.
    let larger = train.replace("--image-size 4", "--image-size 8");
    let plain = run(
        at,
        &format!("{larger} --limit-train 9 --batch-size 8 --out plain"),
    );
    assert_eq!(plain.json()["steps"], 4, "{}", plain.stderr);
    let sweep = "lr-find --dataset glyphs(train=80,test=10) --model resnet20 --image-size 4 --limit-train 33 --batch-size 16 --num-iter 5";
    succeeds(&run(at, sweep));
}

#[test]
fn a_run_of_nan_can_be_resumed_and_reported() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // So high a rate that every update after the first is not finite.
    let train = format!(
        "{SMALL} --optimizer sgd --lr 1e30 --on-non-finite skip(1000) --monitor valid_loss --quiet"
    );
    let whole = run(at, &format!("{train} --out whole"));
    succeeds(&whole);
    succeeds(&run(at, &format!("{train} --out cut --max-updates 8")));
    let resumed = run(at, "train --resume cut --json --quiet");
    assert_eq!(resumed.json()["valid"]["loss"], "NaN", "{}", resumed.stdout);
    assert_eq!(model(at, "cut"), model(at, "whole"));
    let report = run(at, "report cut whole");
    succeeds(&report);
    image::GrayImage::from_pixel(32, 32, image::Luma([90]))
        .save(at.join("grey.png"))
        .unwrap();
    let said = run(at, "predict cut grey.png --json");
    assert!(
        said.status == 1
            && said.stderr.contains("grey.png: the model's scores")
            && !said.stdout.contains("null"),
        "{} {}",
        said.stdout,
        said.stderr
    );
}

#[test]
fn weights_for_other_classes_get_a_new_head() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("photos"), &["dark", "grey", "light"], 8);
    trained(at, SMALL);
    let own = "--dataset folder:photos --channels 1 --image-size 32 --model lenet5 --batch-size 4 --weights run/model.safetensors";
    let drawn =
        "the head is reinitialized: `fc3.weight` was [27, 84] in the file, the model has 3 classes";
    let tuned = run(at, &format!("train {own} --epochs 1 --lr 0.001 --out two"));
    succeeds(&tuned);
    assert!(tuned.stderr.contains(drawn), "{}", tuned.stderr);
    let found = run(at, &format!("lr-find {own} --num-iter 8"));
    succeeds(&found);
    assert!(found.stderr.contains(drawn), "{}", found.stderr);
    let plain = "--model lenet5 --weights run/model.safetensors --normalize none --classes 3";
    for strict in [
        format!("eval {plain} --dataset folder:photos"),
        format!("predict {plain} photos/dark"),
    ] {
        let refused = run(at, &strict);
        assert_eq!(refused.status, 1, "{}", refused.stderr);
        let needle = "`fc3.weight` is [27, 84] in the file but [3, 84] in the model";
        assert!(refused.stderr.contains(needle), "{}", refused.stderr);
    }
}
