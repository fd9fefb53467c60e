//! `firebrick augment preview` and `firebrick augment apply`.

use std::path::Path;

use image::{
    GenericImageView, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage,
};

use crate::support::{fails, images, run, run_with, succeeds};

/// A colourful image without symmetry.
fn photo(path: &Path, width: u32, height: u32) -> RgbImage {
    let image = RgbImage::from_fn(width, height, |x, y| {
        Rgb([(7 * x) as u8, (5 * y) as u8, (x * y) as u8])
    });
    image.save(path).unwrap();
    image
}

fn read(path: &Path) -> RgbImage {
    image::open(path).unwrap().into_rgb8()
}

#[test]
fn apply_writes_a_png_for_each_image_and_says_what_was_drawn() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    std::fs::create_dir_all(at.join("more")).unwrap();
    let first = photo(&at.join("photo.png"), 20, 12);
    photo(&at.join("more/photo.png"), 9, 30);
    let arguments = "augment apply photo.png more --policy hflip(1)|color_jitter(0.4)|erase --seed 3 --out new/out --json";
    let report = run(at, arguments).json();
    let rows = report.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let (out, path) = (rows[0]["out"].as_str(), rows[0]["path"].as_str());
    assert_eq!((path, out), (Some("photo.png"), Some("new/out/photo.png")));
    assert_eq!(
        rows[1]["out"], "new/out/photo-2.png",
        "names are kept apart"
    );
    for row in rows {
        let drawn = row["drawn"].as_array().unwrap();
        let names: Vec<_> = drawn
            .iter()
            .map(|step| step["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["hflip", "color_jitter", "erase"]);
        let factor = drawn[1]["params"]["changes"][0]["brightness"]
            .as_f64()
            .unwrap();
        assert!((0.6..=1.4).contains(&factor), "{factor}");
        assert!(at.join(row["out"].as_str().unwrap()).is_file());
    }
    assert_ne!(
        rows[0]["drawn"][1], rows[1]["drawn"][1],
        "each image has draws of its own"
    );
    // The same again, byte for byte; another seed is another image.
    let bytes = |name: &str| std::fs::read(at.join(name)).unwrap();
    let before = bytes("new/out/photo.png");
    assert_eq!(run(at, arguments).json(), report);
    assert_eq!(bytes("new/out/photo.png"), before);
    run(at, &arguments.replace("--seed 3", "--seed 4")).json();
    assert_ne!(bytes("new/out/photo.png"), before);

    let flipped = run(
        at,
        "augment apply photo.png --policy hflip(1) --out flipped",
    );
    succeeds(&flipped);
    assert_eq!(flipped.stdout, "flipped/photo.png: hflip\n");
    assert_eq!(
        read(&at.join("flipped/photo.png")),
        image::imageops::flip_horizontal(&first)
    );
    let same = run(at, "augment apply photo.png --policy none --out same");
    assert_eq!(same.stdout, "same/photo.png: unchanged\n");
    assert_eq!(read(&at.join("same/photo.png")), first);
}

#[test]
fn preview_draws_the_epochs_side_by_side() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photo(&at.join("photo.png"), 50, 50);
    let arguments =
        "augment preview photo.png --policy trivial_augment|hflip --grid 3x2 --seed 1 --out";
    let ran = run(at, &format!("{arguments} grid.png"));
    succeeds(&ran);
    assert!(
        ran.stdout
            .contains("grid.png: photo.png as it is in epochs 1 to 6"),
        "{}",
        ran.stdout
    );
    let sheet = read(&at.join("grid.png"));
    // Three pictures of 150 pixels, and the gaps between them.
    assert_eq!(sheet.width(), 3 * 158 + 8);
    let tile = |column: u32, row: u32| {
        sheet
            .view(8 + column * 158, 8 + row * 190, 150, 100)
            .to_image()
    };
    assert_ne!(tile(0, 0), tile(1, 0));
    let inked = sheet.pixels().filter(|pixel| pixel.0 == [40; 3]).count();
    assert!(inked > 200, "there is text: {inked}");
    succeeds(&run(at, &format!("{arguments} again.png")));
    assert_eq!(read(&at.join("again.png")), sheet);
    let plain =
        "augment preview photo.png --policy none --grid 1x1 --image-size 30 --out plain.png";
    succeeds(&run(at, plain));
    assert_eq!(read(&at.join("plain.png")).width(), 158 + 8);
}

#[test]
fn preview_takes_an_image_of_a_directory_by_its_number() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    std::fs::create_dir(at.join("more")).unwrap();
    photo(&at.join("more/a.png"), 50, 50);
    photo(&at.join("more/b.png"), 40, 50);
    let preview = |what: &str, policy: &str| {
        let arguments =
            format!("augment preview {what} --policy {policy} --grid 1x1 --out grid.png");
        let ran = run(at, &arguments);
        succeeds(&ran);
        (ran.stdout, std::fs::read(at.join("grid.png")).unwrap())
    };
    let (told, second) = preview("more --index 1", "hflip(1)");
    let told = told.replace('\\', "/");
    assert!(
        told.contains("more/b.png as it is in epochs 1 to 1"),
        "{told}"
    );
    assert_eq!(second, preview("more/b.png", "hflip(1)").1);
    assert_eq!(
        preview("more", "hflip(1)").1,
        preview("more/a.png", "hflip(1)").1
    );
    // Each place has draws of its own.
    let jitter = "color_jitter(0.4)";
    assert_ne!(
        preview("more --index 1", jitter).1,
        preview("more/b.png", jitter).1
    );
    for (what, needle) in [
        (
            "more --index 2",
            "index = 2 is out of range: more has 2 images",
        ),
        ("more/a.png --index 1", "has 1 image,"),
    ] {
        let arguments = format!("augment preview {what} --policy none --out grid.png");
        fails(&run(at, &arguments), 2, &[needle]);
    }
    fails(
        &run(
            at,
            "augment preview nothing.png --policy none --out grid.png",
        ),
        1,
        &["nothing.png"],
    );
}

#[test]
fn mistakes_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    photo(&at.join("photo.png"), 8, 8);
    for (policy, needles) in [
        (
            "auto_augment(imagnet)",
            &["auto_augment: policy", "imagenet", "cifar10", "svhn"][..],
        ),
        ("color_jiter", &["did you mean `color_jitter`"]),
        ("color_jitter(prob=1.2)", &["color_jitter: prob = 1.2"]),
        (
            "color_jitter([1.5, 0.5])",
            &["[1.5, 0.5] begins above its end: write [0.5, 1.5]"],
        ),
        ("color_jitter(hue=0.6)", &["color_jitter: hue = 0.6"]),
        ("color_jitter(-0.1)", &["color_jitter: brightness = -0.1"]),
        ("blur(-1)", &["blur: sigma = -1"]),
        ("blur(1, 4)", &["blur: kernel = 4", "odd"]),
        ("noise(-0.1)", &["noise: std = -0.1"]),
        ("posterize(9)", &["posterize: bits = 9"]),
        ("erase(fill=pink)", &["erase: fill", "random"]),
        (
            "rand_augment(magnitude=31)",
            &["rand_augment: magnitude = 31"],
        ),
        ("augmix(0)", &["augmix: severity = 0"]),
    ] {
        let words = [
            "augment",
            "apply",
            "photo.png",
            "--policy",
            policy,
            "--out",
            "out",
        ];
        fails(&run_with(at, &words), 2, needles);
    }
    let grid = |grid: &str| {
        run(
            at,
            &format!("augment preview photo.png --policy hflip --grid {grid} --out x.png"),
        )
    };
    fails(&grid("6"), 2, &["such as 6x6"]);
    fails(&grid("0x3"), 2, &["1 to 400 versions"]);
    fails(&grid("999x999"), 2, &["998001"]);
    fails(
        &run(at, "augment preview nope.png --policy hflip --out x.png"),
        1,
        &["nope.png"],
    );
    fails(
        &run(at, "augment apply nope --policy hflip --out x"),
        1,
        &["nope"],
    );
    fails(
        &run(
            at,
            "augment preview photo.png --policy hflip --channels 2 --out x.png",
        ),
        2,
        &["channels", "2"],
    );
    fails(
        &run(
            at,
            "augment preview photo.png --policy hflip --out no/x.png",
        ),
        1,
        &["cannot write no/x.png"],
    );
}

/// Transparent, 16-bit, grey and very narrow images, each through every augmentation.
#[test]
fn every_augmentation_takes_every_kind_of_image() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let folder = at.join("odd");
    std::fs::create_dir_all(&folder).unwrap();
    let save = |name: &str| folder.join(name);
    RgbaImage::from_fn(37, 21, |x, y| Rgba([x as u8, 200, y as u8, (9 * x) as u8]))
        .save(save("rgba.png"))
        .unwrap();
    ImageBuffer::from_fn(24, 40, |x, y| Luma([(x * y * 97) as u16]))
        .save(save("grey16.png"))
        .unwrap();
    ImageBuffer::from_fn(30, 30, |x, _| LumaA([(x * 8) as u8, 128]))
        .save(save("la.png"))
        .unwrap();
    GrayImage::from_fn(1, 33, |_, y| Luma([(y * 7) as u8]))
        .save(save("narrow.png"))
        .unwrap();
    RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]))
        .save(save("dot.png"))
        .unwrap();
    let list = run(at, "augment list --json").json();
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    // All at once, on images fitted to 24 pixels: the pipeline that each takes part in.
    for channels in ["1", "3"] {
        for name in &names {
            let policy = format!("{name}(prob=1)");
            let arguments = [
                "augment",
                "apply",
                "odd",
                "--policy",
                &policy,
                "--image-size",
                "24",
                "--channels",
                channels,
                "--out",
                "out",
                "--json",
            ];
            let ran = run_with(at, &arguments);
            if ran.status != 0 {
                // Larger than the image: said in words.
                fails(&ran, 2, &["px"]);
                continue;
            }
            let rows = ran.json();
            assert_eq!(rows.as_array().unwrap().len(), 5, "{name}");
            for row in rows.as_array().unwrap() {
                assert!(!row["drawn"][0]["params"].is_null(), "{name}: {row}");
            }
        }
    }
    assert_eq!(read(&at.join("out/dot.png")).dimensions(), (24, 24));
}

#[test]
fn the_page_on_augmentation_has_every_augmentation() {
    let temp = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/augmentation.md")).unwrap();
    let list = run(temp.path(), "augment list --json").json();
    for row in list.as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        // In a table: `name` or `name(options)`.
        let known = [format!("`{name}`"), format!("`{name}(")];
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let mut firsts = rows.filter_map(|row| row.split(" | ").next());
        assert!(
            firsts.any(|first| known.iter().any(|known| first.contains(known))),
            "docs/augmentation.md does not have {name}"
        );
    }
}

#[test]
fn stats_print_the_directions_that_pca_noise_takes() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("photos"), &["ants", "bees"], 3);
    let stats = run(at, "datasets stats folder:photos --image-size 16 --json").json();
    let keys: Vec<_> = stats.as_object().unwrap().keys().collect();
    let expected = [
        "images",
        "size",
        "mean",
        "std",
        "eigenvalues",
        "eigenvectors",
        "spec",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        (&stats["images"], &stats["size"]),
        (&6.into(), &serde_json::json!([16, 16]))
    );
    // Grey pixels lie on the diagonal: the whole variance of the three channels together.
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let variance = number(&stats["std"][0]).powi(2);
    assert!(
        (number(&stats["eigenvalues"][0]) - 3.0 * variance).abs() < 1e-6,
        "{stats}"
    );
    assert!(number(&stats["eigenvalues"][1]).abs() < 1e-9, "{stats}");
    assert!(
        (number(&stats["eigenvectors"][0][2]) - 1.0 / 3.0_f64.sqrt()).abs() < 1e-9,
        "{stats}"
    );
    let spec = stats["spec"].as_str().unwrap();
    succeeds(&run_with(
        at,
        &[
            "augment", "apply", "photos", "--policy", spec, "--out", "out",
        ],
    ));
    let text = run(at, "datasets stats folder:photos --image-size 16").stdout;
    for needle in [
        "6 training images, resized to 16×16 pixels",
        "mean: ",
        "for --augment: pca_noise(std=0.1, ",
    ] {
        assert!(text.contains(needle), "{text}");
    }
    let grey = run(at, "datasets stats glyphs(train=20,test=10) --json").json();
    assert_eq!(grey["mean"].as_array().unwrap().len(), 1);
    assert!(grey["spec"].is_null(), "{grey}");
    fails(&run(at, "datasets stats folder:nope"), 1, &["nope"]);
}
