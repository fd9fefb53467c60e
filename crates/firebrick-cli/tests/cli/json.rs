//! The JSON output of the commands.

use crate::support::{KEYS_OF_TRAIN, SMALL, keys, run};

const SCORES: [&str; 7] = ["loss", "top1", "top5", "nll", "ece", "brier", "count"];

#[test]
fn train_and_eval() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let report = run(at, &format!("{SMALL} --out run --json")).json();
    assert_eq!(keys(&report), KEYS_OF_TRAIN);
    assert_eq!(keys(&report["train"]), ["loss", "top1"]);
    assert_eq!(sorted(keys(&report["valid"])), sorted(SCORES.to_vec()));
    assert_eq!(sorted(keys(&report["test"])), sorted(SCORES.to_vec()));
    assert_eq!(keys(&report["best"]), ["epoch", "step", "metric", "value"]);
    assert_eq!(
        (&report["epochs"], &report["steps"], &report["ended"]),
        (&2.into(), &14.into(), &"finished".into())
    );
    for split in ["valid", "test"] {
        let top1 = report[split]["top1"].as_f64().unwrap();
        assert!(
            (0.0..=1.0).contains(&top1),
            "accuracies are fractions: {top1}"
        );
    }
    let eval = run(at, "eval run --json").json();
    assert_eq!(
        keys(&eval),
        [
            "split",
            "loss",
            "top1",
            "top5",
            "nll",
            "ece",
            "brier",
            "count",
            "seconds",
            "per_class",
            "confusion"
        ]
    );
    for key in ["loss", "top1", "nll", "ece", "brier", "count"] {
        assert_eq!(
            eval[key], report["test"][key],
            "eval of the run's model on its test split: {key}"
        );
    }
    let valid = run(at, "eval run/model.safetensors --split valid --json").json();
    assert_eq!(
        valid["top1"], report["valid"]["top1"],
        "the same validation images"
    );
}

fn sorted(mut keys: Vec<&str>) -> Vec<&str> {
    keys.sort_unstable();
    keys
}

#[test]
fn listings() {
    let temp = tempfile::tempdir().unwrap();
    let devices = run(temp.path(), "devices --json").json();
    let flex = devices
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "flex")
        .unwrap();
    assert_eq!(keys(flex), ["name", "available", "description"]);
    assert_eq!(flex["available"], true);
    let models = run(temp.path(), "models list --json").json();
    assert!(
        models
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["name"] == "resnet20")
    );
    let description = run(temp.path(), "models describe resnet20 --json").json();
    assert_eq!(
        keys(&description),
        [
            "model",
            "input",
            "parameters",
            "multiply_adds",
            "layers",
            "stages",
            "weights",
            "fields"
        ]
    );
    assert_eq!(description["parameters"], 269_722);
    assert_eq!(
        description["stages"][2],
        serde_json::json!({ "name": "layer2", "modules": ["layer2"], "width": 32, "stride": 2 })
    );
    let text = run(temp.path(), "models describe lenet5").stdout;
    assert!(
        text.contains("conv2 (16 channels at 1/2), fc1 (120 features)"),
        "{text}"
    );
    let datasets = run(temp.path(), "datasets list --json").json();
    assert!(
        datasets
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["name"] == "cifar10")
    );
    assert!(run(temp.path(), "recipes").stdout.contains("mnist-lenet5"));
    assert!(
        run(temp.path(), "recipes glyphs")
            .stdout
            .contains("batch_size = 64")
    );
}
