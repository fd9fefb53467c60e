//! What every unit of every family promises about its fields, as a test, and an image for tests: feature `testkit`.

// These are tests.
#![allow(clippy::missing_panics_doc)]

use crate::ConfigError;
use crate::about::Range;
use crate::image::Image;
use crate::registry::Entry;
use crate::spec::{Spec, Value};

/// The unit describes the fields that it has, takes its own defaults and every word of a choice, and `build`
/// refuses every value outside a range with an error that names the field.
///
/// `build` is the door that users come through: it builds the unit of a spec with this name.
pub fn fields_out_of_range_are_named<B>(
    entry: &Entry<B>,
    build: impl Fn(&Spec) -> Result<(), ConfigError>,
) {
    let (name, about) = (entry.about.name, entry.about);
    let described: Vec<_> = about.fields.iter().map(|field| field.name).collect();
    let fields: Vec<_> = (entry.fields)()
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(
        described, fields,
        "{name}: the fields of ABOUT and of the struct"
    );
    assert_eq!(
        entry.check(&Spec::new(name)),
        Ok(()),
        "{name}: its defaults"
    );
    for field in about.fields {
        if let Range::Choice(words) = field.range {
            for word in words {
                let spec = Spec::new(name).with(field.name, *word);
                assert_eq!(entry.check(&spec), Ok(()), "{spec}");
            }
        }
        for value in outside(field.range) {
            let spec = Spec::new(name).with(field.name, value);
            let Err(error) = build(&spec) else {
                panic!("{spec} was taken");
            };
            let error = error.to_string();
            let needle = format!("{name}: {}", field.name);
            assert!(error.contains(&needle), "{spec}: {error}");
        }
    }
}

/// Values that a range refuses, and values of another type.
fn outside(range: Range) -> Vec<Value> {
    let numbers = |numbers: &[f64]| numbers.iter().copied().map(Value::Number).collect();
    let mut bad: Vec<Value> = match range {
        Range::NotNegative | Range::UpTo(_) => numbers(&[-0.001]),
        Range::Positive => numbers(&[0.0, -1.0]),
        Range::AtLeast(least) => numbers(&[least - 0.001]),
        Range::Share => numbers(&[1.0, -0.001]),
        Range::Factor => numbers(&[0.0, 1.001]),
        Range::Within(low, high) | Range::WithinOr(low, high, _) => {
            numbers(&[low - 0.001, high + 0.001])
        }
        Range::Between(low, high) => numbers(&[low, high]),
        Range::Count(least) => vec![Value::Integer(least as i64 - 1), Value::Number(1.5)],
        Range::Whole(low, high) => vec![
            Value::Integer(low as i64 - 1),
            Value::Integer(high as i64 + 1),
            Value::Number(1.5),
        ],
        Range::Finite => Vec::new(),
        Range::Flag | Range::Unit(_) => numbers(&[1.0]),
        Range::Choice(_) => vec!["nonsense".into()],
        Range::Length => vec![Value::Integer(-1), "soon".into()],
        Range::Each(range) => {
            let lists = outside(*range).into_iter();
            return lists.map(|value| Value::List(vec![value])).collect();
        }
    };
    bad.extend([f64::NAN, f64::INFINITY].map(Value::Number));
    bad
}

/// An image with edges, gradients and detail, by a formula: `photo` of the golden scripts.
#[must_use]
pub fn photo(width: usize, height: usize, channels: usize) -> Image {
    let value = |x: usize, y: usize, c: usize| {
        3 * x + 5 * y + 40 * c + 90 * ((x / 8 + y / 6 + c) % 2) + (x * y * (c + 1)) % 23
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = rows.flat_map(|(x, y)| (0..channels).map(move |c| value(x, y, c) as u8));
    Image {
        width,
        height,
        channels,
        pixels: pixels.collect(),
    }
}
