//! The schedule of a run whose stages are trained in phases.

use firebrick_core::schedule::{Observation, Schedule};
use firebrick_transfer::unfreezing::StagePlan;

/// The share of so many updates that lies behind at one.
pub(super) fn share(step: u64, updates: u64) -> f64 {
    step as f64 / updates.max(1) as f64
}

/// A schedule whose rates a plan multiplies.
#[derive(Debug)]
pub(super) struct ByPhase {
    pub(super) schedule: Box<dyn Schedule>,
    pub(super) plan: StagePlan,
    pub(super) updates: u64,
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
