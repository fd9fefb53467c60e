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
    open(root, 3).unwrap_err().to_string()
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
    let folders = open(root, 3).unwrap();
    let set = &folders.train;
    assert!(folders.valid.is_none() && folders.test.is_none());
    assert_eq!(set.classes(), ["ant", "bee", "cat"]);
    let labels: Vec<_> = (0..set.len()).map(|index| set.label(index)).collect();
    assert_eq!(labels, [0, 1, 2, 2]);
    assert_eq!(set.ignored(), 1);
    let sample = set.get(2).unwrap();
    assert_eq!(
        (sample.label, &sample.image.pixels[..3]),
        (2, &[10, 0, 245][..])
    );
    assert!(set.describe(2).ends_with("a.PNG"));
    assert!(set.get(4).is_err());
    assert_eq!(
        open(root, 1).unwrap().train.get(2).unwrap().image.channels,
        1
    );

    // What is decoded is what is there now: nothing was kept.
    write(root, "cat/a.PNG", 99);
    assert_eq!(set.get(2).unwrap().image.pixels[0], 99);
}

#[test]
fn splits_are_found_under_their_usual_names() {
    for valid in VALID {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for (index, split) in ["train", valid, "test"].into_iter().enumerate() {
            for class in ["a", "b"] {
                write(root, &format!("{split}/{class}/{index}.png"), index as u8);
            }
        }
        let folders = open(root, 3).unwrap();
        assert_eq!(folders.train.get(0).unwrap().image.pixels[0], 0);
        assert_eq!(folders.valid.unwrap().get(0).unwrap().image.pixels[0], 1);
        assert_eq!(folders.test.unwrap().get(0).unwrap().image.pixels[0], 2);
    }
    // A class may be called `train` when it holds images, not classes.
    let vehicles = tempfile::tempdir().unwrap();
    write(vehicles.path(), "train/1.png", 0);
    write(vehicles.path(), "bus/1.png", 0);
    assert_eq!(
        open(vehicles.path(), 3).unwrap().train.classes(),
        ["bus", "train"]
    );
}

#[test]
fn every_mistake_in_the_layout_is_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert!(problem(&root.join("absent")).contains("absent"));
    assert!(problem(root).contains("no class folders here (0 images lie loose)"));
    write(root, "loose.png", 1);
    assert!(problem(root).contains("no class folders here (1 images lie loose)"));
    write(root, "only/one.png", 1);
    assert!(problem(root).contains("`only` is the only class folder"));
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("empty/list.csv"), "").unwrap();
    let error = problem(root);
    assert!(
        error.contains("empty: this class folder holds no image (1 other files)"),
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
    assert!(problem(split).contains("`extra` lies beside `train`"));
    fs::remove_dir_all(split.join("extra")).unwrap();
    write(split, "val/a/1.png", 0);
    write(split, "valid/a/1.png", 0);
    assert!(problem(split).contains("`val` and `valid` are both validation splits"));
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
    let set = open(root, 3).unwrap().train;
    assert_eq!(set.len(), 5);
    let error = set.get(1).unwrap_err().to_string();
    assert!(error.contains("2.jpg: the file is empty"), "{error}");
    let (good, skipped) = set.without_bad_images().unwrap();
    assert_eq!(good.len(), 3);
    assert_eq!(skipped.len(), 2);
    assert!(skipped[0].contains("2.jpg: the file is empty"));
    assert!(skipped[1].contains("3.png: its content is no image"));
    assert!((0..good.len()).all(|index| good.get(index).is_ok()));
    assert_ne!(good.fingerprint(), set.fingerprint());

    fs::write(root.join("b/1.png"), b"").unwrap();
    let error = set.without_bad_images().unwrap_err().to_string();
    assert!(
        error.contains("b: this class folder holds no image that can be read"),
        "{error}"
    );
}

#[test]
fn the_fingerprint_follows_names_and_sizes_not_the_place() {
    let make = |names: [&str; 2]| {
        let root = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| write(root.path(), name, 1));
        let print = open(root.path(), 3).unwrap().train.fingerprint();
        (root, print)
    };
    let (_first, base) = make(["a/1.png", "b/1.png"]);
    let (second, same) = make(["a/1.png", "b/1.png"]);
    let (_third, renamed) = make(["a/1.png", "b/2.png"]);
    assert_eq!(base, same);
    assert_ne!(base, renamed);
    let path = second.path().join("a/1.png");
    let longer = [fs::read(&path).unwrap(), vec![0]].concat();
    fs::write(path, longer).unwrap();
    assert_ne!(base, open(second.path(), 3).unwrap().train.fingerprint());
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
    let set = open(root, 3).unwrap().train;
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
    let folders = open(data, 3).unwrap();
    let valid = folders.valid.unwrap();
    assert_eq!([folders.train.len(), valid.len()], [244, 153]);
    assert_eq!(valid.classes(), ["ants", "bees"]);
    for index in [0, 100, 152] {
        let image = valid.get(index).unwrap().image;
        assert!(image.width.min(image.height) >= 100 && image.channels == 3);
    }
}
