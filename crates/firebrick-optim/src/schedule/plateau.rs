//! `plateau`: times `factor` when the monitored metric has stopped improving.
//!
//! ```text
//! after each epoch: if the metric beats the best by the threshold, the best is it and bad = 0,
//!                   else bad = bad + 1
//!                   if cooldown is not over: bad = 0
//!                   if bad > patience: lr = max(factor · lr, min_lr), unless that changes it by eps or
//!                                      less; cooldown begins; bad = 0
//! beats:            metric < best · (1 - threshold)   (rel, min)    best · (1 + threshold) < metric   (rel, max)
//!                   metric < best - threshold         (abs, min)    best + threshold < metric         (abs, max)
//! ```
//!
//! Reference: PyTorch's `ReduceLROnPlateau`. Differs from it in `mode`, which by default is that of the
//! monitored metric, and in that an update that was made keeps its rate: what is kept is from which
//! update on the rate is what, so that the rate is a function of the update and of the epochs before
//! it, and a resumed run, which sees all epochs again, goes on exactly. A metric that is NaN does not
//! improve.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::schedule::Observation;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "plateau";

/// Which metric is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As the monitored metric says: the lower loss, the higher accuracy.
    #[default]
    Auto,
    /// The lower.
    Min,
    /// The higher.
    Max,
}

/// What the threshold is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMode {
    /// The best value.
    #[default]
    Rel,
    /// Nothing: it is a difference.
    Abs,
}

/// Configuration of [`Plateau`]; PyTorch's names and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// What the rate is multiplied by, in [0, 1).
    pub factor: f64,
    /// Epochs without improvement that are forgiven.
    pub patience: u64,
    /// What counts as an improvement: in [0, 1) relative, finite and ≥ 0 absolute.
    pub threshold: f64,
    /// What the threshold is measured by.
    pub threshold_mode: ThresholdMode,
    /// Epochs after a change in which none counts as bad.
    pub cooldown: u64,
    /// The lowest rate, in [0, lr].
    pub min_lr: f64,
    /// Changes of this size or less are not made; finite and ≥ 0.
    pub eps: f64,
    /// Which metric is the better one.
    pub mode: Mode,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        Self {
            lr: None,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
            mode: Mode::Auto,
        }
    }
}

impl PlateauConfig {
    /// The schedule, before any epoch.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Plateau, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        if self.threshold_mode == ThresholdMode::Rel {
            // At 1 the first loss would have to be below nothing.
            check(NAME, "threshold", self.threshold, 0.0..1.0)?;
        }
        check(NAME, "min_lr", self.min_lr, 0.0..=lr)?;
        let config = Self {
            lr: Some(lr),
            ..self.clone()
        };
        Ok(Plateau {
            config,
            rates: vec![(0, lr)],
            best: None,
            bad: 0,
            cooldown: 0,
        })
    }

    fn beats(&self, value: f64, best: Option<f64>, higher_is_better: bool) -> bool {
        let Some(best) = best else {
            return value.is_finite();
        };
        let threshold = self.threshold;
        match (self.threshold_mode, higher_is_better) {
            (ThresholdMode::Rel, true) => value > best * (1.0 + threshold),
            (ThresholdMode::Rel, false) => value < best * (1.0 - threshold),
            (ThresholdMode::Abs, true) => value > best + threshold,
            (ThresholdMode::Abs, false) => value < best - threshold,
        }
    }
}

impl ScheduleConfig for PlateauConfig {
    const ABOUT: About = About::new(
        NAME,
        "multiplies the rate by factor when the monitored metric stops improving",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("factor", Range::Share),
            Field::new("patience", Range::Count(0)),
            Field::new("threshold", Range::NotNegative),
            Field::new("threshold_mode", Range::Choice(&["rel", "abs"])),
            Field::new("cooldown", Range::Count(0)),
            Field::new("min_lr", Range::UpTo("lr")),
            Field::new("eps", Range::NotNegative),
            Field::new("mode", Range::Choice(&["auto", "min", "max"])),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = schedule.config.clone();
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// A staircase that the metric cuts. It has no cycles and no end.
#[derive(Debug, Clone, PartialEq)]
pub struct Plateau {
    config: PlateauConfig,
    /// From which update on the rate is what, in order; the first begins at 0.
    rates: Vec<(u64, f64)>,
    best: Option<f64>,
    bad: u64,
    cooldown: u64,
}

impl Schedule for Plateau {
    fn lr(&self, step: u64) -> f64 {
        let begun = self.rates.partition_point(|(from, _)| *from <= step);
        self.rates[begun.max(1) - 1].1
    }

    fn observe(&mut self, epoch: Observation) {
        let config = &self.config;
        let higher_is_better = match config.mode {
            Mode::Auto => epoch.higher_is_better,
            Mode::Min => false,
            Mode::Max => true,
        };
        if config.beats(epoch.value, self.best, higher_is_better) {
            self.best = Some(epoch.value);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad = 0;
        }
        if self.bad > config.patience {
            let old = self.lr(u64::MAX);
            let new = (old * config.factor).max(config.min_lr);
            if old - new > config.eps {
                self.rates.push((epoch.step, new));
            }
            self.cooldown = self.config.cooldown;
            self.bad = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;
    use firebrick_core::spec::Spec;

    use super::*;

    fn build(text: &str) -> Plateau {
        let config: PlateauConfig = text.parse::<Spec>().unwrap().resolve().unwrap();
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 1.0);
        config.build(&outlook).unwrap()
    }

    fn observe(plateau: &mut Plateau, values: &[f64], higher_is_better: bool) {
        for (epoch, value) in values.iter().enumerate() {
            plateau.observe(Observation {
                step: 10 * (epoch as u64 + 1),
                value: *value,
                higher_is_better,
            });
        }
    }

    #[test]
    fn updates_that_were_made_keep_their_rate() {
        let mut plateau = build("plateau(factor=0.5, patience=1)");
        observe(&mut plateau, &[1.0, 1.0, 1.0, 0.5, 0.5, 0.5], false);
        let rates = [0, 29, 30, 59, 60, u64::MAX].map(|step| plateau.lr(step));
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn the_direction_is_the_metrics_unless_it_is_given() {
        let rising = [0.1, 0.2, 0.3, 0.4];
        for (text, higher_is_better, falls) in [
            ("plateau(patience=0)", true, false),
            ("plateau(patience=0)", false, true),
            ("plateau(patience=0, mode=max)", false, false),
            ("plateau(patience=0, mode=min)", true, true),
        ] {
            let mut plateau = build(text);
            observe(&mut plateau, &rising, higher_is_better);
            assert_eq!(plateau.lr(u64::MAX) < 1.0, falls, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_does_not_improve() {
        let mut plateau = build("plateau(patience=1, factor=0.5)");
        observe(&mut plateau, &[f64::NAN, f64::NAN, 1.0, f64::NAN], false);
        assert_eq!(plateau.lr(u64::MAX), 0.5);
        assert_eq!(plateau.best, Some(1.0));
    }
}
