//! Lengths of schedules: optimizer updates, epochs, or a share of the run.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ConfigError;

/// A stretch of training, before the run is known.
///
/// Written `500` (optimizer updates), `10ep` (epochs) or `75%` (of the run).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// Optimizer updates.
    Updates(u64),
    /// Epochs; a fraction is allowed.
    Epochs(f64),
    /// A share of the run in [0, 1].
    Share(f64),
}

/// How long a run is, in optimizer updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLength {
    /// Optimizer updates of the whole run.
    pub updates: u64,
    /// Optimizer updates of one epoch: ⌈⌈samples / batch⌉ / accumulate⌉.
    pub updates_per_epoch: u64,
}

impl RunLength {
    /// The length of `epochs` epochs over `samples` samples: the last partial batch and the last
    /// partial accumulation group both count as one.
    #[must_use]
    pub fn new(epochs: u64, samples: u64, batch_size: u64, accumulate: u64) -> Self {
        let updates_per_epoch = samples
            .div_ceil(batch_size.max(1))
            .div_ceil(accumulate.max(1));
        Self {
            updates: epochs.saturating_mul(updates_per_epoch),
            updates_per_epoch,
        }
    }
}

impl Length {
    /// The number of updates, given the run. Fractions round to the nearest update.
    #[must_use]
    pub fn resolve(self, run: RunLength) -> u64 {
        match self {
            Self::Updates(updates) => updates,
            Self::Epochs(epochs) => (epochs * run.updates_per_epoch as f64).round() as u64,
            Self::Share(share) => (share * run.updates as f64).round() as u64,
        }
    }

    /// Reads `500`, `10ep`, `1.5ep` or `75%`.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] when the text is none of these.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Syntax {
            text: text.into(),
            position: 1,
            message: "expected a length such as 500 (updates), 10ep (epochs) or 75% (of the run)"
                .into(),
        };
        let number = |digits: &str| {
            digits
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|n| n.is_finite() && *n >= 0.0)
        };
        if let Some(digits) = text.strip_suffix("ep") {
            number(digits).map(Self::Epochs).ok_or_else(bad)
        } else if let Some(digits) = text.strip_suffix('%') {
            number(digits)
                .filter(|n| *n <= 100.0)
                .map(|n| Self::Share(n / 100.0))
                .ok_or_else(bad)
        } else {
            text.trim().parse().map(Self::Updates).map_err(|_| bad())
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Updates(updates) => write!(f, "{updates}"),
            Self::Epochs(epochs) => write!(f, "{epochs}ep"),
            // Two roundings: 0.07 * 100 is not 7 in binary.
            Self::Share(share) => write!(f, "{}%", (share * 1e14).round() / 1e12),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Updates(updates) => serializer.serialize_u64(*updates),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length such as 500 (updates), 10ep (epochs) or 75% (of the run)")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Length, E> {
                Ok(Length::Updates(value))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Length, E> {
                u64::try_from(value)
                    .map(Length::Updates)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Length, E> {
                Length::parse(text)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_partial_group_steps_too() {
        // 1000 samples in batches of 64 are 16 batches; in groups of 3 batches, 6 updates.
        let run = RunLength::new(10, 1000, 64, 3);
        assert_eq!(
            run,
            RunLength {
                updates: 60,
                updates_per_epoch: 6
            }
        );
        assert_eq!(Length::parse("500").unwrap().resolve(run), 500);
        assert_eq!(Length::parse("2ep").unwrap().resolve(run), 12);
        assert_eq!(Length::parse("1.5ep").unwrap().resolve(run), 9);
        assert_eq!(Length::parse("75%").unwrap().resolve(run), 45);
    }

    #[test]
    fn text_survives_a_round_trip() {
        for text in ["0", "500", "10ep", "1.5ep", "75%", "7%", "33.3%", "100%"] {
            assert_eq!(Length::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "ep", "-1", "-1ep", "101%", "nan%", "infep", "5 hours"] {
            assert!(Length::parse(text).is_err(), "{text}");
        }
    }
}
