use std::fs;

use image::{Rgb, RgbImage};

use super::*;

fn write(root: &Path, path: &str, value: u8) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image = RgbImage::from_pixel(4, 3, Rgb([value, 0, 255 - value]));
    image
        .save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

fn problem(root: &Path) -> String {
    let outcome = open(root, 3).and_then(|folders| folders.train().map(|_| ()));
    outcome.unwrap_err().to_string()
}

/// The set that is trained on.
fn train(root: &Path) -> FolderDataset {
    open(root, 3).unwrap().train().unwrap().clone()
}

/// Two images of each class in `folder`.
fn classes(root: &Path, folder: &str, classes: &str) {
    for class in classes.split_whitespace() {
        write(root, &format!("{folder}/{class}/1.png"), 1);
        write(root, &format!("{folder}/{class}/2.png"), 2);
    }
}

/// The splits that are found, each with its number of images.
fn splits(root: &Path) -> Vec<(Split, usize)> {
    let folders = open(root, 3).unwrap();
    folders.train().unwrap();
    let splits = folders.splits.iter();
    splits.map(|(split, set)| (*split, set.len())).collect()
}

#[test]
fn classes_are_sorted_and_images_are_decoded_when_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (path, value) in [
        ("cat/b.png", 20),
        ("cat/a.PNG", 10),
        ("ant/deep/er/z.jpeg", 30),
        ("bee/.hidden.png", 0),
        ("bee/one.png", 40),
        (".git/x.png", 0),
        ("__MACOSX/x.png", 0),
    ] {
        write(root, path, value);
    }
    fs::write(root.join("bee/notes.txt"), "no image").unwrap();
    fs::write(root.join("readme.md"), "no image").unwrap();
    let set = train(root);
    assert_eq!(splits(root), [(Split::All, 4)]);
    assert_eq!(set.classes(), ["ant", "bee", "cat"]);
    let labels: Vec<_> = (0..set.len()).map(|index| set.label(index)).collect();
    assert_eq!(labels, [0, 1, 2, 2]);
    assert_eq!(set.left_out.to_string(), "1 .txt");
    let sample = set.get(2).unwrap();
    assert_eq!(
        (sample.label, &sample.image.pixels[..3]),
        (2, &[10, 0, 245][..])
    );
    assert!(set.describe(2).ends_with("a.PNG"));
    assert!(set.get(4).is_err());
    let grey = open(root, 1).unwrap();
    assert_eq!(grey.train().unwrap().get(2).unwrap().image.channels, 1);

    // What is decoded is what is there now: nothing was kept.
    write(root, "cat/a.PNG", 99);
    assert_eq!(set.get(2).unwrap().image.pixels[0], 99);
}

#[test]
fn splits_are_found_under_their_usual_names() {
    for names in [
        ["train", "val", "test"],
        ["Training", "Validation", "Testing"],
        ["TRAIN", "VALID", "TEST"],
        ["train_set", "val_set", "test_set"],
        ["train2017", "dev", "eval"],
        ["trn", "valset", "Test Images"],
    ] {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for (index, split) in names.into_iter().enumerate() {
            for class in ["a", "b"] {
                write(root, &format!("{split}/{class}/{index}.png"), index as u8);
            }
        }
        let folders = open(root, 3).unwrap();
        assert_eq!(folders.train().unwrap().classes(), ["a", "b"], "{names:?}");
        for (index, split) in [Split::Train, Split::Valid, Split::Test]
            .into_iter()
            .enumerate()
        {
            let set = folders.get(split).unwrap();
            assert_eq!(
                set.get(0).unwrap().image.pixels[0],
                index as u8,
                "{names:?}"
            );
        }
        assert!(folders.notes.is_empty(), "{:?}", folders.notes);
    }
    // Two of them are enough, whichever they are.
    let root = tempfile::tempdir().unwrap();
    classes(root.path(), "Training", "cat dog");
    classes(root.path(), "Testing", "cat dog");
    assert_eq!(splits(root.path()), [(Split::Train, 4), (Split::Test, 4)]);
    // A class may be called `train` when it holds images, not classes.
    let vehicles = tempfile::tempdir().unwrap();
    classes(vehicles.path(), ".", "bus train");
    assert_eq!(train(vehicles.path()).classes(), ["bus", "train"]);
}

#[test]
fn what_is_one_level_too_high_is_refused_with_the_folder_to_use() {
    for (folders, needle, advice) in [
        (
            &["animals/train", "animals/val"][..],
            "holds splits (train, val)",
            "animals",
        ),
        (&["data/Training", "data/Testing"], "holds splits", "data"),
        (
            &["animals"],
            "is the only folder here and `cat` and `dog` lie in it",
            "animals",
        ),
        (
            &["a/train", "a/val", "b/train", "b/val"],
            "`a` holds splits",
            "a",
        ),
        (
            &["fold_1", "fold_2"],
            "`fold_1` and `fold_2` hold the same folders (cat, dog)",
            "fold_1",
        ),
        (
            &["train/inner", "test/inner"],
            "is the only folder here",
            "train/inner",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            classes(root.path(), folder, "cat dog");
        }
        let error = problem(root.path());
        assert!(error.contains(needle), "{folders:?}: {error}");
        let advice = root.path().join(advice);
        let advice = format!("use folder:{}", advice.display());
        assert!(error.contains(&advice), "{folders:?}: {error}");
    }
    // Folders inside classes are no reason: one of the same name in each, or some images beside them.
    let root = tempfile::tempdir().unwrap();
    classes(root.path(), "cat", "images");
    classes(root.path(), "dog", "images");
    assert_eq!(splits(root.path()), [(Split::All, 4)]);
    classes(root.path(), "cat", "masks");
    classes(root.path(), "dog", "masks");
    assert!(problem(root.path()).contains("hold the same folders (images, masks)"));
    write(root.path(), "dog/own.png", 1);
    assert_eq!(splits(root.path()), [(Split::All, 9)]);
}

#[test]
fn folders_that_look_like_splits_are_never_classes() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for name in ["Test/1.png", "Train/1.png"] {
        write(root, name, 1);
    }
    let error = problem(root);
    for needle in [
        "`Test` and `Train` have the names of splits but no class folders",
        "SPLIT/CLASS/",
    ] {
        assert!(error.contains(needle), "{error}");
    }
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    classes(root, "Val", "cat dog");
    classes(root, "eval", "cat dog");
    let error = problem(root);
    assert!(
        error.contains("there is no train split here, only valid and test"),
        "{error}"
    );
    // Scoring needs none.
    assert_eq!(open(root, 3).unwrap().splits.len(), 2);
}

#[test]
fn images_without_classes_beside_the_train_split_are_for_prediction() {
    for path in ["test/9.png", "test/inner/9.png", "Pred/a/b/9.png"] {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        classes(root, "train", "cat dog");
        write(root, path, 1);
        let folders = open(root, 3).unwrap();
        assert_eq!(splits(root), [(Split::Train, 4)], "{path}");
        let folder = root.join(path.split('/').next().unwrap());
        let [note] = folders.notes.as_slice() else {
            panic!("{path}: {:?}", folders.notes);
        };
        let folder = folder.display();
        let advice = format!("`firebrick predict RUN {folder}`");
        assert!(
            note.starts_with(&format!("{folder}: its 1 image lies in no class folder"))
                && note.contains(&advice),
            "{note}"
        );
    }
    // A test split of a single class that is known, or of several that are not, is meant as one.
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    classes(root, "train", "cat dog");
    classes(root, "test", "cat");
    assert!(problem(root).contains("the class `dog` of the train split has no folder here"));
    fs::remove_dir_all(root.join("test")).unwrap();
    classes(root, "test", "pear plum");
    assert!(problem(root).contains("the class `pear` is not in the train split"));
}

#[test]
fn what_was_left_out_is_said() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    classes(root, "train", "cat dog");
    classes(root, "val", "cat dog");
    for name in [
        "train/cat/1.heic",
        "train/cat/2.HEIC",
        "train/dog/x.jp2",
        "train/dog/list.txt",
    ] {
        fs::write(root.join(name), b"?").unwrap();
    }
    write(root, "loose.png", 1);
    fs::write(root.join("other.avif"), b"?").unwrap();
    fs::create_dir(root.join("annotations")).unwrap();
    fs::write(root.join("annotations/1.xml"), b"?").unwrap();
    fs::write(root.join("readme.md"), b"?").unwrap();
    let notes = open(root, 3).unwrap().notes;
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(
        notes[0].ends_with(": ignored 2 images next to the split folders, such as loose.png"),
        "{}",
        notes[0]
    );
    assert!(
        notes[1].ends_with("annotations: ignored, because it has no images"),
        "{}",
        notes[1]
    );
    assert!(
        notes[2].ends_with(
            "train: ignored 4 files that are not readable images: 2 .heic, 1 .jp2, 1 .txt; to use the \
             .heic and .jp2 files, convert them to JPEG or PNG"
        ),
        "{}",
        notes[2]
    );
    // Nothing to say is nothing said.
    let quiet = tempfile::tempdir().unwrap();
    classes(quiet.path(), ".", "cat dog");
    write(quiet.path(), "cat/._1.png", 0);
    fs::write(quiet.path().join("cat/Thumbs.db"), b"?").unwrap();
    assert_eq!(open(quiet.path(), 3).unwrap().notes, Vec::<String>::new());
}

#[test]
fn every_mistake_in_the_layout_is_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert!(problem(&root.join("absent")).contains("absent"));
    assert!(problem(root).contains("no class folders here: put each image"));
    write(root, "loose.png", 1);
    assert!(problem(root).contains("no class folders here, only 1 loose image: put"));
    write(root, "only/one.png", 1);
    assert!(problem(root).contains("`only` is the only class folder"));
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("empty/list.csv"), "").unwrap();
    let error = problem(root);
    assert!(
        error.contains("empty: this class folder has no images, only 1 .csv: add images (jpg, "),
        "{error}"
    );

    let split = tempfile::tempdir().unwrap();
    let split = split.path();
    write(split, "train/a/1.png", 0);
    write(split, "train/b/1.png", 0);
    write(split, "test/a/1.png", 0);
    let error = problem(split);
    assert!(
        error.contains("test: the class `b` of the train split has no folder"),
        "{error}"
    );
    write(split, "test/b/1.png", 0);
    write(split, "test/cc/1.png", 0);
    assert!(problem(split).contains("test: the class `cc` is not in the train split"));
    fs::remove_dir_all(split.join("test/cc")).unwrap();
    write(split, "extra/a/1.png", 0);
    assert!(problem(split).contains("`extra` is next to the train split, but it is not a split"));
    fs::remove_dir_all(split.join("extra")).unwrap();
    write(split, "val/a/1.png", 0);
    write(split, "valid/a/1.png", 0);
    assert!(problem(split).contains("`val` and `valid` both look like the valid split"));
}

#[test]
fn bad_images_are_named_and_can_be_left_out() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for path in ["a/1.png", "a/4.png", "b/1.png"] {
        write(root, path, 1);
    }
    fs::write(root.join("a/2.jpg"), b"").unwrap();
    fs::write(root.join("a/3.png"), b"a text file").unwrap();
    let set = train(root);
    assert_eq!(set.len(), 5);
    let error = set.get(1).unwrap_err().to_string();
    assert!(error.contains("2.jpg: the file is empty"), "{error}");
    let (good, skipped) = set.without_bad_images().unwrap();
    assert_eq!(good.len(), 3);
    assert_eq!(skipped.len(), 2);
    assert!(skipped[0].contains("2.jpg: the file is empty"));
    assert!(skipped[1].contains("3.png: its content is"));
    assert!((0..good.len()).all(|index| good.get(index).is_ok()));
    let whole = set.fingerprint();
    // A file is hashed once, whichever of the two sets asks first.
    write(root, "b/1.png", 9);
    assert_eq!(good.sums(), [0, 3, 4].map(|index| set.sums()[index]));
    assert_ne!(good.fingerprint(), whole);

    fs::write(root.join("b/1.png"), b"").unwrap();
    let error = set.without_bad_images().unwrap_err().to_string();
    assert!(
        error.contains("b: no image in this class folder can be read"),
        "{error}"
    );
}

#[test]
fn the_fingerprint_follows_names_and_content_not_the_place() {
    let make = |names: [&str; 2]| {
        let root = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| write(root.path(), name, 1));
        let print = train(root.path()).fingerprint();
        (root, print)
    };
    let (_first, base) = make(["a/1.png", "b/1.png"]);
    let (second, same) = make(["a/1.png", "b/1.png"]);
    let (_third, renamed) = make(["a/1.png", "b/2.png"]);
    assert_eq!(base, same);
    assert_ne!(base, renamed);
    let before = open(second.path(), 3).unwrap().checksums();
    // One bit of one file, with the size and the time stamp as they were.
    let path = second.path().join("a/1.png");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
    assert_ne!(base, train(second.path()).fingerprint());
    let now = open(second.path(), 3).unwrap().checksums();
    assert_eq!(
        Changes::between(&before, &now).to_string(),
        "1 file changed (a/1.png)"
    );
    // Grey images are other data than the same ones in colour.
    let grey = open(second.path(), 1).unwrap();
    assert_ne!(
        grey.train().unwrap().fingerprint(),
        train(second.path()).fingerprint()
    );
}

#[test]
fn checksums_have_the_paths_from_the_root() {
    let root = tempfile::tempdir().unwrap();
    classes(root.path(), "Train", "cat dog");
    classes(root.path(), "val", "cat dog");
    let text = open(root.path(), 3).unwrap().checksums();
    let paths: Vec<&str> = text.lines().map(|line| &line[66..]).collect();
    assert_eq!(paths.len(), 8);
    assert_eq!(paths[0], "Train/cat/1.png");
    assert_eq!(paths[7], "val/dog/2.png");
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_loops_end() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let root = root.path();
    write(root, "a/1.png", 1);
    write(root, "a/sub/2.png", 1);
    write(elsewhere.path(), "3.png", 7);
    symlink(elsewhere.path(), root.join("b")).unwrap();
    symlink(root.join("a"), root.join("a/sub/loop")).unwrap();
    symlink(root.join("nowhere"), root.join("a/dangling.png")).unwrap();
    let set = train(root);
    assert_eq!(set.len(), 4);
    assert_eq!(set.get(3).unwrap().image.pixels[0], 7);
    let error = set.get(1).unwrap_err().to_string();
    assert!(error.contains("dangling.png"), "{error}");
}

/// Photos of many sizes, beside the repository.
#[test]
fn real_photos_are_read() {
    let data = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/hymenoptera"
    ));
    if !data.is_dir() {
        println!("SKIPPED: there are no photos in {}", data.display());
        return;
    }
    assert_eq!(splits(data), [(Split::Train, 244), (Split::Valid, 153)]);
    let folders = open(data, 3).unwrap();
    let valid = folders.get(Split::Valid).unwrap();
    assert_eq!(valid.classes(), ["ants", "bees"]);
    for index in [0, 100, 152] {
        let image = valid.get(index).unwrap().image;
        assert!(image.width.min(image.height) >= 100 && image.channels == 3);
    }
}
