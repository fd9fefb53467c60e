//! `cyclic`: up from `base_lr` to `max_lr` and down again, without end.
//!
//! ```text
//! lr(k) = base_lr + (max_lr - base_lr) · s(t) · f
//! s(t)  = t / step_size_up                          while t ≤ step_size_up
//!         (up + down - t) / step_size_down          afterwards
//! f     = 1 (triangular),   2^-i (triangular2),   gamma^k (exp_range)
//! ```
//!
//! for update `t` of cycle `i`, both from 0. With `cycle_momentum` the momentum is
//! `max_momentum - (max_momentum - base_momentum) · s(t) · f`.
//!
//! Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.
//! Reference: PyTorch's `CyclicLR`. Differs from it in that the place in the cycle is counted in whole
//! updates, so that it is exact however long the run; in `base_lr`, which PyTorch demands and which
//! here is a quarter of `max_lr` where it is left out (section 3.3 of the paper); and in that `gamma`
//! may not exceed 1.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "cyclic";

/// How the height of the peaks changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not at all.
    #[default]
    Triangular,
    /// It halves from one cycle to the next.
    Triangular2,
    /// It shrinks by `gamma` with each update.
    ExpRange,
}

/// Configuration of [`Cyclic`]; PyTorch's names and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CyclicConfig {
    /// The lowest rate, in [0, max_lr]; a quarter of `max_lr` where it is left out.
    pub base_lr: Option<f64>,
    /// The highest rate, finite and ≥ 0; the plan's where it is left out.
    pub max_lr: Option<f64>,
    /// The length of the way up, at least one update.
    pub step_size_up: Length,
    /// The length of the way down, at least one update; that of the way up where it is left out.
    pub step_size_down: Option<Length>,
    /// How the height of the peaks changes.
    pub mode: Mode,
    /// The factor of each update in the mode `exp_range`, in [0, 1].
    pub gamma: f64,
    /// Whether the momentum (`beta1` of Adam) falls while the rate rises. The optimizer's own
    /// momentum is then not used.
    pub cycle_momentum: bool,
    /// The momentum at the highest rate, in [0, max_momentum].
    pub base_momentum: f64,
    /// The momentum at the lowest rate, in [0, 1).
    pub max_momentum: f64,
}

impl Default for CyclicConfig {
    fn default() -> Self {
        Self {
            base_lr: None,
            max_lr: None,
            step_size_up: Length::Updates(2000),
            step_size_down: None,
            mode: Mode::Triangular,
            gamma: 1.0,
            cycle_momentum: true,
            base_momentum: 0.8,
            max_momentum: 0.9,
        }
    }
}

impl CyclicConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Cyclic, ConfigError> {
        Self::ABOUT.check(self)?;
        let max_lr = self.max_lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "max_lr", max_lr)?;
        let base_lr = self.base_lr.unwrap_or(max_lr / 4.0);
        check(NAME, "base_lr", base_lr, 0.0..=max_lr)?;
        check(
            NAME,
            "base_momentum",
            self.base_momentum,
            0.0..=self.max_momentum,
        )?;
        let up = outlook.at_least_one(NAME, "step_size_up", self.step_size_up)?;
        let down = match self.step_size_down {
            Some(down) => outlook.at_least_one(NAME, "step_size_down", down)?,
            None => up,
        };
        Ok(Cyclic {
            base_lr,
            max_lr,
            up,
            down,
            mode: self.mode,
            gamma: self.gamma,
            momentum: self
                .cycle_momentum
                .then_some((self.base_momentum, self.max_momentum)),
        })
    }
}

impl ScheduleConfig for CyclicConfig {
    const ABOUT: About = About::new(
        NAME,
        "triangular cycles between base_lr and max_lr; the momentum moves the other way",
        &[
            Field::new("base_lr", Range::UpTo("max_lr")),
            Field::new("max_lr", Range::NotNegative),
            Field::new("step_size_up", Range::Length),
            Field::new("step_size_down", Range::Length),
            Field::new(
                "mode",
                Range::Choice(&["triangular", "triangular2", "exp_range"]),
            ),
            Field::new("gamma", Range::Within(0.0, 1.0)),
            Field::new("cycle_momentum", Range::Flag),
            Field::new("base_momentum", Range::UpTo("max_momentum")),
            Field::new("max_momentum", Range::Share),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            base_lr: Some(schedule.base_lr),
            max_lr: Some(schedule.max_lr),
            step_size_up: Length::Updates(schedule.up),
            step_size_down: Some(Length::Updates(schedule.down)),
            ..self.clone()
        };
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// Up and down without end. A cycle ends with the last update before the rate is lowest again.
#[derive(Debug, Clone, PartialEq)]
pub struct Cyclic {
    base_lr: f64,
    max_lr: f64,
    up: u64,
    down: u64,
    mode: Mode,
    gamma: f64,
    momentum: Option<(f64, f64)>,
}

impl Cyclic {
    /// The cycle and the update within it. A cycle of more updates than 64 bits count has no second.
    fn place(&self, step: u64) -> (u64, u64) {
        match self.up.checked_add(self.down) {
            Some(length) => (step / length, step % length),
            None => (0, step),
        }
    }

    /// The height above the base, in [0, 1].
    fn height(&self, step: u64) -> f64 {
        let (cycle, at) = self.place(step);
        let slope = if at <= self.up {
            at as f64 / self.up as f64
        } else {
            (self.down - (at - self.up)) as f64 / self.down as f64
        };
        slope
            * match self.mode {
                Mode::Triangular => 1.0,
                Mode::Triangular2 => (-(cycle as f64)).exp2(),
                Mode::ExpRange => self.gamma.powf(step as f64),
            }
    }
}

impl Schedule for Cyclic {
    fn lr(&self, step: u64) -> f64 {
        self.base_lr + (self.max_lr - self.base_lr) * self.height(step)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        let (_, at) = self.place(step);
        at >= self.up && at - self.up == self.down - 1
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (base, max) = self.momentum?;
        Some(max - (max - base) * self.height(step))
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;
    use firebrick_core::spec::Spec;

    use super::*;

    fn build(text: &str) -> Cyclic {
        let config: CyclicConfig = text.parse::<Spec>().unwrap().resolve().unwrap();
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 1.0);
        config.build(&outlook).unwrap()
    }

    #[test]
    fn up_and_down_and_the_ends_of_both() {
        let schedule =
            build("cyclic(base_lr=0.2, step_size_up=2, step_size_down=4, mode=triangular2)");
        let rates: Vec<_> = (0..9).map(|step| schedule.lr(step)).collect();
        for (rate, expected) in rates
            .iter()
            .zip([0.2, 0.6, 1.0, 0.8, 0.6, 0.4, 0.2, 0.4, 0.6])
        {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        let ends: Vec<_> = (0..20).filter(|step| schedule.ends_cycle(*step)).collect();
        assert_eq!(ends, [5, 11, 17]);
        let shortest = build("cyclic(step_size_up=1)");
        let ends: Vec<_> = (0..6).filter(|step| shortest.ends_cycle(*step)).collect();
        assert_eq!(ends, [1, 3, 5]);
        assert_eq!(shortest.lr(0), 0.25);
    }

    #[test]
    fn no_number_of_updates_is_too_large() {
        for text in [
            "cyclic(step_size_up=1, mode=triangular2)",
            "cyclic(step_size_up=9223372036854775807)",
            "cyclic(step_size_up=7, gamma=0.5, mode=exp_range)",
        ] {
            let mut schedule = build(text);
            schedule.down = schedule.down.max(1 << 63);
            for schedule in [build(text), schedule] {
                for step in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
                    let lr = schedule.lr(step);
                    assert!((0.25..=1.0).contains(&lr), "{text} {step}: {lr}");
                    schedule.ends_cycle(step);
                }
            }
        }
    }
}
