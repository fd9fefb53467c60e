//! The plans by name: what a spec of the setting `fine_tune` can say.

use firebrick_types::ConfigError;
use firebrick_types::about::{About, Field, Range};
use firebrick_types::registry::{BuildOf, Entry, Registry};
use firebrick_types::spec::{Config, Spec};
use serde::{Deserialize, Serialize};

use super::{BatchNorms, StagePlan, Unfreezing};

/// A plan that a spec has named.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// The spec that builds it again.
    pub spec: Spec,
    /// Which stages are trained when.
    pub plan: StagePlan,
}

/// How a plan is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    strategy: fn(&Spec) -> Result<Strategy, ConfigError>,
}

/// All plans.
pub static REGISTRY: Registry<Build> = Registry::new(
    "fine-tuning strategy",
    &[
        Entry::of::<Head>(),
        Entry::of::<Last>(),
        Entry::of::<All>(),
        Entry::of::<LpFt>(),
        Entry::of::<Gradual>(),
        Entry::of::<Lora>(),
    ],
);

/// The plan that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the unknown plan, key or value.
pub fn build(spec: &Spec) -> Result<Strategy, ConfigError> {
    (REGISTRY.find(spec)?.build.strategy)(spec)
}

/// A plan as plain data.
trait StrategyConfig: Config + 'static {
    /// What it says about itself.
    const ABOUT: About;

    /// The plan, of fields that are in their ranges.
    fn plan(&self) -> StagePlan;
}

impl<C: StrategyConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        strategy: |spec| {
            let config = C::ABOUT.resolve::<C>(spec)?;
            Ok(Strategy {
                spec: Spec::canonical(C::ABOUT.name, &config),
                plan: config.plan(),
            })
        },
    };
}

const DISCRIMINATIVE: Field = Field::new("discriminative", Range::Within(1.0, 1e6));
const BATCH_NORM: Field = Field::new("batch_norm", Range::Choice(&["trained", "frozen"]));

/// The last layer alone; all batch norms are frozen with their stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Head {}

impl StrategyConfig for Head {
    const ABOUT: About = About::new(
        "head",
        "trains the last layer alone: a linear classifier on the features of the frozen network",
        &[],
    );

    fn plan(&self) -> StagePlan {
        StagePlan {
            unfreezing: Unfreezing::Head,
            discriminative: 1.0,
            batch_norm: BatchNorms::Frozen,
        }
    }
}

/// The last stages and the last layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Last {
    stages: usize,
    discriminative: f64,
    batch_norm: BatchNorms,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            stages: 1,
            discriminative: 1.0,
            batch_norm: BatchNorms::default(),
        }
    }
}

impl StrategyConfig for Last {
    const ABOUT: About = About::new(
        "last",
        "trains the last stages and the last layer; the stages before them are frozen",
        &[
            Field::new("stages", Range::Count(1)),
            DISCRIMINATIVE,
            BATCH_NORM,
        ],
    )
    .source("Yosinski et al. 2014");

    fn plan(&self) -> StagePlan {
        StagePlan {
            unfreezing: Unfreezing::Last {
                stages: self.stages,
            },
            discriminative: self.discriminative,
            batch_norm: self.batch_norm,
        }
    }
}

/// Everything from the beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct All {
    discriminative: f64,
    batch_norm: BatchNorms,
}

impl Default for All {
    fn default() -> Self {
        Self {
            discriminative: 1.0,
            batch_norm: BatchNorms::default(),
        }
    }
}

impl StrategyConfig for All {
    const ABOUT: About = About::new(
        "all",
        "trains everything from the beginning; discriminative=2.6 gives each stage a rate 2.6 times lower than that of the stage after it",
        &[DISCRIMINATIVE, BATCH_NORM],
    )
    .source("Howard and Ruder 2018");

    fn plan(&self) -> StagePlan {
        StagePlan {
            unfreezing: Unfreezing::All,
            discriminative: self.discriminative,
            batch_norm: self.batch_norm,
        }
    }
}

/// The last layer alone at first, then everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LpFt {
    head: f64,
    rate: f64,
    discriminative: f64,
    batch_norm: BatchNorms,
}

impl Default for LpFt {
    fn default() -> Self {
        Self {
            head: 0.3,
            rate: 0.1,
            discriminative: 1.0,
            batch_norm: BatchNorms::default(),
        }
    }
}

impl StrategyConfig for LpFt {
    const ABOUT: About = About::new(
        "lp_ft",
        "trains the last layer alone for a share of training, then everything with the rate multiplied by `rate`",
        &[
            Field::new("head", Range::Between(0.0, 1.0)),
            Field::new("rate", Range::Positive),
            DISCRIMINATIVE,
            BATCH_NORM,
        ],
    )
    .source("Kumar et al. 2022");

    fn plan(&self) -> StagePlan {
        StagePlan {
            unfreezing: Unfreezing::LpFt {
                head: self.head,
                rate: self.rate,
            },
            discriminative: self.discriminative,
            batch_norm: self.batch_norm,
        }
    }
}

/// One more stage after each step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Gradual {
    until: f64,
    discriminative: f64,
    batch_norm: BatchNorms,
}

impl Default for Gradual {
    fn default() -> Self {
        Self {
            until: 0.5,
            discriminative: 1.0,
            batch_norm: BatchNorms::default(),
        }
    }
}

impl StrategyConfig for Gradual {
    const ABOUT: About = About::new(
        "gradual",
        "gradual unfreezing: trains the last layer alone at first, then one more stage after each step, the last stages first; all are trained from the share `until` of training on",
        &[
            Field::new("until", Range::Factor),
            DISCRIMINATIVE,
            BATCH_NORM,
        ],
    )
    .source("Howard and Ruder 2018");

    fn plan(&self) -> StagePlan {
        StagePlan {
            unfreezing: Unfreezing::Gradual { until: self.until },
            discriminative: self.discriminative,
            batch_norm: self.batch_norm,
        }
    }
}

/// The last layer, and adapters of low rank; all batch norms are frozen with their stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lora {
    rank: usize,
    alpha: f64,
}

impl Default for Lora {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
        }
    }
}

impl StrategyConfig for Lora {
    const ABOUT: About = About::new(
        "lora",
        "trains the last layer and, beside each frozen weight, an adapter of low rank whose output is multiplied by alpha / rank",
        &[
            Field::new("rank", Range::Count(1)),
            Field::new("alpha", Range::Positive),
        ],
    )
    .source("Hu et al. 2022");

    fn plan(&self) -> StagePlan {
        StagePlan {
            unfreezing: Unfreezing::Lora {
                rank: self.rank,
                alpha: self.alpha,
            },
            discriminative: 1.0,
            batch_norm: BatchNorms::Frozen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_spec_builds_the_same_plan() {
        for entry in REGISTRY.entries() {
            let built = build(&Spec::new(entry.about.name)).unwrap();
            assert_eq!(build(&built.spec).unwrap(), built);
            assert_eq!(build(&entry.signature().parse().unwrap()).unwrap(), built);
            built.plan.check(3).unwrap();
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("linear", "unknown fine-tuning strategy `linear`"),
            ("lp_ft(head=1)", "lp_ft: head = 1"),
            ("lp_ft(rate=0)", "lp_ft: rate = 0"),
            ("gradual(until=0)", "gradual: until = 0"),
            ("last(stages=0)", "last: stages = 0"),
            ("all(discriminative=0.5)", "all: discriminative = 0.5"),
            ("all(batch_norm=batch)", "batch_norm"),
            ("lora(rank=0)", "lora: rank = 0"),
            ("lora(alpha=0)", "lora: alpha = 0"),
            ("head(batch_norm=frozen)", "head has no key `batch_norm`"),
        ] {
            let error = build(&text.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
