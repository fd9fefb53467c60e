//! What a schedule is fixed against, and what comes of it: [`ScheduleConfig`], [`Outlook`], [`BuiltSchedule`].

use firebrick_core::about::About;
use firebrick_core::length::{Length, RunLength};
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};
use firebrick_core::{ConfigError, Schedule};

/// A schedule as plain data. A new schedule is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait ScheduleConfig: Config {
    /// What the schedule says about itself.
    const ABOUT: About;

    /// The schedule, and this configuration with everything filled in. Every field is checked.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError>;
}

/// What the lengths and the rate of a schedule are fixed against.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// The whole run.
    pub run: RunLength,
    /// Updates of the run before the schedule begins: 0, except inside `warmup` and `sequence`.
    pub before: u64,
    /// The update of the run at which it gives way: the end of the run, except inside `sequence`.
    pub until: u64,
    /// The rate of a schedule that names none.
    pub lr: f64,
    /// Images in one update, over all batches that are accumulated, where that is known.
    pub batch: Option<u64>,
    /// Builds the schedules inside another one, by their specs.
    pub build: fn(&Spec, &Outlook) -> Result<BuiltSchedule, ConfigError>,
}

impl Outlook {
    /// Updates from the beginning of the schedule to its end.
    #[must_use]
    pub fn rest(&self) -> u64 {
        self.until.saturating_sub(self.before)
    }

    /// The outlook of a schedule that begins `updates` later.
    pub(super) fn after(&self, updates: u64) -> Self {
        Self {
            before: self.before.saturating_add(updates),
            ..*self
        }
    }

    /// The number of updates of `steps`; the rest where it is left out.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when it comes to none.
    pub(super) fn updates(&self, unit: &str, steps: Option<Length>) -> Result<u64, ConfigError> {
        match steps {
            Some(steps) => self.at_least_one(unit, "steps", steps),
            None if self.rest() > 0 => Ok(self.rest()),
            None => {
                let range = "at least 1 update, but no updates of the run are left for it";
                Err(ConfigError::out_of_range(unit, "steps", 0, range))
            }
        }
    }

    /// As [`Self::updates`], for schedules that make no sense when they are cut short.
    pub(super) fn updates_within_run(
        &self,
        unit: &str,
        steps: Option<Length>,
    ) -> Result<u64, ConfigError> {
        let updates = self.updates(unit, steps)?;
        let written = steps.map_or_else(String::new, |steps| steps.to_string());
        self.within_run(unit, "steps", &written, updates)
    }

    /// The number of updates of a length, of which there must be one.
    pub(super) fn at_least_one(
        &self,
        unit: &str,
        field: &str,
        length: Length,
    ) -> Result<u64, ConfigError> {
        let updates = length.resolve(self.run);
        if updates > 0 {
            return Ok(updates);
        }
        let range = format!("at least 1 update, but `{length}` comes to 0 updates");
        Err(ConfigError::out_of_range(unit, field, 0, range))
    }

    /// `updates`, which must fit into what the run has for the schedule.
    pub(super) fn within_run(
        &self,
        unit: &str,
        field: &str,
        written: &str,
        updates: u64,
    ) -> Result<u64, ConfigError> {
        let rest = self.rest();
        if updates <= rest {
            return Ok(updates);
        }
        let range = format!("at most {rest}, the number of updates that the run has left for it");
        Err(ConfigError::out_of_range(unit, field, written, range))
    }
}

/// The value of a field that has no default.
pub(super) fn required<T: Clone>(
    unit: &str,
    field: &str,
    value: Option<&T>,
    such_as: &str,
) -> Result<T, ConfigError> {
    value.cloned().ok_or_else(|| {
        ConfigError::Conflict(format!(
            "{unit}: {field} is left out; give it, such as {unit}({such_as})"
        ))
    })
}

/// A schedule with the spec that builds it again: lengths in updates, the rate filled in.
#[derive(Debug)]
pub struct BuiltSchedule {
    /// The schedule.
    pub schedule: Box<dyn Schedule>,
    /// Every field by name.
    pub spec: Spec,
    /// The updates that it runs through, where it has a whole length: in a longer run it then holds
    /// its last value.
    pub lasts: Option<u64>,
}

impl BuiltSchedule {
    /// A schedule and its configuration with everything filled in.
    pub fn new<T: ScheduleConfig>(schedule: impl Schedule + 'static, resolved: &T) -> Self {
        Self {
            schedule: Box::new(schedule),
            spec: Spec::canonical(T::ABOUT.name, resolved),
            lasts: None,
        }
    }

    /// With a whole length, in updates.
    #[must_use]
    pub fn lasting(self, updates: u64) -> Self {
        Self {
            lasts: Some(updates),
            ..self
        }
    }
}

/// How a schedule is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and fixes the lengths and the rate.
    pub plan: fn(&Spec, &Outlook) -> Result<BuiltSchedule, ConfigError>,
}

impl<C: ScheduleConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        plan: |spec, outlook| C::ABOUT.resolve::<C>(spec)?.plan(outlook),
    };
}
