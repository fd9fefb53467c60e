//! Which stages of a backbone are trained at what moment, and at what rate.
//!
//! Stages count from the input; the head is the last one. What is trained is a function of the share of training that lies behind, so a
//! resumed run continues with the same stages.

use std::ops::Bound;

use firebrick_types::ConfigError;
use firebrick_types::error::{check, check_positive};
use serde::{Deserialize, Serialize};

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
}

impl StagePlan {
    /// Checks the plan for a backbone of so many stages, the head among them.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn check(&self, stages: usize) -> Result<(), ConfigError> {
        check("transfer", "discriminative", self.discriminative, 1.0..1e6)?;
        let open = (Bound::Excluded(0.0), Bound::Excluded(1.0));
        match self.unfreezing {
            Unfreezing::Last { stages: last } if last >= stages => {
                Err(ConfigError::Conflict(format!(
                    "transfer: the last {last} stages cannot be trained: the model has {} before its head",
                    stages.saturating_sub(1)
                )))
            }
            Unfreezing::LpFt { head, rate } => {
                check("transfer", "head", head, open)?;
                check_positive("transfer", "rate", rate)
            }
            Unfreezing::Gradual { until } => check(
                "transfer",
                "until",
                until,
                (Bound::Excluded(0.0), Bound::Included(1.0)),
            ),
            Unfreezing::Head | Unfreezing::Last { .. } | Unfreezing::All => Ok(()),
        }
    }

    /// What is trained when a share of training, in [0, 1], lies behind: the first stage of so many comes first, the head
    /// last.
    #[must_use]
    pub fn at(&self, share: f64, stages: usize) -> Vec<StageState> {
        let (trained, factor) = match self.unfreezing {
            Unfreezing::Head => (1, 1.0),
            Unfreezing::Last { stages: last } => (last.saturating_add(1), 1.0),
            Unfreezing::All => (stages, 1.0),
            Unfreezing::LpFt { head, .. } if share < head => (1, 1.0),
            Unfreezing::LpFt { rate, .. } => (stages, rate),
            Unfreezing::Gradual { .. } => {
                let begun = self.changes(stages);
                (1 + begun.iter().filter(|at| **at <= share).count(), 1.0)
            }
        };
        let state = |stage: usize| {
            let from_head = stages - 1 - stage;
            let trained = from_head < trained;
            let below = self.discriminative.powf(-(from_head as f64));
            StageState {
                trained,
                rate: if trained { factor * below } else { 0.0 },
            }
        };
        (0..stages).map(state).collect()
    }

    /// The shares of training, in order, at which it changes what is trained.
    #[must_use]
    pub fn changes(&self, stages: usize) -> Vec<f64> {
        match self.unfreezing {
            Unfreezing::Head | Unfreezing::Last { .. } | Unfreezing::All => Vec::new(),
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
                "the model has 3 before its head",
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
