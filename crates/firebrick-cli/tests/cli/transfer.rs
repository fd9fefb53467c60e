//! `transfer train`, `transfer advise` and `features`, with a network of 2 seconds of training and grey photos of a few pixels.

use std::fs;
use std::path::Path;

use crate::support::{KEYS_OF_TRAIN, Ran, fails, images, keys, run, succeeds, trained};

/// The run that the weights come from, on coloured letters.
const PRETRAINED: &str = "train --dataset glyphs(train=80,test=20,domain=rgb) --model resnet20 --epochs 1 --batch-size 16";
/// Data and network of every command here.
const BEGIN: &str =
    "photos --model resnet20 --weights run/model.safetensors --image-size 32 --batch-size 8";

/// A directory with weights, and photos with a validation split.
fn place() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, PRETRAINED);
    images(&at.join("photos/train"), &["ants", "bees"], 14);
    images(&at.join("photos/val"), &["ants", "bees"], 6);
    temp
}

fn transfer(at: &Path, what: &str) -> Ran {
    run(at, &format!("transfer {what}"))
}

#[test]
fn photos_become_a_run_that_other_commands_take() {
    let temp = place();
    let at = temp.path();
    let ran = transfer(at, &format!("train {BEGIN} --epochs 1 --out new --json"));
    let report = ran.json();
    let own = [
        "strategy",
        "top1",
        "quadrant",
        "stages",
        "head",
        "all_stages",
        "fine_tuned",
    ];
    assert_eq!(keys(&report), [&KEYS_OF_TRAIN[..], &own[..]].concat());
    assert_eq!(
        keys(&report["head"]),
        ["l2", "top1", "cross_validated_top1"]
    );
    let stages = report["stages"].as_array().unwrap();
    let names: Vec<_> = stages
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["stem", "layer1", "layer2", "layer3"]);
    assert!(report["fine_tuned"]["stages"].as_u64().unwrap() >= 1);
    assert_eq!(report["valid"]["count"], 12);
    assert_eq!(report["top1"], report["valid"]["top1"]);
    assert!(
        ran.stderr.contains("reading images as for"),
        "{}",
        ran.stderr
    );

    succeeds(&run(at, "predict new photos/val/ants/0.png"));
    let eval = run(at, "eval new --split valid --json").json();
    assert_eq!(eval["top1"], report["top1"]);
    succeeds(&run(at, "report new"));
    succeeds(&run(
        at,
        "export new --format safetensors --out new.safetensors",
    ));
    let record = fs::read_to_string(at.join("new/run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let again = record["reproduce"].as_str().unwrap();
    assert!(again.contains(" --strategy auto --budget 300s"), "{again}");
    let runs = run(at, "runs . --json").json();
    let state = |name: &str| {
        let mut runs = runs.as_array().unwrap().iter();
        let found = runs.find(|run| run["run_dir"].as_str().unwrap().ends_with(name));
        found.unwrap()["state"].clone()
    };
    assert_eq!(state("new"), "done");
    // A directory that holds a run is not trained over.
    let kept = fs::read(at.join("new/model.safetensors")).unwrap();
    let again = transfer(at, &format!("train {BEGIN} --strategy probe --out new"));
    fails(&again, 1, &["already holds a run"]);
    assert_eq!(fs::read(at.join("new/model.safetensors")).unwrap(), kept);
}

#[test]
fn the_linear_classifier_can_be_exported_and_is_said_in_words() {
    let temp = place();
    let at = temp.path();
    let ran = transfer(at, &format!("train {BEGIN} --strategy probe --out new"));
    succeeds(&ran);
    for line in [
        "linear classifiers on the features of each stage, on 12 validation images:",
        "  layer3  ",
        "kept: the linear classifier on the last features with top-1 ",
        "next: ",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    succeeds(&run(at, "export new --format onnx --out new.onnx"));
    let recipe = fs::read_to_string(at.join("new/recipe.toml")).unwrap();
    assert!(recipe.contains("model = \"resnet20"), "{recipe}");
}

#[test]
fn advice_ends_in_a_command_that_works() {
    let temp = place();
    let at = temp.path();
    let advised = transfer(at, &format!("advise {BEGIN} --json")).json();
    let expected = [
        "model",
        "quadrant",
        "strategy",
        "alternatives",
        "advice",
        "measured",
        "command",
    ];
    assert_eq!(keys(&advised), expected);
    assert_eq!(advised["measured"]["images"], serde_json::json!([14, 14]));
    let command = advised["command"].as_str().unwrap();
    let (_, rest) = command.split_once(" transfer ").unwrap();
    let arguments = rest.replace('\'', "");
    // The features are there already.
    assert_eq!(
        fs::read_dir(at.join("no-data/features")).unwrap().count(),
        2 * 2
    );
    succeeds(&transfer(at, &format!("{arguments} --epochs 1 --out new")));
    let words = transfer(at, &format!("advise {BEGIN}"));
    succeeds(&words);
    assert!(
        words.stdout.contains("So this is ") && words.stdout.contains("next: "),
        "{}",
        words.stdout
    );
}

#[test]
fn features_are_written_for_other_tools() {
    let temp = place();
    let at = temp.path();
    let features = |what: &str| run(at, &format!("features photos --run run {what}"));
    let told = features("--stage layer2,pooled --out f.npy --json").json();
    assert_eq!(told["images"], 28);
    assert_eq!(
        told["stages"][1],
        serde_json::json!({"name": "layer3", "width": 64})
    );
    let bytes = fs::read(at.join("f.npy")).unwrap();
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    assert!(header.contains("'shape': (28, 96)"), "{header}");
    assert_eq!(bytes.len(), 128 + 4 * 28 * 96);
    let labels = fs::read_to_string(at.join("f.csv")).unwrap();
    assert_eq!(labels.lines().count(), 29);
    assert!(
        labels
            .lines()
            .nth(28)
            .unwrap()
            .ends_with(".png\",1,\"bees\""),
        "{labels}"
    );
    succeeds(&features("--stage all --split valid --out f.safetensors"));
    assert!(fs::metadata(at.join("f.safetensors")).unwrap().len() > 4 * 12 * 128);

    // Firebrick's own file goes on where it was cut off, and is of one network and one set of photos.
    succeeds(&features("--out f.features"));
    let whole = fs::read(at.join("f.features")).unwrap();
    fs::write(at.join("f.features"), &whole[..whole.len() - 7]).unwrap();
    let again = features("--out f.features");
    succeeds(&again);
    assert!(again.stderr.contains("were not whole"), "{}", again.stderr);
    assert_eq!(fs::read(at.join("f.features")).unwrap().len(), whole.len());
    fails(
        &features("--split valid --out f.features"),
        1,
        &["f.features", "other data"],
    );
    fails(
        &features("--stage layer1 --out f.features"),
        1,
        &["other stages", "`layer3`"],
    );
    fs::write(at.join("g.features"), b"not features").unwrap();
    fails(
        &features("--out g.features"),
        1,
        &["g.features: this is no file of features"],
    );
    images(&at.join("photos/train"), &["cicadas"], 3);
    images(&at.join("photos/val"), &["cicadas"], 3);
    fails(&features("--out f.features"), 1, &["other data"]);
}

#[test]
fn what_cannot_be_done_is_said_in_one_message() {
    let temp = place();
    let at = temp.path();
    let train = |what: &str| transfer(at, &format!("train {BEGIN} --out new {what}"));
    fails(&train("--budget 0"), 2, &["--budget", "more than 0"]);
    fails(&train("--budget soon"), 2, &["write 60s, 10min"]);
    fails(&train("--strategy last=9"), 2, &["last=9", "4 stages"]);
    fails(&train("--strategy some"), 2, &["some", "last=K"]);
    fails(&train("--dataset glyphs"), 2, &["first argument"]);
    fails(
        &train("--weights gone.safetensors"),
        1,
        &["gone.safetensors"],
    );
    fails(
        &train("--weights none"),
        2,
        &["begins with pretrained weights"],
    );
    fails(
        &train("--model small_cnn(members=mimo(2))"),
        1,
        &["fit the model"],
    );
    let gone = transfer(
        at,
        "train no-photos/here --model resnet20 --weights run/model.safetensors",
    );
    fails(&gone, 1, &["no such folder"]);
    images(&at.join("one"), &["ants"], 5);
    let one = transfer(
        at,
        "train ./one --model resnet20 --weights run/model.safetensors",
    );
    fails(&one, 1, &["only class folder"]);
    assert!(!at.join("new").exists());

    let features = |what: &str| run(at, &format!("features photos --run run {what}"));
    fails(
        &features("--stage layer9 --out f.npy"),
        2,
        &["layer9", "layer3", "pooled"],
    );
    fails(
        &features("--out f.csv"),
        2,
        &[".safetensors, .npy or .features"],
    );
    fails(
        &features("--split test --out f.npy"),
        2,
        &["no test split", "train, valid"],
    );
    fs::write(at.join("photos/val/bees/9.png"), b"no image").unwrap();
    fails(&features("--split valid --out f.npy"), 1, &["9.png"]);
    let skipped = features("--split valid --on-bad-image skip --out f.npy --json");
    assert_eq!(skipped.json()["images"], 12);
}
