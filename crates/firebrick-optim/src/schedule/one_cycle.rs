//! `one_cycle`: up to `max_lr`, then far down; momentum the other way.
//!
//! Source: Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
//! Learning Rates", 2018. Reference: PyTorch's `OneCycleLR`, value by value, momentum included.
//! With `steps` updates, counted from 0, the rate passes through
//!
//! ```text
//! update                   two phases                          three phases
//! 0                        max_lr / div_factor                 max_lr / div_factor
//! pct_start · steps - 1    max_lr                              max_lr
//! 2 · pct_start · steps - 2                                    max_lr / div_factor
//! steps - 1                max_lr / div_factor / final_div_factor   (both)
//! ```
//!
//! and the momentum, with `cycle_momentum`, through `max_momentum`, `base_momentum`,
//! `max_momentum`. Between these places both follow half a cosine, or a line.
//!
//! Differs from PyTorch's: after its end it holds its last value instead of failing; three phases
//! need `pct_start` ≤ 0.5, beyond which PyTorch never reaches the last; a first phase of a single
//! update is `max_lr`, where PyTorch divides by zero.

use std::f64::consts::PI;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "one_cycle";

/// The way from one rate to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cos,
    /// A line.
    Linear,
}

/// Configuration of [`OneCycle`]; PyTorch's names and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneCycleConfig {
    /// The highest rate, finite and ≥ 0; the plan's where it is left out.
    pub max_lr: Option<f64>,
    /// The length, at least one update and at most the rest of the run, which it is where it is
    /// left out.
    pub steps: Option<Length>,
    /// Share of the length in which the rate rises, in [0, 1]; with three phases in [0, 0.5].
    pub pct_start: f64,
    /// The first rate is `max_lr / div_factor`; finite and ≥ 1.
    pub div_factor: f64,
    /// The last rate is the first divided by this; finite and ≥ 1 / `div_factor`.
    pub final_div_factor: f64,
    /// The way from one rate to the next.
    pub anneal: Anneal,
    /// Back to the first rate as fast as up, then to the last.
    pub three_phase: bool,
    /// Whether the momentum (`beta1` of Adam) falls while the rate rises. The optimizer's own
    /// momentum is then not used.
    pub cycle_momentum: bool,
    /// The momentum at the highest rate, in [0, 1).
    pub base_momentum: f64,
    /// The momentum at the first and the last rate, in [0, 1).
    pub max_momentum: f64,
}

impl Default for OneCycleConfig {
    fn default() -> Self {
        Self {
            max_lr: None,
            steps: None,
            pct_start: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
            anneal: Anneal::Cos,
            three_phase: false,
            cycle_momentum: true,
            base_momentum: 0.85,
            max_momentum: 0.95,
        }
    }
}

impl OneCycleConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<OneCycle, ConfigError> {
        Self::ABOUT.check(self)?;
        let max_lr = self.max_lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "max_lr", max_lr)?;
        let last_start = if self.three_phase { 0.5 } else { 1.0 };
        check(NAME, "pct_start", self.pct_start, 0.0..=last_start)?;
        let least = 1.0 / self.div_factor;
        check_at_least("final_div_factor", self.final_div_factor, least)?;
        let steps = outlook.updates_within_run(NAME, self.steps)?;
        let knots = self.knots(max_lr, steps as f64);
        Ok(OneCycle {
            max_lr,
            steps,
            knots,
            anneal: self.anneal,
            cycle_momentum: self.cycle_momentum,
        })
    }

    /// The places that the rate and the momentum pass through.
    fn knots(&self, max_lr: f64, steps: f64) -> Vec<Knot> {
        let first_lr = max_lr / self.div_factor;
        let last_lr = first_lr / self.final_div_factor;
        let knot = |at, lr, momentum| Knot { at, lr, momentum };
        let rise = self.pct_start * steps;
        let mut knots = vec![
            knot(0.0, first_lr, self.max_momentum),
            knot(rise - 1.0, max_lr, self.base_momentum),
        ];
        if self.three_phase {
            knots.push(knot(2.0 * rise - 2.0, first_lr, self.max_momentum));
        }
        knots.push(knot(steps - 1.0, last_lr, self.max_momentum));
        knots
    }
}

impl ScheduleConfig for OneCycleConfig {
    const ABOUT: About = About::new(
        NAME,
        "the 1cycle policy: up to max_lr, then down to almost 0; the momentum moves the other way",
        &[
            Field::new("max_lr", Range::NotNegative),
            Field::new("steps", Range::Length),
            Field::new("pct_start", Range::Within(0.0, 1.0)),
            Field::new("div_factor", Range::AtLeast(1.0)),
            Field::new("final_div_factor", Range::Positive),
            Field::new("anneal", Range::Choice(&["cos", "linear"])),
            Field::new("three_phase", Range::Flag),
            Field::new("cycle_momentum", Range::Flag),
            Field::new("base_momentum", Range::Share),
            Field::new("max_momentum", Range::Share),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            max_lr: Some(schedule.max_lr),
            steps: Some(Length::Updates(schedule.steps)),
            ..self.clone()
        };
        let steps = schedule.steps;
        Ok(BuiltSchedule::new(schedule, &resolved).lasting(steps))
    }
}

fn check_at_least(field: &str, value: f64, least: f64) -> Result<(), ConfigError> {
    if value.is_finite() && value >= least {
        return Ok(());
    }
    let range = format!("finite and at least {least}");
    Err(ConfigError::out_of_range(NAME, field, value, range))
}

/// Up, then far down; its one cycle ends with its last update.
#[derive(Debug, Clone, PartialEq)]
pub struct OneCycle {
    max_lr: f64,
    steps: u64,
    knots: Vec<Knot>,
    anneal: Anneal,
    cycle_momentum: bool,
}

/// A place that the rate and the momentum pass through. It may lie between updates, or before the
/// first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Knot {
    at: f64,
    lr: f64,
    momentum: f64,
}

impl OneCycle {
    /// The value of `field` at an update.
    fn value(&self, step: u64, field: fn(&Knot) -> f64) -> f64 {
        let at = step.min(self.steps - 1) as f64;
        let last = self.knots.len() - 1;
        let end = (1..last)
            .find(|end| at <= self.knots[*end].at)
            .unwrap_or(last);
        let (from, to) = (&self.knots[end - 1], &self.knots[end]);
        let length = to.at - from.at;
        let share = if length > 0.0 {
            (at - from.at) / length
        } else {
            1.0
        };
        let (start, goal) = (field(from), field(to));
        match self.anneal {
            Anneal::Cos => goal + (start - goal) / 2.0 * ((PI * share).cos() + 1.0),
            Anneal::Linear => (goal - start) * share + start,
        }
    }
}

impl Schedule for OneCycle {
    fn lr(&self, step: u64) -> f64 {
        self.value(step, |knot| knot.lr).max(0.0)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        step == self.steps - 1
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.cycle_momentum
            .then(|| self.value(step, |knot| knot.momentum))
    }

    fn length(&self) -> Option<u64> {
        Some(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    fn build(config: &OneCycleConfig, updates: u64) -> OneCycle {
        let run = RunLength {
            updates,
            updates_per_epoch: updates,
        };
        config.build(&Outlook::new(run, 1.0)).unwrap()
    }

    #[test]
    fn it_passes_through_its_knots() {
        let cycle = build(&OneCycleConfig::default(), 100);
        let near = |value: f64, expected: f64| (value - expected).abs() < 1e-12;
        assert!(near(cycle.lr(0), 0.04));
        assert!(near(cycle.lr(29), 1.0));
        assert!(near(cycle.lr(99), 4e-6));
        assert!(near(cycle.lr(u64::MAX), 4e-6));
        assert!(near(cycle.momentum(0).unwrap(), 0.95));
        assert!(near(cycle.momentum(29).unwrap(), 0.85));
        assert!(near(cycle.momentum(99).unwrap(), 0.95));
        let ends: Vec<_> = (0..200).filter(|step| cycle.ends_cycle(*step)).collect();
        assert_eq!(ends, [99]);
    }

    #[test]
    fn short_and_lopsided_cycles_are_total() {
        for three_phase in [false, true] {
            for pct_start in [0.0, 0.1, 0.3, 0.5, 1.0] {
                if three_phase && pct_start > 0.5 {
                    continue;
                }
                for updates in 1..12 {
                    let config = OneCycleConfig {
                        pct_start,
                        three_phase,
                        ..OneCycleConfig::default()
                    };
                    let cycle = build(&config, updates);
                    for step in 0..updates + 3 {
                        let (lr, momentum) = (cycle.lr(step), cycle.momentum(step).unwrap());
                        let place = format!("{three_phase} {pct_start} {updates} {step}: {lr}");
                        assert!((4e-6 - 1e-15..=1.0 + 1e-15).contains(&lr), "{place}");
                        assert!((0.85 - 1e-12..=0.95 + 1e-12).contains(&momentum), "{place}");
                    }
                }
            }
        }
    }
}
