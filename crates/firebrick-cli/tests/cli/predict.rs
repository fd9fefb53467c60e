//! Prediction from files of any size and kind.

use std::fs;

use image::{DynamicImage, GrayImage, Luma, RgbImage};

use crate::support::{SMALL, run, succeeds, trained};

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
