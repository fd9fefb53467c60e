//! Prediction from files of any size and kind.

use std::fs;

use image::{DynamicImage, GrayImage, Luma, RgbImage};

use crate::support::{PHOTOS, SMALL, fails, images, run, succeeds, trained};

#[test]
fn files_directories_and_plain_weights() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    fs::create_dir_all(at.join("images/deeper")).unwrap();
    let drawing = GrayImage::from_fn(90, 60, |x, _| {
        Luma([if (40..50).contains(&x) { 255 } else { 20 }])
    });
    drawing.save(at.join("images/one.png")).unwrap();
    DynamicImage::from(drawing)
        .to_rgb8()
        .save(at.join("images/deeper/two.jpg"))
        .unwrap();
    RgbImage::new(3, 200)
        .save(at.join("images/thin.bmp"))
        .unwrap();
    let told = run(at, "predict run images --top 2 --json --logits").json();
    let rows = told.as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["images/deeper/two.jpg", "images/one.png", "images/thin.bmp"]
    );
    for row in rows {
        let top = row["top"].as_array().unwrap();
        assert_eq!(top.len(), 2);
        assert!(top[0]["probability"].as_f64().unwrap() >= top[1]["probability"].as_f64().unwrap());
        assert!(top[0]["class"].is_string() && top[0]["index"].is_u64());
        assert!(row["logits"].as_array().unwrap().len() > 2);
    }
    let lines = run(at, "predict run/model.safetensors images/one.png");
    assert!(
        lines.status == 0
            && lines.stdout.starts_with("images/one.png: ")
            && lines.stdout.contains('%'),
        "{}",
        lines.stdout
    );
}

#[test]
fn unreadable_images_are_named_and_the_others_still_told() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    fs::create_dir(at.join("images")).unwrap();
    fs::write(at.join("images/empty.jpg"), b"").unwrap();
    fs::write(at.join("images/text.png"), b"this is text").unwrap();
    GrayImage::new(32, 32)
        .save(at.join("images/good.png"))
        .unwrap();
    let fail = run(at, "predict run images");
    assert!(
        fail.status == 1 && fail.stdout.contains("good.png"),
        "{} {}",
        fail.stdout,
        fail.stderr
    );
    assert!(
        fail.stderr.contains("empty.jpg") && fail.stderr.contains("text.png"),
        "{}",
        fail.stderr
    );
    let skip = run(at, "predict run images --on-bad-image skip");
    succeeds(&skip);
    assert!(skip.stderr.contains("left out"), "{}", skip.stderr);
}

#[test]
fn monte_carlo_dropout_says_how_sure_the_model_is() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    fs::create_dir(at.join("images")).unwrap();
    for (name, bar) in [("one", 8..14), ("two", 20..24)] {
        let drawing = GrayImage::from_fn(32, 32, |x, _| {
            Luma([if bar.contains(&x) { 255 } else { 20 }])
        });
        drawing.save(at.join(format!("images/{name}.png"))).unwrap();
    }
    fs::write(at.join("images/between.png"), b"this is text").unwrap();
    let command = "predict run images --on-bad-image skip --mc-dropout 20 --top 2 --json";
    let told = run(at, command);
    succeeds(&told);
    assert!(told.stderr.contains("between.png"), "{}", told.stderr);
    let rows = told.json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    for (row, name) in rows.as_array().unwrap().iter().zip(["one", "two"]) {
        assert_eq!(row["path"], format!("images/{name}.png"));
        let doubt = &row["mc_dropout"];
        let numbers = |key: &str| -> Vec<f64> {
            let all = doubt[key].as_array().unwrap();
            all.iter().map(|number| number.as_f64().unwrap()).collect()
        };
        let (mean, variance) = (numbers("mean"), numbers("variance"));
        assert!((mean.iter().sum::<f64>() - 1.0).abs() < 1e-6 && mean.len() == variance.len());
        assert!(variance.iter().any(|variance| *variance > 0.0));
        assert!(
            variance
                .iter()
                .zip(&mean)
                .all(|(variance, mean)| *variance <= mean * (1.0 - mean) + 1e-9)
        );
        let entropy: f64 = mean
            .iter()
            .filter(|mean| **mean > 0.0)
            .map(|mean| -mean * mean.ln())
            .sum();
        assert!((doubt["entropy"].as_f64().unwrap() - entropy).abs() < 1e-9);
        let disagreement = doubt["mutual_information"].as_f64().unwrap();
        assert!(disagreement > 0.0 && disagreement <= entropy && doubt["passes"] == 20);
        let best = &row["top"][0];
        assert_eq!(
            best["probability"].as_f64().unwrap(),
            mean[best["index"].as_u64().unwrap() as usize]
        );
        assert!(
            mean.iter()
                .all(|mean| *mean <= best["probability"].as_f64().unwrap())
        );
    }
    assert_eq!(run(at, command).stdout, told.stdout, "the same seed");
    assert_ne!(run(at, &format!("{command} --seed 1")).stdout, told.stdout);
    let line = run(at, "predict run images/one.png --mc-dropout 20").stdout;
    assert!(
        line.contains(" ± ") && line.contains("entropy") && line.contains("20 passes"),
        "{line}"
    );

    // What cannot be done, and what to do.
    fails(
        &run(at, "predict run images/one.png --mc-dropout 1"),
        2,
        &["mc_dropout = 1"],
    );
    fails(
        &run(at, "predict run images/one.png --mc-dropout 9 --tta flip"),
        2,
        &["--tta"],
    );
    fails(
        &run(at, "predict run images/one.png --seed 3"),
        2,
        &["--mc-dropout"],
    );
    let other = temp.path().join("other");
    fs::create_dir(&other).unwrap();
    trained(
        &other,
        "train --dataset glyphs(train=60,test=27) --model lenet5 --epochs 1 --batch-size 32",
    );
    let refused = run(at, "predict other/run images/one.png --mc-dropout 9");
    fails(
        &refused,
        2,
        &["the model `lenet5", "drops nothing", "dropout=0.2"],
    );
}

#[test]
fn the_nearest_images_are_those_of_the_run_or_of_other_data() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("photos"), &["ants", "bees"], 8);
    succeeds(&run(
        at,
        &format!("train --dataset folder:photos {PHOTOS} --out run --quiet"),
    ));
    let photo = fs::read_dir(at.join("photos/bees")).unwrap().next();
    let photo = photo.unwrap().unwrap().path();
    fs::copy(&photo, at.join("new.png")).unwrap();

    let among = "predict run new.png --nearest 2 --among folder:photos";
    let told = run(at, &format!("{among} --json")).json();
    let near = told[0]["nearest"].as_array().unwrap();
    assert_eq!(near.len(), 2);
    // All images of the folder, so the photo itself is among them.
    assert!(near[0]["cosine"].as_f64().unwrap() > 0.999, "{near:?}");
    assert!(near[0]["cosine"].as_f64() >= near[1]["cosine"].as_f64());
    let lines = run(at, among);
    succeeds(&lines);
    assert_eq!(lines.stdout.lines().count(), 3, "{}", lines.stdout);
    assert!(lines.stdout.contains("\n  near 1.000 "), "{}", lines.stdout);

    // Of the run: 12 of 16 images, whose features the run keeps.
    let of_run = run(at, "predict run new.png --nearest 99 --json").json();
    assert_eq!(of_run[0]["nearest"].as_array().unwrap().len(), 12);
    let kept = || fs::read_dir(at.join("run/features")).unwrap().count();
    assert_eq!(kept(), 1);
    assert_eq!(
        run(at, "predict run new.png --nearest 99 --json").json(),
        of_run
    );
    assert_eq!(kept(), 1);

    for (flags, status, needle) in [
        ("--nearest 0", 2, "nearest = 0"),
        (
            "--nearest 1 --among folder:absent",
            1,
            "there is no such folder",
        ),
        ("--among folder:photos", 2, "--nearest"),
        ("--nearest 1 --mc-dropout 3", 2, "--mc-dropout"),
    ] {
        fails(
            &run(at, &format!("predict run new.png {flags}")),
            status,
            &[needle],
        );
    }
    fs::copy(
        at.join("run/model.safetensors"),
        at.join("alone.safetensors"),
    )
    .unwrap();
    let alone = run(at, "predict alone.safetensors new.png --nearest 1");
    fails(&alone, 2, &["--among folder:PATH"]);
    fs::remove_dir_all(at.join("photos")).unwrap();
    fails(&run(at, "predict run new.png --nearest 1"), 1, &["photos"]);
}
