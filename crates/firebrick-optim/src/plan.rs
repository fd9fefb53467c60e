//! From an optimizer, a schedule and a run to something that trains: [`Request::plan`], [`plan`].

use firebrick_core::error::check_not_negative;
use firebrick_core::length::RunLength;
use firebrick_core::spec::{Spec, Value};
use firebrick_core::update::Update;
use firebrick_core::{ConfigError, Schedule};

use crate::about::Entry;
use crate::optimizer;
use crate::rates::schedule_without_rate;
use crate::schedule::joined::Joined;
use crate::schedule::{self, Outlook, Planned};
use crate::values::{self, Kind};

/// An optimizer and a schedule that fit together, with everything resolved.
pub struct Plan {
    /// The optimizer, without state.
    pub update: Box<dyn Update>,
    /// The rate of each update, and its momentum and weight decay where those are scheduled.
    pub schedule: Box<dyn Schedule>,
    /// The optimizer in canonical form, with the resolved rate.
    pub optimizer: Spec,
    /// The schedule in canonical form: lengths in updates, the rate filled in.
    pub schedule_spec: Spec,
    /// The schedule of the momentum in canonical form, where there is one.
    pub momentum_schedule: Option<Spec>,
    /// The schedule of the weight decay in canonical form, where there is one.
    pub weight_decay_schedule: Option<Spec>,
    /// The base rate: the schedule's highest, or its first.
    pub lr: f64,
    /// What a person should know before the run, a sentence each: a schedule that ends before the run,
    /// one that has no effect.
    pub notes: Vec<String>,
}

/// What is to be planned.
///
/// ```
/// use firebrick_core::length::RunLength;
/// use firebrick_optim::Request;
/// let run = RunLength::new(10, 50_000, 128, 1);
/// let plan = Request {
///     batch: Some(128),
///     momentum_schedule: Some("linear(from=0.5, to=0.99)".parse()?),
///     ..Request::new("sgd(0.1)".parse()?, "batch_scaled(256, then=cosine)".parse()?, run)
/// }
/// .plan()?;
/// assert_eq!((plan.schedule.lr(0), plan.schedule.momentum(0)), (0.05, Some(0.5)));
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The optimizer.
    pub optimizer: Spec,
    /// The schedule of the rate.
    pub schedule: Spec,
    /// The base rate. It takes the place of the schedule's and the optimizer's; without it, theirs is used.
    pub lr: Option<f64>,
    /// The length of the run.
    pub run: RunLength,
    /// Images in one update, over all batches that are accumulated; `batch_scaled` needs it.
    pub batch: Option<u64>,
    /// A schedule whose value is the momentum (`beta1` of Adam), in [0, 1) at every update. It takes the
    /// place of the optimizer's own and must name a value.
    pub momentum_schedule: Option<Spec>,
    /// A schedule whose value is the weight decay, ≥ 0. It takes the place of the optimizer's own and
    /// must name a value.
    pub weight_decay_schedule: Option<Spec>,
}

impl Request {
    /// An optimizer and a schedule for a run, with nothing else said.
    #[must_use]
    pub fn new(optimizer: Spec, schedule: Spec, run: RunLength) -> Self {
        Self {
            optimizer,
            schedule,
            lr: None,
            run,
            batch: None,
            momentum_schedule: None,
            weight_decay_schedule: None,
        }
    }

    /// Builds the optimizer and its schedules.
    ///
    /// The schedule gives the absolute rate of each update. Its base is the first of these that is given:
    ///
    /// 1. `lr`;
    /// 2. the schedule's `lr`, `max_lr` or `from` (also of the schedules inside `warmup` and
    ///    `batch_scaled`; of those in a `sequence`, the highest) or the optimizer's `lr`. If both are given,
    ///    they must be equal;
    /// 3. the optimizer's default.
    ///
    /// Planning the specs of a plan again gives the same plan.
    ///
    /// # Errors
    /// [`ConfigError`] naming the unit and the field, or the rates that differ: the schedule's and the
    /// optimizer's, or those in a `sequence`, which one `lr` cannot replace.
    pub fn plan(&self) -> Result<Plan, ConfigError> {
        let mut canonical = optimizer::build(&self.optimizer)?.spec;
        let default = optimizer_rate(&canonical)?.map_or(0.0, |(lr, _)| lr);
        if let Some(lr) = self.lr {
            check_not_negative("learning rate", "lr", lr)?;
        }
        let of_schedule = schedule_rate(&self.schedule)?;
        let of_optimizer = optimizer_rate(&self.optimizer)?;
        let (lr, schedule) = match self.lr {
            Some(lr) => (lr, self.schedule_at(lr, of_schedule.map(|(own, _)| own))?),
            None => (
                agreed(of_schedule, of_optimizer)?.unwrap_or(default),
                self.schedule.clone(),
            ),
        };

        set_rate(&mut canonical, lr)?;
        let built = optimizer::build(&canonical)?;
        let rate = schedule::build(&schedule, &self.outlook(lr))?;
        let value = |kind: Kind, spec: &Option<Spec>| {
            spec.as_ref()
                .map(|spec| kind.plan(spec, &self.outlook(lr)))
                .transpose()
        };
        let momentum = value(Kind::Momentum, &self.momentum_schedule)?;
        let decay = value(Kind::WeightDecay, &self.weight_decay_schedule)?;
        if momentum.is_some() {
            values::check_one_momentum(&schedule, &*rate.schedule, self.run)?;
        }
        let mut notes: Vec<String> = Vec::new();
        notes.extend(values::ends_early("schedule", &rate, self.run));
        for (kind, planned) in [(Kind::Momentum, &momentum), (Kind::WeightDecay, &decay)] {
            if let Some(planned) = planned {
                notes.extend(values::ends_early(kind.unit(), planned, self.run));
                notes.extend(kind.without_effect(&built.spec)?);
            }
        }
        let (momentum, momentum_schedule) = split(momentum);
        let (weight_decay, weight_decay_schedule) = split(decay);
        let schedule = if momentum.is_some() || weight_decay.is_some() {
            Box::new(Joined {
                lr: rate.schedule,
                momentum,
                weight_decay,
            })
        } else {
            rate.schedule
        };
        Ok(Plan {
            update: built.update,
            schedule,
            optimizer: built.spec,
            schedule_spec: rate.spec,
            momentum_schedule,
            weight_decay_schedule,
            lr,
            notes,
        })
    }

    /// The schedule without its own rate, `own`, so that it takes `lr`.
    fn schedule_at(&self, lr: f64, own: Option<f64>) -> Result<Spec, ConfigError> {
        let Some(own) = own else {
            return Ok(self.schedule.clone());
        };
        // Mistakes in it are errors, even where only the rate that is taken out is wrong.
        schedule::build(&self.schedule, &self.outlook(own))?;
        let without = schedule_without_rate(&self.schedule)?;
        match schedule_rate(&without)? {
            Some((left, place)) if left != lr => Err(ConfigError::Conflict(format!(
                "lr = {lr} cannot replace the rates in {}, because they differ: change them there (one is {place}), \
                 or leave out lr",
                self.schedule
            ))),
            _ => Ok(without),
        }
    }

    fn outlook(&self, lr: f64) -> Outlook {
        Outlook {
            batch: self.batch,
            ..Outlook::new(self.run, lr)
        }
    }
}

fn split(planned: Option<Planned>) -> (Option<Box<dyn Schedule>>, Option<Spec>) {
    planned.map_or((None, None), |planned| {
        (Some(planned.schedule), Some(planned.spec))
    })
}

/// Builds an optimizer and its schedule for a run: [`Request::plan`] for the common case.
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
/// As [`Request::plan`].
pub fn plan(
    optimizer: &Spec,
    schedule: &Spec,
    lr: Option<f64>,
    run: RunLength,
) -> Result<Plan, ConfigError> {
    Request {
        lr,
        ..Request::new(optimizer.clone(), schedule.clone(), run)
    }
    .plan()
}

/// A rate and where it was written.
pub(crate) type Rate = (f64, String);

/// The rate that a schedule and an optimizer give, if any; an error where they give two.
fn agreed(schedule: Option<Rate>, optimizer: Option<Rate>) -> Result<Option<f64>, ConfigError> {
    match (schedule, optimizer) {
        (Some((one, place)), Some((other, elsewhere))) if one != other => {
            Err(ConfigError::Conflict(format!(
                "two learning rates are given, {place} and {elsewhere}; leave one of them out, or give \
                 the one to use with --lr, which wins over both"
            )))
        }
        (schedule, optimizer) => Ok(schedule.or(optimizer).map(|(rate, _)| rate)),
    }
}

/// The fields of schedules that hold their rate.
pub(crate) const RATE_FIELDS: [&str; 3] = ["lr", "max_lr", "from"];

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
    rate_of(optimizer::find(spec)?, spec)
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

/// The schedules that a schedule puts in a row. A recipe table holds them as text.
pub(crate) fn parts(
    fields: &[(String, impl Sized)],
    spec: &Spec,
) -> Result<Vec<Spec>, ConfigError> {
    let Some(Value::List(parts)) = argument(fields, spec, "schedules") else {
        return Ok(Vec::new());
    };
    let parts = parts.iter().filter_map(|part| match part {
        Value::Spec(part) => Some(Ok(part.clone())),
        Value::Text(text) => Some(text.parse()),
        // What is no schedule is left for the unit itself to refuse.
        _ => None,
    });
    parts.collect()
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

/// All schedules. Their signatures name the fields without a default too: what those are where they are
/// left out depends on the plan.
#[must_use]
pub fn schedules() -> Vec<Listing> {
    let rows = schedule::REGISTRY
        .entries()
        .into_iter()
        .map(|entry| Listing {
            name: entry.about.name,
            signature: entry.full_signature(),
            summary: entry.about.summary,
        });
    rows.collect()
}

#[cfg(test)]
mod tests;
