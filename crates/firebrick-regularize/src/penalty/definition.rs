//! How a penalty is described and built: [`PenaltyConfig`], [`Build`], [`Apply`].

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::penalty::{Action, Penalty, PenaltyRule};
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};
use serde::{Deserialize, Serialize};

/// A penalty or constraint as plain data. A new one is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait PenaltyConfig: Config + 'static {
    /// What the penalty says about itself.
    const ABOUT: About;

    /// The paths of the parameters that it is for, with `*` for any run of characters.
    fn path(&self) -> &str {
        "*"
    }

    /// What it does, of fields that are in their ranges.
    fn action(&self) -> Action;
}

/// How a penalty is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the rule.
    pub rule: fn(&Spec) -> Result<PenaltyRule, ConfigError>,
}

impl<C: PenaltyConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        rule: |spec| {
            let config = C::ABOUT.resolve::<C>(spec)?;
            Ok(PenaltyRule {
                spec: Spec::canonical(C::ABOUT.name, &config),
                path: config.path().into(),
                action: config.action(),
            })
        },
    };
}

/// How a penalty of parameters takes effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apply {
    /// Added to the loss: the optimizer, clipping and line searches see it.
    #[default]
    Loss,
    /// A step of its own after each update, as long as the learning rate.
    Decay,
}

impl Apply {
    /// The penalty, applied so.
    pub(super) fn action(self, penalty: impl Penalty + 'static) -> Action {
        match self {
            Self::Loss => Action::AddToLoss(Box::new(penalty)),
            Self::Decay => Action::Decay(Box::new(penalty)),
        }
    }
}

/// The strength of a penalty.
pub(super) const LAMBDA: Field = Field::new("lambda", Range::NotNegative);
/// The parameters that it is for.
pub(super) const PATH: Field = Field::new("path", Range::Path);
/// How it takes effect.
pub(super) const APPLY: Field = Field::new("apply", Range::Choice(&["loss", "decay"]));
