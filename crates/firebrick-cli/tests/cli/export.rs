//! Models in the formats of other programs.

use std::fs;

use crate::support::{SMALL, fails, files, model, run, succeeds, trained};

#[test]
fn a_run_is_exported_in_every_format() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let export = |format: &str, file: &str| {
        run(
            at,
            &format!("export run --format {format} --out {file} --json"),
        )
        .json()
    };
    let told = export("onnx", "m.onnx");
    let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "file", "format", "model", "classes", "input", "tensors", "bytes", "opset"
        ]
    );
    assert_eq!(told["format"], "onnx");
    assert_eq!(told["opset"], 17);
    assert_eq!(told["classes"], 27);
    assert_eq!(told["input"], serde_json::json!([1, 32, 32]));
    let onnx = fs::read(at.join("m.onnx")).unwrap();
    assert_eq!(told["bytes"], onnx.len());
    let holds = |bytes: &[u8], text: &str| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    for text in [
        "firebrick.classes",
        "firebrick.preprocessing",
        "conv1.weight",
        "logits",
        "batch",
    ] {
        assert!(holds(&onnx, text), "{text}");
    }
    // What a run keeps as its model, bit for bit; so it predicts as the run does.
    let told = export("safetensors", "m.safetensors");
    assert!(told["opset"].is_null() && told["tensors"] == 10, "{told}");
    assert_eq!(
        fs::read(at.join("m.safetensors")).unwrap(),
        model(at, "run")
    );
    export("burn", "m.bpk");
    let burn = fs::read(at.join("m.bpk")).unwrap();
    assert!(holds(&burn, "fc3.weight") && holds(&burn, "firebrick.model"));
    // Plain weights.
    let plain =
        "export --model lenet5(dropout=0.1) --weights m.safetensors --normalize none --classes 27";
    let ran = run(at, &format!("{plain} --format onnx --out plain.onnx"));
    succeeds(&ran);
    assert!(ran.stdout.contains("ONNX opset 17"), "{}", ran.stdout);
    assert!(ran.stdout.contains("[batch, 1, 28, 28]"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    fs::write(at.join("there.onnx"), "mine").unwrap();
    fs::create_dir(at.join("folder")).unwrap();
    fs::create_dir(at.join("three")).unwrap();
    fs::write(at.join("three/ensemble.json"), "{}").unwrap();
    let before = files(at);
    for (arguments, status, needles) in [
        (
            "run --format onnx --out there.onnx",
            1,
            &["there.onnx", "--replace"][..],
        ),
        (
            "run --format onnx --out folder",
            1,
            &["folder", "is a directory"],
        ),
        (
            "run --format onnx --out no/such/m.onnx",
            1,
            &["there is no directory no/such"],
        ),
        (
            "three --format onnx --out m.onnx",
            1,
            &["ensemble", "one by one", "soup"],
        ),
        (
            "nothing --format onnx --out m.onnx",
            1,
            &["nothing", "no such run directory"],
        ),
        (
            "run --format tflite --out m.tflite",
            2,
            &["tflite", "safetensors, onnx, burn"],
        ),
        (
            "run --format burn --no-fold --out m.bpk",
            2,
            &["--no-fold", "--format onnx"],
        ),
        (
            "--format onnx --out m.onnx",
            2,
            &["--model NAME --weights FILE"],
        ),
        ("run --out m.onnx", 2, &["--format"]),
    ] {
        fails(&run(at, &format!("export {arguments}")), status, needles);
    }
    assert_eq!(files(at), before);
    assert_eq!(fs::read(at.join("there.onnx")).unwrap(), b"mine");
    succeeds(&run(
        at,
        "export run --format onnx --out there.onnx --replace --no-fold",
    ));
    assert_ne!(fs::read(at.join("there.onnx")).unwrap(), b"mine");
    let mut after = files(at);
    after.retain(|file| !before.contains(file));
    assert!(after.is_empty(), "{after:?}");
}
