//! What augmentations draw: pinned, so that a change of a stream is seen, and compared with the distributions that they promise.

use firebrick_core::testkit::photo;

use super::*;

/// What a pipeline drew for one image of 61 × 43 pixels, for a model that reads 32 × 24.
fn drawn(text: &str, subject: Subject) -> Vec<Drawn> {
    let subject = Subject {
        target: Size::new(32, 24),
        ..subject
    };
    let mut log = Vec::new();
    chain(text)
        .transform(
            photo(61, 43, 3),
            &subject,
            &mut subject.rng(),
            Some(&mut log),
        )
        .unwrap();
    log
}

#[test]
fn draws_are_pinned() {
    let subject = Subject {
        seed: 42,
        epoch: 1,
        position: 2,
        ..subject()
    };
    for (text, expected) in [
        ("resize(20)", r#"{"width":28,"height":20}"#),
        (
            "center_crop",
            r#"{"top":10,"left":14,"height":24,"width":32}"#,
        ),
        (
            "random_crop(30)",
            r#"{"top":2,"left":4,"height":30,"width":30}"#,
        ),
        (
            "random_resized_crop",
            r#"{"top":12,"left":9,"height":27,"width":21,"size":{"width":32,"height":24}}"#,
        ),
        ("pad_crop", r#"{"top":1,"left":1}"#),
        ("hflip", r#"{}"#),
        ("vflip", r#"{}"#),
        ("scale", r#"{"scale":0.860136878788383}"#),
        ("translate", r#"{"x":-4,"y":-3}"#),
        ("rotate", r#"{"degrees":-10.489734090871277}"#),
        ("shear", r#"{"x":-6.993156060580851,"y":0.0}"#),
        (
            "affine(translate=[0.2, 0.1], scale=0.3, shear=5)",
            r#"{"degrees":-6.993156060580851,"translate":[-10.0,-2.0],"scale":0.7357653764185643,"shear":[-1.675307990790075,0.0]}"#,
        ),
        (
            "perspective",
            r#"{"corners":[[3,1],[60,1],[56,34],[11,32]]}"#,
        ),
        ("lens", r#"{"k1":-0.13986312121161704,"k2":0.0}"#),
        ("elastic", r#"{"seed":1354162124512931}"#),
    ] {
        let log = drawn(text, subject);
        let found = log[0]
            .params
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert_eq!(found, expected, "{text}");
    }
}

/// The largest distance between the distribution of the samples and the uniform one from `low` to `high` (Kolmogorov and
/// Smirnov), as a multiple of the one that a hundredth of all draws exceed.
fn distance(mut samples: Vec<f64>, [low, high]: [f64; 2]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let count = samples.len() as f64;
    let gaps = samples.iter().enumerate().map(|(at, sample)| {
        let share = (sample - low) / (high - low);
        (share - at as f64 / count)
            .abs()
            .max(((at + 1) as f64 / count - share).abs())
    });
    gaps.fold(0.0, f64::max) * count.sqrt() / 1.63
}

/// The parameter that `get` finds in the draws for 2000 images.
fn samples(text: &str, get: impl Fn(&serde_json::Value) -> f64) -> Vec<f64> {
    let image = Image::black(400, 400, 1);
    let chain = chain(text);
    let one = |position| {
        let subject = Subject {
            position,
            ..subject()
        };
        let mut log = Vec::new();
        chain
            .transform(image.clone(), &subject, &mut subject.rng(), Some(&mut log))
            .unwrap();
        get(log[0].params.as_ref().unwrap())
    };
    (0..2000).map(one).collect()
}

#[test]
fn areas_proportions_and_places_of_random_resized_crops_are_uniform() {
    // No attempt is in vain: all of these parts lie inside the image.
    let crop = "random_resized_crop(4, scale=[0.1, 0.5])";
    let number = |value: &serde_json::Value, key: &str| value[key].as_f64().unwrap();
    let area = samples(crop, |drawn| {
        number(drawn, "width") * number(drawn, "height") / 160_000.0
    });
    assert!(distance(area, [0.1, 0.5]) < 1.0);
    let ratio = samples(crop, |drawn| {
        (number(drawn, "width") / number(drawn, "height")).ln()
    });
    assert!(distance(ratio, [0.75_f64.ln(), (4.0_f64 / 3.0).ln()]) < 1.0);
    for (first, length) in [("left", "width"), ("top", "height")] {
        let place = samples(crop, |drawn| {
            (number(drawn, first) + 0.5) / (401.0 - number(drawn, length))
        });
        assert!(distance(place, [0.0, 1.0]) < 1.0);
    }
}

#[test]
fn angles_are_uniform() {
    let degrees = samples("rotate(30, filter=nearest)", |drawn| {
        drawn["degrees"].as_f64().unwrap()
    });
    assert!(distance(degrees.clone(), [-30.0, 30.0]) < 1.0);
    assert!(distance(degrees, [-30.0, 35.0]) > 1.0);
}

#[test]
fn half_of_the_images_are_flipped() {
    let flips = (0..4000).filter(|position| {
        let subject = Subject {
            position: *position,
            ..subject()
        };
        drawn("hflip", subject)[0].params.is_some()
    });
    // Chi-square with one degree of freedom, at one percent.
    let flips = flips.count() as f64;
    assert!((flips - 2000.0).powi(2) / 1000.0 < 6.63, "{flips}");
}

#[test]
fn a_part_that_cannot_be_found_is_the_largest_in_the_centre() {
    // Of an image of 61 × 43, only its whole area has the share, and no such part has these proportions.
    for (ratio, height, width) in [
        ("[3, 4]", 20, 61),
        ("[0.25, 0.5]", 43, 22),
        ("[1.4, 1.45]", 43, 61),
    ] {
        let log = drawn(
            &format!("random_resized_crop(scale=[1, 1], ratio={ratio})"),
            subject(),
        );
        let drawn = log[0].params.as_ref().unwrap();
        let expected = serde_json::json!({
            "top": (43 - height) / 2,
            "left": (61 - width) / 2,
            "height": height,
            "width": width,
            "size": {"width": 32, "height": 24},
        });
        assert_eq!(drawn, &expected, "{ratio}");
    }
}
