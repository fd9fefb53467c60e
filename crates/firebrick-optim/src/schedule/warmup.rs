//! `warmup`: linear warmup, then another schedule.
//!
//! ```text
//! lr(k) = then(0) · (start_factor + (1 - start_factor) · k / steps)   for k < steps
//! lr(k) = then(k - steps)                                             afterwards
//! ```
//!
//! Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017,
//! section 2.2. Reference: PyTorch's `SequentialLR([LinearLR(start_factor, total_iters=steps),
//! then], milestones=[steps])`. Differs from it in the default `start_factor` (PyTorch: 1/3), which
//! is that of torchvision's training recipes.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::length::Length;
use firebrick_core::schedule::Observation;
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "warmup";

/// Configuration of [`Warmup`]: `warmup(1ep, then=cosine)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarmupConfig {
    /// The length of the rise: at least one update, at most the run, and at most what follows where
    /// that ends before the run.
    pub steps: Length,
    /// The first rate is this share of the first rate of `then`; in [0, 1].
    pub start_factor: f64,
    /// What follows; its own length, where it is left out, is the rest of the run.
    pub then: Spec,
}

impl Default for WarmupConfig {
    fn default() -> Self {
        Self {
            steps: Length::Epochs(1.0),
            start_factor: 0.01,
            then: Spec::new("constant"),
        }
    }
}

impl WarmupConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field, here or in what follows.
    pub fn build(&self, outlook: &Outlook) -> Result<Warmup, ConfigError> {
        self.parts(outlook).map(|(warmup, ..)| warmup)
    }

    /// The schedule; the spec of what follows with everything filled in; the length of both.
    fn parts(&self, outlook: &Outlook) -> Result<(Warmup, Spec, Option<u64>), ConfigError> {
        Self::ABOUT.check(self)?;
        if self.then.name == NAME {
            return Err(ConfigError::Conflict(
                "warmup: then = warmup(…) warms up twice; use one warmup with the sum of the lengths"
                    .into(),
            ));
        }
        let steps = outlook.updates_within_run(NAME, Some(self.steps))?;
        let after = outlook.after(steps);
        let then = (outlook.build)(&self.then, &after)?;
        // What takes the rest of a short run may well be shorter than its warmup.
        if let Some(lasts) = then.lasts.filter(|lasts| *lasts < after.rest().min(steps)) {
            let range = format!(
                "at most {lasts}, the number of updates of the {} that follows",
                self.then.name
            );
            return Err(ConfigError::out_of_range(NAME, "steps", self.steps, range));
        }
        let warmup = Warmup {
            steps,
            start_factor: self.start_factor,
            then: then.schedule,
        };
        let lasts = then.lasts.map(|lasts| lasts.saturating_add(steps));
        Ok((warmup, then.spec, lasts))
    }
}

impl ScheduleConfig for WarmupConfig {
    const ABOUT: About = About::new(
        NAME,
        "linear warmup, then another schedule",
        &[
            Field::new("steps", Range::Length),
            Field::new("start_factor", Range::Within(0.0, 1.0)),
            Field::new("then", Range::Unit("schedule")),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let (warmup, then, lasts) = self.parts(outlook)?;
        let resolved = Self {
            steps: Length::Updates(warmup.steps),
            start_factor: self.start_factor,
            then,
        };
        Ok(BuiltSchedule {
            lasts,
            ..BuiltSchedule::new(warmup, &resolved)
        })
    }
}

/// A linear rise, then another schedule.
#[derive(Debug)]
pub struct Warmup {
    steps: u64,
    start_factor: f64,
    then: Box<dyn Schedule>,
}

impl Schedule for Warmup {
    fn lr(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.then.lr(step - self.steps);
        }
        let share = step as f64 / self.steps as f64;
        self.then.lr(0) * (self.start_factor + (1.0 - self.start_factor) * share)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        step >= self.steps && self.then.ends_cycle(step - self.steps)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.then.momentum(step.saturating_sub(self.steps))
    }

    fn weight_decay(&self, step: u64) -> Option<f64> {
        self.then.weight_decay(step.saturating_sub(self.steps))
    }

    fn length(&self) -> Option<u64> {
        let length = self.then.length();
        length.map(|length| length.saturating_add(self.steps))
    }

    fn observe(&mut self, epoch: Observation) {
        // An epoch of the rise says nothing about the schedule that follows.
        if epoch.step > self.steps {
            let step = epoch.step - self.steps;
            self.then.observe(Observation { step, ..epoch });
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    fn build(text: &str) -> Warmup {
        let config: WarmupConfig = text.parse::<Spec>().unwrap().resolve().unwrap();
        let run = RunLength::new(10, 10, 1, 1);
        config.build(&Outlook::new(run, 0.5)).unwrap()
    }

    #[test]
    fn the_rise_ends_where_the_next_begins() {
        let warmup = build("warmup(1ep, 0.2, then=cosine)");
        let rates: Vec<_> = [0, 5, 10, 55].map(|step| warmup.lr(step)).to_vec();
        let expected = [0.1, 0.3, 0.5, 0.25];
        for (rate, expected) in rates.iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        assert_eq!(warmup.lr(100), 0.0, "the cosine takes the rest of the run");
        let ends: Vec<_> = (0..200).filter(|step| warmup.ends_cycle(*step)).collect();
        assert_eq!(ends, [99]);
    }

    #[test]
    fn momentum_waits_at_its_first_value() {
        let warmup = build("warmup(10, then=one_cycle)");
        assert!((warmup.momentum(0).unwrap() - 0.95).abs() < 1e-12);
        assert!((warmup.momentum(10 + 26).unwrap() - 0.85).abs() < 1e-12);
        assert_eq!(build("warmup(10, then=constant)").momentum(0), None);
    }
}
