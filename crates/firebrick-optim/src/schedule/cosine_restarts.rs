//! `cosine_restarts`: half a cosine from `lr` down to `min_lr`, again and again (SGDR).
//!
//! ```text
//! lr(k) = min_lr + (peak_i - min_lr) / 2 · (1 + cos(π · t / T_i))
//! ```
//!
//! for update `t` of cycle `i`, both from 0, with `T_i = cycle · mult^i` and `peak_i = lr · decay^i`,
//! which stays at `min_lr` or above. After `limit` cycles the rate stays at `min_lr`.
//!
//! Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
//! equation 5; `decay` and `limit` are timm's. Reference: PyTorch's `CosineAnnealingWarmRestarts`
//! (`T_0`, `T_mult`, `eta_min`), timm's `CosineLRScheduler` (`cycle_decay`, `cycle_limit`). Differs
//! from timm's in that `mult` is whole, so that cycles end with an update, in that peaks do not fall
//! below `min_lr`, and in that without a `limit` there is none (timm: 1).

use std::f64::consts::PI;

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::{check, check_not_negative};
use firebrick_core::length::Length;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig, required};

/// The name in spec strings.
pub const NAME: &str = "cosine_restarts";

/// Configuration of [`CosineRestarts`]: `cosine_restarts(0.1, cycle=10ep, mult=2)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosineRestartsConfig {
    /// The first rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
    /// The length of the first cycle (T₀), at least one update. It has no default.
    pub cycle: Option<Length>,
    /// Each cycle is this many times as long as the one before; at least 1.
    pub mult: u64,
    /// Each peak is this many times as high as the one before; in (0, 1].
    pub decay: f64,
    /// The number of cycles, at least 1; without it they never end.
    pub limit: Option<u64>,
    /// The rate at the end of each cycle, in [0, lr].
    pub min_lr: f64,
}

impl Default for CosineRestartsConfig {
    fn default() -> Self {
        Self {
            lr: None,
            cycle: None,
            mult: 1,
            decay: 1.0,
            limit: None,
            min_lr: 0.0,
        }
    }
}

impl CosineRestartsConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<CosineRestarts, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        check(NAME, "min_lr", self.min_lr, 0.0..=lr)?;
        let cycle = required(NAME, "cycle", self.cycle.as_ref(), "cycle=10ep, mult=2")?;
        Ok(CosineRestarts {
            lr,
            cycle: outlook.at_least_one(NAME, "cycle", cycle)?,
            mult: self.mult,
            decay: self.decay,
            limit: self.limit,
            min_lr: self.min_lr,
        })
    }
}

impl ScheduleConfig for CosineRestartsConfig {
    const ABOUT: About = About::new(
        NAME,
        "cosine decay with warm restarts (SGDR); mult makes each cycle longer than the one before",
        &[
            Field::new("lr", Range::NotNegative),
            Field::new("cycle", Range::Length),
            Field::new("mult", Range::Count(1)),
            Field::new("decay", Range::Factor),
            Field::new("limit", Range::Count(1)),
            Field::new("min_lr", Range::UpTo("lr")),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let lasts = schedule.length();
        let resolved = Self {
            lr: Some(schedule.lr),
            cycle: Some(Length::Updates(schedule.cycle)),
            ..self.clone()
        };
        Ok(BuiltSchedule {
            lasts,
            ..BuiltSchedule::new(schedule, &resolved)
        })
    }
}

/// Half a cosine again and again. A cycle ends with the last update before each restart, and before
/// the end.
#[derive(Debug, Clone, PartialEq)]
pub struct CosineRestarts {
    lr: f64,
    cycle: u64,
    mult: u64,
    decay: f64,
    limit: Option<u64>,
    min_lr: f64,
}

/// Where an update lies.
struct Place {
    /// The cycle, from 0.
    cycle: u64,
    /// The update within the cycle, from 0.
    at: u64,
    /// Updates of the cycle.
    length: u64,
}

impl CosineRestarts {
    fn place(&self, step: u64) -> Place {
        if self.mult == 1 {
            return Place {
                cycle: step / self.cycle,
                at: step % self.cycle,
                length: self.cycle,
            };
        }
        // At most 64 cycles that double fit into 64 bits.
        let mut place = Place {
            cycle: 0,
            at: step,
            length: self.cycle,
        };
        while place.at >= place.length {
            place.at -= place.length;
            place.length = place.length.saturating_mul(self.mult);
            place.cycle += 1;
        }
        place
    }

    fn is_over(&self, place: &Place) -> bool {
        self.limit.is_some_and(|limit| place.cycle >= limit)
    }
}

impl Schedule for CosineRestarts {
    fn lr(&self, step: u64) -> f64 {
        let place = self.place(step);
        if self.is_over(&place) {
            return self.min_lr;
        }
        let peak = (self.lr * self.decay.powf(place.cycle as f64)).max(self.min_lr);
        let phase = PI * place.at as f64 / place.length as f64;
        self.min_lr + (peak - self.min_lr) / 2.0 * (1.0 + phase.cos())
    }

    fn ends_cycle(&self, step: u64) -> bool {
        let place = self.place(step);
        !self.is_over(&place) && place.at == place.length - 1
    }

    fn length(&self) -> Option<u64> {
        let limit = self.limit?;
        if self.mult == 1 {
            return self.cycle.checked_mul(limit);
        }
        let (mut sum, mut length) = (0_u64, self.cycle);
        for cycle in 0..limit {
            sum = sum.checked_add(length)?;
            if cycle + 1 < limit {
                length = length.checked_mul(self.mult)?;
            }
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;
    use firebrick_core::spec::Spec;

    use super::*;

    fn build(text: &str) -> CosineRestarts {
        let config: CosineRestartsConfig = text.parse::<Spec>().unwrap().resolve().unwrap();
        let outlook = Outlook::new(RunLength::new(10, 10, 1, 1), 1.0);
        config.build(&outlook).unwrap()
    }

    #[test]
    fn cycles_grow_and_peaks_fall_until_the_limit() {
        let schedule = build("cosine_restarts(cycle=1ep, mult=2, decay=0.5, limit=3, min_lr=0.1)");
        let rates = [0, 10, 30, 70, u64::MAX].map(|step| schedule.lr(step));
        for (rate, expected) in rates.iter().zip([1.0, 0.5, 0.25, 0.1, 0.1]) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        let ends: Vec<_> = (0..200).filter(|step| schedule.ends_cycle(*step)).collect();
        assert_eq!(ends, [9, 29, 69]);
        assert_eq!(schedule.length(), Some(70));
        assert_eq!(build("cosine_restarts(cycle=10)").length(), None);
    }

    #[test]
    fn peaks_stay_above_the_lowest_rate() {
        let schedule = build("cosine_restarts(cycle=10, decay=0.1, min_lr=0.5)");
        assert_eq!(schedule.lr(20), 0.5);
        assert_eq!(schedule.lr(25), 0.5);
    }

    #[test]
    fn no_number_of_updates_is_too_large() {
        for text in [
            "cosine_restarts(cycle=1)",
            "cosine_restarts(cycle=1, mult=2)",
            "cosine_restarts(cycle=3, mult=9223372036854775807)",
            "cosine_restarts(cycle=9223372036854775807, mult=3, limit=9223372036854775807)",
        ] {
            let schedule = build(text);
            for step in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1] {
                let lr = schedule.lr(step);
                assert!((0.0..=1.0).contains(&lr), "{text} {step}: {lr}");
                schedule.ends_cycle(step);
            }
            schedule.length();
        }
        // 2^63 - 1 updates are cycles of 1, 2, … 2^62.
        let doubling = build("cosine_restarts(cycle=1, mult=2)");
        assert!(doubling.ends_cycle((1 << 63) - 2) && !doubling.ends_cycle((1 << 63) - 1));
        assert_eq!(doubling.lr((1 << 63) - 1), 1.0);
    }
}
