//! [`Pace`]: the updates after which an average takes in the weights.

use firebrick_core::ConfigError;
use firebrick_core::length::{Length, RunLength};

/// Every `every` updates, for the first time `every` updates after `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The updates before it begins.
    pub start: u64,
    /// The updates from one time to the next, at least one.
    pub every: u64,
}

impl Pace {
    /// Resolves the lengths of a unit, in place, for a run.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for an interval without updates, or a start so late that nothing is taken in.
    pub fn resolve(
        unit: &str,
        start: &mut Length,
        every: &mut Length,
        run: RunLength,
    ) -> Result<Self, ConfigError> {
        let pace = Self {
            start: start.resolve(run),
            every: every.resolve(run),
        };
        let refused = |field, length: &Length, range: String| {
            Err(ConfigError::out_of_range(
                unit,
                field,
                length.to_string(),
                range,
            ))
        };
        if !(1..=run.updates).contains(&pace.every) {
            let range = format!(
                "from 1 to {}, the number of updates in the run",
                run.updates
            );
            return refused("every", every, range);
        }
        let latest = run.updates - pace.every;
        if pace.start > latest {
            let updates = run.updates;
            let range = format!(
                "at most {latest} updates, or nothing would be averaged: the run has {updates} updates"
            );
            return refused("start", start, range);
        }
        *start = Length::Updates(pace.start);
        *every = Length::Updates(pace.every);
        Ok(pace)
    }

    /// Whether the weights after update `step` are taken in; the first update is number 1.
    #[must_use]
    pub fn takes(self, step: u64) -> bool {
        step > self.start && (step - self.start).is_multiple_of(self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunLength = RunLength {
        updates: 40,
        updates_per_epoch: 10,
    };

    #[test]
    fn the_first_time_is_one_interval_after_the_start() {
        let (mut start, mut every) = (Length::Share(0.5), Length::Epochs(0.5));
        let pace = Pace::resolve("swa", &mut start, &mut every, RUN).unwrap();
        assert_eq!((start, every), (Length::Updates(20), Length::Updates(5)));
        let taken: Vec<u64> = (0..=40).filter(|step| pace.takes(*step)).collect();
        assert_eq!(taken, [25, 30, 35, 40]);
    }

    #[test]
    fn a_pace_that_takes_nothing_in_is_refused() {
        let resolve = |mut start, mut every| Pace::resolve("swa", &mut start, &mut every, RUN);
        for (start, every, needle) in [
            (Length::Updates(31), Length::Epochs(1.0), "swa: start = 31"),
            (
                Length::Share(1.0),
                Length::Updates(1),
                "start = 100% is out of range: it must be at most 39",
            ),
            (Length::Updates(0), Length::Updates(0), "every = 0"),
            (Length::Updates(0), Length::Epochs(5.0), "every = 5ep"),
        ] {
            let error = resolve(start, every).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        resolve(Length::Updates(30), Length::Epochs(1.0)).unwrap();
    }
}
