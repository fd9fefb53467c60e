//! From an optimizer, a schedule and a run to something that trains: [`plan`].

use firebrick_core::error::check_not_negative;
use firebrick_core::length::RunLength;
use firebrick_core::spec::{Spec, Value};
use firebrick_core::update::Update;
use firebrick_core::{ConfigError, Schedule};

use crate::{optimizer, schedule};

/// An optimizer and a schedule that fit together, with everything resolved.
pub struct Plan {
    /// The optimizer, without state.
    pub update: Box<dyn Update>,
    /// The rate of each update.
    pub schedule: Box<dyn Schedule>,
    /// The optimizer in canonical form, with the resolved rate.
    pub optimizer: Spec,
    /// The schedule in canonical form: lengths in updates, the rate filled in.
    pub schedule_spec: Spec,
    /// The base rate: the schedule's highest, or its first.
    pub lr: f64,
}

/// Builds an optimizer and its schedule for a run.
///
/// The schedule gives the absolute rate of each update. Its base comes from `lr`, else from the
/// schedule's own `lr` or `max_lr` (also that of the schedule inside `warmup`), else from the
/// optimizer's `lr`, else it is the optimizer's default. Rates that are given more than once must
/// be equal.
///
/// Planning the specs of a plan again gives the same plan.
///
/// ```
/// use firebrick_core::length::RunLength;
/// let run = RunLength::new(10, 50_000, 128, 1);
/// let plan = firebrick_optim::plan(
///     &"sgd(0.1, momentum=0.9)".parse()?, &"warmup(1ep, then=cosine)".parse()?, None, run,
/// )?;
/// assert_eq!(
///     plan.schedule_spec.to_string(),
///     "warmup(steps=391, start_factor=0.01, then=cosine(lr=0.1, steps=3519, min_lr=0.0))"
/// );
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] naming the unit and the field, or the two rates that differ.
pub fn plan(
    optimizer: &Spec,
    schedule: &Spec,
    lr: Option<f64>,
    run: RunLength,
) -> Result<Plan, ConfigError> {
    let mut canonical = optimizer::build(optimizer)?.spec;
    let default = optimizer_rate(&canonical)?.map_or(0.0, |(lr, _)| lr);
    if let Some(lr) = lr {
        check_not_negative("learning rate", "lr", lr)?;
    }
    let given = [
        lr.map(|lr| (lr, format!("lr = {lr}"))),
        schedule_rate(schedule)?,
        optimizer_rate(optimizer)?,
    ];
    let lr = agreed(given.into_iter().flatten())?.unwrap_or(default);

    set_rate(&mut canonical, lr)?;
    let built = optimizer::build(&canonical)?;
    let outlook = schedule::Outlook::new(run, lr);
    let planned = (schedule::REGISTRY.find(schedule)?.build)(schedule, &outlook)?;
    Ok(Plan {
        update: built.update,
        schedule: planned.schedule,
        optimizer: built.spec,
        schedule_spec: planned.spec,
        lr,
    })
}

/// A rate and where it was written.
pub(crate) type Rate = (f64, String);

/// The first rate, if no other differs from it.
fn agreed(mut rates: impl Iterator<Item = Rate>) -> Result<Option<f64>, ConfigError> {
    let Some((first, place)) = rates.next() else {
        return Ok(None);
    };
    match rates.find(|(other, _)| *other != first) {
        Some((_, other)) => Err(ConfigError::Conflict(format!(
            "two learning rates are given, {place} and {other}; leave one of them out"
        ))),
        None => Ok(Some(first)),
    }
}

/// The rate that a schedule is given, its own or that of the schedule it wraps.
pub(crate) fn schedule_rate(spec: &Spec) -> Result<Option<Rate>, ConfigError> {
    let entry = schedule::REGISTRY.find(spec)?;
    let fields = (entry.fields)();
    if let Some((field, _)) = fields
        .iter()
        .find(|(field, _)| matches!(&**field, "lr" | "max_lr"))
    {
        return given_rate(&fields, spec, field);
    }
    match inner(&fields, spec, "then")? {
        Some(then) => schedule_rate(&then),
        None => Ok(None),
    }
}

/// The rate that an optimizer is given, its own or that of the optimizer it wraps.
pub(crate) fn optimizer_rate(spec: &Spec) -> Result<Option<Rate>, ConfigError> {
    let fields = (optimizer::find(spec)?.fields)();
    if fields.iter().any(|(field, _)| field == "lr") {
        return given_rate(&fields, spec, "lr");
    }
    match inner(&fields, spec, "base")? {
        Some(base) => optimizer_rate(&base),
        None => Ok(None),
    }
}

/// Gives an optimizer with named arguments, or the one it wraps, a rate.
fn set_rate(spec: &mut Spec, lr: f64) -> Result<(), ConfigError> {
    let fields = (optimizer::find(spec)?.fields)();
    if fields.iter().any(|(field, _)| field == "lr") {
        spec.set("lr", lr.into());
    } else if let Some(mut base) = inner(&fields, spec, "base")? {
        set_rate(&mut base, lr)?;
        spec.set("base", base.into());
    }
    Ok(())
}

/// The spec inside a spec. A recipe table holds it as text.
pub(crate) fn inner(
    fields: &[(String, impl Sized)],
    spec: &Spec,
    field: &str,
) -> Result<Option<Spec>, ConfigError> {
    match argument(fields, spec, field) {
        Some(Value::Spec(inner)) => Ok(Some(inner.clone())),
        Some(Value::Text(text)) => text.parse().map(Some),
        _ => Ok(None),
    }
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

/// The argument for `field`, by name or by position.
fn argument<'a>(fields: &[(String, impl Sized)], spec: &'a Spec, field: &str) -> Option<&'a Value> {
    let position = fields.iter().position(|(name, _)| name == field)?;
    spec.get(field).or_else(|| spec.positional.get(position))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Number(value) => Some(*value),
        _ => None,
    }
}

/// One row of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The name in spec strings.
    pub name: &'static str,
    /// The fields with their defaults: `sgd(lr=0.001, …)`.
    pub signature: String,
    /// One line on what it is.
    pub summary: &'static str,
}

/// All optimizers.
#[must_use]
pub fn optimizers() -> Vec<Listing> {
    let rows = optimizer::entries().into_iter().map(|entry| Listing {
        name: entry.about.name,
        signature: entry.signature(),
        summary: entry.about.summary,
    });
    rows.collect()
}

/// All schedules.
#[must_use]
pub fn schedules() -> Vec<Listing> {
    let rows = schedule::REGISTRY.entries.iter().map(|entry| Listing {
        name: entry.name,
        signature: entry.signature(),
        summary: entry.summary,
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunLength = RunLength {
        updates: 1000,
        updates_per_epoch: 100,
    };

    fn make(optimizer: &str, schedule: &str, lr: Option<f64>) -> Result<Plan, ConfigError> {
        plan(&optimizer.parse()?, &schedule.parse()?, lr, RUN)
    }

    fn rate(optimizer: &str, schedule: &str, lr: Option<f64>) -> f64 {
        make(optimizer, schedule, lr).unwrap().lr
    }

    #[test]
    fn the_rate_comes_from_the_first_that_gives_one() {
        assert_eq!(rate("sgd", "cosine", None), 1e-3);
        assert_eq!(rate("sgd(0.1)", "cosine", None), 0.1);
        assert_eq!(rate("sgd(lr=0.1)", "one_cycle", None), 0.1);
        assert_eq!(rate("sgd", "cosine(0.2)", None), 0.2);
        assert_eq!(rate("sgd", "one_cycle(max_lr=0.3)", None), 0.3);
        assert_eq!(rate("adam", "warmup(1ep, then=cosine(lr=0.4))", None), 0.4);
        assert_eq!(rate("adam", "warmup(1ep, 0.1, constant(1))", None), 1.0);
        assert_eq!(rate("adam", "warmup(then=\"constant(2)\")", None), 2.0);
        assert_eq!(rate("adam", "cosine", Some(0.5)), 0.5);
        assert_eq!(rate("adam", "cosine", Some(0.0)), 0.0);
        assert_eq!(rate("sgd(0.1)", "cosine(0.1)", Some(0.1)), 0.1);
    }

    #[test]
    fn the_rate_reaches_both_specs_and_the_schedule() {
        let plan = make("sgd(momentum=0.9)", "cosine", Some(0.25)).unwrap();
        assert_eq!(plan.schedule.lr(0), 0.25);
        assert_eq!(
            plan.optimizer.to_string(),
            "sgd(lr=0.25, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=false)"
        );
        assert_eq!(
            plan.schedule_spec.to_string(),
            "cosine(lr=0.25, steps=1000, min_lr=0.0)"
        );
    }

    #[test]
    fn planning_again_gives_the_same_plan() {
        for optimizer in ["sgd(0.1, 0.9, nesterov=true)", "adam", "adamw(eps=1e-6)"] {
            for schedule in [
                "constant",
                "cosine(steps=75%, min_lr=1e-5)",
                "one_cycle(steps=2.5ep, anneal=linear, three_phase=true)",
                "warmup",
                "warmup(steps=3ep, start_factor=0.1, then=cosine)",
                "warmup(then=one_cycle(steps=33%, cycle_momentum=false))",
            ] {
                let first = make(optimizer, schedule, None).unwrap();
                let texts = (first.optimizer.to_string(), first.schedule_spec.to_string());
                let again = make(&texts.0, &texts.1, None).unwrap();
                assert_eq!(again.optimizer, first.optimizer);
                assert_eq!(again.schedule_spec, first.schedule_spec, "{}", texts.1);
                assert_eq!(again.lr, first.lr);
                assert_eq!(again.update.name(), first.update.name());
                for step in 0..1100 {
                    let at = |plan: &Plan| {
                        let schedule = &plan.schedule;
                        (
                            schedule.lr(step),
                            schedule.momentum(step),
                            schedule.ends_cycle(step),
                        )
                    };
                    assert_eq!(at(&first), at(&again), "{schedule} {step}");
                }
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (optimizer, schedule, lr, needles) in [
            (
                "sgd(0.1)",
                "cosine(0.2)",
                None,
                ["cosine(lr = 0.2)", "sgd(lr = 0.1)"],
            ),
            (
                "sgd(0.1)",
                "cosine",
                Some(0.3),
                ["lr = 0.3", "sgd(lr = 0.1)"],
            ),
            (
                "adam(lr=1)",
                "warmup(then=one_cycle(2))",
                None,
                ["one_cycle(max_lr = 2)", "adam(lr = 1)"],
            ),
            (
                "adam",
                "cosine",
                Some(f64::NAN),
                ["learning rate: lr = NaN", "finite"],
            ),
            ("adam", "cosine", Some(-0.1), ["lr = -0.1", "at least 0"]),
            (
                "adam(lr=nan)",
                "cosine(0.1)",
                None,
                ["adam: lr = NaN", "finite"],
            ),
            (
                "adam",
                "cosine(lr=inf)",
                None,
                ["cosine: lr = inf", "finite"],
            ),
            (
                "adam",
                "cosine(lr=\"fast\")",
                None,
                ["cosine: lr", "wrong type"],
            ),
            ("adam(lr=true)", "cosine", None, ["adam: lr", "wrong type"]),
            (
                "adma",
                "cosine",
                None,
                ["unknown optimizer `adma`", "`adam`"],
            ),
            (
                "adam",
                "cosin",
                None,
                ["unknown schedule `cosin`", "`cosine`"],
            ),
            (
                "adam",
                "warmup(then=cosin)",
                None,
                ["unknown schedule `cosin`", "`cosine`"],
            ),
            (
                "adam",
                "cosine(len=3)",
                None,
                ["cosine has no key `len`", "steps"],
            ),
            (
                "adam",
                "cosine(steps=0)",
                None,
                ["cosine: steps = 0", "at least 1"],
            ),
            (
                "adam",
                "cosine(steps=0.001ep)",
                None,
                ["cosine: steps = 0", "`0.001ep`"],
            ),
            (
                "adam",
                "cosine(lr=0.1, min_lr=0.2)",
                None,
                ["min_lr = 0.2", "[0, 0.1]"],
            ),
            (
                "adam",
                "one_cycle(steps=11ep)",
                None,
                ["one_cycle: steps = 11ep", "at most 1000"],
            ),
            (
                "adam",
                "warmup(1001)",
                None,
                ["warmup: steps = 1001", "at most 1000"],
            ),
            (
                "adam",
                "warmup(0)",
                None,
                ["warmup: steps = 0", "at least 1"],
            ),
            (
                "adam",
                "warmup(100%, then=cosine)",
                None,
                ["cosine: steps = 0", "rest of the run"],
            ),
            (
                "adam",
                "warmup(1ep, then=one_cycle(steps=950))",
                None,
                ["one_cycle: steps = 950", "at most 900"],
            ),
            (
                "adam",
                "warmup(then=warmup)",
                None,
                ["warms up twice", "warmup"],
            ),
            (
                "adam",
                "warmup(start_factor=2)",
                None,
                ["start_factor = 2", "[0, 1]"],
            ),
            (
                "adam",
                "one_cycle(pct_start=1.5)",
                None,
                ["pct_start = 1.5", "[0, 1]"],
            ),
            (
                "adam",
                "one_cycle(pct_start=0.6, three_phase=true)",
                None,
                ["pct_start = 0.6", "[0, 0.5]"],
            ),
            (
                "adam",
                "one_cycle(div_factor=0)",
                None,
                ["div_factor = 0", "at least 1"],
            ),
            (
                "adam",
                "one_cycle(final_div_factor=0)",
                None,
                ["final_div_factor = 0", "at least 0.04"],
            ),
            (
                "adam",
                "one_cycle(max_momentum=1)",
                None,
                ["max_momentum = 1", "[0, 1)"],
            ),
            (
                "adam",
                "one_cycle(base_momentum=nan)",
                None,
                ["base_momentum = NaN", "[0, 1)"],
            ),
            ("adam", "one_cycle(anneal=exp)", None, ["anneal", "exp"]),
        ] {
            let error = make(optimizer, schedule, lr).err().unwrap().to_string();
            for needle in needles {
                assert!(error.contains(needle), "{optimizer} {schedule}: {error}");
            }
        }
    }

    #[test]
    fn an_empty_run_is_refused_by_schedules_that_need_one() {
        let empty = RunLength {
            updates: 0,
            updates_per_epoch: 0,
        };
        let error = plan(&Spec::new("sgd"), &Spec::new("cosine"), None, empty).err();
        assert!(error.unwrap().to_string().contains("cosine: steps = 0"));
    }

    #[test]
    fn listings_name_every_field_with_its_default() {
        let listed = optimizers();
        let sgd = listed.iter().find(|row| row.name == "sgd").unwrap();
        assert_eq!(
            sgd.signature,
            "sgd(lr=0.001, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=false)"
        );
        let names: Vec<_> = schedules().iter().map(|row| row.name).collect();
        assert_eq!(names, ["constant", "cosine", "one_cycle", "warmup"]);
    }
}
