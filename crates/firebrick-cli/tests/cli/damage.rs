//! Damaged files of a finished run: every command gives its usual result, or an error that names the file.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, fails, files, metrics, run, succeeds, trained};

const TRAIN: &str = "train --dataset glyphs(train=120,test=40) --model lenet5 --optimizer sgd(0.05,momentum=0.9) --epochs 2 --batch-size 24";

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}

/// A number that follows from `seed` alone (the finalizer of splitmix64).
fn number(seed: u64) -> usize {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as usize
}

/// What a command says, without what differs from one time to the next.
fn told(ran: &Ran) -> Value {
    let mut value: Value = serde_json::from_str(&ran.stdout).unwrap_or(Value::Null);
    if let Some(fields) = value.as_object_mut() {
        for changing in ["seconds", "images_per_second", "resumed_from", "run_dir"] {
            fields.remove(changing);
        }
    }
    value
}

struct Original {
    model: Vec<u8>,
    metrics: Vec<String>,
    eval: Value,
    predict: Value,
    resume: Value,
}

const EVAL: &str = "eval run --json --quiet";
const PREDICT: &str = "predict run image.png --json --logits";
const REPORT: &str = "report run --out page.html";
const RESUME: &str = "train --resume run --json --quiet";

fn check(at: &Path, file: &Path, original: &Original, what: &str) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let place = file.parent().and_then(Path::file_name).unwrap_or_default();
    let refused = |ran: &Ran, command: &str| {
        assert!(
            ran.status == 1 || ran.status == 2,
            "{what}, {command}: status {}, {}",
            ran.status,
            ran.stderr
        );
        let named = ran.stderr.contains(name) && ran.stderr.contains(place.to_str().unwrap());
        assert!(
            named,
            "{what}, {command}: the message does not name {}: {}",
            file.display(),
            ran.stderr
        );
        for ugly in ["panicked", "this is a bug in firebrick"] {
            assert!(
                !ran.stderr.contains(ugly),
                "{what}, {command}: {}",
                ran.stderr
            );
        }
    };
    for (command, expected) in [(EVAL, &original.eval), (PREDICT, &original.predict)] {
        let ran = run(at, command);
        if ran.status == 0 {
            assert_eq!(told(&ran), *expected, "{what}, {command}");
        } else {
            refused(&ran, command);
        }
    }
    let report = run(at, REPORT);
    if report.status != 0 {
        refused(&report, REPORT);
    }
    let resume = run(at, RESUME);
    if resume.status == 0 {
        assert_eq!(told(&resume), original.resume, "{what}, {RESUME}");
        let model = fs::read(at.join("run/model.safetensors")).unwrap();
        assert!(
            model == original.model,
            "{what}: the resume made another model"
        );
        assert_eq!(metrics(at, "run"), original.metrics, "{what}: metrics.csv");
    } else {
        refused(&resume, RESUME);
    }
}

#[test]
fn every_command_gives_the_same_or_names_the_damaged_file() {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole");
    fs::create_dir(&whole).unwrap();
    trained(&whole, TRAIN);
    let drawing = image::GrayImage::from_fn(40, 40, |x, y| image::Luma([(x * y % 251) as u8]));
    drawing.save(whole.join("image.png")).unwrap();
    let original = Original {
        model: fs::read(whole.join("run/model.safetensors")).unwrap(),
        metrics: metrics(&whole, "run"),
        eval: told(&run(&whole, EVAL)),
        predict: told(&run(&whole, PREDICT)),
        resume: told(&run(&whole, RESUME)),
    };
    assert!(original.eval["top1"].is_f64() && original.predict[0]["logits"].is_array());
    assert_eq!(original.resume["ended"], "finished");

    // What no later result depends on.
    let unread = ["report.html", "events.jsonl", ".lock", "skipped.txt"];
    let all = files(&whole.join("run"));
    let read = all
        .iter()
        .filter(|file| !unread.iter().any(|name| file.ends_with(name)));
    for (index, file) in read.enumerate() {
        // One kind of damage for each file and, for those outside the checkpoints, the other too.
        let kinds = if file.components().count() > 1 { 1 } else { 2 };
        for kind in 0..kinds {
            let cut = (index + kind) % 2 == 1;
            let at = temp.path().join(format!("{index}-{kind}"));
            copy(&whole, &at);
            let path = at.join("run").join(file);
            let mut bytes = fs::read(&path).unwrap();
            let place = number((index * 2 + kind) as u64) % bytes.len();
            if cut {
                bytes.truncate(place);
            } else {
                bytes[place] ^= 1 << (place % 7);
            }
            fs::write(&path, bytes).unwrap();
            let how = if cut { "cut off at" } else { "flipped at" };
            check(
                &at,
                file,
                &original,
                &format!("{} {how} {place}", file.display()),
            );
            fs::remove_dir_all(&at).unwrap();
        }
    }
}

#[test]
fn settings_that_make_another_run_are_named_and_others_may_be_edited() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, TRAIN);
    let path = at.join("run/recipe.toml");
    let recipe = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("valid_fraction = 0.1", "valid_fraction = 0.5"),
        ("seed = 0", "seed = 1"),
        ("test=40", "test=90"),
        ("momentum=0.9", "momentum=0.8"),
    ] {
        assert!(recipe.contains(from), "{from}: {recipe}");
        fs::write(&path, recipe.replace(from, to)).unwrap();
        for command in [EVAL, RESUME] {
            let ran = run(at, command);
            assert_eq!(ran.status, 1, "{to}, {command}: {}", ran.stderr);
            let named = ran.stderr.contains("run/recipe.toml") && ran.stderr.contains(to);
            assert!(named, "{to}, {command}: {}", ran.stderr);
        }
    }
    // A run that was interrupted goes by its checkpoints.
    fs::remove_file(at.join("run/run.json")).unwrap();
    let ran = run(at, RESUME);
    fails(&ran, 1, &["but its newest checkpoint has"]);
    let edited = recipe.replace("workers = 2", "workers = 1") + "# a remark\n";
    assert_ne!(edited.len(), recipe.len());
    fs::write(&path, edited).unwrap();
    succeeds(&run(at, RESUME));
    succeeds(&run(at, EVAL));
}

#[test]
fn a_resume_writes_the_metrics_again() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, TRAIN);
    let path = at.join("run/metrics.csv");
    let before = fs::read(&path).unwrap();
    fs::write(&path, "epoch,step\n1,nonsense\n").unwrap();
    succeeds(&run(at, RESUME));
    assert_eq!(fs::read(&path).unwrap(), before);
}
