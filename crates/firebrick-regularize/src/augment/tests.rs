//! What holds for every augmentation.

mod draws;
mod golden;

use firebrick_core::data::{Drawn, Image, SampleTransform, Subject};
use firebrick_core::image::Size;
use firebrick_core::spec::Spec;
use proptest::prelude::*;

use super::*;

pub(super) fn image() -> impl Strategy<Value = Image> {
    (1_usize..7, 1_usize..7, prop_oneof![Just(1_usize), Just(3)]).prop_flat_map(
        |(width, height, channels)| {
            prop::collection::vec(any::<u8>(), width * height * channels).prop_map(move |pixels| {
                Image {
                    width,
                    height,
                    channels,
                    pixels,
                }
            })
        },
    )
}

/// The first image of a run whose model reads 5 × 4 pixels.
pub(super) fn subject() -> Subject {
    Subject {
        seed: 0,
        epoch: 0,
        index: 0,
        position: 0,
        share: 0.0,
        target: Size::new(5, 4),
    }
}

fn chain(text: &str) -> Chain {
    build(&text.parse().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_augmentation_takes_every_image_and_repeats_its_draws(image in image(), seed in any::<u64>(), position in 0_usize..9) {
        for entry in REGISTRY.entries() {
            let chain = chain(entry.about.name);
            let subject = Subject { seed, position, ..subject() };
            let mut log = Vec::new();
            let silent = chain.transform(image.clone(), &subject, &mut subject.rng(), None);
            let logged = chain.transform(image.clone(), &subject, &mut subject.rng(), Some(&mut log));
            prop_assert_eq!(&silent, &logged);
            let Ok(changed) = silent else {
                // Too small: said in words.
                prop_assert!(chain.check_sizes(Some(image.size()), subject.target).is_err(), "{}", entry.about.name);
                continue;
            };
            prop_assert_eq!(changed.channels, image.channels);
            prop_assert_eq!(changed.pixels.len(), changed.width * changed.height * changed.channels);
            // Through JSON, as a program would keep it.
            let log: Vec<Drawn> = serde_json::from_str(&serde_json::to_string(&log).unwrap()).unwrap();
            let replayed = chain.replay(image.clone(), &log).unwrap();
            prop_assert_eq!(&replayed, &changed, "{}: {:?}", entry.about.name, log);
            let geometry = chain.geometry(image.size(), &log).unwrap();
            prop_assert_eq!(geometry.output(image.size()), changed.size(), "{}", entry.about.name);
        }
    }
}

#[test]
fn the_canonical_pipeline_builds_itself_again() {
    for entry in REGISTRY.entries() {
        let spec = chain(entry.about.name).pipeline();
        assert_eq!(spec.to_string(), entry.signature());
        assert_eq!(build(&spec).unwrap().pipeline(), spec);
    }
    assert!(chain("none").is_empty());
}

#[test]
fn mistakes_are_named() {
    for (text, needle) in [
        ("pad_crop(4) | hflop", "did you mean `hflip`"),
        ("hflip(p=0.3)", "hflip has no key `p`"),
        ("hflip(1.5)", "hflip: prob = 1.5"),
        ("hflip(nan)", "hflip: prob = NaN"),
        (
            "hflip(\"often\")",
            "hflip: prob = \"often\" is not valid: expected a number",
        ),
        (
            "hflip(0.3, alternate)",
            "hflip: prob = 0.3 has an effect only with mode=random",
        ),
        ("pad_crop(4, prob=1.2)", "pad_crop: prob = 1.2"),
        ("pad_crop(-1)", "pad_crop: size = -1"),
        ("pad_crop(100000)", "pad_crop: size = 100000"),
        ("pad_crop(4, mode=mirror)", "pad_crop: mode"),
        ("pad_crop(4, fill=2)", "pad_crop: fill = 2"),
        ("pad_crop(4, mode=edge, fill=0.5)", "fill"),
        (
            "rotate([15, -15])",
            "rotate: degrees = [15, -15] begins above its end: write [-15, 15]",
        ),
        ("rotate(-15)", "rotate: degrees = -15 is out of range"),
        ("rotate([1, 2, 3])", "expected a number or [low, high]"),
        ("rotate(\"left\")", "expected a number or [low, high]"),
        ("rotate(720)", "rotate: degrees = 720"),
        ("elastic(sigma=-1)", "elastic: sigma = -1"),
        ("resize(0)", "resize: size = 0"),
        ("resize([10, 0])", "resize: size[1] = 0"),
        (
            "resize(1.5)",
            "expected a whole number of pixels, or [height, width]",
        ),
        ("resize(10, cubic)", "resize: filter"),
        ("random_resized_crop(scale=[0.5, 0.1])", "write [0.1, 0.5]"),
        (
            "random_resized_crop(scale=1.5)",
            "random_resized_crop: scale = 1.5",
        ),
        ("random_crop(8, fill=0.5)", "only with pad_if_needed=true"),
        ("translate(-0.1)", "translate: x = -0.1"),
    ] {
        let error = build(&text.parse().unwrap()).err().unwrap().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
}

#[test]
fn prob_is_a_key_of_every_augmentation() {
    for entry in REGISTRY.entries() {
        let name = entry.about.name;
        assert!(entry.about.field("prob").is_some(), "{name}");
        assert!(
            (entry.fields)().iter().any(|(field, _)| field == "prob"),
            "{name}"
        );
        let never = build(&Pipeline(vec![Spec::new(name).with("prob", 0.0)])).unwrap();
        let image = firebrick_core::testkit::photo(9, 7, 3);
        let mut log = Vec::new();
        let subject = subject();
        let same = never.transform(image.clone(), &subject, &mut subject.rng(), Some(&mut log));
        assert_eq!(same.unwrap(), image, "{name}");
        assert_eq!((log[0].name.as_str(), &log[0].params), (name, &None));
    }
}

#[test]
fn a_share_of_images_is_changed_and_a_sure_step_draws_nothing_for_it() {
    let image = firebrick_core::testkit::photo(9, 7, 1);
    let changes = |text: &str| {
        let chain = chain(text);
        let changed = (0..1000).filter(|position| {
            let subject = Subject {
                position: *position,
                ..subject()
            };
            let mut log = Vec::new();
            chain
                .transform(image.clone(), &subject, &mut subject.rng(), Some(&mut log))
                .unwrap();
            log[0].params.is_some()
        });
        changed.count()
    };
    // 300 expected; four standard deviations are 58.
    let some = changes("pad_crop(4, prob=0.3)");
    assert!((242..358).contains(&some), "{some}");
    assert_eq!(changes("pad_crop(4)"), 1000);
    let mut log = Vec::new();
    let subject = Subject {
        seed: 42,
        epoch: 1,
        position: 2,
        ..subject()
    };
    let both = chain("pad_crop(4) | hflip");
    both.transform(image, &subject, &mut subject.rng(), Some(&mut log))
        .unwrap();
    // The first draws of this generator, as they have always been.
    assert_eq!(
        serde_json::to_string(&log).unwrap(),
        r#"[{"name":"pad_crop","params":{"top":1,"left":1}},{"name":"hflip","params":{}}]"#
    );
}

#[test]
fn a_log_of_another_pipeline_is_refused() {
    let image = Image::black(4, 4, 1);
    let drawn = |name: &str, params: &str| Drawn {
        name: name.into(),
        params: Some(serde_json::from_str(params).unwrap()),
    };
    let flip = chain("hflip");
    for (log, needle) in [
        (
            vec![],
            "they are of 0 steps, and `hflip(prob=0.5, mode=random)` has 1",
        ),
        (vec![drawn("vflip", "{}")], "`vflip` where `hflip` is"),
        (vec![drawn("hflip", "{\"angle\": 3}")], "{\"angle\":3}"),
    ] {
        let error = flip.replay(image.clone(), &log).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
        assert!(flip.geometry(image.size(), &log).is_err());
    }
}

#[test]
fn sizes_that_cannot_work_are_refused_before_training() {
    let check = |text: &str, original: Option<[usize; 2]>| {
        let original = original.map(|[width, height]| Size::new(width, height));
        let found = chain(text).check_sizes(original, Size::new(32, 32));
        found.err().map(|error| error.to_string())
    };
    let small = Some([32, 32]);
    for good in [
        "random_crop",
        "random_crop(28) | resize",
        "random_crop(40, pad_if_needed=true) | center_crop",
        "resize(40) | random_crop",
        "random_resized_crop | hflip | rotate(10)",
        // Of another size now and then: fitted to the model's.
        "rotate(10, expand=true)",
        "random_crop(28, prob=0.5)",
    ] {
        assert_eq!(check(good, small), None, "{good}");
        assert_eq!(check(good, None), None, "{good}");
    }
    let error = check("random_crop(40)", small).unwrap();
    assert!(
        error
            .contains("random_crop: the crop of 40 × 40 px is larger than the image of 32 × 32 px")
            && error.contains("pad_if_needed=true"),
        "{error}"
    );
    let error = check("resize(20) | hflip | center_crop(24)", small).unwrap();
    assert!(
        error.contains("center_crop: the crop of 24 × 24 px"),
        "{error}"
    );
    for (text, original) in [
        ("random_crop(28)", small),
        ("hflip | random_resized_crop([28, 28])", None),
    ] {
        let error = check(text, original).unwrap();
        assert!(
            error.contains("yields images of 28 × 28 px, but the model reads 32 × 32 px"),
            "{error}"
        );
    }
    // What is known only then is said for the image.
    let subject = subject();
    let found = chain("random_crop(6)").transform(
        Image::black(5, 9, 3),
        &subject,
        &mut subject.rng(),
        None,
    );
    assert!(
        found
            .unwrap_err()
            .to_string()
            .contains("larger than the image of 5 × 9 px")
    );
}

#[test]
fn a_crop_gives_the_whole_pipeline_the_image_as_decoded() {
    assert!(!chain("pad_crop | hflip | rotate(10)").wants_original());
    assert!(chain("hflip | random_resized_crop").wants_original());
}

#[test]
fn geometric_steps_in_a_row_are_interpolated_once() {
    let image = firebrick_core::testkit::photo(61, 43, 3);
    let replay = |steps: &[(&str, &str)]| {
        let pipeline = steps
            .iter()
            .map(|(spec, _)| *spec)
            .collect::<Vec<_>>()
            .join(" | ");
        let chain = chain(&pipeline);
        let drawn: Vec<_> = steps
            .iter()
            .map(|(spec, params)| Drawn {
                name: spec.split('(').next().unwrap().into(),
                params: Some(serde_json::from_str(params).unwrap()),
            })
            .collect();
        chain.replay(image.clone(), &drawn).unwrap()
    };
    // Away and back: two interpolations would blur, and lose what leaves the image.
    let there = ("rotate", r#"{"degrees": 30.0}"#);
    let back = ("rotate", r#"{"degrees": -30.0}"#);
    let flip = ("hflip", "{}");
    let off = |found: &Image, expected: &Image| {
        let differences = found
            .pixels
            .iter()
            .zip(&expected.pixels)
            .map(|(one, other)| one.abs_diff(*other));
        differences.max().unwrap()
    };
    assert!(off(&replay(&[there, back]), &image) <= 1);
    assert!(off(&replay(&[there, flip, flip, back]), &image) <= 1);
    // A step that changes values ends the row.
    let by_one = replay(&[there]);
    assert!(off(&by_one, &image) > 50);
    // One interpolation among moves: each step by itself, bit for bit.
    let flipped = hflip::flipped(by_one.clone());
    assert_eq!(replay(&[there, flip]), flipped);
    // A fill of another value ends the row too.
    let filled = ("rotate(fill=0.5)", r#"{"degrees": -30.0}"#);
    assert!(off(&replay(&[there, filled]), &image) > 50);
}

#[test]
fn a_mask_moves_as_its_image() {
    let image = firebrick_core::testkit::photo(61, 43, 1);
    for text in [
        "random_resized_crop([20, 30], filter=nearest) | hflip(prob=1) | rotate(filter=nearest)",
        "pad_crop | translate | perspective(filter=nearest) | vflip",
        "lens(filter=nearest) | elastic(filter=nearest) | random_crop(30)",
        "center_crop([20, 30]) | hflip",
    ] {
        let chain = chain(text);
        for position in 0..8 {
            let subject = Subject {
                position,
                ..subject()
            };
            let mut log = Vec::new();
            let changed =
                chain.transform(image.clone(), &subject, &mut subject.rng(), Some(&mut log));
            let geometry = chain.geometry(image.size(), &log).unwrap();
            assert_eq!(geometry.mask(&image, 0), changed.unwrap(), "{text}");
        }
    }
    let still = chain("hflip(prob=0)");
    let subject = subject();
    let mut log = Vec::new();
    still
        .transform(image.clone(), &subject, &mut subject.rng(), Some(&mut log))
        .unwrap();
    assert!(still.geometry(image.size(), &log).unwrap().is_still());
}
