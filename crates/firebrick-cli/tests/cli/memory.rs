//! The most memory that a command takes, as Linux counts it for the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use image::RgbImage;
use serde_json::json;

use crate::support::{firebrick, images, zeros, zeros_of_pytorch};

/// Runs a command and returns its status and the most memory that it had, in bytes.
fn peak(directory: &Path, arguments: &str) -> (i32, u64) {
    let mut child = firebrick(directory)
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let place = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The count only grows; that of a process that has just ended is gone.
        let status = fs::read_to_string(&place).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = peak.max(kilobytes.map_or(0, |count| count.trim().parse().unwrap()));
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap_or(-1), peak * 1024);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The peak of a command that succeeds.
fn peak_of(directory: &Path, arguments: &str) -> u64 {
    let (status, peak) = peak(directory, arguments);
    assert_eq!(status, 0, "{arguments}");
    peak
}

/// The peak of a command that ends so soon that one run may be over before its peak is seen.
fn peak_of_short(directory: &Path, arguments: &str) -> u64 {
    let peaks = (0..5).map(|_| peak_of(directory, arguments));
    peaks.max().unwrap_or_default()
}

#[test]
fn the_weights_of_a_model_are_in_memory_once() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("photos"), &["a", "b"], 3);
    // As much in the convolutions as in the last layer, whose matrix is transposed in the file.
    let (spec, classes) = ("resnet18", 15_000);
    let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let preprocessing = json!({
        "channels": 3, "height": 64, "width": 64, "fit": "crop", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
    });
    let metadata = BTreeMap::from([
        ("firebrick.model", spec.to_string()),
        ("firebrick.classes", serde_json::to_string(&names).unwrap()),
        ("firebrick.preprocessing", preprocessing.to_string()),
    ]);
    let bytes = zeros(&at.join("model.safetensors"), spec, classes, &metadata);
    let program = peak_of_short(at, "--version");
    // Each fails when it has the model, before a forward pass takes memory of its own.
    for (command, status) in [
        ("predict model.safetensors absent.png", 1),
        (
            "predict --model resnet18 --weights model.safetensors --normalize none --classes 15000 absent.png",
            1,
        ),
        ("eval model.safetensors --dataset folder:photos", 2),
    ] {
        let (found, peak) = peak(at, command);
        assert_eq!(found, status, "{command}");
        // With less it would have failed before.
        let most = program + bytes * 3 / 2;
        assert!(
            (bytes..most).contains(&peak),
            "{command}: {peak} bytes for a model of {bytes} and a program of {program}"
        );
    }
}

#[test]
fn a_published_checkpoint_takes_little_more_memory_than_its_size() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let metadata = BTreeMap::new();
    let bytes = zeros(&at.join("net.safetensors"), "resnet50", 1000, &metadata);
    assert_eq!(
        zeros_of_pytorch(&at.join("net.pth"), "resnet50", 1000),
        bytes
    );
    assert!((100_000_000..104_000_000).contains(&bytes), "{bytes}");
    let program = peak_of_short(at, "--version");
    for file in ["net.safetensors", "net.pth"] {
        // Fails when it has the model.
        let command = format!("predict --model resnet50 --weights {file} absent.png");
        let (status, peak) = peak(at, &command);
        assert_eq!(status, 1, "{command}");
        let most = program + bytes * 3 / 2;
        assert!(
            (bytes..most).contains(&peak),
            "{file}: {peak} bytes for weights of {bytes} and a program of {program}"
        );
    }
}

/// Links to one image in two classes.
fn links(folder: &Path, image: &Path, count: usize) {
    for class in ["a", "b"] {
        let folder = folder.join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..count / 2 {
            fs::hard_link(image, folder.join(format!("{number}.png"))).unwrap();
        }
    }
}

#[test]
fn the_number_of_images_hardly_matters() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // 120 KB each where they are decoded.
    RgbImage::new(200, 200).save(at.join("image.png")).unwrap();
    for (folder, count) in [("few", 20), ("some", 300), ("many", 20_000)] {
        links(&at.join(folder), &at.join("image.png"), count);
    }
    zeros(&at.join("weights"), "lenet5", 10, &BTreeMap::new());
    let predict = "predict --model lenet5 --weights weights --normalize none";
    for (few, many) in [
        ("datasets info folder:few", "datasets info folder:many"),
        (&*format!("{predict} few"), &*format!("{predict} some")),
    ] {
        let more = peak_of(at, many).saturating_sub(peak_of_short(at, few));
        assert!(more < 10 << 20, "{many}: {more} bytes more than for 20");
    }
}

#[test]
fn the_size_of_a_pack_hardly_matters() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    RgbImage::new(400, 400).save(at.join("image.png")).unwrap();
    for (folder, count) in [("few", 20), ("some", 300)] {
        links(&at.join(folder), &at.join("image.png"), count);
        assert_eq!(peak(at, &format!("datasets pack {folder}")).0, 0);
    }
    let bytes = at.join("some.fbpack").metadata().unwrap().len();
    assert!(bytes > 140_000_000, "{bytes}");
    zeros(&at.join("weights"), "lenet5", 10, &BTreeMap::new());
    let predict = "predict --model lenet5 --weights weights --normalize none";
    for command in [predict, "datasets stats"] {
        let folder = if command == predict { "" } else { "folder:" };
        let few = peak_of_short(at, &format!("{command} {folder}few.fbpack"));
        let more = peak_of(at, &format!("{command} {folder}some.fbpack")).saturating_sub(few);
        assert!(more < 20 << 20, "{command}: {more} bytes more than for 20");
    }
    // Making it does not take the memory either.
    let more = peak_of(at, "datasets pack some");
    assert!(more < 100 << 20, "{more} bytes for a pack of {bytes}");
}
