//! Optimizers by name. Fields, defaults and results are PyTorch's, unless a file says otherwise.

pub mod adabelief;
pub mod adadelta;
pub mod adafactor;
pub mod adagrad;
pub mod adahessian;
pub mod adam;
pub mod adamax;
pub mod adamw;
pub mod adan;
pub mod adopt;
pub mod asgd;
pub mod centralize;
pub mod hessian_free;
pub mod lamb;
pub mod lars;
pub mod lbfgs;
pub mod lion;
pub mod lookahead;
pub mod madgrad;
pub mod momentum;
pub mod muon;
pub mod nadam;
pub mod nesterov;
pub mod newton;
pub mod novograd;
pub mod prodigy;
pub mod qhm;
pub mod radam;
pub mod rmsprop;
pub mod rmsprop_tf;
pub mod rprop;
pub mod sam;
pub mod schedule_free;
pub mod sgd;
pub mod soap;
pub mod yogi;

mod trust;

use firebrick_core::ConfigError;
use firebrick_core::registry::Registry;
use firebrick_core::spec::{Spec, Value};
use firebrick_core::update::Update;

pub use crate::about::{Build, Entry, Optimizer};
use crate::about::{Optimize, Range};
use crate::wrapper::Wrapping;

/// All optimizers.
pub static REGISTRY: Registry<Build> = Registry::new(
    "optimizer",
    &[
        Entry::of::<adabelief::AdaBelief>(),
        Entry::of::<adadelta::Adadelta>(),
        Entry::of::<adafactor::Adafactor>(),
        Entry::of::<adagrad::Adagrad>(),
        Entry::of::<adahessian::AdaHessian>(),
        Entry::of::<adam::Adam>(),
        Entry::of::<adamax::Adamax>(),
        Entry::of::<adamw::AdamW>(),
        Entry::of::<adan::Adan>(),
        Entry::of::<adopt::Adopt>(),
        Entry::of::<asgd::Asgd>(),
        Entry::of::<centralize::Centralize>(),
        Entry::of::<hessian_free::HessianFree>(),
        Entry::of::<lamb::Lamb>(),
        Entry::of::<lars::Lars>(),
        Entry::of::<lbfgs::Lbfgs>(),
        Entry::of::<lion::Lion>(),
        Entry::of::<lookahead::Lookahead>(),
        Entry::of::<madgrad::MadGrad>(),
        Entry::of::<momentum::Momentum>(),
        Entry::of::<muon::Muon>(),
        Entry::of::<nadam::NAdam>(),
        Entry::of::<nesterov::Nesterov>(),
        Entry::of::<newton::Newton>(),
        Entry::of::<novograd::NovoGrad>(),
        Entry::of::<prodigy::Prodigy>(),
        Entry::of::<qhm::Qhm>(),
        Entry::of::<radam::RAdam>(),
        Entry::of::<rmsprop::RmsProp>(),
        Entry::of::<rmsprop_tf::RmsPropTf>(),
        Entry::of::<rprop::Rprop>(),
        Entry::of::<sam::Asam>(),
        Entry::of::<sam::Sam>(),
        Entry::of::<schedule_free::ScheduleFreeAdamW>(),
        Entry::of::<schedule_free::ScheduleFreeSgd>(),
        Entry::of::<sgd::Sgd>(),
        Entry::of::<soap::Soap>(),
        Entry::of::<yogi::Yogi>(),
    ],
);

/// The optimizer of a spec, and that spec's canonical form.
///
/// # Errors
/// [`ConfigError`] naming the optimizer, the field and the value.
pub fn build(spec: &Spec) -> Result<Optimizer, ConfigError> {
    build_entry(REGISTRY.find(spec)?, spec)
}

/// [`build`] of an optimizer that need not be registered, from a spec with its name.
///
/// # Errors
/// As [`build`].
pub fn build_entry(entry: Entry, spec: &Spec) -> Result<Optimizer, ConfigError> {
    let update = (entry.build.update)(spec)?;
    let spec = canonical(entry, spec)?;
    // Defaults that are filled in can nest one level deeper than what was given, and the canonical
    // form must parse again.
    spec.check_depth()?;
    Ok(Optimizer { update, spec })
}

/// The canonical form of a spec that was built: every field by name, also in the optimizer that it wraps.
fn canonical(entry: Entry, spec: &Spec) -> Result<Spec, ConfigError> {
    let mut spec = (entry.build.canonical)(spec)?;
    for field in entry.about.fields {
        if let (Range::Unit("optimizer"), Some(Value::Spec(inside))) =
            (field.range, spec.get(field.name))
        {
            // Building it again here would double the work at every level.
            let inside = canonical(REGISTRY.find(inside)?, inside)?;
            spec.set(field.name, inside.into());
        }
    }
    Ok(spec)
}

/// The optimizer of a spec without its canonical form, which a wrapper does not need.
///
/// # Errors
/// As [`build`].
pub fn update(spec: &Spec) -> Result<Box<dyn Update>, ConfigError> {
    (REGISTRY.find(spec)?.build.update)(spec)
}

/// Elements of state that the optimizer of a spec keeps for a parameter of this shape; 0 for a spec
/// that cannot be built.
#[must_use]
pub fn memory(spec: &Spec, shape: &[usize]) -> usize {
    let memory = REGISTRY
        .find(spec)
        .and_then(|entry| (entry.build.memory)(spec, shape));
    memory.unwrap_or(0)
}

/// Those that wrap another optimizer: only the registry can build that one by its name.
macro_rules! wrapping {
    ($($wrapper:ty),+) => {
        $(impl Optimize for $wrapper {
            fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
                self.around(update(self.base())?)
            }

            fn memory(&self, shape: &[usize]) -> usize {
                memory(self.base(), shape) + self.own_memory(shape)
            }
        })+
    };
}

wrapping!(
    centralize::Centralize,
    lookahead::Lookahead,
    sam::Asam,
    sam::Sam
);
