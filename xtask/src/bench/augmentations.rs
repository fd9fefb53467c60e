//! The cases of `cargo xtask bench augment`: pipelines from pixels to a normalized tensor, and single operations.
//!
//! Everyone changes the same made-up photos, `bench/photo.py` and `bench/src/photo.rs`. Where an operation draws nothing
//! that matters to the result, its parameters are fixed, and the results are compared.

use std::path::Path;

use serde_json::{Value, json};

use super::photos::{AUGMENTED, PHOTOS, SIDE, dataset, jpegs};
use super::work::Work;

/// Side of what the model reads.
const OUTPUT: usize = 224;
/// Images of 32 pixels that one repetition changes.
const SMALL: usize = 128;

pub(super) fn augmentations(folder: &Path) -> Vec<(String, Value, Work)> {
    let mut cases = pipelines(folder);
    cases.extend(OPERATIONS.map(|operation| operation.case()));
    cases
}

fn pipelines(folder: &Path) -> Vec<(String, Value, Work)> {
    // The statistics of ImageNet.
    let normalize = json!({ "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225] });
    let photo = json!({
        "operation": "photo",
        "pipeline": "random_resized_crop | hflip | color_jitter(0.4, 0.4, 0.4)",
        "values": { "brightness": 0.4, "contrast": 0.4, "saturation": 0.4 },
        "side": SIDE, "output": OUTPUT, "batch": PHOTOS, "normalize": normalize, "fixed": false,
    });
    let mut from_jpeg = photo.clone();
    from_jpeg["jpegs"] = json!(jpegs(folder, AUGMENTED));
    let mut from_pack = photo.clone();
    from_pack["pack"] = json!(dataset(folder, AUGMENTED));
    let cifar = json!({
        "operation": "cifar",
        "pipeline": "pad_crop(4) | hflip | trivial_augment | erase(0.25)",
        "values": { "padding": 4, "erase": 0.25 },
        "side": 32, "output": 32, "batch": SMALL, "normalize": normalize, "fixed": false,
    });
    vec![
        (
            format!("photo @{SIDE} → @{OUTPUT} b{PHOTOS}"),
            photo,
            Work::Images(PHOTOS as f64),
        ),
        (
            format!("photo @{SIDE} from JPEG → @{OUTPUT} b{PHOTOS}"),
            from_jpeg,
            Work::Images(PHOTOS as f64),
        ),
        (
            format!("photo @{SIDE} from a pack → @{OUTPUT} b{PHOTOS}"),
            from_pack,
            Work::Images(PHOTOS as f64),
        ),
        (
            format!("CIFAR @32 b{SMALL}"),
            cifar,
            Work::Images(SMALL as f64),
        ),
    ]
}

/// A single operation on photos.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    /// What Firebrick runs.
    pipeline: &'static str,
    /// The same for the others, a JSON object.
    values: &'static str,
    /// Whether everyone should get the same result, but for rounding.
    fixed: bool,
}

impl Operation {
    fn case(self) -> (String, Value, Work) {
        let Self {
            name,
            pipeline,
            values,
            fixed,
        } = self;
        // It takes some others long.
        let batch = if name == "elastic" { 4 } else { PHOTOS };
        let smaller = matches!(name, "resize" | "center_crop");
        let output = if smaller { OUTPUT } else { SIDE };
        let values: Value = serde_json::from_str(values).unwrap_or_default();
        let told = json!({
            "operation": name, "pipeline": pipeline, "values": values, "side": SIDE,
            "output": output, "batch": batch, "fixed": fixed,
        });
        let work = Work::Images(batch as f64);
        (format!("{name} @{SIDE} b{batch}"), told, work)
    }
}

const fn same(name: &'static str, pipeline: &'static str, values: &'static str) -> Operation {
    Operation {
        name,
        pipeline,
        values,
        fixed: true,
    }
}

const fn random(name: &'static str, pipeline: &'static str, values: &'static str) -> Operation {
    Operation {
        fixed: false,
        ..same(name, pipeline, values)
    }
}

const OPERATIONS: [Operation; 21] = [
    same("hflip", "hflip(prob=1)", "{}"),
    same("vflip", "vflip(prob=1)", "{}"),
    same("resize", "resize([224, 224])", "{}"),
    same("center_crop", "center_crop(224)", "{}"),
    same("rotate", "rotate([30, 30])", r#"{"degrees": 30}"#),
    same(
        "affine",
        "affine([10, 10], scale=[1.1, 1.1], shear=[8, 8])",
        r#"{"degrees": 10, "scale": 1.1, "shear": 8}"#,
    ),
    random("perspective", "perspective(0.5)", r#"{"distortion": 0.5}"#),
    same(
        "brightness",
        "color_jitter(brightness=[1.4, 1.4])",
        r#"{"factor": 1.4}"#,
    ),
    same(
        "contrast",
        "color_jitter(contrast=[1.4, 1.4])",
        r#"{"factor": 1.4}"#,
    ),
    same(
        "saturation",
        "color_jitter(saturation=[1.4, 1.4])",
        r#"{"factor": 1.4}"#,
    ),
    same("hue", "color_jitter(hue=[0.1, 0.1])", r#"{"turn": 0.1}"#),
    same("sharpness", "sharpness(2, prob=1)", r#"{"factor": 2}"#),
    same("posterize", "posterize(4, prob=1)", r#"{"bits": 4}"#),
    same("solarize", "solarize(128, prob=1)", r#"{"threshold": 128}"#),
    same("equalize", "equalize(prob=1)", "{}"),
    same("autocontrast", "autocontrast(prob=1)", "{}"),
    same("invert", "invert(prob=1)", "{}"),
    same("grayscale", "grayscale(prob=1)", "{}"),
    same("blur", "blur([1, 1], 7)", r#"{"sigma": 1, "kernel": 7}"#),
    random("elastic", "elastic(50, 5)", r#"{"alpha": 50, "sigma": 5}"#),
    random(
        "erase",
        "erase(1, share=[0.1, 0.1], ratio=[1, 1])",
        r#"{"share": 0.1}"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_says_what_it_does() {
        let cases = augmentations(Path::new("folder"));
        assert_eq!(cases.len(), 4 + OPERATIONS.len());
        for (name, told, work) in &cases {
            assert!(told["values"].is_object(), "{name}: {}", told["values"]);
            let batch = told["batch"].as_f64().map(Work::Images);
            assert_eq!(batch, Some(*work), "{name}");
            assert!(name.ends_with(&format!("b{}", told["batch"])), "{name}");
        }
        let with = |key: &str| cases.iter().filter(|case| !case.1[key].is_null()).count();
        let counts = ["normalize", "jpegs", "pack"].map(with);
        assert_eq!(counts, [4, 1, 1]);
    }

    /// Every number that the others get is one of the pipeline.
    #[test]
    fn values_are_those_of_the_pipeline() {
        for (name, told, _) in augmentations(Path::new("folder")) {
            let pipeline = told["pipeline"].to_string();
            let numbers: Vec<&str> = pipeline
                .split(|c: char| !(c.is_ascii_digit() || c == '.'))
                .collect();
            for value in told["values"].as_object().unwrap().values() {
                assert!(
                    numbers.contains(&value.to_string().as_str()),
                    "{name}: {value} is not in {pipeline}"
                );
            }
        }
    }
}
