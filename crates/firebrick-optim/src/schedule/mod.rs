//! Learning-rate schedules by name: pure functions of the update.
//!
//! | name | what it is |
//! |---|---|
//! | [`constant`] | the same rate throughout |
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
//! | [`flat_cosine`] | a constant rate, then cosine decay |
//! | [`plateau`] | times `factor` when the monitored metric stops improving |
//! | [`warmup`] | linear warmup, then another schedule |
//! | [`sequence`] | several schedules one after another |
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

mod outlook;

use firebrick_core::ConfigError;
use firebrick_core::length::RunLength;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;

pub use outlook::{Build, BuiltSchedule, Outlook, ScheduleConfig};

impl Outlook {
    /// A schedule over a whole run, of which the batch is not known; those inside it are found in
    /// [`REGISTRY`].
    #[must_use]
    pub fn new(run: RunLength, lr: f64) -> Self {
        Self {
            run,
            before: 0,
            until: run.updates,
            lr,
            batch: None,
            build,
        }
    }
}

/// Builds the schedule that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the schedule or the field.
pub fn build(spec: &Spec, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
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
