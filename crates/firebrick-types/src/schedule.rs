//! The trait of learning-rate schedules: a pure function that is defined for every update.

use std::fmt::Debug;

/// The learning rate as a pure function of the optimizer update.
///
/// `lr(k)` is the rate of the (k+1)-th update. It is total: defined, finite and not negative for
/// every `u64`; past its length a schedule holds its last value. The only state is the trainer's
/// update counter, and the history of epochs for schedules that [observe](Self::observe) it; so a
/// resumed run needs nothing from the schedule.
pub trait Schedule: Send + Sync + Debug {
    /// The rate of update `step` (from 0), absolute; parameter groups multiply it.
    fn lr(&self, step: u64) -> f64;

    /// Whether a cycle ends with update `step`: the moment to take a snapshot.
    fn ends_cycle(&self, step: u64) -> bool {
        let _ = step;
        false
    }

    /// The momentum of update `step`, where it is scheduled, or cycled with the rate (`one_cycle`).
    fn momentum(&self, step: u64) -> Option<f64> {
        let _ = step;
        None
    }

    /// The weight decay of update `step`, where it is scheduled.
    fn weight_decay(&self, step: u64) -> Option<f64> {
        let _ = step;
        None
    }

    /// The updates after which the rate no longer changes; `None` where it may change for ever.
    fn length(&self) -> Option<u64> {
        None
    }

    /// Takes note of the monitored metric of an epoch, for schedules that follow it (`plateau`).
    ///
    /// Epochs come in order; after a resume all of them come again. So the rate is still a pure
    /// function: of the update and the metrics of the epochs before it.
    fn observe(&mut self, epoch: Observation) {
        let _ = epoch;
    }
}

/// The monitored metric after an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Updates of the run so far: the first that the metric can change has this number.
    pub step: u64,
    /// The value.
    pub value: f64,
    /// Whether a larger value is better.
    pub higher_is_better: bool,
}

impl Schedule for f64 {
    fn lr(&self, _step: u64) -> f64 {
        *self
    }

    fn length(&self) -> Option<u64> {
        Some(0)
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

    fn weight_decay(&self, step: u64) -> Option<f64> {
        (**self).weight_decay(step)
    }

    fn length(&self) -> Option<u64> {
        (**self).length()
    }

    fn observe(&mut self, epoch: Observation) {
        (**self).observe(epoch);
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

    fn weight_decay(&self, step: u64) -> Option<f64> {
        self.schedule.weight_decay(step.saturating_sub(self.start))
    }

    fn length(&self) -> Option<u64> {
        let length = self.schedule.length();
        length.map(|length| length.saturating_add(self.start))
    }

    fn observe(&mut self, epoch: Observation) {
        // What the parent run saw is not this schedule's.
        if epoch.step > self.start {
            let step = epoch.step - self.start;
            self.schedule.observe(Observation { step, ..epoch });
        }
    }
}
