//! Learning-rate schedules by name: pure functions of the update.
//!
//! | name | file |
//! |---|---|
//! | `constant` | [`constant`] |
//! | `cosine` | [`cosine`] |
//! | `one_cycle` | [`one_cycle`] |
//! | `warmup` | [`warmup`] |
//!
//! A configuration holds lengths and the rate as they were written; `build` fixes them against an
//! [`Outlook`]. A length that is left out is the whole run, or, inside `warmup`, the rest of it; a
//! rate that is left out is the plan's. Percentages are always of the whole run. A schedule that
//! ends before the run holds its last value.

pub mod constant;
pub mod cosine;
pub mod one_cycle;
pub mod warmup;

use firebrick_core::length::{Length, RunLength};
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Schedule};

use constant::ConstantConfig;
use cosine::CosineConfig;
use one_cycle::OneCycleConfig;
use warmup::WarmupConfig;

/// What the lengths and the rate of a schedule are fixed against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// The whole run.
    pub run: RunLength,
    /// Updates of the run before the schedule begins: 0, except inside `warmup`.
    pub before: u64,
    /// The rate of a schedule that names none.
    pub lr: f64,
}

impl Outlook {
    /// A schedule that begins with the run.
    #[must_use]
    pub fn new(run: RunLength, lr: f64) -> Self {
        Self { run, before: 0, lr }
    }

    /// Updates from the beginning of the schedule to the end of the run.
    #[must_use]
    pub fn rest(&self) -> u64 {
        self.run.updates.saturating_sub(self.before)
    }

    /// The number of updates of `steps`; the rest of the run where it is left out.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when it comes to none.
    fn updates(&self, unit: &str, steps: Option<Length>) -> Result<u64, ConfigError> {
        let updates = steps.map_or(self.rest(), |steps| steps.resolve(self.run));
        if updates > 0 {
            return Ok(updates);
        }
        let written = steps.map_or_else(
            || "the rest of the run".into(),
            |steps| format!("`{steps}`"),
        );
        let range = format!("at least 1 update, and {written} comes to none");
        Err(ConfigError::out_of_range(unit, "steps", 0, range))
    }

    /// As [`Self::updates`], for schedules that make no sense when they are cut short.
    fn updates_within_run(&self, unit: &str, steps: Option<Length>) -> Result<u64, ConfigError> {
        let updates = self.updates(unit, steps)?;
        let rest = self.rest();
        if updates > rest {
            let written = steps.map_or_else(String::new, |steps| steps.to_string());
            let range = format!("at most {rest}, the updates that the run has for it");
            return Err(ConfigError::out_of_range(unit, "steps", written, range));
        }
        Ok(updates)
    }
}

/// A schedule with the spec that builds it again: lengths in updates, the rate filled in.
#[derive(Debug)]
pub struct Planned {
    /// The schedule.
    pub schedule: Box<dyn Schedule>,
    /// Every field by name.
    pub spec: Spec,
}

impl Planned {
    fn new<T: firebrick_core::spec::Config>(
        name: &str,
        schedule: impl Schedule + 'static,
        resolved: &T,
    ) -> Self {
        Self {
            schedule: Box::new(schedule),
            spec: Spec::canonical(name, resolved),
        }
    }
}

/// Builds a schedule from its spec.
pub type Build = fn(&Spec, &Outlook) -> Result<Planned, ConfigError>;

/// All schedules.
pub const REGISTRY: Registry<Build> = Registry {
    family: "schedule",
    entries: &[
        Entry::new::<ConstantConfig>(constant::NAME, "one rate throughout", |spec, outlook| {
            spec.resolve::<ConstantConfig>()?.plan(outlook)
        }),
        Entry::new::<CosineConfig>(
            cosine::NAME,
            "half a cosine from lr down to min_lr",
            |spec, outlook| spec.resolve::<CosineConfig>()?.plan(outlook),
        ),
        Entry::new::<OneCycleConfig>(
            one_cycle::NAME,
            "up to max_lr, then far down; momentum the other way",
            |spec, outlook| spec.resolve::<OneCycleConfig>()?.plan(outlook),
        ),
        Entry::new::<WarmupConfig>(
            warmup::NAME,
            "a linear rise, then another schedule",
            |spec, outlook| spec.resolve::<WarmupConfig>()?.plan(outlook),
        ),
    ],
};
