use std::fs::File;
use std::io::Write;

use firebrick_types::data::Dataset;

use super::*;
use crate::idx::tests::{gzip, idx};

fn digits() -> IdxSet {
    IdxSet {
        name: "digits".into(),
        train: "train".into(),
        test: "t10k".into(),
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        first_label: 0,
        transposed: false,
    }
}

/// Two train images of 2 × 3 pixels and one test image; `names` spells the files.
fn write_tiny(folder: &Path, names: impl Fn(&str) -> String, gz: bool) {
    let pixels: Vec<u8> = (0..12).collect();
    for (name, bytes) in [
        ("train-images-idx3-ubyte", idx(&[2, 2, 3], &pixels)),
        ("train-labels-idx1-ubyte", idx(&[2], &[7, 1])),
        ("t10k-images-idx3-ubyte", idx(&[1, 2, 3], &pixels[..6])),
        ("t10k-labels-idx1-ubyte", idx(&[1], &[2])),
    ] {
        let bytes = if gz { gzip(&bytes) } else { bytes };
        std::fs::write(folder.join(names(name)), bytes).unwrap();
    }
}

#[test]
fn the_four_spellings_of_the_file_names_are_found() {
    type Spelling = fn(&str) -> String;
    let spellings: [(Spelling, bool); 4] = [
        (str::to_string, false),
        (|name| format!("{name}.gz"), true),
        (|name| name.replace("-idx", ".idx"), false),
        (|name| format!("{}.gz", name.replace("-idx", ".idx")), true),
    ];
    for (names, gz) in spellings {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(digits().locate(&[folder.path().into()]), None);
        write_tiny(folder.path(), names, gz);
        let elsewhere = folder.path().join("elsewhere");
        let location = digits().locate(&[elsewhere, folder.path().into()]).unwrap();
        let (train, test) = digits().read(&location).unwrap();
        assert_eq!([train.len(), test.len()], [2, 1]);
        assert_eq!(train.size(), [2, 3]);
        let sample = train.get(1).unwrap();
        assert_eq!(sample.image.pixels, [6, 7, 8, 9, 10, 11]);
        assert_eq!([sample.label, test.label(0)], [1, 2]);
        assert_eq!(train.describe(0), "digits/train[0]");
    }
}

#[test]
fn emnist_is_turned_upright_and_its_letters_start_at_one() {
    let folder = tempfile::tempdir().unwrap();
    let letters = IdxSet {
        name: "emnist(split=letters)".into(),
        train: "emnist-letters-train".into(),
        test: "emnist-letters-test".into(),
        classes: ('A'..='Z').map(String::from).collect(),
        first_label: 1,
        transposed: true,
    };
    let rename = |name: &str| {
        let name = name.replace("t10k", "test");
        format!("emnist-letters-{name}.gz")
    };
    write_tiny(folder.path(), rename, true);
    let location = letters.locate(&[folder.path().into()]).unwrap();
    let (train, _) = letters.read(&location).unwrap();
    assert_eq!(train.size(), [3, 2]);
    let sample = train.get(0).unwrap();
    assert_eq!(sample.image.pixels, [0, 3, 1, 4, 2, 5]);
    assert_eq!(train.classes()[sample.label], "G");

    // The same files inside the archive that is published, in its folder `gzip/`.
    let archive = folder.path().join("gzip.zip");
    let mut writer = zip::ZipWriter::new(File::create(&archive).unwrap());
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.path() != archive {
            let options = zip::write::SimpleFileOptions::default();
            let name = format!("gzip/{}", entry.file_name().to_str().unwrap());
            writer.start_file(name, options).unwrap();
            writer
                .write_all(&std::fs::read(entry.path()).unwrap())
                .unwrap();
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    writer.finish().unwrap();
    let location = letters.locate(&[folder.path().into()]).unwrap();
    assert_eq!(location, Location::Zip(archive.clone()));
    assert_eq!(
        letters.read(&location).unwrap().0.fingerprint(),
        train.fingerprint()
    );
    assert_eq!(digits().locate(&[folder.path().into()]), None);

    std::fs::write(&archive, b"no archive").unwrap();
    let error = letters.read(&location).unwrap_err().to_string();
    assert!(
        error.contains("gzip.zip: it cannot be read as a zip"),
        "{error}"
    );
}

#[test]
fn images_and_labels_must_match() {
    let folder = tempfile::tempdir().unwrap();
    write_tiny(folder.path(), str::to_string, false);
    let location = Location::Folder(folder.path().into());
    let labels = folder.path().join("train-labels-idx1-ubyte");
    for (values, needle) in [
        (idx(&[1], &[7]), "holds 1 labels, but"),
        (
            idx(&[2], &[7, 10]),
            "label 10 of image 1 is out of range: digits has the labels 0 to 9",
        ),
    ] {
        std::fs::write(&labels, values).unwrap();
        let error = digits().read(&location).unwrap_err().to_string();
        assert!(
            error.starts_with(labels.to_str().unwrap()) && error.contains(needle),
            "{error}"
        );
    }
    std::fs::remove_file(&labels).unwrap();
    let error = digits().read(&location).unwrap_err().to_string();
    assert!(error.contains("no train-labels-idx1-ubyte.gz"), "{error}");

    let zero_is_no_letter = IdxSet {
        first_label: 1,
        ..digits()
    };
    std::fs::write(&labels, idx(&[2], &[1, 0])).unwrap();
    let error = zero_is_no_letter.read(&location).unwrap_err().to_string();
    assert!(error.contains("the labels 1 to 10"), "{error}");
}
