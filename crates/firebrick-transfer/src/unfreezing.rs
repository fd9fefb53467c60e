//! Which stages of a backbone are trained at what moment, and at what rate.
//!
//! Stages count from the input; the head is the last one. What is trained is a function of the share of training that lies behind, so a
//! resumed run continues with the same stages.
//!
//! The setting `fine_tune` of a recipe names a plan by a spec:
//!
//! | name | what it trains |
//! |---|---|
//! | `head` | the last layer alone |
//! | `last` | the last stages and the last layer |
//! | `all` | everything from the beginning, at rates that can differ by stage |
//! | `lp_ft` | the last layer alone at first, then everything at a lower rate |
//! | `gradual` | the last layer alone at first, then one more stage after each step |
//! | `lora` | the last layer, and adapters of low rank in all others |
//!
//! ```
//! use firebrick_transfer::unfreezing;
//! let found = unfreezing::build(&"lp_ft(head=0.5)".parse()?)?;
//! assert_eq!(
//!     found.spec.to_string(),
//!     "lp_ft(head=0.5, rate=0.1, discriminative=1.0, batch_norm=trained)"
//! );
//! // Four stages, of which the head is the last.
//! assert!(!found.plan.at(0.49, 4)[0].trained && found.plan.at(0.5, 4)[0].trained);
//! # Ok::<(), firebrick_types::ConfigError>(())
//! ```

mod units;

use std::ops::Bound;

use firebrick_types::ConfigError;
use firebrick_types::error::{check, check_positive};
use serde::{Deserialize, Serialize};

pub use units::{Build, REGISTRY, Strategy, build};

/// What happens to a stage at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StageState {
    /// Whether it is trained. What is not trained is frozen: no gradient, no decay, and batch norms keep their statistics.
    pub trained: bool,
    /// What its learning rate is multiplied by; 0 for a frozen stage.
    pub rate: f64,
}

/// When stages are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Unfreezing {
    /// Only the head.
    Head,
    /// The last stages and the head.
    Last {
        /// How many stages before the head.
        stages: usize,
    },
    /// All stages, from the beginning.
    All,
    /// The head alone at first, then everything at a lower rate (Kumar et al., "Fine-tuning can distort pretrained features and
    /// underperform out-of-distribution", ICLR 2022).
    LpFt {
        /// The share of training that is for the head alone, in (0, 1).
        head: f64,
        /// What the rate is multiplied by after that, greater than 0.
        rate: f64,
    },
    /// The head alone at first, then one more stage after each step, the last ones first (Howard and Ruder, "Universal language model
    /// fine-tuning", ACL 2018). With the last step, all are trained.
    Gradual {
        /// The share of training at which the first stage is the last one to be frozen no more, in (0, 1].
        until: f64,
    },
    /// The head, and in every stage adapters of low rank beside the frozen weights (Hu et al., "LoRA: Low-rank adaptation of large language
    /// models", ICLR 2022).
    Lora {
        /// The rank of the adapters, at least 1.
        rank: usize,
        /// Their scale, greater than 0; it is divided by the rank.
        alpha: f64,
    },
}

/// What batch norms do in the stages that are trained. In a frozen stage they always normalize by their running statistics and keep them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchNorms {
    /// They normalize by the batch and update their running statistics.
    #[default]
    Trained,
    /// They normalize by the running statistics of the pretrained weights and keep them; scale and shift are trained.
    Frozen,
}

/// A plan for the stages of one backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagePlan {
    /// When stages are trained.
    pub unfreezing: Unfreezing,
    /// What the rate of each stage is divided by, relative to the stage after it: 1 gives all the same rate, and Howard and
    /// Ruder's discriminative rates are 2.6. At least 1.
    pub discriminative: f64,
    /// What batch norms do in the stages that are trained.
    pub batch_norm: BatchNorms,
}

impl StagePlan {
    /// Checks the plan for a backbone of so many stages, the head among them.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn check(&self, stages: usize) -> Result<(), ConfigError> {
        check(
            "fine_tune",
            "discriminative",
            self.discriminative,
            1.0..=1e6,
        )?;
        let open = (Bound::Excluded(0.0), Bound::Excluded(1.0));
        match self.unfreezing {
            Unfreezing::Last { stages: last } if last >= stages => {
                let before = stages.saturating_sub(1);
                Err(ConfigError::Conflict(format!(
                    "fine_tune: the last {last} stages cannot be trained, because the model has {before} in front of its last layer; use last(stages=N) with N of at most {before}, or all"
                )))
            }
            Unfreezing::LpFt { head, rate } => {
                check("fine_tune", "head", head, open)?;
                check_positive("fine_tune", "rate", rate)
            }
            Unfreezing::Gradual { until } => check(
                "fine_tune",
                "until",
                until,
                (Bound::Excluded(0.0), Bound::Included(1.0)),
            ),
            Unfreezing::Lora { rank, alpha } => {
                check("fine_tune", "rank", rank, 1..)?;
                check_positive("fine_tune", "alpha", alpha)
            }
            Unfreezing::Head | Unfreezing::Last { .. } | Unfreezing::All => Ok(()),
        }
    }

    /// What is trained when a share of training, in [0, 1], lies behind: the first stage of so many comes first, the head
    /// last.
    #[must_use]
    pub fn at(&self, share: f64, stages: usize) -> Vec<StageState> {
        let trained = match self.unfreezing {
            Unfreezing::Head | Unfreezing::Lora { .. } => 1,
            Unfreezing::Last { stages: last } => last.saturating_add(1),
            Unfreezing::LpFt { head, .. } if share < head => 1,
            Unfreezing::All | Unfreezing::LpFt { .. } => stages,
            Unfreezing::Gradual { .. } => {
                let begun = self.changes(stages);
                1 + begun.iter().filter(|at| **at <= share).count()
            }
        };
        let state = |stage: usize| {
            let trained = stages - 1 - stage < trained;
            let rate = self.factor(share) * self.relative_rate(stage, stages);
            StageState {
                trained,
                rate: if trained { rate } else { 0.0 },
            }
        };
        (0..stages).map(state).collect()
    }

    /// What the rate of every stage is multiplied by when this share of training lies behind: below 1 for the second part of
    /// [`Unfreezing::LpFt`], otherwise 1.
    #[must_use]
    pub fn factor(&self, share: f64) -> f64 {
        match self.unfreezing {
            Unfreezing::LpFt { head, rate } if share >= head => rate,
            _ => 1.0,
        }
    }

    /// What the rate of a stage, one of so many, is in proportion to that of the head: the same at every moment at which it is trained.
    #[must_use]
    pub fn relative_rate(&self, stage: usize, stages: usize) -> f64 {
        self.discriminative.powf(-((stages - 1 - stage) as f64))
    }

    /// The shares of training, in order, at which it changes what is trained.
    #[must_use]
    pub fn changes(&self, stages: usize) -> Vec<f64> {
        match self.unfreezing {
            Unfreezing::Head
            | Unfreezing::Last { .. }
            | Unfreezing::All
            | Unfreezing::Lora { .. } => Vec::new(),
            Unfreezing::LpFt { head, .. } => vec![head],
            Unfreezing::Gradual { until } => {
                let steps = stages.saturating_sub(1);
                let at = |step: usize| until * step as f64 / steps as f64;
                (1..=steps).map(at).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(unfreezing: Unfreezing, discriminative: f64) -> StagePlan {
        StagePlan {
            unfreezing,
            discriminative,
            batch_norm: BatchNorms::default(),
        }
    }

    fn rates(plan: &StagePlan, share: f64) -> Vec<f64> {
        let states = plan.at(share, 4);
        assert!(
            states
                .iter()
                .all(|state| state.trained == (state.rate > 0.0))
        );
        states.iter().map(|state| state.rate).collect()
    }

    #[test]
    fn the_head_alone_then_everything_at_a_tenth() {
        let plan = plan(
            Unfreezing::LpFt {
                head: 0.5,
                rate: 0.1,
            },
            1.0,
        );
        assert_eq!(rates(&plan, 0.49), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(rates(&plan, 0.5), [0.1; 4]);
        assert_eq!(plan.changes(4), [0.5]);
    }

    #[test]
    fn one_more_stage_after_each_step() {
        let plan = plan(Unfreezing::Gradual { until: 0.75 }, 2.0);
        assert_eq!(plan.changes(4), [0.25, 0.5, 0.75]);
        assert_eq!(rates(&plan, 0.0), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(rates(&plan, 0.25), [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(rates(&plan, 0.6), [0.0, 0.25, 0.5, 1.0]);
        assert_eq!(rates(&plan, 1.0), [0.125, 0.25, 0.5, 1.0]);
    }

    #[test]
    fn the_last_stages() {
        assert_eq!(
            rates(&plan(Unfreezing::Head, 1.0), 1.0),
            [0.0, 0.0, 0.0, 1.0]
        );
        let two = plan(Unfreezing::Last { stages: 2 }, 2.6);
        assert_eq!(
            rates(&two, 0.0),
            [0.0, 2.6_f64.powi(-2), 2.6_f64.powi(-1), 1.0]
        );
        assert_eq!(rates(&plan(Unfreezing::All, 1.0), 0.0), [1.0; 4]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (unfreezing, discriminative, message) in [
            (Unfreezing::All, 0.5, "discriminative"),
            (
                Unfreezing::Last { stages: 4 },
                1.0,
                "the model has 3 in front of its last layer",
            ),
            (
                Unfreezing::LpFt {
                    head: 1.0,
                    rate: 0.1,
                },
                1.0,
                "head = 1",
            ),
            (
                Unfreezing::LpFt {
                    head: 0.5,
                    rate: 0.0,
                },
                1.0,
                "rate = 0",
            ),
            (Unfreezing::Gradual { until: 0.0 }, 1.0, "until = 0"),
        ] {
            let error = plan(unfreezing, discriminative).check(4).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        plan(Unfreezing::Last { stages: 3 }, 1.0).check(4).unwrap();
    }
}
