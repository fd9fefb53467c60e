//! Penalties and constraints: what keeps parameters small besides the loss, by name.
//!
//! | name | file | what it does |
//! |---|---|---|
//! | `l1` | [`l1`] | λ Σ abs(w) |
//! | `l2` | [`l2`] | λ Σ w² |
//! | `l2_sp` | [`l2_sp`] | λ Σ (w - w⁰)², from the pretrained weights w⁰ |
//! | `elastic_net` | [`elastic_net`] | λ₁ Σ abs(w) + λ₂ Σ w² |
//! | `group_lasso` | [`group_lasso`] | λ Σ √n ‖unit‖ |
//! | `orthogonal` | [`orthogonal`] | λ ‖W Wᵀ - I‖² |
//! | `max_norm` | [`max_norm`] | keeps the norm of each unit below a limit |
//! | `unit_norm` | [`unit_norm`] | keeps the norm of each unit at 1 |
//! | `confidence` | [`confidence`] | rewards outputs of high entropy |
//! | `entropy` | [`entropy`] | rewards outputs of low entropy |
//!
//! A pipeline of them is the `penalize` setting of a recipe: `l1(1e-5, path=fc.*) | max_norm(3)`. A penalty of
//! parameters is for all of them unless `path` says otherwise, with the names of weights files; `*` stands for
//! any run of characters. With `apply=decay` it is not added to the loss: each update then takes a step of
//! the learning rate that minimizes the penalty alone, as AdamW does for weight decay.
//!
//! A unit of a layer is what makes one output: a kernel `[in, height, width]` of a convolution, the weights of
//! one output of a linear layer.
//!
//! ```
//! use firebrick_regularize::penalty;
//! let penalties = penalty::build(&"l1(1e-5, path=fc.*) | max_norm(3)".parse()?)?;
//! assert_eq!(
//!     penalties.spec().to_string(),
//!     "l1(lambda=1e-5, path=fc.*, apply=loss) | max_norm(limit=3.0, path=*)"
//! );
//! # Ok::<(), firebrick_core::ConfigError>(())
//! ```

pub mod confidence;
mod definition;
pub mod elastic_net;
pub mod entropy;
pub mod group_lasso;
pub mod l1;
pub mod l2;
pub mod l2_sp;
pub mod max_norm;
pub mod orthogonal;
mod output_entropy;
pub mod unit_norm;
mod units;

use firebrick_core::ConfigError;
use firebrick_core::penalty::Penalties;
use firebrick_core::registry::{Entry, Registry};
use firebrick_core::spec::Pipeline;

pub use definition::{Apply, Build, PenaltyConfig};

/// All penalties and constraints.
pub static REGISTRY: Registry<Build> = Registry::new(
    "penalty",
    &[
        Entry::of::<l1::L1>(),
        Entry::of::<l2::L2>(),
        Entry::of::<l2_sp::L2Sp>(),
        Entry::of::<elastic_net::ElasticNet>(),
        Entry::of::<group_lasso::GroupLasso>(),
        Entry::of::<orthogonal::Orthogonal>(),
        Entry::of::<max_norm::MaxNorm>(),
        Entry::of::<unit_norm::UnitNorm>(),
        Entry::of::<confidence::Confidence>(),
        Entry::of::<entropy::Entropy>(),
    ],
);

/// Builds the penalties and constraints of a pipeline.
///
/// # Errors
/// [`ConfigError`] naming the first unit, key or value that cannot be used.
pub fn build(pipeline: &Pipeline) -> Result<Penalties, ConfigError> {
    let rules = pipeline
        .0
        .iter()
        .map(|spec| (REGISTRY.find(spec)?.build.rule)(spec));
    rules.collect::<Result<_, _>>().map(Penalties)
}

#[cfg(test)]
mod tests {
    use firebrick_core::spec::Spec;

    use super::*;

    #[test]
    fn the_canonical_spec_builds_itself_again() {
        for entry in REGISTRY.entries() {
            let rule = |spec: &Spec| (entry.build.rule)(spec).unwrap();
            let built = rule(&Spec::new(entry.about.name));
            assert_eq!(rule(&entry.signature().parse().unwrap()).spec, built.spec);
            assert_eq!(rule(&built.spec).spec, built.spec);
        }
        assert!(build(&Pipeline::default()).unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("l3(1)", "unknown penalty `l3`"),
            ("l1(-1)", "l1: lambda = -1"),
            ("l2(nan)", "l2: lambda = NaN"),
            ("l2_sp(0.1, fresh=-1)", "l2_sp: fresh = -1"),
            ("l1(1e-5, apply=later)", "apply"),
            ("l1(1e-5, paths=fc)", "l1 has no key `paths`"),
            ("max_norm(0)", "max_norm: limit = 0"),
            ("max_norm(3, apply=decay)", "max_norm has no key `apply`"),
        ] {
            let error = build(&text.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
