//! Folders of images as users have them: splits, names, locations, and other files in them.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use serde_json::Value;

use crate::support::{Ran, fails, firebrick, model, run, succeeds};

/// Two epochs of a small network on images of 28 pixels, in a second or two.
const TRAIN: &str = "train --model lenet5 --image-size 28 --channels 1 --normalize none --epochs 2 --batch-size 8 --lr 0.01 --quiet";

/// Images of one class: dark on the left, by so much, and with a number of their own.
fn photos(folder: &Path, class: usize, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let image = GrayImage::from_fn(28, 28, |x, y| {
            let edge = 2 + 3 * class as u32;
            Luma([if x < edge {
                250
            } else {
                (x * 3 + y + 7 * number as u32) as u8 % 60
            }])
        });
        image.save(folder.join(format!("{number}.png"))).unwrap();
    }
}

fn classes(folder: &Path, names: &[&str], count: usize) {
    for (class, name) in names.iter().enumerate() {
        photos(&folder.join(name), class, count);
    }
}

#[test]
fn splits_are_found_and_eval_says_which_it_took() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    classes(&at.join("photos/Training"), &["cat", "dog"], 12);
    classes(&at.join("photos/Validation"), &["cat", "dog"], 4);
    fs::create_dir(at.join("photos/Testing")).unwrap();
    photos(&at.join("photos/Testing"), 0, 3);
    let train = run(at, &format!("{TRAIN} --dataset folder:photos --out run"));
    succeeds(&train);
    assert!(
        train.stderr.contains("its 3 images lie in no class folder"),
        "{}",
        train.stderr
    );
    let plain = run(at, "eval run");
    succeeds(&plain);
    assert!(plain.stdout.contains(" valid: "), "{}", plain.stdout);
    assert!(
        plain
            .stderr
            .contains("has no test split: these are the scores on the validation split"),
        "{}",
        plain.stderr
    );
    let mut told = Vec::new();
    for split in ["val", "valid", "validation"] {
        let mut scores = run(at, &format!("eval run --split {split} --json")).json();
        scores["seconds"] = Value::Null;
        assert_eq!(
            (&scores["split"], &scores["count"]),
            (&"valid".into(), &8.into())
        );
        told.push(scores);
    }
    assert!(told.iter().all(|scores| *scores == told[0]));
    fails(
        &run(at, "eval run --split test"),
        2,
        &["has no test split; it has: train, valid"],
    );
    fails(
        &run(at, "eval run --split tests"),
        2,
        &["unknown split `tests` (did you mean `test`?)"],
    );

    // One level too high, and split folders that would be classes.
    fs::create_dir(at.join("above")).unwrap();
    fs::rename(at.join("photos"), at.join("above/photos")).unwrap();
    let high = run(at, &format!("{TRAIN} --dataset folder:above --out high"));
    fails(
        &high,
        1,
        &["`photos` holds splits", "use folder:above/photos"],
    );
}

#[test]
fn a_folder_given_to_eval_is_scored_whole_and_by_names() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    classes(&at.join("photos"), &["cat", "dog", "eel"], 10);
    succeeds(&run(
        at,
        &format!("{TRAIN} --dataset folder:photos --out run"),
    ));
    // Without cat the others have other positions.
    photos(&at.join("some/dog"), 1, 7);
    photos(&at.join("some/eel"), 2, 6);
    photos(&at.join("new/dog"), 5, 1);
    let eval = run(at, "eval run --dataset folder:some --json");
    let scores = eval.json();
    assert_eq!(
        (&scores["split"], &scores["count"]),
        (&"all".into(), &13.into())
    );
    assert!(
        eval.stderr
            .contains("1 of the 3 classes of the model have no images here: cat"),
        "{}",
        eval.stderr
    );
    let predicted = run(at, "predict run some --json --top 1").json();
    let right = predicted.as_array().unwrap().iter().filter(|row| {
        let class = row["top"][0]["class"].as_str().unwrap();
        row["path"]
            .as_str()
            .unwrap()
            .contains(&format!("/{class}/"))
    });
    let expected = right.count() as f64 / 13.0;
    let found = scores["top1"].as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    assert!(
        eval.stderr
            .contains("13 of the 13 images belong to the data that the run was started with"),
        "{}",
        eval.stderr
    );
    // The run's own folder still has the run's own splits.
    let own = format!(
        "eval run --dataset folder:{} --json",
        at.join("photos").display()
    );
    let own = run(at, &own).json();
    assert_eq!((&own["split"], &own["count"]), (&"valid".into(), &3.into()));

    let new = run(at, "eval run --dataset folder:new");
    succeeds(&new);
    assert!(
        !new.stderr
            .contains("belong to the data that the run was started with"),
        "{}",
        new.stderr
    );

    classes(&at.join("other"), &["pear", "plum", "quince"], 3);
    let other = run(at, "eval run --dataset folder:other");
    fails(&other, 2, &["3 (pear, plum, quince)", "3 (cat, dog, eel)"]);
}

#[test]
fn plain_weights_go_by_the_numbers_of_folders() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // In the order of text, 10 and 11 come before 2; with two digits they do not.
    let plain: Vec<String> = (0..12).map(|class| class.to_string()).collect();
    let padded: Vec<String> = (0..12).map(|class| format!("{class:02}")).collect();
    for (folder, names) in [("plain", &plain), ("padded", &padded)] {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        classes(&at.join(folder), &names, 4);
    }
    succeeds(&run(
        at,
        &format!("{TRAIN} --dataset folder:padded --epochs 4 --out run"),
    ));
    let eval = |folder: &str| {
        let weights =
            "--model lenet5 --weights run/model.safetensors --classes 12 --normalize none";
        let scores = run(
            at,
            &format!("eval {weights} --dataset folder:{folder} --json"),
        )
        .json();
        assert_eq!(scores["count"], 48);
        scores["loss"].as_f64().unwrap()
    };
    assert_eq!(eval("plain"), eval("padded"));
}

#[test]
fn a_tilde_is_home_wherever_a_place_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    fs::create_dir_all(at.join("home/work")).unwrap();
    let work = at.join("home/work");
    classes(&at.join("home/photos"), &["cat", "dog"], 8);
    fs::write(
        at.join("home/mine.toml"),
        "dataset = \"folder:~/photos\"\nmodel = \"lenet5\"\nimage_size = 28\nepochs = 1\nbatch_size = 8\n",
    )
    .unwrap();
    let at_home = |arguments: &str| -> Ran {
        firebrick(&work)
            .env("HOME", at.join("home"))
            .args(arguments.split_whitespace())
            .output()
            .unwrap()
            .into()
    };
    succeeds(&at_home(
        "train --recipe=~/mine.toml --out=~/runs/a --quiet",
    ));
    assert!(at.join("home/runs/a/model.safetensors").is_file());
    let again = "train --model lenet5 --image-size 28 --epochs 1 --batch-size 8 --quiet";
    succeeds(&at_home(&format!(
        "{again} --dataset=folder:~/photos --weights=~/runs/a/model.safetensors --out ~/runs/b"
    )));
    succeeds(&at_home("eval ~/runs/b --dataset folder:~/photos"));
    assert!(!work.join("~").exists());
    let homeless = firebrick(&work)
        .env("HOME", "")
        .args(["train", "--out=~/x"])
        .output();
    // The system may know the home of the user without the variable.
    assert!(!work.join("~").exists(), "{homeless:?}");
}

#[test]
fn a_run_goes_on_with_moved_data_and_from_another_directory_but_not_with_other_data() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    classes(&at.join("photos"), &["cat", "dog"], 12);
    let train = format!("{TRAIN} --dataset folder:photos");
    succeeds(&run(at, &format!("{train} --out whole")));
    succeeds(&run(at, &format!("{train} --out broken --max-updates 2")));
    let sums = fs::read_to_string(at.join("broken/data.sha256")).unwrap();
    assert_eq!(sums.lines().count(), 24);
    fs::create_dir(at.join("elsewhere")).unwrap();
    let elsewhere = at.join("elsewhere");
    // From another directory the relative path of the command line still leads to the data.
    succeeds(&run(
        &elsewhere,
        "train --resume ../broken --max-updates 1 --quiet",
    ));

    fs::rename(at.join("photos"), at.join("moved")).unwrap();
    let lost = run(at, "train --resume broken --quiet");
    fails(
        &lost,
        1,
        &["photos: there is no such folder", "--dataset folder:PATH"],
    );
    // One bit of one image.
    let image = at.join("moved/dog/3.png");
    let sound = fs::read(&image).unwrap();
    let mut changed = sound.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&image, &changed).unwrap();
    let moved = "train --resume broken --dataset folder:moved --quiet";
    fails(
        &run(at, moved),
        1,
        &["other data", "1 file changed (dog/3.png)"],
    );
    let verify = run(at, "datasets verify folder:moved --run broken");
    fails(&verify, 1, &["1 file changed (dog/3.png)"]);
    fs::write(&image, &sound).unwrap();
    succeeds(&run(at, "datasets verify folder:moved --run broken"));
    succeeds(&run(at, moved));
    assert_eq!(model(at, "broken"), model(at, "whole"));
    // The run knows now where its data are.
    succeeds(&run(&elsewhere, "eval ../broken"));
    // Another kind of data is still another run.
    let other = run(at, "train --resume broken --dataset mnist --quiet");
    fails(&other, 2, &["--dataset cannot be changed"]);
}

/// A TIFF that trips an assertion in its decoder.
const ODD_TIFF: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../datasets/tests/fixtures/planar_tiles.tiff"
);

#[test]
fn one_bad_path_or_image_does_not_stop_the_others() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    classes(&at.join("photos"), &["cat", "dog"], 6);
    succeeds(&run(
        at,
        &format!("{TRAIN} --dataset folder:photos --out run"),
    ));
    photos(&at.join("new"), 0, 2);
    fs::rename(at.join("new/1.png"), at.join("new/1.jfif")).unwrap();
    fs::write(at.join("new/._0.png"), b"\0\x05\x16\x07").unwrap();
    fs::write(at.join("new/2.heic"), b"?").unwrap();
    fs::copy(ODD_TIFF, at.join("new/odd.tiff")).unwrap();
    let fail = run(at, "predict run absent.png new");
    fails(
        &fail,
        1,
        &[
            "absent.png",
            "odd.tiff: it cannot be read as TIFF: the decoder broke off",
            "1 .heic",
        ],
    );
    let skip = run(at, "predict run absent.png new --on-bad-image skip");
    succeeds(&skip);
    for ran in [&fail, &skip] {
        assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
        assert!(ran.stdout.contains("1.jfif: ") && ran.stdout.contains("0.png: "));
        for needle in ["this is a bug in firebrick", "panicked", "._0.png"] {
            assert!(!ran.stderr.contains(needle), "{}", ran.stderr);
        }
    }
    let none = run(at, "predict run absent.png --on-bad-image skip");
    fails(&none, 1, &["absent.png"]);
}

#[test]
fn a_bad_validation_image_is_found_before_training() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    classes(&at.join("photos/train"), &["cat", "dog"], 8);
    classes(&at.join("photos/val"), &["cat", "dog"], 2);
    classes(&at.join("photos/test"), &["cat", "dog"], 2);
    let train = format!("{TRAIN} --dataset folder:photos --out run");
    for bad in ["val/dog/1.png", "test/cat/0.png"] {
        let path = at.join("photos").join(bad);
        let sound = fs::read(&path).unwrap();
        fs::write(&path, &sound[..sound.len() / 2]).unwrap();
        fails(&run(at, &train), 1, &[bad]);
        assert!(
            !at.join("run/metrics.csv").exists(),
            "{bad}: an epoch was trained"
        );
        let verify = run(at, "datasets verify folder:photos");
        fails(&verify, 1, &["1 image cannot be read"]);
        assert!(verify.stdout.contains(bad), "{}", verify.stdout);
        fs::write(&path, sound).unwrap();
    }
    succeeds(&run(at, &train));
    succeeds(&run(at, "datasets verify folder:photos"));
}

#[test]
fn copies_in_two_splits_and_small_classes_are_warned_of_and_classes_weighted() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photos(&at.join("photos/train/cat"), 0, 12);
    photos(&at.join("photos/train/dog"), 1, 4);
    photos(&at.join("photos/valid/dog"), 1, 4);
    photos(&at.join("photos/valid/cat"), 0, 2);
    fs::rename(
        at.join("photos/valid/cat/1.png"),
        at.join("photos/valid/dog/9.png"),
    )
    .unwrap();
    let train = run(
        at,
        &format!("{TRAIN} --dataset folder:photos --class-weights auto --out run"),
    );
    succeeds(&train);
    for said in [
        "warning: 6 images are in the validation split and, the same or nearly, in the training split, 1 of them in another class",
        "accuracy on validation may be up to 100.0 points too high",
        "warning: 1 class has fewer than 10 training images (`dog`: 4)",
    ] {
        assert!(train.stderr.contains(said), "{said}: {}", train.stderr);
    }
    // 16 images of two classes: 16 / (2 · 12) and 16 / (2 · 4).
    let recipe = fs::read_to_string(at.join("run/recipe.toml")).unwrap();
    assert!(
        recipe.contains("class_weights = [0.6666666666666666, 2.0]"),
        "{recipe}"
    );
    let report = fs::read_to_string(at.join("run/report.html")).unwrap();
    assert!(report.contains("6 of the 6 validation images are in the training split too"));
    assert!(report.contains("has 3 times as many as the smallest"));
    // The recipe of a run makes the same run, and its weights are not weighed again.
    let again = run(at, "train --recipe run/recipe.toml --out again --quiet");
    succeeds(&again);
    assert_eq!(model(at, "again"), model(at, "run"));
    let twice = "train --recipe run/recipe.toml --class-weights auto --out twice";
    fails(&run(at, twice), 2, &["has weights of its own"]);
    let odd = format!("{TRAIN} --dataset folder:photos --check-duplicates yes --out odd");
    fails(&run(at, &odd), 2, &["check_duplicates", "auto, all, files"]);
    assert!(!at.join("odd").exists());
}
