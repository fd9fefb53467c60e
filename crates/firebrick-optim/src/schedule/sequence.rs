//! `sequence`: several schedules one after another.
//!
//! ```text
//! lr(k) = schedules[i](k - milestones[i - 1])   for milestones[i - 1] ≤ k < milestones[i]
//! ```
//!
//! Each schedule counts its own updates from 0. Where it names no length, it takes that up to its
//! milestone, the last one the rest of the run; where its own length is longer, the milestone cuts it.
//!
//! Reference: PyTorch's `SequentialLR`. Differs from it in that any schedule can take part, `plateau`
//! too (it counts the epochs that end within its stretch), and in that schedules name their own rates.

use firebrick_core::about::{About, Field, Range};
use firebrick_core::length::Length;
use firebrick_core::schedule::Observation;
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Schedule};
use serde::{Deserialize, Serialize};

use super::multistep::milestones;
use super::outlook::{BuiltSchedule, Outlook, ScheduleConfig};

/// The name in spec strings.
pub const NAME: &str = "sequence";

/// Configuration of [`Sequence`]:
/// `sequence([linear(from=0.01, to=0.1), cosine(0.1)], milestones=[5ep])`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceConfig {
    /// The schedules, at least one.
    pub schedules: Vec<Spec>,
    /// The updates of the run, counted from the beginning of the sequence, at which the second schedule
    /// and those after it begin: rising, one fewer than there are schedules, all within the run.
    pub milestones: Vec<Length>,
}

impl SequenceConfig {
    /// The schedule.
    ///
    /// # Errors
    /// [`ConfigError`] naming the field, here or in one of the schedules.
    pub fn build(&self, outlook: &Outlook) -> Result<Sequence, ConfigError> {
        self.parts(outlook).map(|(sequence, ..)| sequence)
    }

    /// The schedule; this configuration with everything filled in; the length of all.
    fn parts(&self, outlook: &Outlook) -> Result<(Sequence, Self, Option<u64>), ConfigError> {
        Self::ABOUT.check(self)?;
        let count = self.schedules.len();
        if count == 0 {
            return Err(ConfigError::Conflict(format!(
                "{NAME}: schedules is missing; give it, for example {NAME}([linear(from=0.01, to=0.1), cosine(0.1)], milestones=[5ep])"
            )));
        }
        let starts = self.starts(outlook)?;
        let mut parts: Vec<Part> = Vec::new();
        let mut specs = Vec::new();
        let mut lasts = None;
        for (index, spec) in self.schedules.iter().enumerate() {
            let start = starts[index];
            let end = starts.get(index + 1);
            let part = Outlook {
                until: end.map_or(outlook.until, |end| outlook.before.saturating_add(*end)),
                ..outlook.after(start)
            };
            let planned = (outlook.build)(spec, &part)?;
            lasts = planned.lasts.map(|lasts| lasts.saturating_add(start));
            specs.push(planned.spec);
            parts.push(Part {
                start,
                end: end.copied(),
                schedule: planned.schedule,
            });
        }
        let resolved = Self {
            schedules: specs,
            milestones: starts[1..].iter().copied().map(Length::Updates).collect(),
        };
        Ok((Sequence { parts }, resolved, lasts))
    }

    /// The update at which each schedule begins.
    fn starts(&self, outlook: &Outlook) -> Result<Vec<u64>, ConfigError> {
        let wanted = self.schedules.len() - 1;
        if self.milestones.len() != wanted {
            return Err(ConfigError::Conflict(format!(
                "{NAME}: the list milestones must be of length {wanted}, not {}: the updates at which the second and \
                 later schedules begin",
                self.milestones.len()
            )));
        }
        let mut starts = vec![0];
        if wanted > 0 {
            starts.extend(milestones(NAME, &self.milestones, outlook)?);
        }
        let (last, rest) = (starts[wanted], outlook.rest());
        if wanted > 0 && last >= rest {
            let range = format!("below {rest}, the number of updates that the run has left for it");
            return Err(ConfigError::out_of_range(NAME, "milestones", last, range));
        }
        Ok(starts)
    }
}

impl ScheduleConfig for SequenceConfig {
    const ABOUT: About = About::new(
        NAME,
        "several schedules one after another",
        &[
            Field::new("schedules", Range::Each(&Range::Unit("schedule"))),
            Field::new("milestones", Range::Each(&Range::Length)),
        ],
    );

    fn plan(&self, outlook: &Outlook) -> Result<BuiltSchedule, ConfigError> {
        let (sequence, resolved, lasts) = self.parts(outlook)?;
        Ok(BuiltSchedule {
            lasts,
            ..BuiltSchedule::new(sequence, &resolved)
        })
    }
}

/// Schedules one after another. Cycles end where they end in the schedule whose turn it is.
#[derive(Debug)]
pub struct Sequence {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    start: u64,
    end: Option<u64>,
    schedule: Box<dyn Schedule>,
}

impl Sequence {
    /// The schedule whose turn it is, and its own update.
    fn at(&self, step: u64) -> (&dyn Schedule, u64) {
        let begun = self.parts.partition_point(|part| part.start <= step);
        let part = &self.parts[begun.max(1) - 1];
        (&*part.schedule, step - part.start)
    }
}

impl Schedule for Sequence {
    fn lr(&self, step: u64) -> f64 {
        let (schedule, step) = self.at(step);
        schedule.lr(step)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        let (schedule, step) = self.at(step);
        schedule.ends_cycle(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (schedule, step) = self.at(step);
        schedule.momentum(step)
    }

    fn weight_decay(&self, step: u64) -> Option<f64> {
        let (schedule, step) = self.at(step);
        schedule.weight_decay(step)
    }

    fn length(&self) -> Option<u64> {
        let last = self.parts.last()?;
        last.schedule.length()?.checked_add(last.start)
    }

    fn observe(&mut self, epoch: Observation) {
        for part in &mut self.parts {
            if epoch.step > part.start && part.end.is_none_or(|end| epoch.step < end) {
                let step = epoch.step - part.start;
                part.schedule.observe(Observation { step, ..epoch });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::length::RunLength;

    use super::*;

    fn build(text: &str) -> Result<Sequence, ConfigError> {
        let config: SequenceConfig = text.parse::<Spec>()?.resolve()?;
        config.build(&Outlook::new(RunLength::new(10, 10, 1, 1), 1.0))
    }

    #[test]
    fn each_has_its_stretch() {
        let text = "sequence([linear(from=0, to=1), cosine, constant(5)], milestones=[1ep, 50%])";
        let sequence = build(text).unwrap();
        let rates = [0, 5, 10, 30, 50, u64::MAX].map(|step| sequence.lr(step));
        for (rate, expected) in rates.iter().zip([0.0, 0.5, 1.0, 0.5, 5.0, 5.0]) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        let ends: Vec<_> = (0..200).filter(|step| sequence.ends_cycle(*step)).collect();
        assert_eq!(ends, [9, 49]);
        assert_eq!(sequence.length(), Some(50));
    }

    #[test]
    fn a_plateau_counts_the_epochs_of_its_stretch() {
        let mut sequence = build(
            "sequence([plateau(patience=0, factor=0.5), plateau(patience=1)], milestones=[3ep])",
        )
        .unwrap();
        for epoch in 1..=6 {
            sequence.observe(Observation {
                step: 10 * epoch,
                value: 1.0,
                higher_is_better: false,
            });
        }
        let rates = [0, 19, 20, 30, 59, 60].map(|step| sequence.lr(step));
        assert_eq!(rates, [1.0, 1.0, 0.5, 1.0, 1.0, 0.1]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("sequence", "schedules is missing"),
            (
                "sequence([cosine, linear])",
                "milestones must be of length 1, not 0",
            ),
            (
                "sequence([cosine], [10])",
                "milestones must be of length 0, not 1",
            ),
            (
                "sequence([cosine, linear, linear], [20, 1ep])",
                "sequence: milestones = [20, 1ep]",
            ),
            ("sequence([cosine, linear], [100])", "below 100"),
            (
                "sequence([cosine, linar], [50])",
                "unknown schedule `linar`",
            ),
            (
                "sequence([one_cycle(steps=60), linear], [50])",
                "at most 50",
            ),
        ] {
            let error = build(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
