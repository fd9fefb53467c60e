//! Learning-rate schedules by name: pure functions of the update.
//!
//! | name | what it is |
//! |---|---|
//! | [`constant`] | one rate throughout |
//! | [`step`] | times `gamma` every `step_size` |
//! | [`multistep`] | times `gamma` at each of the `milestones` |
//! | [`exponential`] | `lr · gamma^t`, or `lr · e^(-k t)` |
//! | [`inverse_time`] | `lr / (1 + k t)` |
//! | [`polynomial`] | a power of what is left, from `lr` down to `min_lr` |
//! | [`linear`] | a line between two rates |
//! | [`cosine`] | half a cosine from `lr` down to `min_lr` |
//! | [`cosine_restarts`] | that again and again (SGDR), in cycles that may grow |
//! | [`cyclic`] | up and down between `base_lr` and `max_lr` |
//! | [`one_cycle`] | up to `max_lr`, then far down; momentum the other way |
//! | [`snapshot_cosine`] | equal cycles of half a cosine, a snapshot at the end of each |
//! | [`noam`] | a rise, then `1 / sqrt(t)` |
//! | [`wsd`] | a rise, a plain, a fall |
//! | [`flat_cosine`] | a plain, then half a cosine |
//! | [`plateau`] | times `factor` when the monitored metric stops improving |
//! | [`warmup`] | a linear rise, then another schedule |
//! | [`sequence`] | schedules one after another |
//! | [`batch_scaled`] | another schedule times what the batch is to a reference batch |
//!
//! A configuration holds lengths and the rate as they were written; `build` fixes them against an
//! [`Outlook`]. A length that is left out is the whole run, or, inside `warmup` and `sequence`, what
//! is left of it; a rate that is left out is the plan's. Percentages are always of the whole run. A
//! schedule that ends before the run holds its last value, and the [`Plan`](crate::Plan) says so.
//!
//! The same schedules give the momentum and the weight decay where those are scheduled; `lr` then
//! reads as their value.

pub mod batch_scaled;
pub mod constant;
pub mod cosine;
pub mod cosine_restarts;
pub mod cyclic;
pub mod exponential;
pub mod flat_cosine;
pub mod inverse_time;
pub mod joined;
pub mod linear;
pub mod multistep;
pub mod noam;
pub mod one_cycle;
pub mod plateau;
pub mod polynomial;
pub mod sequence;
pub mod snapshot_cosine;
pub mod step;
pub mod warmup;
pub mod wsd;

use firebrick_core::about::About;
use firebrick_core::length::{Length, RunLength};
use firebrick_core::registry::{BuildOf, Entry, Registry};
use firebrick_core::spec::{Config, Spec};
use firebrick_core::{ConfigError, Schedule};

/// A schedule as plain data. A new schedule is one file with such a struct, and an entry of it in
/// [`REGISTRY`]; a crate outside hands the entry to [`Registry::register`].
pub trait ScheduleConfig: Config {
    /// What the schedule says about itself.
    const ABOUT: About;

    /// The schedule, and this configuration with everything filled in. Every field is checked.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    fn plan(&self, outlook: &Outlook) -> Result<Planned, ConfigError>;
}

/// What the lengths and the rate of a schedule are fixed against.
#[derive(Debug, Clone, Copy, PartialEq)]
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
}

impl Outlook {
    /// A schedule over a whole run, of which the batch is not known.
    #[must_use]
    pub fn new(run: RunLength, lr: f64) -> Self {
        Self {
            run,
            before: 0,
            until: run.updates,
            lr,
            batch: None,
        }
    }

    /// Updates from the beginning of the schedule to its end.
    #[must_use]
    pub fn rest(&self) -> u64 {
        self.until.saturating_sub(self.before)
    }

    /// The outlook of a schedule that begins `updates` later.
    fn after(&self, updates: u64) -> Self {
        Self {
            before: self.before.saturating_add(updates),
            ..*self
        }
    }

    /// The number of updates of `steps`; the rest where it is left out.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when it comes to none.
    fn updates(&self, unit: &str, steps: Option<Length>) -> Result<u64, ConfigError> {
        match steps {
            Some(steps) => self.at_least_one(unit, "steps", steps),
            None if self.rest() > 0 => Ok(self.rest()),
            None => {
                let range = "at least 1 update, and the rest of the run comes to none";
                Err(ConfigError::out_of_range(unit, "steps", 0, range))
            }
        }
    }

    /// As [`Self::updates`], for schedules that make no sense when they are cut short.
    fn updates_within_run(&self, unit: &str, steps: Option<Length>) -> Result<u64, ConfigError> {
        let updates = self.updates(unit, steps)?;
        let written = steps.map_or_else(String::new, |steps| steps.to_string());
        self.within_run(unit, "steps", &written, updates)
    }

    /// The number of updates of a length, of which there must be one.
    fn at_least_one(&self, unit: &str, field: &str, length: Length) -> Result<u64, ConfigError> {
        let updates = length.resolve(self.run);
        if updates > 0 {
            return Ok(updates);
        }
        let range = format!("at least 1 update, and `{length}` comes to none");
        Err(ConfigError::out_of_range(unit, field, 0, range))
    }

    /// `updates`, which must fit into what the run has for the schedule.
    fn within_run(
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
        let range = format!("at most {rest}, the updates that the run has for it");
        Err(ConfigError::out_of_range(unit, field, written, range))
    }
}

/// The value of a field that has no default.
fn required<T: Clone>(
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
pub struct Planned {
    /// The schedule.
    pub schedule: Box<dyn Schedule>,
    /// Every field by name.
    pub spec: Spec,
    /// The updates that it runs through, where it has a whole length: in a longer run it then holds
    /// its last value.
    pub lasts: Option<u64>,
}

impl Planned {
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
    pub plan: fn(&Spec, &Outlook) -> Result<Planned, ConfigError>,
}

impl<C: ScheduleConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        plan: |spec, outlook| C::ABOUT.resolve::<C>(spec)?.plan(outlook),
    };
}

/// Builds the schedule that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the schedule or the field.
pub fn build(spec: &Spec, outlook: &Outlook) -> Result<Planned, ConfigError> {
    (REGISTRY.find(spec)?.build.plan)(spec, outlook)
}

/// All schedules.
pub static REGISTRY: Registry<Build> = Registry::new(
    "schedule",
    &[
        Entry::of::<constant::ConstantConfig>(),
        Entry::of::<step::StepConfig>(),
        Entry::of::<multistep::MultistepConfig>(),
        Entry::of::<exponential::ExponentialConfig>(),
        Entry::of::<inverse_time::InverseTimeConfig>(),
        Entry::of::<polynomial::PolynomialConfig>(),
        Entry::of::<linear::LinearConfig>(),
        Entry::of::<cosine::CosineConfig>(),
        Entry::of::<cosine_restarts::CosineRestartsConfig>(),
        Entry::of::<cyclic::CyclicConfig>(),
        Entry::of::<one_cycle::OneCycleConfig>(),
        Entry::of::<snapshot_cosine::SnapshotCosineConfig>(),
        Entry::of::<noam::NoamConfig>(),
        Entry::of::<wsd::WsdConfig>(),
        Entry::of::<flat_cosine::FlatCosineConfig>(),
        Entry::of::<plateau::PlateauConfig>(),
        Entry::of::<warmup::WarmupConfig>(),
        Entry::of::<sequence::SequenceConfig>(),
        Entry::of::<batch_scaled::BatchScaledConfig>(),
    ],
);
