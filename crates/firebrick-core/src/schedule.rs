//! The seam for learning-rate schedules: a pure, total function of the update.

use std::fmt::Debug;

/// The learning rate as a pure function of the optimizer update.
///
/// `lr(k)` is the rate of the (k+1)-th update. It is total: defined, finite and not negative for
/// every `u64`; past its length a schedule holds its last value. The only state is the trainer's
/// update counter, so a resumed run needs nothing from the schedule.
pub trait Schedule: Send + Sync + Debug {
    /// The rate of update `step` (from 0), absolute; parameter groups multiply it.
    fn lr(&self, step: u64) -> f64;

    /// Whether a cycle ends with update `step`: the moment to take a snapshot.
    fn ends_cycle(&self, step: u64) -> bool {
        let _ = step;
        false
    }

    /// The momentum of update `step`, for schedules that cycle it (`one_cycle`).
    fn momentum(&self, step: u64) -> Option<f64> {
        let _ = step;
        None
    }
}

impl Schedule for f64 {
    fn lr(&self, _step: u64) -> f64 {
        *self
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn lr(&self, step: u64) -> f64 {
        (**self).lr(step)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        (**self).ends_cycle(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        (**self).momentum(step)
    }
}

/// A schedule that begins at a later update: its own update 0 is the run's update `start`.
#[derive(Debug)]
pub struct Delayed {
    /// The schedule.
    pub schedule: Box<dyn Schedule>,
    /// The update at which it begins.
    pub start: u64,
}

impl Schedule for Delayed {
    fn lr(&self, step: u64) -> f64 {
        self.schedule.lr(step.saturating_sub(self.start))
    }

    fn ends_cycle(&self, step: u64) -> bool {
        step >= self.start && self.schedule.ends_cycle(step - self.start)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.schedule.momentum(step.saturating_sub(self.start))
    }
}
