//! Packs: a folder of images in one file, wherever a folder can be named.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{Ran, bash, fails, metrics, model, run, succeeds};

/// Two epochs of a small network on images of 24 pixels, in a second or two.
const TRAIN: &str = "train --model lenet5 --image-size 28 --augment random_resized_crop(28)|hflip --epochs 2 --batch-size 8 --lr 0.01 --quiet";

/// Coloured images of 40 × 30 pixels, which differ by class and number.
fn photos(root: &Path, split: &str, count: u32) {
    for (class, name) in ["ants", "bees"].into_iter().enumerate() {
        let folder = root.join(split).join(name);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..count {
            let image = RgbImage::from_fn(40, 30, |x, y| {
                let shade = (x * 5 + y * (1 + 2 * class as u32) + 9 * number) as u8;
                Rgb([shade, 255 - shade, 100 * class as u8])
            });
            image.save(folder.join(format!("{number}.jpg"))).unwrap();
        }
    }
}

fn with_splits(at: &Path) {
    photos(&at.join("photos"), "Training", 12);
    photos(&at.join("photos"), "val", 4);
    photos(&at.join("photos"), "test", 3);
}

/// A document without what depends on the clock and the place.
fn plain(ran: &Ran) -> String {
    let mut document = ran.json();
    document["seconds"] = Value::Null;
    document.to_string()
}

#[test]
fn every_command_gives_of_a_pack_what_it_gives_of_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    with_splits(at);
    let packed = run(at, "datasets pack folder:photos --json").json();
    assert_eq!(packed["path"], "photos.fbpack");
    assert_eq!(
        (&packed["images"], &packed["smaller"]),
        (&38.into(), &0.into())
    );
    assert_eq!(packed["splits"]["valid"], 8);
    let bytes = at.join("photos.fbpack").metadata().unwrap().len();
    assert_eq!(packed["bytes"], bytes);
    assert!(bytes > 38 * 40 * 30 * 3);
    for (data, out) in [("photos", "of-folder"), ("photos.fbpack", "of-pack")] {
        succeeds(&run(
            at,
            &format!("{TRAIN} --dataset folder:{data} --out {out}"),
        ));
    }
    assert_eq!(model(at, "of-folder"), model(at, "of-pack"));
    assert_eq!(metrics(at, "of-folder"), metrics(at, "of-pack"));

    // A run that was begun on one goes on on the other.
    let broken = format!("{TRAIN} --dataset folder:photos --out broken --max-updates 2");
    succeeds(&run(at, &broken));
    succeeds(&run(
        at,
        "train --resume broken --dataset folder:photos.fbpack --quiet",
    ));
    assert_eq!(model(at, "of-folder"), model(at, "broken"));
    succeeds(&run(
        at,
        "datasets verify folder:photos.fbpack --run of-folder",
    ));

    for command in [
        "eval of-folder --split valid --json --dataset folder:",
        "eval of-folder --json --dataset folder:",
        "datasets stats --json folder:",
        "lr-find --model lenet5 --image-size 28 --num-iter 8 --json --dataset folder:",
    ] {
        let of = |data: &str| plain(&run(at, &format!("{command}{data}")));
        assert_eq!(of("photos"), of("photos.fbpack"), "{command}");
    }
    let describe = |data: &str| run(at, &format!("datasets describe folder:{data}")).stdout;
    assert_eq!(
        describe("photos").replace("folder:photos", "folder:photos.fbpack"),
        describe("photos.fbpack")
    );
    let predict =
        |images: &str| run(at, &format!("predict of-pack {images} --json --logits")).json();
    let (mut of_folder, of_pack) = (
        predict("photos/test photos/Training photos/val"),
        predict("photos.fbpack"),
    );
    assert_eq!(of_pack[0]["path"], "photos.fbpack/Training/ants/0.jpg");
    // The splits of a pack have an order of their own.
    let rows = of_folder.as_array_mut().unwrap();
    for row in rows.iter_mut() {
        let path = row["path"]
            .as_str()
            .unwrap()
            .replacen("photos/", "photos.fbpack/", 1);
        row["path"] = path.into();
    }
    rows.rotate_left(6);
    let (training, val) = rows.split_at(24);
    let expected: Vec<_> = training.iter().chain(val).cloned().collect();
    assert_eq!(of_pack, Value::from(expected));
    let search = "search --dataset folder:photos.fbpack --model lenet5 --image-size 28 --vary lr=[0.001,0.01] --trials 1 --rounds 1 --epochs 1 --out found --quiet";
    let found = run(at, search);
    succeeds(&found);
    let apply = run(
        at,
        "augment apply photos.fbpack --policy hflip --out flipped --json",
    )
    .json();
    assert_eq!(apply.as_array().unwrap().len(), 38);
}

#[test]
fn smaller_images_train_too_and_a_folder_of_them_is_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photos(&at.join("photos"), "", 10);
    let pack = run(at, "datasets pack photos --out small.fbpack --max-side 32");
    succeeds(&pack);
    for needle in [
        "small.fbpack: 20 images, 20 of them made smaller: 32 pixels on the longer side",
        "train --dataset folder:small.fbpack",
    ] {
        assert!(pack.stdout.contains(needle), "{}", pack.stdout);
    }
    // The same images as PNG files.
    for class in ["ants", "bees"] {
        let (from, to) = (at.join("photos").join(class), at.join("small").join(class));
        fs::create_dir_all(&to).unwrap();
        for number in 0..10 {
            use firebrick::core::image::{Filter, Size, resize};
            let photo = from.join(format!("{number}.jpg"));
            let photo = firebrick::datasets::decode::read(&photo, 3).unwrap();
            let small = resize(photo, Size::new(32, 24), Filter::Bilinear);
            let small = image::DynamicImage::try_from(small).unwrap();
            small.save(to.join(format!("{number}.png"))).unwrap();
        }
    }
    for (data, out) in [("small", "of-folder"), ("small.fbpack", "of-pack")] {
        succeeds(&run(
            at,
            &format!("{TRAIN} --dataset folder:{data} --out {out}"),
        ));
    }
    assert_eq!(metrics(at, "of-folder"), metrics(at, "of-pack"));
    let jpeg =
        "datasets pack photos --out small.fbpack --max-side 32 --format jpeg --quality 70 --json";
    let jpeg = run(at, jpeg).json();
    assert_eq!(
        (&jpeg["format"], &jpeg["quality"]),
        (&"jpeg".into(), &70.into())
    );
    // Of other images: a run that is not over knows.
    succeeds(&run(
        at,
        &format!("{TRAIN} --dataset folder:small.fbpack --out broken --max-updates 2"),
    ));
    succeeds(&run(
        at,
        "datasets pack photos --out small.fbpack --max-side 31",
    ));
    let resume = run(at, "train --resume broken --quiet");
    fails(&resume, 1, &["other data"]);
}

#[test]
fn a_pack_that_is_older_than_its_folder_says_how_to_renew_it() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photos(&at.join("photos"), "", 8);
    let make = "datasets pack photos --max-side 36 --format jpeg";
    succeeds(&run(at, make));
    fs::remove_file(at.join("photos/ants/3.jpg")).unwrap();
    fs::copy(at.join("photos/bees/1.jpg"), at.join("photos/bees/2.jpg")).unwrap();
    let command = "firebrick datasets pack photos --out photos.fbpack --max-side 36 --format jpeg --quality 90";
    let told = [
        "photos.fbpack is older than its folder photos: 1 file changed (bees/2.jpg), 1 file missing (ants/3.jpg)",
        &format!("to renew them: {command}"),
    ];
    let train = format!("{TRAIN} --dataset folder:photos.fbpack");
    for line in [
        &*format!("{train} --out run"),
        "eval run --dataset folder:photos.fbpack",
        "datasets describe folder:photos.fbpack",
        "datasets verify folder:photos.fbpack",
        "lr-find --model lenet5 --image-size 28 --num-iter 8 --dataset folder:photos.fbpack",
    ] {
        fails(&run(at, line), 0, &told);
    }
    // The command does what it says.
    let program = env!("CARGO_BIN_EXE_firebrick");
    succeeds(&bash(at, &command.replacen("firebrick", program, 1)));
    let renewed = run(at, "datasets describe folder:photos.fbpack");
    succeeds(&renewed);
    assert_eq!(renewed.stderr, "");
}

#[test]
fn a_damaged_image_of_a_pack_is_one_error_that_names_it() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photos(&at.join("photos"), "", 8);
    succeeds(&run(at, "datasets pack photos"));
    let pack = at.join("photos.fbpack");
    let sound = fs::read(&pack).unwrap();
    let mut bytes = sound.clone();
    // In the third image.
    bytes[8 + 2 * 3600 + 5] ^= 4;
    fs::write(&pack, &bytes).unwrap();
    let damaged = "photos.fbpack/ants/2.jpg: this image is damaged in the pack";
    let train = run(
        at,
        &format!(
            "{TRAIN} --valid-fraction 0 --normalize none --dataset folder:photos.fbpack --out run"
        ),
    );
    fails(
        &train,
        1,
        &[
            damaged,
            "firebrick datasets pack photos --out photos.fbpack",
        ],
    );
    assert_eq!(
        train.stderr.matches("damaged").count(),
        1,
        "{}",
        train.stderr
    );
    let verify = run(at, "datasets verify folder:photos.fbpack");
    fails(&verify, 1, &["1 image cannot be read: make the pack again"]);
    assert!(verify.stdout.contains(damaged), "{}", verify.stdout);
    let skip = format!("{TRAIN} --dataset folder:photos.fbpack --on-bad-image skip --out kept");
    fails(&run(at, &skip), 0, &[&format!("left out: {damaged}")]);
    for (bytes, needle) in [
        (
            &sound[..sound.len() / 2],
            "photos.fbpack: this pack is torn",
        ),
        (
            &sound[..3],
            "photos.fbpack: this is no pack, or its beginning is damaged",
        ),
    ] {
        fs::write(&pack, bytes).unwrap();
        for line in [
            &*format!("{TRAIN} --dataset folder:photos.fbpack"),
            "datasets stats folder:photos.fbpack",
            "predict kept photos.fbpack",
        ] {
            fails(&run(at, line), 1, &[needle, "`firebrick datasets pack`"]);
        }
    }
    // It can be made again in its place, and nothing else is left there.
    fs::write(&pack, &sound[..sound.len() / 2]).unwrap();
    succeeds(&run(at, "datasets pack photos"));
    assert_eq!(fs::read(&pack).unwrap(), sound);
}

#[test]
fn what_cannot_be_packed_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photos(&at.join("photos"), "", 2);
    fs::write(at.join("letter.txt"), "Dear reader").unwrap();
    for (line, status, needle) in [
        ("datasets pack absent", 1, "absent"),
        ("datasets pack letter.txt", 1, "letter.txt: this is a file"),
        (
            "datasets pack photos --out letter.txt",
            1,
            "is not replaced",
        ),
        (
            "datasets pack photos --out nowhere/x.fbpack",
            1,
            "nowhere/x.fbpack",
        ),
        (
            "datasets pack photos --max-side 0",
            2,
            "max_side = 0 is out of range",
        ),
        (
            "datasets pack photos --quality 50",
            2,
            "quality is for the format jpeg",
        ),
        (
            "datasets pack photos --format jpeg --quality 101",
            2,
            "quality = 101",
        ),
        ("datasets pack photos --format webp", 2, "webp"),
        (
            "train --dataset photos.fbpack",
            2,
            "write folder:photos.fbpack",
        ),
        (
            "train --dataset folder:letter.txt",
            1,
            "this is a file, not a folder of images or a pack of them",
        ),
    ] {
        fails(&run(at, line), status, &[needle]);
    }
    assert!(!at.join("photos.fbpack").exists());
    fs::write(at.join("photos/ants/bad.png"), "?").unwrap();
    fails(&run(at, "datasets pack photos"), 1, &["bad.png"]);
    let skip = run(at, "datasets pack photos --on-bad-image skip");
    fails(&skip, 0, &["left out: photos/ants/bad.png"]);
    assert!(
        skip.stdout.contains("photos.fbpack: 4 images;"),
        "{}",
        skip.stdout
    );
}
