//! `constant`: the same rate throughout.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::error::check_not_negative;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "constant";

/// Configuration of [`Constant`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConstantConfig {
    /// The rate, finite and ≥ 0; the plan's where it is left out.
    pub lr: Option<f64>,
}

impl ConstantConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn build(&self, outlook: &Outlook) -> Result<Constant, ConfigError> {
        Self::ABOUT.check(self)?;
        let lr = self.lr.unwrap_or(outlook.lr);
        check_not_negative(NAME, "lr", lr)?;
        Ok(Constant { lr })
    }
}

impl ScheduleConfig for ConstantConfig {
    const ABOUT: About = About::new(
        NAME,
        "the same rate throughout",
        &[Field::new("lr", Range::NotNegative)],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let schedule = self.build(outlook)?;
        let resolved = Self {
            lr: Some(schedule.lr),
        };
        Ok(BuiltSchedule::new(schedule, &resolved))
    }
}

/// One rate throughout.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    lr: f64,
}

impl Schedule for Constant {
    fn lr(&self, _step: u64) -> f64 {
        self.lr
    }

    fn length(&self) -> Option<u64> {
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    #[test]
    fn the_rate_is_its_own_or_the_plans() {
        let outlook = Outlook::new(RunLength::new(1, 10, 1, 1), 0.25);
        let own = ConstantConfig { lr: Some(0.5) }.build(&outlook).unwrap();
        let plans = ConstantConfig::default().build(&outlook).unwrap();
        assert_eq!((own.lr(0), own.lr(u64::MAX)), (0.5, 0.5));
        assert_eq!(plans.lr(3), 0.25);
        assert!(!own.ends_cycle(9));
    }
}
