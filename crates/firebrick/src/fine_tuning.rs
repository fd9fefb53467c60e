//! Which stages of a model are trained when: what the setting `fine_tune` comes to for a model, and the hook that follows it.

use std::collections::BTreeMap;

use burn::module::Module;
use firebrick_core::freeze::{Freezable, freezable, freeze_statistics};
use firebrick_core::lora::{self, Lora};
use firebrick_core::schedule::{Observation, Schedule};
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Recipe, freeze, unfreeze};
use firebrick_regularize::penalty::PenaltyConfig;
use firebrick_regularize::penalty::l2_sp::L2Sp;
use firebrick_train::{EvaluationModel, Hook, HookContext, HookState, TrainError};
use firebrick_transfer::unfreezing::{self, BatchNorms, StagePlan, Strategy, Unfreezing};
use firebrick_zoo::{Architecture, Stage};

use crate::models::Models;
use crate::session::from_recipe::{has_weights, how_to_name_weights};

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
        strategy.plan.check(stages.len() + 1)?;
        check_weights(recipe, &strategy)?;
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

    /// What is trained when, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let phases = self.phases();
        let mut lines = Vec::new();
        let mut before: &[String] = &[];
        for (at, phase) in phases.iter().enumerate() {
            let from = phase.step + 1;
            let what = if phase.frozen.is_empty() {
                "everything".to_string()
            } else if at == 0 {
                let names = phase.trained.iter().map(|(name, _)| name.as_str());
                names.collect::<Vec<_>>().join(", ")
            } else {
                let added = before.iter().filter(|name| !phase.frozen.contains(name));
                added
                    .map(|name| format!("{name} too"))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let adapters = match self.adapters() {
                Some(Lora { rank, .. }) => {
                    format!(", and adapters of rank {rank} in all other layers")
                }
                None => String::new(),
            };
            let factor = self.plan().factor(self.share(phase.step));
            let rate = if factor == 1.0 {
                String::new()
            } else {
                format!(", at {factor} × the rate")
            };
            lines.push(format!("from update {from}: {what}{adapters}{rate}"));
            before = &phase.frozen;
        }
        if let Some(Phase { frozen, .. }) = phases.first().filter(|first| !first.frozen.is_empty())
        {
            let first = if phases.len() > 1 {
                "at first frozen"
            } else {
                "frozen"
            };
            lines.push(format!("{first}: {}", frozen.join(", ")));
        }
        if self.plan().discriminative != 1.0 {
            let count = self.stages.len();
            let rates = self.stages.iter().enumerate().rev().map(|(stage, name)| {
                let rate = self.plan().relative_rate(stage, count);
                format!("{name} × {}", (rate * 1e4).round() / 1e4)
            });
            lines.push(format!("rates: {}", rates.collect::<Vec<_>>().join(", ")));
        }
        let statistics = match self.plan().batch_norm {
            BatchNorms::Frozen => "all batch norms keep their statistics",
            BatchNorms::Trained if self.plan().at(0.0, self.stages.len())[0].trained => {
                "batch norms update their statistics"
            }
            BatchNorms::Trained => "batch norms of frozen stages keep their statistics",
        };
        lines.push(statistics.into());
        lines
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

fn share(step: u64, updates: u64) -> f64 {
    step as f64 / updates.max(1) as f64
}

/// Refuses to freeze random weights.
fn check_weights(recipe: &Recipe, strategy: &Strategy) -> Result<(), ConfigError> {
    let freezes = strategy.plan.at(0.0, 2).iter().any(|state| !state.trained);
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

/// The stage of each path: the one whose modules hold it, or the head, which comes behind all stages.
fn stage_of(paths: &[Freezable], stages: &[Stage], head: Option<&str>) -> BTreeMap<String, usize> {
    let is_below = |path: &str, module: &str| {
        let rest = path.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let named = |path: &str| {
        if head.is_some_and(|head| is_below(path, head)) {
            return Some(stages.len());
        }
        let holds = |stage: &Stage| stage.modules.iter().any(|module| is_below(path, module));
        stages.iter().position(holds)
    };
    // Where the last layer is not named, it is what is in no stage.
    let between = match head {
        Some(_) => stages.len().saturating_sub(1),
        None => stages.len(),
    };
    let mut behind = stages.len();
    let found = paths.iter().rev().map(|one| {
        let stage = match named(&one.path) {
            Some(stage) => {
                behind = stage;
                stage
            }
            None if one.is_parameter => between,
            None => behind,
        };
        (one.path.clone(), stage)
    });
    found.collect()
}

/// A schedule whose rates a plan multiplies.
#[derive(Debug)]
struct ByPhase {
    schedule: Box<dyn Schedule>,
    plan: StagePlan,
    updates: u64,
}

impl Schedule for ByPhase {
    fn lr(&self, step: u64) -> f64 {
        self.schedule.lr(step) * self.plan.factor(share(step, self.updates))
    }

    fn ends_cycle(&self, step: u64) -> bool {
        self.schedule.ends_cycle(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.schedule.momentum(step)
    }

    fn weight_decay(&self, step: u64) -> Option<f64> {
        self.schedule.weight_decay(step)
    }

    fn length(&self) -> Option<u64> {
        self.schedule
            .length()
            .map(|length| length.max(self.updates))
    }

    fn observe(&mut self, epoch: Observation) {
        self.schedule.observe(epoch);
    }
}

/// Freezes and unfreezes stages as a plan says. What is trained follows from the update, so that checkpoints need not have it.
pub(crate) struct FineTuningHook(pub(crate) FineTuning);

impl<M: Module> Hook<M> for FineTuningHook {
    fn name(&self) -> &str {
        "fine_tuning"
    }

    fn begin(
        &mut self,
        model: M,
        context: &mut HookContext<'_>,
        _kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        Ok(self.0.begin(model, context.step))
    }

    fn before_step(&mut self, model: M, context: &mut HookContext<'_>) -> Result<M, TrainError> {
        let Some(before) = context.step.checked_sub(1) else {
            return Ok(model);
        };
        let (before, now) = (self.0.trained(before), self.0.trained(context.step));
        if before == now {
            return Ok(model);
        }
        let begun: Vec<bool> = now
            .iter()
            .zip(before)
            .map(|(now, before)| *now && !before)
            .collect();
        let begins = |path: &str| self.0.stage_of.contains_key(path) && self.0.is_in(path, &begun);
        let model = unfreeze(model, begins);
        Ok(self.0.with_statistics(model))
    }
    /// With adapters, what is evaluated and saved are the weights that they come to.
    fn evaluated(&mut self, model: &M) -> Result<Option<EvaluationModel<M>>, TrainError> {
        Ok(self.0.adapters().map(|_| EvaluationModel {
            model: lora::merged(model),
            recount_batches: 0,
        }))
    }

    fn finish(&mut self, model: M, _context: &mut HookContext<'_>) -> Result<M, TrainError> {
        Ok(match self.0.adapters() {
            Some(_) => lora::merged(&model),
            None => model,
        })
    }
}
