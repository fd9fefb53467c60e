//! Hostile input: deeply nested, huge, or with escape sequences for the terminal.

use std::fs;

use crate::support::{PHOTOS, Ran, SMALL, run, run_with, succeeds};

fn assert_refused(ran: &Ran, needles: &[&str], what: &str) {
    assert_eq!(ran.status, 2, "{what}: {}", ran.stderr);
    for needle in needles {
        assert!(
            ran.stderr.contains(needle),
            "{what}: `{needle}` is not in: {}",
            ran.stderr
        );
    }
    assert_printable(ran, what);
}

/// On both streams: no line that fills a screen, nothing that a terminal obeys.
fn assert_printable(ran: &Ran, what: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        let longest = text
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0);
        assert!(longest < 1_600, "{what}: a line of {longest} characters");
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(obeyed), "{what}: {text:?}");
        for ugly in ["panicked", "this is a bug in firebrick", "overflow"] {
            assert!(!text.contains(ugly), "{what}: {text}");
        }
    }
}

#[test]
fn deep_specs_are_refused_wherever_they_are_given() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let deep = "a(".repeat(9_000);
    let lists = format!("sgd({}", "[".repeat(9_000));
    let group = format!("*:optimizer={deep}");
    for arguments in [
        ["train", "--optimizer", &deep],
        ["train", "--optimizer", &lists],
        ["train", "--schedule", &deep],
        ["train", "--augment", &deep],
        ["train", "--loss", &deep],
        ["train", "--model", &deep],
        ["train", "--sampling", &deep],
        ["train", "--group", &group],
        ["optim", "describe", &deep],
        ["schedule", &deep, "--json"],
        ["models", "describe", &deep],
    ] {
        let ran = run_with(at, &arguments);
        let what = format!(
            "{} {}",
            arguments[0],
            &arguments[1][..10.min(arguments[1].len())]
        );
        assert_refused(&ran, &["nested more than 32 levels deep"], &what);
    }
    for key in ["optimizer", "augment", "model"] {
        fs::write(at.join("r.toml"), format!("{key} = \"{deep}\"")).unwrap();
        let ran = run(at, "train --recipe r.toml --out run");
        assert_refused(&ran, &["r.toml", "nested more than 32 levels deep"], key);
    }
    // Deep, but allowed: as quick as a shallow one.
    let nested = "lookahead(base=".repeat(20) + "sgd" + &")".repeat(20);
    let ran = run_with(at, &["optim", "describe", &nested]);
    succeeds(&ran);
    let before = run(at, "train --dataset folder:nowhere --optimizer lookahead");
    assert_eq!(before.status, 1, "{}", before.stderr);
}

#[test]
fn sizes_beyond_any_memory_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let most = "18446744073709551615";
    for (arguments, needle) in [
        (
            format!("models describe resnet18 --classes {most}"),
            "classes = 18446744073709551615",
        ),
        (
            "models describe lenet5 --classes 1000001".into(),
            "at most 1000000",
        ),
        (
            "models describe resnet20 --input 3x100000x100000".into(),
            "input height = 100000",
        ),
        (
            format!("models describe resnet20 --input {most}x32x32"),
            "input channels",
        ),
        (
            "train --model small_cnn(width=99999999)".into(),
            "width = 99999999",
        ),
        ("train --image-size 100000".into(), "image_size = 100000"),
        (format!("train --image-size {most}"), "image_size"),
        (format!("train --batch-size {most} --out run"), "batch"),
        ("train --batch-size 1000000000000 --out run".into(), "batch"),
        (
            format!("train --epochs {most} --out run"),
            "epochs = 18446744073709551615",
        ),
        (format!("train --workers {most} --out run"), "workers"),
        (
            format!("train --accumulate {most} --out run"),
            "accumulate = 18446744073709551615",
        ),
    ] {
        let ran = run(at, &arguments);
        assert_refused(&ran, &[needle], &arguments);
    }
    assert!(!at.join("run").exists());
}

#[test]
fn what_cannot_fit_into_memory_is_refused_and_what_can_runs() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // 7 MB for each image: no machine that runs these tests has 70 TB.
    let refused = run(
        at,
        "train --dataset glyphs(train=64,test=8) --model resnet20 --image-size 160 --batch-size 10000000 --out run",
    );
    assert_refused(
        &refused,
        &[
            "training needs about",
            "GB are free",
            "--batch-size",
            "instead of",
        ],
        "a batch",
    );
    assert!(!at.join("run").exists(), "nothing was begun");
    let runs = run(
        at,
        "train --dataset glyphs(train=64,test=8) --model resnet20 --batch-size 64 --epochs 1 --out run --quiet",
    );
    succeeds(&runs);
}

#[cfg(unix)]
#[test]
fn names_cannot_command_the_terminal() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let names = ["dark\u{1b}[2J\u{7}", "light\u{9b}31m\u{202e}\nerror: fake"];
    for (class, shade) in names.into_iter().zip([20_u8, 230]) {
        fs::create_dir_all(at.join("folder").join(class)).unwrap();
        for number in 0..12 {
            image::GrayImage::from_pixel(24, 24, image::Luma([shade]))
                .save(
                    at.join("folder")
                        .join(class)
                        .join(format!("{number}\u{1b}]0;x\u{7}.png")),
                )
                .unwrap();
        }
    }
    let train = run(
        at,
        &format!("train --dataset folder:folder {PHOTOS} --out run"),
    );
    succeeds(&train);
    assert_printable(&train, "train");
    let predict = run(at, "predict run folder");
    assert_printable(&predict, "predict");
    succeeds(&predict);
    assert_eq!(
        predict.stdout.lines().count(),
        24,
        "a line for each image: {}",
        predict.stdout
    );
    assert!(
        predict.stdout.contains("dark\\u{1b}[2J\\u{7}"),
        "{}",
        predict.stdout
    );
    // JSON keeps the names, escaped its own way.
    let json = run(at, "predict run folder --json");
    assert_printable(&json, "predict --json");
    let classes = json.json().to_string();
    assert!(
        names
            .iter()
            .all(|name| classes.contains(&serde_json::to_string(name).unwrap())),
        "{classes}"
    );
    for arguments in ["eval run --split valid", "report run"] {
        let ran = run(at, arguments);
        succeeds(&ran);
        assert_printable(&ran, arguments);
    }
    fs::write(at.join("bad\u{1b}[2J.png"), "no image").unwrap();
    for arguments in [
        &["predict", "run", "bad\u{1b}[2J.png"][..],
        &["predict", "run", "nowhere\u{1b}[2J\n.png"],
        &["eval", "nowhere\u{1b}[2J"],
        &["train", "--optimizer", "adam\u{1b}[2J"],
        &["train", "--dataset", "glyphs\u{1b}]0;x\u{7}"],
        &["train", "--lr", "fast\u{1b}[2J"],
        &["train", "--resume", "nowhere\u{1b}[2J"],
        &["frobnicate\u{1b}[2J"],
    ] {
        let ran = run_with(at, arguments);
        assert_ne!(ran.status, 0, "{arguments:?}");
        assert_printable(&ran, &format!("{arguments:?}"));
    }
}

#[test]
fn messages_do_not_repeat_what_was_given() {
    let temp = tempfile::tempdir().unwrap();
    let long = "x".repeat(100_000);
    for flag in [
        "--optimizer",
        "--dataset",
        "--model",
        "--lr",
        "--epochs",
        "--normalize",
        "--monitor",
        "--device",
        "--group",
        "--fit",
        "--recipe",
    ] {
        let ran = run_with(temp.path(), &["train", flag, &long]);
        assert_ne!(ran.status, 0, "{flag}");
        assert_printable(&ran, flag);
        assert!(ran.stderr.len() < 6_000, "{flag}: {}", ran.stderr.len());
    }
    let ran = run(temp.path(), &format!("{SMALL} --schedule {long}"));
    assert_printable(&ran, "schedule");
}
