//! The hyper-parameters of an optimizer: values outside their ranges are refused, and each one matters.

use burn::tensor::DType;
use firebrick_core::spec::{Spec, Value};
use firebrick_core::update::Step;

use super::descent::{Descent, values};
use super::kit::{Kit, flex, gradient, start};
use super::objectives::coupled;
use crate::about::{Entry, Field, Range};
use crate::optimizer;
use crate::rates::rate_of;

/// Every field of the struct is in [`About`](crate::About), and values outside its range are errors
/// that name it.
pub fn fields_out_of_range_are_named(entry: Entry) {
    firebrick_core::testkit::fields_out_of_range_are_named(&entry, |spec| {
        optimizer::build_entry(entry, spec).map(drop)
    });
}

/// Every field changes where a descent goes: by itself, or together with another field that is not at
/// its default, as `nesterov` needs a momentum.
///
/// The field `lr` is an exception, because the rate of a step comes from the plan: the plan has to find
/// it there.
pub fn every_field_matters(entry: Entry) {
    let plain = Spec::new(entry.about.name);
    let kit = Kit {
        entry,
        spec: &plain,
    };
    let (spec, lr) = (kit.canonical(), kit.lr());
    let others = |field: &Field| others(field.range, spec.get(field.name));
    let mut companions = vec![spec.clone()];
    for field in entry.about.fields {
        let changed = others(field).into_iter();
        companions.extend(changed.map(|value| spec.clone().with(field.name, value)));
    }
    // Each is walked at most once, when it is first needed.
    let mut ways: Vec<Option<Way>> = companions.iter().map(|_| None).collect();
    for field in entry.about.fields {
        if field.name == "lr" {
            let fast = spec.clone().with("lr", 0.123);
            let found = rate_of(entry, &fast).unwrap();
            assert_eq!(found.map(|(lr, _)| lr), Some(0.123), "{fast}");
            continue;
        }
        let mut walks = companions.iter().zip(&mut ways);
        let matters = walks.any(|(companion, way)| {
            let way = way.get_or_insert_with(|| walk(entry, companion, lr));
            way.is_some()
                && others(field).into_iter().any(|value| {
                    let changed = companion.clone().with(field.name, value);
                    let changed = walk(entry, &changed, lr);
                    changed.is_some() && changed != *way
                })
        });
        assert!(
            matters,
            "{}: {} changes nothing, whatever value it and one other field have",
            entry.about.name, field.name
        );
    }
}

/// The path of a descent: after each step the values, and those to evaluate. `None` if the spec is
/// refused.
type Way = Option<Vec<u64>>;

/// Walks down a bowl, then along given gradients, at rates that change; a step that fails ends a walk.
fn walk(entry: Entry, spec: &Spec, lr: f64) -> Way {
    let build = || (entry.build.update)(spec).ok();
    let start = || start(&flex(), DType::F64);
    let bowl = Descent::new(build()?, start(), coupled, 1.0);
    let along = Descent::along(build()?, start(), |step| gradient(step, 1.0));
    let mut way = Vec::new();
    for mut descent in [bowl, along] {
        for (index, share) in (0..12).zip([1.0, 0.5, 0.75].into_iter().cycle()) {
            if descent.try_step(&Step::new(index, lr * share)).is_err() {
                way.push(index);
                break;
            }
            let view = descent.update.evaluation_view(&descent.parameters);
            let view = view.iter().map(|view| values(view).concat());
            let places = view.chain([descent.values().concat()]);
            way.extend(places.flatten().map(f64::to_bits));
        }
    }
    Some(way)
}

/// Values for a field, far apart from each other and other than its own.
fn others(range: Range, own: Option<&Value>) -> Vec<Value> {
    let numbers = |numbers: &[f64]| numbers.iter().copied().map(Value::Number).collect();
    let mut all: Vec<Value> = match range {
        Range::NotNegative => numbers(&[0.3, 0.0, 2.0]),
        Range::UpTo(_) | Range::Factor => numbers(&[0.3, 0.1, 0.9]),
        Range::AtLeast(least) => numbers(&[1.0, 0.1, 9.0].map(|more| least + more)),
        Range::Positive => numbers(&[0.3, 2.0, 1e-3, 100.0]),
        Range::Share => numbers(&[0.5, 0.0, 0.95]),
        Range::Between(low, high) | Range::Within(low, high) | Range::WithinOr(low, high, _) => {
            let width = if high.is_finite() { high - low } else { 1.0 };
            numbers(&[0.5, 0.05, 0.95].map(|share| low + share * width))
        }
        Range::Count(least) => [0, 1, 4, 50].map(|more| (least + more).into()).to_vec(),
        Range::Whole(low, high) => [low, low.midpoint(high), high].map(Value::from).to_vec(),
        Range::Length => [1_u64, 7].map(Value::from).to_vec(),
        Range::Finite | Range::Each(_) => match own {
            Some(Value::List(list)) => {
                let near = |value: &Value| match value {
                    Value::Number(number) => Value::Number(number * 0.75),
                    other => other.clone(),
                };
                vec![Value::List(list.iter().map(near).collect())]
            }
            _ => numbers(&[0.3, -1.0, 2.0]),
        },
        Range::Flag => vec![true.into(), false.into()],
        Range::Choice(words) => words.iter().map(|word| (*word).into()).collect(),
        Range::Unit(_) => ["sgd", "adam"].map(|name| Spec::new(name).into()).to_vec(),
    };
    all.retain(|value| Some(value) != own);
    all
}
