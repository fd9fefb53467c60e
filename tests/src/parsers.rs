//! One function for each parser of files and texts from outside. It takes any bytes, and panics if the parser does or if
//! the result is inconsistent.
//!
//! `tests/it/corpus.rs` runs them over the files of `tests/corpus` and over damaged copies of these;
//! `fuzz/` runs them for as long as one likes.

// That is what they are for.
#![allow(clippy::missing_panics_doc)]

use std::path::{Path, PathBuf};

use firebrick::core::checksum;
use firebrick::core::data::{Dataset, Fit, Preprocessing};
use firebrick::core::image::fit;
use firebrick::core::length::RunLength;
use firebrick::core::run::RunRecord;
use firebrick::core::spec::{Pipeline, Spec};
use firebrick::core::weights_file::WeightsFile;
use firebrick::core::{Recipe, loss};
use firebrick::datasets::cifar::{Cifar, Labels, Location};
use firebrick::datasets::{decode, folder, idx};
use firebrick::ensemble;
use firebrick::optim::schedule::{self, Outlook};
use firebrick::optim::{Request, optimizer};
use firebrick::predict::{Wanted, predict};
use firebrick::regularize::augment;
use firebrick::training::Checkpoint;
use firebrick::{TrainedModel, zoo};
use firebrick_cli::testkit::photo_in_request;
use firebrick_transfer::cache::{CacheReader, CacheWriter};

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    /// Its folder in `tests/corpus`, and the name of its fuzz target.
    pub name: &'static str,
    /// Reads the bytes.
    pub read: fn(&[u8]),
}

/// All of them.
pub const PARSERS: [Parser; 14] = [
    Parser {
        name: "spec",
        read: spec,
    },
    Parser {
        name: "recipe",
        read: recipe,
    },
    Parser {
        name: "run_record",
        read: run_record,
    },
    Parser {
        name: "model_file",
        read: model_file,
    },
    Parser {
        name: "safetensors",
        read: safetensors,
    },
    Parser {
        name: "pickle",
        read: pickle,
    },
    Parser {
        name: "image",
        read: image,
    },
    Parser {
        name: "idx",
        read: idx,
    },
    Parser {
        name: "cifar",
        read: cifar,
    },
    Parser {
        name: "pack",
        read: pack,
    },
    Parser {
        name: "checkpoint",
        read: checkpoint,
    },
    Parser {
        name: "table",
        read: table,
    },
    Parser {
        name: "features",
        read: features,
    },
    Parser {
        name: "request",
        read: request,
    },
];

/// Longest message that a person is shown, in characters of a line.
const LINE: usize = 4_000;

/// Whatever is said about the input must be fit for a person.
fn fit_for_a_person(message: &str) {
    let longest = message.lines().map(|line| line.chars().count()).max();
    assert!(longest.unwrap_or(0) < LINE, "{message:.500}");
}

fn path_in(folder: &tempfile::TempDir, name: &str, data: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, data).expect("a temporary file can be written");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Spec strings and pipelines, and every registry that is asked for what they name.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<Pipeline>() {
        Err(error) => fit_for_a_person(&error.to_string()),
        Ok(pipeline) => {
            let printed = pipeline.to_string();
            let again = printed.parse::<Pipeline>().map(|again| again.to_string());
            assert_eq!(again.as_ref(), Ok(&printed), "what is printed reads back");
            if let Err(error) = augment::build(&pipeline) {
                fit_for_a_person(&error.to_string());
            }
        }
    }
    let Ok(spec) = text.parse::<Spec>() else {
        return;
    };
    let run = RunLength::new(3, 100, 10, 1);
    let built = [
        optimizer::build(&spec).map(|_| ()),
        schedule::build(&spec, &Outlook::new(run, 0.1)).map(|_| ()),
        Request::new(spec.clone(), "constant".parse().expect("a spec"), run)
            .plan()
            .map(|_| ()),
        loss::build(&spec).map(|_| ()),
        zoo::canonical(&spec).map(|_| ()),
    ];
    for error in built.into_iter().filter_map(Result::err) {
        fit_for_a_person(&error.to_string());
    }
}

/// Recipes.
pub fn recipe(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Recipe::from_toml(text, "recipe.toml") {
        Err(error) => fit_for_a_person(&error.to_string()),
        Ok(recipe) => {
            let Ok(written) = recipe.to_toml() else {
                return;
            };
            let again = Recipe::from_toml(&written, "again").and_then(|again| again.to_toml());
            assert_eq!(again, Ok(written), "what is written reads back");
        }
    }
}

/// `run.json`, and the report that is drawn from it.
pub fn run_record(data: &[u8]) {
    match RunRecord::from_json(data) {
        Err(problem) => fit_for_a_person(&problem),
        Ok(record) => {
            let _ = firebrick::report::page(std::slice::from_ref(&record));
            let json = record
                .to_json()
                .expect("a record that was read can be written");
            RunRecord::from_json(&json).expect("what is written reads back");
        }
    }
}

/// Model files, up to the model with its weights and one prediction: as they are, and without the checksum
/// in them, which would refuse every damaged one before it is looked at.
pub fn model_file(data: &[u8]) {
    const KEY: &[u8] = b"\"firebrick.checksum\":";
    model_file_as_it_is(data);
    if let Some(at) = data.windows(KEY.len()).position(|window| window == KEY) {
        let mut unchecked = data.to_vec();
        // Another key, which means nothing.
        unchecked[at + 1] = b'F';
        model_file_as_it_is(&unchecked);
    }
}

fn model_file_as_it_is(data: &[u8]) {
    let folder = folder();
    let path = path_in(&folder, "model.safetensors", data);
    let device = firebrick::core::device("flex").expect("flex is compiled in");
    // What the metadata asks for may be large, but never larger than the weights.
    let model = match TrainedModel::read(&path, &device) {
        Err(error) => return fit_for_a_person(&error.to_string()),
        Ok(model) => model,
    };
    let image = path_in(&folder, "black.bmp", &bitmap());
    let mut told = 0;
    // Weights that are not finite have no prediction but an error.
    let each = &mut |_: Result<_, _>| told += 1;
    let wanted = Wanted {
        top: 3,
        ..Wanted::default()
    };
    predict(&model, vec![Ok(image)], &wanted, each);
    assert_eq!(told, 1);
}

/// A black image of one pixel.
fn bitmap() -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    for word in [58_u32, 0, 54, 40, 1, 1, 1 | 24 << 16, 0, 4, 0, 0, 0, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

/// Weights in safetensors.
pub fn safetensors(data: &[u8]) {
    weights(data, "weights.safetensors");
}

/// PyTorch's weights, in a zip or as a legacy pickle.
pub fn pickle(data: &[u8]) {
    weights(data, "weights.pth");
}

fn weights(data: &[u8], name: &str) {
    let folder = folder();
    let read = WeightsFile::open(&path_in(&folder, name, data)).and_then(WeightsFile::read_all);
    if let Err(error) = read {
        fit_for_a_person(&error.to_string());
    }
}

/// Image files of every format, to the size that a model reads.
pub fn image(data: &[u8]) {
    for (channels, how) in [(1, Fit::Squash), (3, Fit::Crop)] {
        let image = match decode::decode(Path::new("image"), data, channels) {
            Err(error) => {
                fit_for_a_person(&error.to_string());
                continue;
            }
            Ok(image) => image,
        };
        let preprocessing = Preprocessing {
            fit: how,
            ..Preprocessing::unnormalized(channels, 8, 8)
        };
        let mut values = Vec::new();
        preprocessing.normalize_into(&fit(image, &preprocessing), &mut values);
        assert_eq!(values.len(), 64 * channels);
    }
}

/// IDX files of images and of labels, plain or gzipped.
pub fn idx(data: &[u8]) {
    let folder = folder();
    let path = path_in(&folder, "data-idx", data);
    match idx::images(&path) {
        Err(error) => fit_for_a_person(&error.to_string()),
        Ok(images) => {
            let values = images.count * images.rows * images.columns;
            assert_eq!(images.pixels.len(), values);
        }
    }
    if let Err(error) = idx::labels(&path) {
        fit_for_a_person(&error.to_string());
    }
}

/// CIFAR in its binary version, as archives and as files.
pub fn cifar(data: &[u8]) {
    let folder = folder();
    let archive = path_in(&folder, "cifar.tar.gz", data);
    path_in(&folder, "train.bin", data);
    path_in(&folder, "test.bin", data);
    for (set, location) in [
        (Cifar::Ten, Location::Archive(archive.clone())),
        (Cifar::Hundred(Labels::Fine), Location::Archive(archive)),
        (
            Cifar::Hundred(Labels::Coarse),
            Location::Folder(folder.path().into()),
        ),
    ] {
        if let Err(error) = set.read(&location) {
            fit_for_a_person(&error.to_string());
        }
    }
}

/// Packs of image folders, up to the pixels of every image: as they are, and with a checksum that fits the index, which
/// would refuse every damaged one before it is looked at.
pub fn pack(data: &[u8]) {
    pack_as_it_is(data);
    let Some((before, trailer)) = data.split_last_chunk::<48>() else {
        return;
    };
    let length = trailer
        .first_chunk()
        .map_or(0, |length| u64::from_le_bytes(*length));
    let begin = usize::try_from(length).ok();
    let Some(begin) = begin.and_then(|length| before.len().checked_sub(length)) else {
        return;
    };
    let digits = checksum::of(&before[begin..]);
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    let mut unchecked = data.to_vec();
    let sum = &mut unchecked[before.len() + 8..before.len() + 40];
    sum.fill_with({
        let mut places = (0..64).step_by(2);
        move || places.next().map_or(0, byte)
    });
    pack_as_it_is(&unchecked);
}

fn pack_as_it_is(data: &[u8]) {
    let temp = folder();
    let path = path_in(&temp, "images.fbpack", data);
    let folders = match folder::open(&path, 3) {
        Err(error) => return fit_for_a_person(&error.to_string()),
        Ok(folders) => folders,
    };
    for (_, set) in &folders.splits {
        for index in 0..set.len() {
            match set.get(index) {
                Err(error) => fit_for_a_person(&error.to_string()),
                Ok(sample) => {
                    assert!(sample.label < set.classes().len());
                    let image = sample.image;
                    assert_eq!(image.pixels.len(), image.width * image.height * 3);
                }
            }
        }
    }
}

/// Sets of a checkpoint, each file in turn with these bytes: as they lie, which the checksums refuse,
/// and with checksums that fit.
pub fn checkpoint(data: &[u8]) {
    const STATE: &[u8] = br#"{"identity":{"model":"","data":"","recipe":""},"progress":{"step":1,"epoch":0,"batch":1,
        "sums":{"loss":0.0,"weight":0.0,"correct":0,"images":0,"seconds":0.0},"rows":[],"curve":{"stride":1,"points":[]},
        "best":null,"stale_epochs":0,"skipped_updates":0,"seconds":0.0,"activations":[]},
        "optimizer":"sgd","optimizer_numbers":{},"hooks":{}}"#;
    const NONE: &[u8] = b"\x08\0\0\0\0\0\0\0{}      ";
    let device = firebrick::core::device("flex").expect("flex is compiled in");
    let sound = [
        ("model.safetensors", NONE),
        ("optimizer.safetensors", NONE),
        ("state.json", STATE),
    ];
    let folder = folder();
    let load = || Checkpoint::load(folder.path(), &device);
    for replaced in 0..=sound.len() {
        let mut sums = std::collections::BTreeMap::new();
        for (at, (name, bytes)) in sound.into_iter().enumerate() {
            let bytes = if at == replaced { data } else { bytes };
            path_in(&folder, name, bytes);
            sums.insert(name.to_string(), checksum::of(bytes));
        }
        let sum = checksum::of(format!("1 test {sums:?}").as_bytes());
        let manifest =
            serde_json::json!({ "format": 1, "firebrick": "test", "files": sums, "checksum": sum });
        let manifest = manifest.to_string();
        let write_manifest = |bytes: &[u8]| path_in(&folder, "manifest.json", bytes);
        write_manifest(manifest.replace("test", "tset").as_bytes());
        assert!(load().is_err(), "the checksum does not fit");
        write_manifest(manifest.as_bytes());
        let mut loaded = load();
        if replaced == sound.len() {
            loaded.expect("nothing was replaced yet");
            write_manifest(data);
            loaded = load();
        }
        if let Err(error) = loaded {
            let message = error.to_string();
            fit_for_a_person(&message);
            assert!(
                message.contains(&*folder.path().to_string_lossy()),
                "{message}"
            );
        }
    }
}

/// Tables of predictions, up to their figures.
pub fn table(data: &[u8]) {
    match ensemble::table::read(data) {
        Err(error) => fit_for_a_person(&error.to_string()),
        Ok(table) => {
            assert_eq!(table.labels.len(), table.predicted.len());
            let figures = table.figures().expect("a table that was read has figures");
            assert!((0.0..=1.0).contains(&figures.top1) && (0.0..=1.001).contains(&figures.ece));
        }
    }
}

/// Files of features, up to the features of every stage, and where writing goes on: as they are, and with a checksum that fits
/// the header, which would refuse every damaged one before it is looked at.
pub fn features(data: &[u8]) {
    features_as_they_are(data);
    let length = data.get(8..16).and_then(|bytes| bytes.first_chunk());
    let length = length.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let header = usize::try_from(length)
        .ok()
        .and_then(|length| data.get(16..)?.get(..length));
    if let Some(header) = header {
        let mut unchecked = data.to_vec();
        let sum = checksum::of(header);
        for (digit, of_sum) in unchecked
            .iter_mut()
            .skip(16 + header.len())
            .zip(sum.bytes())
        {
            *digit = of_sum;
        }
        features_as_they_are(&unchecked);
    }
}

fn features_as_they_are(data: &[u8]) {
    let folder = folder();
    let path = path_in(&folder, "features", data);
    let reader = match CacheReader::open(&path) {
        Err(error) => return fit_for_a_person(&error.to_string()),
        Ok(reader) => reader,
    };
    let (key, found) = (reader.key().clone(), reader.found());
    assert!(found.rows <= key.images * key.views.len());
    assert_eq!(
        reader.is_complete(),
        found.rows == key.images * key.views.len()
    );
    let views: Vec<usize> = (0..key.views.len()).collect();
    for stage in &key.stages {
        match reader.features(&stage.name, &views) {
            Err(error) => fit_for_a_person(&error.to_string()),
            Ok(features) => {
                assert_eq!(
                    (features.rows(), features.width()),
                    (found.rows, stage.width)
                );
            }
        }
    }
    match CacheWriter::open(&path, &key) {
        Err(error) => fit_for_a_person(&error.to_string()),
        Ok((_, begun)) => {
            assert_eq!(begun, found);
            let reader = CacheReader::open(&path).expect("what a writer opened can be read");
            assert_eq!(
                (reader.found().rows, reader.found().torn_bytes),
                (found.rows, 0)
            );
        }
    }
}

/// Requests to `firebrick serve`.
pub fn request(data: &[u8]) {
    match photo_in_request(data, 8765) {
        Ok(None) => {}
        Ok(Some(photo)) => assert!(!photo.is_empty() && photo.len() < data.len()),
        Err((status, answer)) => {
            assert!((400..500).contains(&status), "{status}");
            let answer = String::from_utf8(answer).expect("an answer is a text");
            fit_for_a_person(&answer);
        }
    }
}
