//! Which stages of a model are trained when: what the setting `fine_tune` comes to for a model, and the hook that follows it.

mod by_phase;
mod hook;
mod lines;
mod stages;

use std::collections::BTreeMap;

use burn::module::Module;
use firebrick_core::freeze::{freezable, freeze_statistics};
use firebrick_core::lora::{self, Lora};
use firebrick_core::schedule::Schedule;
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Recipe, freeze};
use firebrick_regularize::penalty::PenaltyConfig;
use firebrick_regularize::penalty::l2_sp::L2Sp;
use firebrick_transfer::unfreezing::{self, BatchNorms, StagePlan, Strategy, Unfreezing};
use firebrick_zoo::Architecture;

use crate::models::Models;
use crate::session::from_recipe::{has_weights, how_to_name_weights};

use by_phase::{ByPhase, share};
pub(crate) use hook::FineTuningHook;
use stages::stage_of;

/// Which stages of a model are trained when.
///
/// The last layer is a stage of its own, the last one. Parameters between the last stage and the last layer belong to that stage, and a layer
/// without parameters in front of a stage, such as dropout, to the stage behind it.
#[derive(Debug, Clone)]
pub struct FineTuning {
    strategy: Strategy,
    /// The names of the stages, first to last, with that of the last layer.
    stages: Vec<String>,
    /// The stage of each path that can be frozen.
    stage_of: BTreeMap<String, usize>,
    /// Updates of the whole run.
    updates: u64,
}

/// A part of a run in which the same stages are trained at the same rates.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Updates made before it begins.
    pub step: u64,
    /// What is trained in it, first to last, and what the rate is multiplied by.
    pub trained: Vec<(String, f64)>,
    /// What is frozen in it, first to last.
    pub frozen: Vec<String>,
}

impl FineTuning {
    /// What the setting `spec` of a recipe comes to for its model and a run of so many updates.
    pub(crate) fn of<M: Module>(
        spec: &Spec,
        recipe: &Recipe,
        architecture: &dyn Architecture<M>,
        models: &Models<M>,
        model: &M,
        updates: u64,
    ) -> Result<Self, ConfigError> {
        let strategy = unfreezing::build(spec)?;
        let Some(stages) = models.stages(model) else {
            return Err(ConfigError::Conflict(format!(
                "fine_tune: the model {} does not name its stages, so they cannot be trained one after the other; freeze parameters by path instead, as in --group 'conv*:frozen'",
                recipe.model
            )));
        };
        let count = stages.len() + 1;
        strategy.plan.check(count)?;
        check_weights(recipe, &strategy, count)?;
        check_beside(recipe, &strategy)?;
        let head = architecture.head();
        let stage_of = stage_of(&freezable(model), &stages, head);
        let names = stages.into_iter().map(|stage| stage.name);
        Ok(Self {
            strategy,
            stages: names
                .chain([head.unwrap_or("the last layer").to_string()])
                .collect(),
            stage_of,
            updates,
        })
    }

    /// The setting with every option spelled out.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.strategy.spec
    }

    /// The plan that it follows.
    #[must_use]
    pub fn plan(&self) -> &StagePlan {
        &self.strategy.plan
    }

    /// The parts of the run, in order.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        let count = self.stages.len();
        let changes = self.plan().changes(count).into_iter();
        let steps = changes.map(|share| self.first_step(share));
        let mut steps: Vec<u64> = std::iter::once(0).chain(steps).collect();
        steps.dedup();
        let phase = |step: u64| {
            let states = self.plan().at(self.share(step), count);
            let stages = self.stages.iter().zip(&states);
            let (trained, frozen): (Vec<_>, Vec<_>) = stages.partition(|(_, state)| state.trained);
            let trained = trained.into_iter();
            let frozen = frozen.into_iter();
            Phase {
                step,
                trained: trained
                    .map(|(name, state)| (name.clone(), state.rate))
                    .collect(),
                frozen: frozen.map(|(name, _)| name.clone()).collect(),
            }
        };
        let steps = steps.into_iter().filter(|step| *step < self.updates);
        steps.map(phase).collect()
    }

    /// The size of the adapters that the model gets, if it gets some.
    pub(crate) fn adapters(&self) -> Option<Lora> {
        match self.plan().unfreezing {
            Unfreezing::Lora { rank, alpha } => Some(Lora { rank, alpha }),
            _ => None,
        }
    }

    /// The model with its adapters, if it gets some, drawn from `seed`.
    pub(crate) fn attached<M: Module>(&self, model: M, seed: u64) -> M {
        let Some(adapters) = self.adapters() else {
            return model;
        };
        let head = self.stages.len() - 1;
        let before_head = |path: &str| self.stage_of.get(path).is_some_and(|stage| *stage != head);
        lora::attach(model, adapters, seed, before_head)
    }

    /// The model with everything frozen that is not trained at an update.
    pub(crate) fn begin<M: Module>(&self, model: M, step: u64) -> M {
        let trained = self.trained(step);
        let model = freeze(model, |path| !self.is_in(path, &trained));
        self.with_statistics(model)
    }

    /// The rates of parameters that differ by stage, by path; empty where all are the same.
    pub(crate) fn rates(&self) -> BTreeMap<String, f64> {
        if self.plan().discriminative == 1.0 {
            return BTreeMap::new();
        }
        let count = self.stages.len();
        let rate = |stage: usize| self.plan().relative_rate(stage, count);
        let paths = self.stage_of.iter();
        paths
            .map(|(path, stage)| (path.clone(), rate(*stage)))
            .collect()
    }

    /// The schedule with the rates of this plan, which the setting adds to it.
    pub(crate) fn schedule(&self, schedule: Box<dyn Schedule>) -> Box<dyn Schedule> {
        Box::new(ByPhase {
            schedule,
            plan: self.plan().clone(),
            updates: self.updates,
        })
    }

    /// The share of training that lies behind at an update.
    fn share(&self, step: u64) -> f64 {
        share(step, self.updates)
    }

    /// The first update at which this share lies behind.
    fn first_step(&self, share: f64) -> u64 {
        let near = (share * self.updates as f64) as u64;
        let mut steps = near.saturating_sub(1)..=near.saturating_add(1);
        steps
            .find(|step| self.share(*step) >= share)
            .unwrap_or(self.updates)
    }

    /// Which stages are trained at an update.
    fn trained(&self, step: u64) -> Vec<bool> {
        let states = self.plan().at(self.share(step), self.stages.len());
        states.iter().map(|state| state.trained).collect()
    }

    /// Whether a path is in one of these stages; adapters, and what a hook has put into the model, are trained.
    fn is_in(&self, path: &str, stages: &[bool]) -> bool {
        self.stage_of.get(path).is_none_or(|stage| stages[*stage])
    }

    fn with_statistics<M: Module>(&self, model: M) -> M {
        match self.plan().batch_norm {
            BatchNorms::Trained => model,
            BatchNorms::Frozen => freeze_statistics(model, |_| true),
        }
    }
}

/// Refuses to freeze random weights of a model with so many stages.
fn check_weights(recipe: &Recipe, strategy: &Strategy, stages: usize) -> Result<(), ConfigError> {
    let states = strategy.plan.at(0.0, stages);
    let freezes = states.iter().any(|state| !state.trained);
    if !freezes || has_weights(recipe) {
        return Ok(());
    }
    Err(ConfigError::Conflict(format!(
        "fine_tune = {} freezes stages of the model, but the recipe names no pretrained weights, so what is frozen would stay random: {}",
        strategy.spec.name,
        how_to_name_weights(recipe)
    )))
}

/// Refuses what saves or averages weights beside adapters: those would be averages of factors.
fn check_beside(recipe: &Recipe, strategy: &Strategy) -> Result<(), ConfigError> {
    let Unfreezing::Lora { .. } = strategy.plan.unfreezing else {
        return Ok(());
    };
    let penalizes = |spec: &Spec| spec.name == L2Sp::ABOUT.name;
    let with = if !recipe.average.0.is_empty() {
        "average"
    } else if recipe.snapshots.is_some() {
        "snapshots"
    } else if recipe.penalize.0.iter().any(penalizes) {
        "l2_sp"
    } else {
        return Ok(());
    };
    Err(ConfigError::Conflict(format!(
        "fine_tune = lora cannot be combined with {with}: its pretrained weights do not change, and what it trains are factors of adapters"
    )))
}
