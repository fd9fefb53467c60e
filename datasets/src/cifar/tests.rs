use std::io::Write;

use firebrick_types::data::Dataset;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// A record whose red, green and blue planes start at `first`, 100 + `first`, 200 + `first`.
fn record(labels: &[u8], first: u8) -> Vec<u8> {
    let planes = [first, 100 + first, 200 + first];
    let plane = |start: u8| (0..PLANE).map(move |i| start.wrapping_add(i as u8));
    labels
        .iter()
        .copied()
        .chain(planes.into_iter().flat_map(plane))
        .collect()
}

fn write_ten(folder: &Path) {
    for (index, file) in Cifar::Ten.files().iter().enumerate() {
        let index = index as u8;
        let bytes = [record(&[index], index), record(&[9 - index], 10 + index)].concat();
        std::fs::write(folder.join(file), bytes).unwrap();
    }
}

fn pack(archive: &Path, inner: &str, folder: &Path, files: &[&str]) {
    let encoder = GzEncoder::new(File::create(archive).unwrap(), Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for file in files.iter().rev() {
        builder
            .append_path_with_name(folder.join(file), format!("{inner}/{file}"))
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
}

#[test]
fn planes_become_interleaved_pixels_in_the_official_order() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(Cifar::Ten.locate(&[folder.path().into()]), None);
    write_ten(&inner);
    let location = Cifar::Ten.locate(&[folder.path().into()]).unwrap();
    assert_eq!(
        Cifar::Ten.locate(std::slice::from_ref(&inner)),
        Some(location.clone())
    );
    let (train, test) = Cifar::Ten.read(&location).unwrap();
    assert_eq!([train.len(), test.len()], [10, 2]);
    let labels: Vec<_> = (0..10).map(|index| train.label(index)).collect();
    assert_eq!(labels, [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
    assert_eq!(
        test.get(0).unwrap().image.pixels[..6],
        [5, 105, 205, 6, 106, 206]
    );
    assert_eq!(train.get(3).unwrap().image.pixels[..3], [11, 111, 211]);

    let packed = tempfile::tempdir().unwrap();
    let archive = packed.path().join("cifar-10-binary.tar.gz");
    pack(&archive, "cifar-10-batches-bin", &inner, Cifar::Ten.files());
    let location = Cifar::Ten.locate(&[packed.path().into()]).unwrap();
    assert_eq!(location, Location::Archive(archive.clone()));
    let (same, _) = Cifar::Ten.read(&location).unwrap();
    assert_eq!(same.fingerprint(), train.fingerprint());

    let whole = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
    let error = Cifar::Ten.read(&location).unwrap_err().to_string();
    assert!(error.contains("cifar-10-binary.tar.gz"), "{error}");
    assert!(
        error.contains("cut off") || error.contains("breaks in record"),
        "{error}"
    );

    pack(
        &archive,
        "cifar-10-batches-bin",
        &inner,
        &Cifar::Ten.files()[1..],
    );
    let error = Cifar::Ten.read(&location).unwrap_err().to_string();
    assert!(error.contains("no data_batch_1.bin"), "{error}");

    std::fs::write(&archive, b"<html>moved</html>").unwrap();
    let error = Cifar::Ten.read(&location).unwrap_err().to_string();
    assert!(error.contains("cannot be read as .tar.gz"), "{error}");
}

#[test]
fn cifar100_has_fine_and_coarse_labels() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.bin"), record(&[19, 81], 0)).unwrap();
    std::fs::write(folder.path().join("test.bin"), record(&[0, 99], 1)).unwrap();
    for (labels, train_class, test_class) in [
        (Labels::Fine, "streetcar", "worm"),
        (Labels::Coarse, "vehicles_2", "aquatic_mammals"),
    ] {
        let cifar = Cifar::Hundred(labels);
        let location = cifar.locate(&[folder.path().into()]).unwrap();
        let (train, test) = cifar.read(&location).unwrap();
        assert_eq!(train.classes()[train.label(0)], train_class);
        assert_eq!(test.classes()[test.label(0)], test_class);
        assert_eq!(train.get(0).unwrap().image.pixels[..3], [0, 100, 200]);
    }
    // Every class once, in alphabetical order, as in fine_label_names.txt.
    assert!(CIFAR100.is_sorted() && CIFAR100_COARSE.is_sorted());
    assert!(CIFAR100.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn cut_and_damaged_files_are_named_with_the_record() {
    let folder = tempfile::tempdir().unwrap();
    write_ten(folder.path());
    let location = Location::Folder(folder.path().into());
    let path = folder.path().join("data_batch_3.bin");
    let whole = std::fs::read(&path).unwrap();
    let mut mislabelled = whole.clone();
    mislabelled[3073] = 10;
    for (bytes, needle) in [
        (
            &whole[..whole.len() - 1],
            "record 1 (from 0) is cut off: expected 3073 bytes from byte 3073, found 3072",
        ),
        (
            &whole[..0],
            "record 0 (from 0) is cut off: expected 3073 bytes from byte 0, found 0",
        ),
        (
            &mislabelled,
            "label 10 of record 1 (byte 3073) is out of range: the labels are 0 to 9",
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Cifar::Ten.read(&location).unwrap_err().to_string();
        assert!(
            error.starts_with(path.to_str().unwrap()) && error.contains(needle),
            "{error}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let error = Cifar::Ten.read(&location).unwrap_err().to_string();
    assert!(error.contains("data_batch_3.bin"), "{error}");
}

/// The real test images, packed as lossless strips beside the repository, unpacked into the
/// official file: reading that file must give the strips' pixels back.
#[test]
fn the_real_test_batch_reads_back() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/cifar10");
    let Ok(labels) = std::fs::read(Path::new(data).join("test_labels.bin")) else {
        println!("SKIPPED: the real CIFAR-10 is not in {data}");
        return;
    };
    let strips: Vec<u8> = (0..20)
        .flat_map(|strip| {
            let path = Path::new(data).join(format!("test_{strip:03}.webp"));
            let bytes = std::fs::read(&path).unwrap();
            crate::decode::decode(&path, &bytes, 3).unwrap().pixels
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write_ten(folder.path());
    let mut file = File::create(folder.path().join("test_batch.bin")).unwrap();
    let mut official = Vec::new();
    for (label, image) in labels.iter().zip(strips.chunks_exact(3 * PLANE)) {
        official.push(*label);
        for channel in 0..3 {
            official.extend(image[channel..].iter().step_by(3));
        }
    }
    file.write_all(&official).unwrap();
    use sha2::Digest;
    assert_eq!(
        format!("{:x}", sha2::Sha256::digest(&official)),
        TEST_BATCH_SHA256,
        "the strips are not the official test_batch.bin"
    );
    let (_, test) = Cifar::Ten
        .read(&Location::Folder(folder.path().into()))
        .unwrap();
    assert_eq!(test.len(), 10_000);
    assert!(test.pixels() == strips);
    let first: Vec<_> = (0..4)
        .map(|i| test.classes()[test.label(i)].as_str())
        .collect();
    assert_eq!(first, ["cat", "ship", "ship", "airplane"]);
}

/// Of the file whose published MD5 is 803d5f7f4d78ea53de84dbe85f74fb6d.
const TEST_BATCH_SHA256: &str = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b";
