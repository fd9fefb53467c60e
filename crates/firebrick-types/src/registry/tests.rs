use serde::{Deserialize, Serialize};

use super::*;
use crate::about::{Field, Range};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Flame {
    heat: f64,
    colour: Option<f64>,
    weights: Vec<f64>,
    inner: Option<Spec>,
}

impl Default for Flame {
    fn default() -> Self {
        Self {
            heat: 0.5,
            colour: None,
            weights: Vec::new(),
            inner: None,
        }
    }
}

const FIELDS: &[Field] = &[
    Field::new("heat", Range::Share),
    Field::new("colour", Range::UpTo("heat")),
    Field::new("weights", Range::Each(&Range::NotNegative)),
    Field::new("inner", Range::Unit("flame")),
];

type Build = fn(&Spec) -> Result<Flame, ConfigError>;

const FLAME: About = About {
    aliases: &["fire"],
    ..About::new("flame", "burns", FIELDS)
};

fn flame(about: &'static About) -> Entry<Build> {
    Entry::new::<Flame>(about, |spec| FLAME.resolve(spec))
}

fn built_in() -> Registry<Build> {
    const BUILT_IN: &[Entry<Build>] = &[Entry::new::<Flame>(&FLAME, |spec| FLAME.resolve(spec))];
    Registry::new("flame", BUILT_IN)
}

fn read(text: &str) -> Spec {
    text.parse().unwrap()
}

#[test]
fn units_are_found_by_name_and_alias() {
    let registry = built_in();
    for name in ["flame(0.25)", "fire(heat=0.25)"] {
        let spec = read(name);
        let entry = registry.find(&spec).unwrap();
        assert_eq!((entry.build)(&spec).unwrap().heat, 0.25);
    }
    let error = registry.find(&read("flane")).unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown flame `flane` (did you mean `flame`?); known: flame"
    );
}

#[test]
fn a_value_out_of_range_is_named_with_the_range() {
    let entry = flame(&FLAME);
    for (text, expected) in [
        (
            "flame(heat=1)",
            "flame: heat = 1 is out of range: it must be in [0, 1)",
        ),
        (
            "flame(colour=-1)",
            "flame: colour = -1 is out of range: it must be in [0, heat]",
        ),
        (
            "flame(weights=[1, -2])",
            "flame: weights[1] = -2 is out of range: it must be finite and at least 0",
        ),
    ] {
        assert_eq!(entry.check(&read(text)).unwrap_err().to_string(), expected);
    }
    entry
        .check(&read("flame(heat=0.9, colour=0.1, inner=flame)"))
        .unwrap();
}

#[test]
fn signatures_show_defaults_and_where_asked_the_fields_without_one() {
    let entry = flame(&FLAME);
    assert_eq!(entry.signature(), "flame(heat=0.5, weights=[])");
    assert_eq!(
        entry.full_signature(),
        "flame(heat=0.5, colour, weights=[], inner)"
    );
}

#[test]
fn other_crates_register_units_with_names_that_are_free_and_descriptions_that_are_true() {
    const COAL: About = About::new("coal", "glows", FIELDS);
    const TAKEN: About = About {
        aliases: &["ember", "fire"],
        ..About::new("spark", "flies", FIELDS)
    };
    const WRONG: About = About::new("ash", "is left", &[Field::new("heat", Range::Share)]);
    let registry = built_in();
    registry.register(flame(&COAL)).unwrap();
    assert_eq!(registry.names(), ["flame", "coal"]);
    for (about, needle) in [
        (
            &COAL,
            "the flame `coal` cannot be registered: the name `coal` is taken",
        ),
        (
            &TAKEN,
            "the flame `spark` cannot be registered: the name `fire` is taken",
        ),
        (
            &WRONG,
            "`ash` describes the fields [heat], but its configuration has [heat, colour, weights, inner]",
        ),
    ] {
        let error = registry.register(flame(about)).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
    assert_eq!(registry.names(), ["flame", "coal"]);
    for (text, expected) in [
        ("flame", None),
        ("coal", Some("coal")),
        ("flame(inner=coal)", Some("coal")),
        ("flame([flame, flame(coal)])", Some("coal")),
    ] {
        assert_eq!(registry.registered_in(&read(text)), expected, "{text}");
    }
}
