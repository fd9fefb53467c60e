//! An argument that is drawn from a range: [`Interval`].

use firebrick_core::ConfigError;
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number from a range. One number `x` means what the augmentation says, as in torchvision: `rotate(15)` is −15 … 15,
/// `color_jitter(brightness=0.4)` a factor of 0.6 … 1.4. `[low, high]` is explicit, and `[x, x]` fixes the number.
///
/// ```
/// use firebrick_regularize::augment::Interval;
/// assert_eq!(Interval::of(15.0).around_zero().ends(), [-15.0, 15.0]);
/// assert_eq!(Interval::of(0.4).around_one().ends(), [0.6, 1.4]);
/// assert_eq!(Interval::of(3.0).around_one().ends(), [0.0, 4.0]);
/// assert_eq!(Interval::between(2.0, 3.0).around_zero().ends(), [2.0, 3.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interval {
    /// One number, whose meaning the augmentation gives.
    Single(f64),
    /// From the first to the second.
    Between(f64, f64),
}

/// The two ends that a number is drawn between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    low: f64,
    high: f64,
}

impl Interval {
    /// One number.
    #[must_use]
    pub const fn of(number: f64) -> Self {
        Self::Single(number)
    }

    /// From `low` to `high`.
    #[must_use]
    pub const fn between(low: f64, high: f64) -> Self {
        Self::Between(low, high)
    }

    /// A single `x` is −x … x.
    #[must_use]
    pub fn around_zero(self) -> Ends {
        self.ends(|x| [-x, x])
    }

    /// A single `x` is 1 − x … 1 + x, not below 0.
    #[must_use]
    pub fn around_one(self) -> Ends {
        self.ends(|x| [(1.0 - x).max(0.0), 1.0 + x])
    }

    /// A single `x` is x … 1.
    #[must_use]
    pub fn up_to_one(self) -> Ends {
        self.ends(|x| [x, 1.0])
    }

    /// A single `x` is always `x`.
    #[must_use]
    pub fn fixed(self) -> Ends {
        self.ends(|x| [x, x])
    }

    pub(super) fn ends(self, single: impl FnOnce(f64) -> [f64; 2]) -> Ends {
        let [low, high] = match self {
            Self::Single(x) => single(x),
            Self::Between(low, high) => [low, high],
        };
        Ends { low, high }
    }

    /// Refuses `[high, low]`. For a unit in which a single number stands for the same distance in both directions, it must
    /// also not be negative: see [`Self::check_distance`].
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] with the order that is meant.
    pub fn check(self, unit: &str, field: &str) -> Result<(), ConfigError> {
        match self {
            Self::Between(low, high) if low > high => Err(ConfigError::Conflict(format!(
                "{unit}: {field} = [{low}, {high}] begins above its end: write [{high}, {low}]"
            ))),
            _ => Ok(()),
        }
    }

    /// As [`Self::check`], and refuses a single number that is negative.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field and the value.
    pub fn check_distance(self, unit: &str, field: &str) -> Result<(), ConfigError> {
        match self {
            Self::Single(x) if x < 0.0 => Err(ConfigError::out_of_range(
                unit,
                field,
                x,
                "at least 0, or [low, high]",
            )),
            _ => self.check(unit, field),
        }
    }
}

impl Ends {
    /// The lower and the upper end.
    #[must_use]
    pub fn ends(self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// Draws one number, uniformly; one draw whatever the ends.
    pub fn draw(self, rng: &mut HostRng) -> f64 {
        self.low + (self.high - self.low) * rng.random::<f64>()
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Single(number) => number.serialize(serializer),
            Self::Between(low, high) => [low, high].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number or [low, high]")]
        enum Either {
            Single(f64),
            Between([f64; 2]),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Single(number) => Self::Single(number),
            Either::Between([low, high]) => Self::Between(low, high),
        })
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;

    use super::*;

    #[test]
    fn draws_lie_between_the_ends_and_cost_one_number() {
        let mut one = rng(1, "interval", 0, 0);
        let mut other = rng(1, "interval", 0, 0);
        for _ in 0..1000 {
            let drawn = Interval::between(-2.0, 3.0).fixed().draw(&mut one);
            assert!((-2.0..3.0).contains(&drawn));
            assert_eq!(
                Interval::between(1.5, 1.5).around_zero().draw(&mut other),
                1.5
            );
        }
        assert_eq!(one.random::<u64>(), other.random::<u64>());
    }

    #[test]
    fn what_stands_in_the_wrong_order_is_named() {
        let error = Interval::between(2.0, 1.0)
            .check("rotate", "degrees")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "rotate: degrees = [2, 1] begins above its end: write [1, 2]"
        );
        let error = Interval::of(-3.0)
            .check_distance("rotate", "degrees")
            .unwrap_err();
        assert!(
            error.to_string().contains("rotate: degrees = -3"),
            "{error}"
        );
        assert_eq!(Interval::between(-3.0, -3.0).check_distance("", ""), Ok(()));
    }
}
