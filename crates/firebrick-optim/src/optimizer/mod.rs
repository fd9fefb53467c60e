//! Optimizers by name. Fields, defaults and results are PyTorch's, unless a file says otherwise.
//!
//! | name | file |
//! |---|---|
//! | `sgd` | [`sgd`] |
//! | `adam` | [`adam`] |
//! | `adamw` | [`adamw`] |

pub mod adam;
pub mod adamw;
pub mod sgd;

use firebrick_core::ConfigError;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Spec;
use firebrick_core::update::Update;

use adam::AdamConfig;
use adamw::AdamWConfig;
use sgd::SgdConfig;

/// An optimizer with the canonical spec that builds it again.
pub struct Optimizer {
    /// The optimizer, without state.
    pub update: Box<dyn Update>,
    /// Every field by name.
    pub spec: Spec,
}

/// Builds an optimizer from its spec.
pub type Build = fn(&Spec) -> Result<Optimizer, ConfigError>;

/// All optimizers.
pub const REGISTRY: Registry<Build> = Registry {
    family: "optimizer",
    entries: &[
        Entry::new::<SgdConfig>(
            sgd::NAME,
            "stochastic gradient descent, with momentum, Nesterov, L2",
            |spec| {
                let config: SgdConfig = spec.resolve()?;
                Ok(Optimizer {
                    update: Box::new(config.build()?),
                    spec: Spec::canonical(sgd::NAME, &config),
                })
            },
        ),
        Entry::new::<AdamConfig>(adam::NAME, "adaptive moments, weight decay as L2", |spec| {
            let config: AdamConfig = spec.resolve()?;
            Ok(Optimizer {
                update: Box::new(config.build()?),
                spec: Spec::canonical(adam::NAME, &config),
            })
        }),
        Entry::new::<AdamWConfig>(
            adamw::NAME,
            "adaptive moments, decoupled weight decay",
            |spec| {
                let config: AdamWConfig = spec.resolve()?;
                Ok(Optimizer {
                    update: Box::new(config.build()?),
                    spec: Spec::canonical(adamw::NAME, &config),
                })
            },
        ),
    ],
};
