//! Test-time augmentation: `--tta` of `eval` and `predict`.

use image::{GrayImage, Luma, imageops};

use crate::support::{SMALL, fails, run, succeeds, trained};

#[test]
fn the_scores_of_the_mean_stand_beside_the_plain_ones() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let plain = run(at, "eval run --json --quiet").json();
    let with = |flags: &str| run(at, &format!("eval run --json --quiet {flags}")).json();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let same = |a: &serde_json::Value, b: &serde_json::Value| {
        ["top1", "top5", "nll", "ece", "brier"]
            .iter()
            .all(|score| (number(&a[score]) - number(&b[score])).abs() < 1e-5)
    };
    // One view that is the image itself: the mean is the plain prediction, whatever is averaged.
    for average in ["probabilities", "logits"] {
        let one = with(&format!("--tta multiscale([1]) --tta-average {average}"));
        assert!(same(&one, &plain) && same(&one["tta"], &plain), "{one}");
    }
    let crops = with("--tta ten_crop");
    assert!(same(&crops, &plain) && !same(&crops["tta"], &plain));
    let counts = |json: &serde_json::Value| {
        [&json["tta"]["views"], &json["tta"]["images"]].map(serde_json::Value::as_u64)
    };
    assert_eq!(counts(&crops), [Some(10), Some(60)]);
    // Only where the model is unsure.
    let none = with("--tta ten_crop --tta-below 0");
    assert!(counts(&none) == [Some(10), Some(0)] && same(&none["tta"], &plain));
    let mut limits = (35..60).step_by(2);
    let some = limits.find_map(|limit| {
        let some = with(&format!("--tta ten_crop --tta-below 0.0{limit}"));
        let images = counts(&some)[1].unwrap();
        (1..60).contains(&images).then_some(some)
    });
    let some = some.expect("the model is surer of some images than of others");
    assert!(!same(&some["tta"], &plain) && !same(&some["tta"], &crops["tta"]));
    // The same draws again.
    let policy = || with("--tta policy(pad_crop(2),n=3)");
    let (mut a, mut b) = (policy(), policy());
    (a["tta"]["seconds"], b["tta"]["seconds"]) = (0.into(), 0.into());
    assert_eq!(a["tta"], b["tta"]);
    let text = run(at, "eval run --quiet --tta flip");
    succeeds(&text);
    assert!(
        text.stdout.contains("with 2 views of 60 images: top-1"),
        "{}",
        text.stdout
    );
    for (flags, needle) in [
        ("--tta flop", "unknown test-time view `flop`"),
        ("--tta flip --tta-below 2", "below = 2"),
        ("--tta flip --tta-average medians", "medians"),
        ("--tta policy(hflop)", "hflop"),
    ] {
        fails(&run(at, &format!("eval run --quiet {flags}")), 2, &[needle]);
    }
    // Whether a crop fits is known when an image is read.
    let large = run(at, "eval run --quiet --tta policy(random_crop(400))");
    fails(&large, 1, &["400 × 400 px is larger than the image"]);
}

#[test]
fn a_prediction_is_the_mean_over_an_image_and_its_mirror_image() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let drawing = GrayImage::from_fn(28, 28, |x, y| {
        Luma([if x < 6 || y < 4 {
            255
        } else {
            (x * y / 4) as u8
        }])
    });
    drawing.save(at.join("plain.png")).unwrap();
    imageops::flip_horizontal(&drawing)
        .save(at.join("mirror.png"))
        .unwrap();
    let logits = |command: &str| -> Vec<Vec<f64>> {
        let told = run(at, &format!("predict run {command} --json --logits")).json();
        let rows = told.as_array().unwrap().iter();
        let numbers = |row: &serde_json::Value| -> Vec<f64> {
            let logits = row["logits"].as_array().unwrap().iter();
            logits.map(|logit| logit.as_f64().unwrap()).collect()
        };
        rows.map(numbers).collect()
    };
    let both = logits("plain.png mirror.png");
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
    let mean = |parts: [&[f64]; 2]| -> Vec<f64> {
        parts[0]
            .iter()
            .zip(parts[1])
            .map(|(a, b)| (a + b) / 2.0)
            .collect()
    };
    let of_logits = logits("plain.png --tta flip --tta-average logits");
    assert!(
        close(&of_logits[0], &mean([&both[0], &both[1]])),
        "{of_logits:?} {both:?}"
    );
    let softmax = |logits: &[f64]| -> Vec<f64> {
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.iter().map(|logit| logit.exp() / sum).collect()
    };
    let of_probabilities = logits("plain.png --tta flip");
    let found: Vec<f64> = of_probabilities[0]
        .iter()
        .map(|logit| logit.exp())
        .collect();
    assert!(close(
        &found,
        &mean([&softmax(&both[0]), &softmax(&both[1])])
    ));
    assert!(!close(&both[0], &both[1]));
}
