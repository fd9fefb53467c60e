//! Files written by PyTorch (`xtask/golden/weights_files.py`), and files of other types.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::TensorData;
use firebrick_core::nn::{BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Linear, LinearConfig};
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::{Rules, WeightsFile};

/// The network of the files.
#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    bn: BatchNorm,
    fc: Linear,
}

fn net(classes: usize) -> Net {
    let device = firebrick_core::device("flex").unwrap();
    Net {
        conv: Conv2dConfig::new([1, 2], 3).with_bias(false).init(&device),
        bn: BatchNormConfig::new(2).init(&device),
        fc: LinearConfig::new(2, classes).init(&device),
    }
}

/// What every file holds: element k of tensor t is t + k / 4.
fn expected() -> BTreeMap<String, TensorData> {
    const NAMES: [&str; 7] = [
        "conv.weight",
        "bn.weight",
        "bn.bias",
        "bn.running_mean",
        "bn.running_var",
        "fc.weight",
        "fc.bias",
    ];
    let shapes: BTreeMap<_, _> = StateDict::shapes(&net(3)).into_iter().collect();
    let tensor = |(at, name): (usize, &&str)| {
        let shape = shapes[*name].clone();
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|k: usize| at as f32 + k as f32 / 4.0)
            .collect();
        (name.to_string(), TensorData::new(values, shape))
    };
    NAMES.iter().enumerate().map(tensor).collect()
}

fn golden(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/weights")).join(name)
}

fn load(path: &Path, rules: &Rules) -> Result<(Net, Vec<String>), WeightsError> {
    WeightsFile::open(path)?.load_into(net(3), rules)
}

#[test]
fn every_format_of_pytorch_gives_the_same_network() {
    for name in [
        "plain.pth",
        // A stem of 21 bytes, which the zip crate by itself reads wrongly.
        "aaaaaaaaaaaaaaaaaaaaa.pth",
        "compressed.pth",
        "no_checksums.pth",
        "legacy.pth",
        "protocol_4.pth",
        "odd_layouts.pth",
        "odd_layouts_legacy.pth",
        "whole_module.pt",
        "in_a_tuple.pth",
        "tar_of_2017.pth",
        "checkpoint.ckpt",
    ] {
        let (net, notes) = load(&golden(name), &Rules::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(StateDict::of(&net).tensors, expected(), "{name}");
        match name {
            "checkpoint.ckpt" => assert!(
                notes.len() == 2
                    && notes[0].contains("`ema_state_dict.model`")
                    && notes[1].contains("criterion.weight"),
                "{notes:?}"
            ),
            "odd_layouts.pth" | "odd_layouts_legacy.pth" => assert_eq!(
                notes,
                ["its values of type bfloat16 and float16 and float64 are converted to float32"]
            ),
            _ => assert!(notes.is_empty(), "{name}: {notes:?}"),
        }
    }
}

#[test]
fn the_content_counts_and_not_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let safetensors = StateDict {
        tensors: expected(),
        ..StateDict::default()
    };
    let safetensors = safetensors.to_safetensors().unwrap();
    for name in [
        "model.pth",
        "model.pth.tar",
        "model.ckpt",
        "model",
        "model.pkl",
        "model.safetensors",
    ] {
        let path = dir.path().join(name);
        for bytes in [&safetensors, &std::fs::read(golden("plain.pth")).unwrap()] {
            std::fs::write(&path, bytes).unwrap();
            let (net, _) = load(&path, &Rules::default()).unwrap();
            assert_eq!(StateDict::of(&net).tensors, expected(), "{name}");
        }
    }
}

#[test]
fn files_that_are_no_weights_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path| {
        let error = WeightsFile::open(path).unwrap_err();
        assert!(matches!(error, WeightsError::Format { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.contains(path.file_name().unwrap().to_str().unwrap()),
            "{error}"
        );
        error
    };
    for (name, needle) in [
        ("torchscript.pt", "TorchScript"),
        ("pickle_dump.pkl", "not one of torch.save"),
        ("attack.pth", "system`"),
    ] {
        let error = refused(&golden(name));
        assert!(error.contains(needle), "{error}");
    }
    let written = |bytes: &[u8]| {
        let path = dir.path().join("some.pth");
        std::fs::write(&path, bytes).unwrap();
        refused(&path)
    };
    assert!(
        written(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
            .contains("git lfs pull")
    );
    assert!(written(b"<!DOCTYPE html><html>Not found</html>").contains("HTML"));
    assert!(written(b"").contains("empty"));
    assert!(refused(dir.path()).contains("directory"));
    // Cut off anywhere.
    for name in ["plain.pth", "legacy.pth", "tar_of_2017.pth"] {
        let whole = std::fs::read(golden(name)).unwrap();
        // Behind the values an archive is filled up.
        let last = if name.starts_with("tar") {
            3584 + 487
        } else {
            whole.len()
        };
        for cut in (0..last).step_by(97) {
            written(&whole[..cut]);
        }
    }
}

#[test]
fn the_state_of_an_optimizer_is_no_network() {
    for rules in [Rules::default(), Rules::for_other_classes("fc")] {
        let error = load(&golden("optimizer.pth"), &rules).unwrap_err();
        assert!(matches!(error, WeightsError::Mismatch(_)), "{error}");
        let error = error.to_string();
        assert!(
            error.contains("optimizer.pth") && error.contains("torch.save(model.state_dict()"),
            "{error}"
        );
    }
}

#[test]
fn archives_of_big_endian_machines_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.pth");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in [("big/data.pkl", "}."), ("big/byteorder", "big")] {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).unwrap();
        writer.write_all(bytes.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    let error = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("big-endian"), "{error}");
}

#[test]
fn damaged_values_are_found_before_anything_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.pth");
    let mut bytes = std::fs::read(golden("plain.pth")).unwrap();
    // The bias of the last layer, 6.0 6.25 6.5.
    let value = [6f32, 6.25, 6.5].map(f32::to_le_bytes).concat();
    let at = bytes
        .windows(12)
        .position(|window| window == value)
        .unwrap();
    bytes[at + 1] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let target = net(3);
    let before = StateDict::of(&target);
    // The clone shares batch-norm statistics: a partial load would show.
    let loaded = WeightsFile::open(&path)
        .unwrap()
        .load_into(target.clone(), &Rules::default());
    let error = loaded.unwrap_err().to_string();
    assert!(
        error.contains("`fc.bias`") && error.contains("damaged"),
        "{error}"
    );
    assert_eq!(StateDict::of(&target), before);
}

#[test]
fn another_head_is_for_training_only() {
    let path = golden("plain.pth");
    let shapes = |net: &Net| StateDict::of(net).tensors["fc.weight"].shape().to_vec();
    let target = net(5);
    let own = StateDict::of(&target);
    let file = || WeightsFile::open(&path).unwrap();
    let error = file()
        .load_into(net(5), &Rules::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`fc.weight` is [3, 2] in the file but [5, 2] in the model"),
        "{error}"
    );
    let (loaded, notes) = file()
        .load_into(target, &Rules::for_other_classes("fc"))
        .unwrap();
    assert_eq!(
        notes,
        ["the head is reinitialized: `fc.weight` was [3, 2] in the file, the model has 5 classes"]
    );
    assert_eq!(shapes(&loaded), [5, 2]);
    let now = StateDict::of(&loaded).tensors;
    for (key, value) in &now {
        let expected = if key.starts_with("fc.") {
            own.tensors[key].clone()
        } else {
            expected()[key].clone()
        };
        assert_eq!(*value, expected, "{key}");
    }
}

#[test]
fn files_that_would_grow_are_refused_by_their_index() {
    let dir = tempfile::tempdir().unwrap();
    // A tensor of 3.6 GB in 4 bytes.
    let error = load(&golden("stride_zero.pth"), &Rules::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`fc.weight` is [30000, 30000] in the file but [3, 2] in the model"),
        "{error}"
    );
    let error = WeightsFile::open(&golden("stride_zero.pth"))
        .unwrap()
        .read_all()
        .unwrap_err();
    assert!(error.to_string().contains("far more memory"), "{error}");
    // A tensor that is no row of numbers says so where it is needed.
    let error = load(&golden("sparse.pth"), &Rules::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`fc.weight`") && error.contains("sparse"),
        "{error}"
    );
    // A pickle of 65 MiB in an archive of 66 KB.
    let path = dir.path().join("bomb.pth");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("bomb/data.pkl", options).unwrap();
    writer.write_all(&vec![0; 65 << 20]).unwrap();
    writer.finish().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 100_000);
    let error = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("its pickle has 65 MiB; at most 64 are read"),
        "{error}"
    );
    // A header for 300 000 tensors.
    let path = dir.path().join("many.safetensors");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&20_000_000u64.to_le_bytes()).unwrap();
    file.write_all(b"{").unwrap();
    file.set_len(40_000_000).unwrap();
    let error = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("header of 20000000 bytes"), "{error}");
    // An archive of 200 000 entries, by its last records: the larger one of zip64, and where it is.
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"PK\x03\x04").unwrap();
    file.seek(SeekFrom::Start(1000)).unwrap();
    let mut record = [0; 56];
    record[..4].copy_from_slice(b"PK\x06\x06");
    record[24..32].copy_from_slice(&200_000u64.to_le_bytes());
    record[32..40].copy_from_slice(&200_000u64.to_le_bytes());
    file.write_all(&record).unwrap();
    let mut locator = [0; 20];
    locator[..4].copy_from_slice(b"PK\x06\x07");
    locator[8..16].copy_from_slice(&1000u64.to_le_bytes());
    file.write_all(&locator).unwrap();
    let mut end = [0; 22];
    end[..4].copy_from_slice(b"PK\x05\x06");
    end[8..12].fill(0xff);
    file.write_all(&end).unwrap();
    let error = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("200000 entries"), "{error}");
}
