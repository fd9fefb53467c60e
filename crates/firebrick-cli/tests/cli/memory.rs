//! The most memory that a command takes, as Linux counts it for the process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use firebrick::core::spec::Spec;
use firebrick::core::state_dict::StateDict;
use firebrick::zoo;
use image::RgbImage;
use serde_json::json;

use crate::support::{firebrick, images};

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

/// Writes weights of zeros for a model, and returns their bytes. The file takes no place on the disk.
fn zeros(path: &Path, spec: &str, classes: usize, metadata: &BTreeMap<&str, String>) -> u64 {
    let spec: Spec = spec.parse().unwrap();
    let input = zoo::Input {
        classes,
        ..zoo::default_input(&spec).unwrap()
    };
    let device = firebrick::core::device("flex").unwrap();
    let shapes = StateDict::shapes(&zoo::undrawn(&spec, &input, &device).unwrap());
    let mut header = json!({ "__metadata__": metadata });
    let mut end = 0;
    for (key, shape) in shapes {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        header[key] = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] });
    }
    let header = header.to_string();
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    end as u64
}

#[test]
fn a_model_is_in_memory_once() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("photos"), &["a", "b"], 3);
    for (spec, classes) in [("resnet18", 60_000), ("lenet5", 2)] {
        let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        let input = zoo::default_input(&spec.parse().unwrap()).unwrap();
        let preprocessing = json!({
            "channels": input.channels, "height": 32, "width": 32, "fit": "crop",
            "mean": vec![0.5; input.channels], "std": vec![0.5; input.channels],
        });
        let metadata = BTreeMap::from([
            ("firebrick.model", spec.to_string()),
            ("firebrick.classes", serde_json::to_string(&names).unwrap()),
            ("firebrick.preprocessing", preprocessing.to_string()),
        ]);
        let bytes = zeros(
            &at.join(format!("{spec}.safetensors")),
            spec,
            classes,
            &metadata,
        );
        for command in [
            "predict MODEL.safetensors photos/a/0.png".to_string(),
            format!("predict --model MODEL --weights MODEL.safetensors --normalize none --classes {classes} photos/a/0.png"),
            "eval MODEL.safetensors --dataset folder:photos".to_string(),
            "train --dataset folder:photos --image-size 32 --model MODEL --weights MODEL.safetensors --batch-size 2 --max-updates 1 --out MODEL-run".to_string(),
        ] {
            let command = command.replace("MODEL", spec);
            let (status, peak) = peak(at, &command);
            println!("{status} {peak} {:.2} {command}", peak as f64 / bytes as f64);
        }
    }
}

#[test]
fn the_number_of_images_does_not_matter() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    RgbImage::new(200, 200).save(at.join("image.png")).unwrap();
    for (folder, count) in [("few", 20), ("many", 20_000)] {
        for class in ["a", "b"] {
            let folder = at.join(folder).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..count / 2 {
                let link = folder.join(format!("{number}.png"));
                fs::hard_link(at.join("image.png"), link).unwrap();
            }
        }
    }
    for command in ["datasets info folder:few", "datasets info folder:many"] {
        let begun = std::time::Instant::now();
        println!("{} {command} {:?}", peak_of(at, command), begun.elapsed());
    }
    let metadata = BTreeMap::new();
    zeros(&at.join("lenet5.safetensors"), "lenet5", 10, &metadata);
    for command in ["few", "many/a"] {
        let begun = std::time::Instant::now();
        let predict = "predict --model lenet5 --weights lenet5.safetensors --normalize none";
        println!(
            "{} {command} {:?}",
            peak_of(at, &format!("{predict} {command}")),
            begun.elapsed()
        );
    }
}
