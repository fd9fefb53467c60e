use super::*;

fn shared() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").into()
}

fn problem(spec: &str, options: &OpenOptions) -> String {
    open(spec, options).unwrap_err().to_string()
}

fn lens(splits: &Splits) -> [Option<usize>; 3] {
    let len = |split: &Option<Arc<dyn Dataset>>| split.as_ref().map(|split| split.len());
    [
        Some(splits.train.len()),
        len(&splits.valid),
        len(&splits.test),
    ]
}

fn in_dir(directory: &Path) -> OpenOptions {
    OpenOptions {
        data_dir: Some(directory.into()),
        ..OpenOptions::default()
    }
}

#[test]
fn glyphs_need_no_files_and_are_split_and_limited() {
    let options = OpenOptions {
        valid_fraction: 0.25,
        limit_train: Some(100),
        ..OpenOptions::default()
    };
    let splits = open("glyphs(train=400, test=60, domain=rgb)", &options).unwrap();
    assert_eq!(lens(&splits), [Some(100), Some(100), Some(60)]);
    assert_eq!((splits.channels, splits.size), (3, Some([32, 32])));
    assert!(
        splits
            .name
            .starts_with("glyphs(train=400, test=60, domain=rgb"),
        "{}",
        splits.name
    );
    let again = open(&splits.name, &options).unwrap();
    assert_eq!(again.train.fingerprint(), splits.train.fingerprint());
    let other = OpenOptions {
        seed: 1,
        ..options.clone()
    };
    let other = open("glyphs(train=400, test=60, domain=rgb)", &other).unwrap();
    assert_ne!(other.train.fingerprint(), splits.train.fingerprint());
    let none = OpenOptions {
        valid_fraction: 0.0,
        ..options
    };
    assert_eq!(lens(&open("glyphs(train=400)", &none).unwrap())[1], None);
}

#[test]
fn mistakes_in_the_spec_are_named() {
    let options = OpenOptions::default();
    for (spec, needle) in [
        ("glyfs", "unknown data set `glyfs` (did you mean `glyphs`?)"),
        ("imagenet", "folder:PATH"),
        ("glyphs(trian=5)", "did you mean `train`?"),
        ("glyphs(train=0)", "train = 0 is out of range"),
        ("mnist(split=letters)", "mnist has no key `split`"),
        ("emnist(split=leters)", "emnist: split"),
        ("cifar100(labels=rough)", "cifar100: labels"),
        ("mnist(", "expected `)`"),
        ("folder:", "needs the path"),
        ("", "unknown data set ``"),
    ] {
        let error = problem(spec, &options);
        assert!(error.contains(needle), "{spec}: {error}");
    }
    for fraction in [-0.1, 1.0, f64::NAN] {
        let options = OpenOptions {
            valid_fraction: fraction,
            ..OpenOptions::default()
        };
        assert!(problem("glyphs(train=50)", &options).contains("valid_fraction"));
    }
    let options = OpenOptions {
        limit_train: Some(0),
        ..OpenOptions::default()
    };
    assert!(problem("glyphs(train=50)", &options).contains("out of range"));
}

#[test]
fn absent_files_say_how_to_get_them() {
    let empty = tempfile::tempdir().unwrap();
    for name in [
        "mnist",
        "fashion_mnist",
        "kmnist",
        "emnist",
        "cifar10",
        "cifar100",
    ] {
        let error = problem(name, &in_dir(empty.path()));
        assert!(
            error.contains(&format!("firebrick datasets fetch {name}`")),
            "{error}"
        );
        assert!(error.contains("--data-dir") && error.contains(empty.path().to_str().unwrap()));
    }
    let error = problem("mnist", &in_dir(&empty.path().join("absent")));
    assert!(
        error.contains("absent: there is no such directory"),
        "{error}"
    );
    assert!(problem("folder:/no/such/place", &OpenOptions::default()).contains("/no/such/place"));
    let options = OpenOptions {
        channels: Some(4),
        ..OpenOptions::default()
    };
    assert!(problem("folder:.", &options).contains("channels = 4"));
}

#[test]
fn folders_keep_their_own_validation_split_and_list_bad_images() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str| png(root.path(), path, 0);
    for class in ["a", "b"] {
        for index in 0..10 {
            write(&format!("train/{class}/{index}.png"));
        }
        write(&format!("val/{class}/x.png"));
    }
    std::fs::write(root.path().join("train/a/bad.jpg"), b"").unwrap();
    std::fs::write(root.path().join("val/b/bad.png"), b"text").unwrap();
    let spec = format!("folder:{}", root.path().display());
    let lenient = OpenOptions {
        on_bad_image: OnBadImage::Skip,
        ..OpenOptions::default()
    };
    let splits = open(&spec, &lenient).unwrap();
    assert_eq!(lens(&splits), [Some(20), Some(2), None]);
    assert_eq!((splits.channels, splits.size), (3, None));
    assert_eq!(splits.skipped.len(), 2);
    assert!(splits.skipped[0].contains("train/a/bad.jpg: the file is empty"));
    let strict = open(&spec, &OpenOptions::default()).unwrap();
    assert_eq!(lens(&strict), [Some(21), Some(3), None]);
    let bad = (0..21)
        .find_map(|index| strict.train.get(index).err())
        .unwrap()
        .to_string();
    assert!(bad.contains("bad.jpg"), "{bad}");

    let alone = format!("folder:{}/train", root.path().display());
    assert_eq!(
        lens(&open(&alone, &lenient).unwrap()),
        [Some(18), Some(2), None]
    );
    let grey = OpenOptions {
        channels: Some(1),
        ..lenient
    };
    let splits = open(&alone, &grey).unwrap();
    assert_eq!(splits.train.get(0).unwrap().image.channels, 1);
}

fn png(root: &Path, path: &str, value: u8) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image = image::GrayImage::from_pixel(5, 4, image::Luma([value]));
    image
        .save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

#[test]
fn identity_covers_a_validation_split_of_its_own_and_no_place() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for class in ["a", "b"] {
        for index in 0..6 {
            png(root, &format!("one/train/{class}/{index}.png"), index);
            png(root, &format!("flat/{class}/{index}.png"), index);
        }
        png(root, &format!("one/val/{class}/x.png"), 9);
        png(root, &format!("one/test/{class}/x.png"), 9);
    }
    let options = OpenOptions::default();
    let of = |folder: &str| {
        let spec = format!("folder:{}", root.join(folder).display());
        open(&spec, &options).unwrap()
    };
    let own = of("one");
    assert!(
        !own.valid_is_cut && own.name.starts_with("folder:/"),
        "{}",
        own.name
    );
    assert!(of("flat").valid_is_cut);
    assert_eq!(of("flat").fingerprint(), of("flat").train.fingerprint());
    let before = own.fingerprint();
    png(root, "one/test/a/x.png", 10);
    assert_eq!(
        of("one").fingerprint(),
        before,
        "test images decide nothing"
    );
    std::fs::rename(root.join("one"), root.join("two")).unwrap();
    assert_eq!(of("two").fingerprint(), before);
    png(root, "two/val/a/x.png", 10);
    assert_ne!(of("two").fingerprint(), before);

    // What cannot be read is found before training, in the parts that are used.
    assert!(of("two").check_held_out().is_ok());
    for (name, needle) in [
        ("two/test/b/x.png", "x.png"),
        ("two/val/b/x.png", "(and 1 more image in the"),
    ] {
        std::fs::write(root.join(name), b"?").unwrap();
        let error = of("two").check_held_out().unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
    let without_test = Splits {
        test: None,
        ..of("two")
    };
    let error = without_test.check_held_out().unwrap_err().to_string();
    assert!(
        error.contains("val/b/x.png") && !error.contains("more"),
        "{error}"
    );
    // What is cut off the train split counts, what is trained on does not.
    let flat = of("flat");
    assert!(flat.check_held_out().is_ok());
    std::fs::write(flat.train.describe(0), b"?").unwrap();
    assert!(flat.check_held_out().is_ok());
    let cut = flat.valid.as_ref().unwrap().describe(0);
    std::fs::write(&cut, b"?").unwrap();
    let error = flat.check_held_out().unwrap_err().to_string();
    assert!(error.contains(&cut), "{error}");
}

#[test]
fn what_is_only_scored_is_not_split_and_needs_no_train_split() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (path, count) in [
        ("flat/a", 5),
        ("flat/b", 6),
        ("one/a", 3),
        ("parts/val/a", 2),
        ("parts/train/a", 4),
    ] {
        for index in 0..count {
            png(root, &format!("{path}/{index}.png"), 1);
        }
    }
    let options = OpenOptions::default();
    let held_out = |folder: &str| {
        let path = root.join(folder);
        let found = open_held_out(path.to_str().unwrap(), &options);
        found.map(|found| (found.split, found.images.len()))
    };
    assert_eq!(held_out("flat").unwrap(), (Split::All, 11));
    assert_eq!(held_out("one").unwrap(), (Split::All, 3), "a single class");
    assert_eq!(held_out("parts").unwrap(), (Split::Valid, 2));
    png(root, "parts/Testing/a/1.png", 1);
    assert_eq!(held_out("parts").unwrap(), (Split::Test, 1));
    std::fs::remove_dir_all(root.join("parts/Testing")).unwrap();
    std::fs::remove_dir_all(root.join("parts/val")).unwrap();
    let error = held_out("parts").unwrap_err().to_string();
    assert!(error.contains("it has only a train split"), "{error}");
    std::fs::write(root.join("flat/a/bad.png"), b"?").unwrap();
    let lenient = OpenOptions {
        on_bad_image: OnBadImage::Skip,
        ..OpenOptions::default()
    };
    let flat = root.join("flat");
    let found = open_held_out(flat.to_str().unwrap(), &lenient).unwrap();
    assert_eq!((found.images.len(), found.skipped.len()), (11, 1));
}

/// Mean and standard deviation of all values, in [0, 1].
fn statistics(set: &dyn Dataset) -> [f64; 2] {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for index in 0..set.len() {
        for value in set.get(index).unwrap().image.pixels {
            let value = f64::from(value) / 255.0;
            (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
        }
    }
    let mean = sum / count;
    [mean, (squares / count - mean * mean).sqrt()]
}

#[test]
fn the_real_mnist_and_fashion_mnist() {
    for (name, first, published) in [
        ("mnist", [5, 0, 4, 1, 9], [0.1307, 0.3081]),
        ("Fashion-MNIST", [9, 0, 0, 3, 0], [0.2860, 0.3530]),
    ] {
        let options = OpenOptions {
            valid_fraction: 0.0,
            ..in_dir(&shared())
        };
        let splits = match open(name, &options) {
            Ok(splits) => splits,
            Err(DatasetError::Missing { .. }) => {
                println!("SKIPPED: {name} is not in {}", shared().display());
                continue;
            }
            Err(error) if !shared().is_dir() => {
                println!("SKIPPED: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(lens(&splits), [Some(60_000), None, Some(10_000)]);
        assert_eq!((splits.channels, splits.size), (1, Some([28, 28])));
        let labels: Vec<_> = (0..5).map(|index| splits.train.label(index)).collect();
        assert_eq!(labels, first, "{name}");
        let found = statistics(&*splits.train);
        for (found, published) in found.iter().zip(published) {
            assert!(
                (found - published).abs() < 5e-5,
                "{name}: {found} {published}"
            );
        }
        let (kept, options) = (0.1, in_dir(&shared()));
        let parts = open(
            name,
            &OpenOptions {
                valid_fraction: kept,
                ..options
            },
        )
        .unwrap();
        assert_eq!(lens(&parts), [Some(54_000), Some(6_000), Some(10_000)]);
    }
}
