//! Schedules of hyper-parameters beside the learning rate, the momentum and the weight decay, and what a
//! person should know about them before a run.

use firebrick_core::length::RunLength;
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Schedule};

use crate::about::Entry;
use crate::arguments::inner;
use crate::optimizer;
use crate::rates::schedule_rate;
use crate::schedule::{self, BuiltSchedule, Outlook};

/// What is scheduled beside the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheduled {
    Momentum,
    WeightDecay,
}

impl Scheduled {
    /// The name of its schedule in recipes.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Momentum => "momentum_schedule",
            Self::WeightDecay => "weight_decay_schedule",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Momentum => "momentum",
            Self::WeightDecay => "weight_decay",
        }
    }

    /// The schedule of this value, every value of the run in its range.
    ///
    /// # Errors
    /// [`ConfigError`] also where it names no value: the rate of the plan is none for it.
    pub(crate) fn build(
        self,
        spec: &Spec,
        outlook: &Outlook,
    ) -> Result<BuiltSchedule, ConfigError> {
        let unit = self.unit();
        let Some((value, _)) = schedule_rate(spec)? else {
            return Err(ConfigError::Conflict(format!(
                "{unit}: {spec} has no value to start from; give it one, for example linear(from=0.5, to=0.99) or constant(0.9)"
            )));
        };
        let outlook = Outlook {
            lr: value,
            ..*outlook
        };
        let planned = schedule::build(spec, &outlook)?;
        let good = |value: f64| match self {
            Self::Momentum => (0.0..1.0).contains(&value),
            Self::WeightDecay => value.is_finite() && value >= 0.0,
        };
        let range = match self {
            Self::Momentum => "in [0, 1)",
            Self::WeightDecay => "finite and at least 0",
        };
        match updates(outlook.run).find(|update| !good(planned.schedule.lr(*update))) {
            None => Ok(planned),
            Some(update) => Err(ConfigError::out_of_range(
                unit,
                self.field(),
                planned.schedule.lr(update),
                format!("{range} at every update; {spec} reaches this value at update {update}"),
            )),
        }
    }

    /// The fields of optimizers that hold this value.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Momentum => &["momentum", "beta1"],
            Self::WeightDecay => &["weight_decay"],
        }
    }

    /// Whether an optimizer, or the one that it wraps, has a field that follows this schedule.
    pub(crate) fn moves(self, entry: Entry, optimizer: &Spec) -> Result<bool, ConfigError> {
        has_field(entry, optimizer, self.names())
    }

    /// What to say where an optimizer has no such value, itself or in what it wraps.
    pub(crate) fn without_effect(self, optimizer: &Spec) -> Result<Option<String>, ConfigError> {
        let moves = self.moves(optimizer::REGISTRY.find(optimizer)?, optimizer)?;
        Ok((!moves).then(|| {
            format!(
                "{} has no {} that a schedule could change: the {} has no effect",
                optimizer.name,
                self.field(),
                self.unit()
            )
        }))
    }
}

fn has_field(entry: Entry, optimizer: &Spec, names: &[&str]) -> Result<bool, ConfigError> {
    let mut known = entry.about.fields.iter();
    if known.any(|field| !field.fixed && names.contains(&field.name)) {
        return Ok(true);
    }
    let base = inner(&(entry.fields)(), optimizer, "base")?;
    base.map_or(Ok(false), |base| {
        has_field(optimizer::REGISTRY.find(&base)?, &base, names)
    })
}

/// Refuses a momentum schedule beside a schedule that cycles the momentum itself.
///
/// # Errors
/// [`ConfigError::Conflict`].
pub(crate) fn check_one_momentum(
    spec: &Spec,
    schedule: &dyn Schedule,
    run: RunLength,
) -> Result<(), ConfigError> {
    if updates(run).all(|update| schedule.momentum(update).is_none()) {
        return Ok(());
    }
    Err(ConfigError::Conflict(format!(
        "both momentum_schedule and {spec} set the momentum; remove momentum_schedule, or give the learning-rate schedule cycle_momentum=false"
    )))
}

/// What to say where a schedule ends before the run.
pub(crate) fn ends_early(what: &str, planned: &BuiltSchedule, run: RunLength) -> Option<String> {
    let lasts = planned.lasts.filter(|lasts| *lasts < run.updates)?;
    Some(format!(
        "the {what} {} ends after {lasts} of the {} updates and then stays at {}",
        planned.spec.name,
        run.updates,
        planned.schedule.lr(lasts)
    ))
}

/// The updates of a run and the one after it; of a long run, some, at even distances.
fn updates(run: RunLength) -> impl Iterator<Item = u64> {
    const MOST: u64 = 1 << 20;
    let stride = run.updates.div_ceil(MOST).max(1);
    (0..run.updates)
        .step_by(usize::try_from(stride).unwrap_or(usize::MAX))
        .chain([run.updates.saturating_sub(1), run.updates])
}

#[cfg(test)]
mod tests {
    use crate::Request;

    use super::*;

    const RUN: RunLength = RunLength {
        updates: 100,
        updates_per_epoch: 10,
    };

    fn plan(
        optimizer: &str,
        schedule: &str,
        momentum: Option<&str>,
        decay: Option<&str>,
    ) -> Result<crate::Plan, ConfigError> {
        let spec = |text: Option<&str>| text.map(str::parse::<Spec>).transpose();
        Request {
            momentum_schedule: spec(momentum)?,
            weight_decay_schedule: spec(decay)?,
            ..Request::new(optimizer.parse()?, schedule.parse()?, RUN)
        }
        .plan()
    }

    #[test]
    fn momentum_and_decay_have_schedules_of_their_own() {
        let plan = plan(
            "sgd(0.1)",
            "cosine",
            Some("linear(from=0.5, to=0.99)"),
            Some("warmup(10, then=constant(0.01))"),
        )
        .unwrap();
        let at = |step| {
            let schedule = &plan.schedule;
            [
                schedule.lr(step),
                schedule.momentum(step).unwrap(),
                schedule.weight_decay(step).unwrap(),
            ]
        };
        for (step, expected) in [(0, [0.1, 0.5, 1e-4]), (50, [0.05, 0.745, 0.01])] {
            for (found, expected) in at(step).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{step}: {:?}", at(step));
            }
        }
        let text = |spec: &Option<Spec>| spec.as_ref().unwrap().to_string();
        assert_eq!(
            text(&plan.momentum_schedule),
            "linear(steps=100, from=0.5, to=0.99)"
        );
        assert_eq!(
            text(&plan.weight_decay_schedule),
            "warmup(steps=10, start_factor=0.01, then=constant(lr=0.01))"
        );
        assert_eq!(plan.lr, 0.1, "the rate is not the momentum's");
        assert!(plan.notes.is_empty(), "{:?}", plan.notes);
    }

    #[test]
    fn values_out_of_range_are_refused_before_the_run() {
        for (momentum, decay, needles) in [
            (
                Some("linear(from=0.5, to=1.2)"),
                None,
                &[
                    "momentum_schedule: momentum = 1.00",
                    "[0, 1)",
                    "at update 72",
                ][..],
            ),
            (
                Some("sequence([constant(0.9), constant(1)], [100%])"),
                None,
                &["below 100"],
            ),
            (Some("constant(-0.1)"), None, &["lr = -0.1", "at least 0"]),
            (Some("constant(1)"), None, &["momentum = 1", "[0, 1)"]),
            (
                Some("cosine"),
                None,
                &["momentum_schedule: cosine has no value to start from"],
            ),
            (
                Some("warmup(10, then=cosine)"),
                None,
                &["momentum_schedule", "has no value to start from"],
            ),
            (
                None,
                Some("linear"),
                &["weight_decay_schedule", "has no value to start from"],
            ),
            (None, Some("constant(-1)"), &["lr = -1", "at least 0"]),
            (Some("cosin(0.9)"), None, &["unknown schedule `cosin`"]),
        ] {
            let error = plan("sgd(0.1)", "cosine", momentum, decay).err().unwrap();
            let error = error.to_string();
            for needle in needles {
                assert!(error.contains(needle), "{momentum:?} {decay:?}: {error}");
            }
        }
    }

    #[test]
    fn the_momentum_has_one_schedule() {
        for (schedule, good) in [
            ("one_cycle", false),
            ("warmup(10, then=one_cycle)", false),
            ("sequence([constant, one_cycle], [50])", false),
            ("cyclic(step_size_up=10)", false),
            ("one_cycle(cycle_momentum=false)", true),
            ("cosine", true),
        ] {
            let planned = plan("sgd(0.1)", schedule, Some("constant(0.9)"), None);
            match planned {
                Ok(_) => assert!(good, "{schedule}"),
                Err(error) => {
                    assert!(!good, "{error}");
                    assert!(
                        error.to_string().contains("cycle_momentum=false"),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_value_that_the_optimizer_does_not_have_is_noticed() {
        let has = |optimizer: &str, names: &[&str]| {
            let spec = optimizer.parse().unwrap();
            has_field(optimizer::REGISTRY.find(&spec).unwrap(), &spec, names).unwrap()
        };
        assert!(has("sgd", &["momentum", "beta1"]) && has("adam", &["momentum", "beta1"]));
        assert!(!has("sgd", &["beta1"]) && !has("adam", &["momentum"]));
        assert!(has("sam(base=adam)", &["beta1"]) && !has("sam(base=rprop)", &["beta1"]));
        // The momentum of these is fixed.
        for spec in ["schedule_free_sgd", "schedule_free_adamw"] {
            let notes = plan(spec, "constant", Some("constant(0.9)"), None)
                .unwrap()
                .notes;
            assert_eq!(notes.len(), 1, "{notes:?}");
            let needle =
                "has no momentum that a schedule could change: the momentum_schedule has no effect";
            assert!(notes[0].contains(needle), "{notes:?}");
        }
    }

    #[test]
    fn what_a_person_should_know_is_said_once() {
        let notes = |optimizer, schedule, momentum, decay| {
            plan(optimizer, schedule, momentum, decay).unwrap().notes
        };
        assert_eq!(
            notes("sgd(0.1)", "warmup(10, then=cosine(steps=30))", None, None),
            ["the schedule warmup ends after 40 of the 100 updates and then stays at 0"]
        );
        assert_eq!(
            notes("sgd(0.1)", "cosine", Some("linear(0.9, 50, 0.5)"), None),
            ["the momentum_schedule linear ends after 50 of the 100 updates and then stays at 0.5"]
        );
        // A staircase whose last step is wide has not ended, nor has what never does.
        for schedule in [
            "multistep(milestones=[30])",
            "constant",
            "plateau",
            "cosine(steps=100)",
        ] {
            assert!(
                notes("sgd(0.1)", schedule, None, None).is_empty(),
                "{schedule}"
            );
        }
        let cycles = "cosine_restarts(cycle=10, mult=2, limit=3)";
        assert_eq!(notes("sgd", cycles, None, None).len(), 1);
    }
}
