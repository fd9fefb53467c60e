//! The learning rate in the specs of optimizers and schedules: finding it, setting it, and taking it out,
//! so that one given elsewhere wins.

use firebrick_core::error::check_not_negative;
use firebrick_core::spec::{Spec, Value};
use firebrick_core::{ConfigError, Recipe};

use crate::about::Entry;
use crate::arguments::{argument, by_name, inner, number, parts};
use crate::{optimizer, schedule};

/// A rate and where it was written.
pub(crate) type Rate = (f64, String);

/// The fields of schedules that hold their rate.
const RATE_FIELDS: [&str; 3] = ["lr", "max_lr", "from"];

/// The rate that a schedule is given: its own, that of the schedule it wraps, or the highest of those it
/// puts in a row.
pub(crate) fn schedule_rate(spec: &Spec) -> Result<Option<Rate>, ConfigError> {
    let fields = (schedule::REGISTRY.find(spec)?.fields)();
    for field in RATE_FIELDS {
        if let Some(rate) = given_rate(&fields, spec, field)? {
            return Ok(Some(rate));
        }
    }
    if let Some(then) = inner(&fields, spec, "then")? {
        return schedule_rate(&then);
    }
    let mut highest: Option<Rate> = None;
    for part in parts(&fields, spec)? {
        let rate = schedule_rate(&part)?;
        highest = match (highest, rate) {
            (Some(highest), Some(rate)) if rate.0 <= highest.0 => Some(highest),
            (highest, rate) => rate.or(highest),
        };
    }
    Ok(highest)
}

/// The rate that an optimizer is given, its own or that of the optimizer it wraps.
pub(crate) fn optimizer_rate(spec: &Spec) -> Result<Option<Rate>, ConfigError> {
    rate_of(optimizer::REGISTRY.find(spec)?, spec)
}

/// [`optimizer_rate`] of an optimizer that need not be registered.
pub(crate) fn rate_of(entry: Entry, spec: &Spec) -> Result<Option<Rate>, ConfigError> {
    let fields = (entry.fields)();
    if fields.iter().any(|(field, _)| field == "lr") {
        return given_rate(&fields, spec, "lr");
    }
    match inner(&fields, spec, "base")? {
        Some(base) => optimizer_rate(&base),
        None => Ok(None),
    }
}

/// Gives an optimizer with named arguments, or the one it wraps, a rate.
pub(crate) fn set_rate(spec: &mut Spec, lr: f64) -> Result<(), ConfigError> {
    let fields = (optimizer::REGISTRY.find(spec)?.fields)();
    if fields.iter().any(|(field, _)| field == "lr") {
        spec.set("lr", lr.into());
    } else if let Some(mut base) = inner(&fields, spec, "base")? {
        set_rate(&mut base, lr)?;
        spec.set("base", base.into());
    }
    Ok(())
}

/// Whether an optimizer is given a rate, also inside a wrapper.
///
/// # Errors
/// As [`schedule_has_rate`].
pub fn optimizer_has_rate(spec: &Spec) -> Result<bool, ConfigError> {
    optimizer_rate(spec).map(|rate| rate.is_some())
}

/// The optimizer with its arguments by name and without its rate, also inside a wrapper.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such optimizer.
pub fn optimizer_without_rate(spec: &Spec) -> Result<Spec, ConfigError> {
    let fields = (optimizer::REGISTRY.find(spec)?.fields)();
    let mut without = by_name(&fields, spec);
    without.named.retain(|(key, _)| key != "lr");
    if let Some(base) = inner(&fields, spec, "base")? {
        without.set("base", optimizer_without_rate(&base)?.into());
    }
    Ok(without)
}

/// The schedule with its arguments by name and without its rate, also inside `warmup`, `batch_scaled`
/// and `sequence`. A sequence of schedules with different rates keeps them: which of them another rate
/// would replace is not for us to say, and the plan refuses it.
///
/// # Errors
/// As [`schedule_has_rate`].
pub fn schedule_without_rate(spec: &Spec) -> Result<Spec, ConfigError> {
    let fields = (schedule::REGISTRY.find(spec)?.fields)();
    let mut without = by_name(&fields, spec);
    without
        .named
        .retain(|(key, _)| !RATE_FIELDS.contains(&&**key));
    if let Some(then) = inner(&fields, spec, "then")? {
        without.set("then", schedule_without_rate(&then)?.into());
    }
    let parts = parts(&fields, spec)?;
    let mut rates = Vec::new();
    for part in &parts {
        rates.extend(schedule_rate(part)?.map(|(rate, _)| rate));
    }
    if !parts.is_empty() && rates.windows(2).all(|pair| pair[0] == pair[1]) {
        let parts = parts.iter().map(schedule_without_rate);
        let parts = parts.map(|part| part.map(Value::Spec));
        without.set("schedules", Value::List(parts.collect::<Result<_, _>>()?));
    }
    Ok(without)
}

/// Whether a schedule is given a rate, also inside `warmup`, `batch_scaled` and `sequence`.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such schedule; [`ConfigError::OutOfRange`] for a
/// rate that is negative or not finite.
pub fn schedule_has_rate(spec: &Spec) -> Result<bool, ConfigError> {
    schedule_rate(spec).map(|rate| rate.is_some())
}

/// The rate that `spec` is given in `field`, checked.
fn given_rate(
    fields: &[(String, impl Sized)],
    spec: &Spec,
    field: &str,
) -> Result<Option<Rate>, ConfigError> {
    // A value that is not a number is left for the unit itself to refuse.
    let Some(rate) = argument(fields, spec, field).and_then(number) else {
        return Ok(None);
    };
    check_not_negative(&spec.name, field, rate)?;
    Ok(Some((rate, format!("{}({field} = {rate})", spec.name))))
}

/// Whether the setting with this key of a recipe is the learning rate: `lr`, or the argument of the
/// optimizer or the schedule that holds it, also inside a wrapper, such as `optimizer.base.lr` and
/// `schedule.then.max_lr`.
#[must_use]
pub fn is_rate(key: &str) -> bool {
    let argument = key.rsplit('.').next().unwrap_or_default();
    match key.split('.').next() {
        Some("optimizer") => argument == "lr",
        Some("schedule") => RATE_FIELDS.contains(&argument),
        _ => key == "lr",
    }
}

/// Takes the learning rate out of a recipe, wherever it is written there, so that one that is given
/// elsewhere counts.
///
/// # Errors
/// As [`optimizer_without_rate`] and [`schedule_without_rate`].
pub fn clear(recipe: &mut Recipe) -> Result<(), ConfigError> {
    let optimizer = optimizer_without_rate(&recipe.optimizer)?;
    recipe.schedule = schedule_without_rate(&recipe.schedule)?;
    recipe.optimizer = optimizer;
    recipe.lr = None;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_taken_out_wherever_they_stand() {
        let read = |text: &str| text.parse::<Spec>().unwrap();
        let optimizer = optimizer_without_rate(&read("sgd(0.1, 0.9)")).unwrap();
        assert_eq!(optimizer.to_string(), "sgd(momentum=0.9)");
        let schedule = read("warmup(10, then=one_cycle(0.1, steps=90))");
        assert_eq!(
            schedule_without_rate(&schedule).unwrap().to_string(),
            "warmup(steps=10, then=one_cycle(steps=90))"
        );
        assert!(schedule_has_rate(&schedule).unwrap());
        let table = Spec::new("warmup").with("then", "cosine(0.1, 90)");
        assert_eq!(
            schedule_without_rate(&table).unwrap().to_string(),
            "warmup(then=cosine(steps=90))"
        );
        assert!(schedule_has_rate(&table).unwrap());
        for (schedule, without) in [
            ("linear(from=0.1, to=0.2)", "linear(to=0.2)"),
            ("cyclic(0.1, 0.4)", "cyclic(base_lr=0.1)"),
            (
                "batch_scaled(64, then=step(0.1, 10))",
                "batch_scaled(base_batch=64, then=step(step_size=10))",
            ),
            (
                "sequence([constant(0.1), cosine, cosine(0.1, 5)], [10, 20])",
                "sequence(schedules=[constant, cosine, cosine(steps=5)], milestones=[10, 20])",
            ),
            (
                "sequence([constant(0.1), constant(0.2)], [10])",
                "sequence(schedules=[constant(0.1), constant(0.2)], milestones=[10])",
            ),
        ] {
            let found = schedule_without_rate(&read(schedule)).unwrap();
            assert_eq!(found.to_string(), without);
        }
        for (key, expected) in [
            ("lr", true),
            ("optimizer.base.lr", true),
            ("schedule.from", true),
            ("schedule.then.max_lr", true),
            ("optimizer.from", false),
            ("schedule.min_lr", false),
            ("model.lr", false),
            ("batch_size", false),
        ] {
            assert_eq!(is_rate(key), expected, "{key}");
        }
        let surplus = read("constant(1, 2)");
        assert_eq!(schedule_without_rate(&surplus).unwrap(), surplus);
        assert!(!schedule_has_rate(&read("warmup(10, then=cosine)")).unwrap());
        assert!(optimizer_without_rate(&read("sgdd")).is_err());
    }
}
