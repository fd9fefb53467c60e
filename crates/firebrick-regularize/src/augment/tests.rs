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
            if let Some(warp) = chain.geometry(image.size(), &log).unwrap() {
                prop_assert_eq!(warp.output(), changed.size(), "{}", entry.about.name);
            }
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
            "hflip: prob = \"often\" has the wrong type",
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
