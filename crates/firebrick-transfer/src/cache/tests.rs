use std::fs;
use std::path::Path;

use super::*;

fn key() -> Key {
    let stage = |name: &str, width| StageWidth {
        name: name.into(),
        width,
    };
    Key {
        weights: "resnet18 5c106cde".into(),
        preprocessing: "resize=256 crop=224".into(),
        data: "folder 3 images".into(),
        images: 3,
        views: vec!["plain".into(), "hflip".into()],
        stages: vec![stage("layer1", 2), stage("layer2", 1)],
        classes: vec!["ant".into(), "bee".into()],
    }
}

fn row(image: usize, view: usize) -> Row {
    Row {
        image,
        view,
        label: image % 2,
    }
}

/// The features of a row: they tell which it is.
fn values(image: usize, view: usize) -> [f32; 3] {
    let base = (10 * image + view) as f32;
    [base, base + 0.25, -base]
}

/// Writes the rows that are missing, one block for each image.
fn fill(path: &Path) -> Found {
    let (mut writer, found) = CacheWriter::open(path, &key()).unwrap();
    for image in 0..3 {
        let views: Vec<usize> = (0..2).filter(|view| !writer.has(image, *view)).collect();
        let rows: Vec<Row> = views.iter().map(|view| row(image, *view)).collect();
        let features: Vec<f32> = views.iter().flat_map(|view| values(image, *view)).collect();
        writer.append(&rows, &features).unwrap();
    }
    writer.sync().unwrap();
    found
}

fn check(path: &Path) {
    let reader = CacheReader::open_of(path, &key()).unwrap();
    assert!(reader.is_complete());
    assert_eq!(reader.found().torn_bytes, 0);
    let first = reader.features("layer1", &[0, 1]).unwrap();
    assert_eq!(first.images(), [0, 0, 1, 1, 2, 2]);
    assert_eq!(first.labels(), [0, 0, 1, 1, 0, 0]);
    assert_eq!(first.row(3), &values(1, 1)[..2]);
    let second = reader.features("layer2", &[1]).unwrap();
    assert_eq!(second.values(), [-1.0, -11.0, -21.0]);
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.fbfeat");
    assert_eq!(fill(&path), Found::default());
    check(&path);
    // Complete already.
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!(
        fill(&path),
        Found {
            rows: 6,
            torn_bytes: 0
        }
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
}

#[test]
fn it_goes_on_after_being_cut_off_at_any_byte() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    fill(&whole);
    let bytes = fs::read(&whole).unwrap();
    let header = key().header(&whole).unwrap().len();
    let block = BLOCK_HEAD + 2 * key().row_bytes();
    assert_eq!(bytes.len(), header + 3 * block);
    let torn = folder.path().join("torn");
    for length in 0..bytes.len() {
        fs::write(&torn, &bytes[..length]).unwrap();
        if length < header {
            // A file is there with its whole header or not at all, so this is no interruption.
            let error = CacheWriter::open(&torn, &key()).unwrap_err().to_string();
            assert!(
                error.contains("no file of features") || error.contains("remove the file"),
                "{error}"
            );
            continue;
        }
        let (blocks, rest) = ((length - header) / block, (length - header) % block);
        let found = Found {
            rows: 2 * blocks,
            torn_bytes: rest as u64,
        };
        // A reader leaves the file alone: it may be growing.
        assert_eq!(CacheReader::open(&torn).unwrap().found(), found);
        assert_eq!(fs::metadata(&torn).unwrap().len(), length as u64);
        assert_eq!(fill(&torn), found);
        check(&torn);
        assert_eq!(fs::read(&torn).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_block_and_what_follows_are_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fill(&path);
    let bytes = fs::read(&path).unwrap();
    let header = key().header(&path).unwrap().len();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        fs::write(&path, &damaged).unwrap();
        if at < header {
            assert!(CacheReader::open(&path).is_err(), "byte {at}");
            continue;
        }
        let block = (at - header) / (BLOCK_HEAD + 2 * key().row_bytes());
        assert_eq!(fill(&path).rows, 2 * block, "byte {at}");
        check(&path);
    }
}

#[test]
fn it_can_be_read_while_it_grows_and_written_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let (mut writer, _) = CacheWriter::open(&path, &key()).unwrap();
    let mut reader = CacheReader::open(&path).unwrap();
    let error = reader.features("layer1", &[0]).unwrap_err().to_string();
    assert!(error.contains("no features in this file yet"), "{error}");
    writer.append(&[row(2, 0)], &values(2, 0)).unwrap();
    assert_eq!(reader.refresh().unwrap().rows, 1);
    let features = reader.features("layer1", &[0]).unwrap();
    assert_eq!(
        (features.values(), features.images()),
        (&values(2, 0)[..2], &[2][..])
    );
    assert_eq!(writer.missing(0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(writer.missing(1).collect::<Vec<_>>(), [0, 1, 2]);
    let error = CacheWriter::open(&path, &key()).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(writer);
    CacheWriter::open(&path, &key()).unwrap();
}

#[test]
fn other_features_are_refused_by_what_is_different() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fill(&path);
    type Change = fn(&mut Key);
    let change: [(Change, &str); 7] = [
        (
            |key| key.weights = "resnet18 0000".into(),
            "other weights: `resnet18 5c106cde` here, and `resnet18 0000` now",
        ),
        (|key| key.preprocessing.push('!'), "another preprocessing"),
        (|key| key.data = "folder 4".into(), "other data"),
        (|key| key.images = 4, "another number of images: `3` here"),
        (|key| _ = key.views.pop(), "other augmentation views"),
        (|key| key.classes.swap(0, 1), "other classes"),
        (
            |key| key.stages[1].name = "layer4".into(),
            "other stages: it has `layer1`, `layer2`, and not `layer4` with 1 features",
        ),
    ];
    for (change, message) in change {
        let mut other = key();
        change(&mut other);
        let errors = [
            CacheWriter::open(&path, &other).map(drop).unwrap_err(),
            CacheReader::open_of(&path, &other).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.to_string().contains("give another file"), "{error}");
        }
    }
    check(&path);
    // Some of its stages are there.
    let mut fewer = key();
    fewer.stages.remove(0);
    CacheReader::open_of(&path, &fewer).unwrap();
    let reader = CacheReader::open(&path).unwrap();
    let error = reader.features("layr1", &[0]).unwrap_err().to_string();
    assert!(error.contains("did you mean `layer1`?"), "{error}");
    assert!(reader.features("layer1", &[2]).is_err());
}

#[test]
fn rows_that_cannot_be_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let (mut writer, _) = CacheWriter::open(&path, &key()).unwrap();
    let size = fs::metadata(&path).unwrap().len();
    for (row, features, message) in [
        (row(3, 0), vec![0.0; 3], "there is no image 3"),
        (row(0, 2), vec![0.0; 3], "view 2"),
        (row(0, 0), vec![0.0; 2], "2 values are not 1 rows of 3"),
        (
            row(1, 0),
            vec![0.0, f32::INFINITY, 0.0],
            "`image 1` are not finite (inf in column 1)",
        ),
    ] {
        let error = writer.append(&[row], &features).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
    let mut none = key();
    none.stages.clear();
    assert!(CacheWriter::open(&folder.path().join("b"), &none).is_err());
    fs::write(folder.path().join("c"), "an essay, not features").unwrap();
    let error = CacheReader::open(&folder.path().join("c")).unwrap_err();
    assert!(error.to_string().contains("no file of features"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..600, value: u8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, &bytes).unwrap();
        let _ = CacheReader::open(&path);
        fs::remove_file(&path).unwrap();
        fill(&path);
        let mut whole = fs::read(&path).unwrap();
        let at = at % whole.len();
        whole[at] = value;
        whole.splice(at..at, bytes.into_iter().take(9));
        fs::write(&path, &whole).unwrap();
        if let Ok(reader) = CacheReader::open(&path) {
            let _ = reader.features("layer1", &[0, 1]);
        }
    }
}
