//! Which ways of transfer learning are tried.

use std::fmt;
use std::str::FromStr;

use firebrick_core::ConfigError;
use firebrick_core::number::whole;
use firebrick_transfer::advisor::Strategy;

use super::candidate::Candidate;

/// Which ways of transfer learning are tried. Whatever it is, the linear classifiers on the features come first: fine-tuning begins with one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    /// All of them, and the best on validation is kept.
    #[default]
    Auto,
    /// Only a linear classifier on the last features.
    Probe,
    /// Only a linear classifier on features of all stages.
    AllStages,
    /// The last so many stages are fine-tuned.
    Last(usize),
    /// Everything is fine-tuned.
    All,
}

impl Wanted {
    /// Refuses more stages than there are.
    pub(super) fn check(self, stages: usize) -> Result<(), ConfigError> {
        match self {
            Self::Last(0) => Err(ConfigError::Conflict(
                "strategy: last=0 fine-tunes nothing; write probe for the linear classifier alone"
                    .into(),
            )),
            Self::Last(last) if last > stages => Err(ConfigError::Conflict(format!(
                "strategy: last={last}, but the model has {stages} stages; write last={stages} or all"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn tries_all_stages(self) -> bool {
        matches!(self, Self::Auto | Self::AllStages)
    }

    /// The numbers of last stages that are fine-tuned in turn, of a model with so many; the last one is with what lies before the first
    /// stage.
    pub(super) fn rounds(self, stages: usize) -> Vec<usize> {
        match self {
            Self::Probe | Self::AllStages => Vec::new(),
            Self::Last(last) => vec![last],
            Self::All => vec![stages],
            Self::Auto => {
                let mut rounds = vec![1, stages.div_ceil(2), stages];
                rounds.dedup();
                rounds
            }
        }
    }

    /// Of two candidates, the one to go on with.
    pub(super) fn better(self, one: Candidate, other: Candidate) -> Candidate {
        // What was asked for is what is returned.
        if self == Self::Auto && !other.is_better_than(&one) {
            one
        } else {
            other
        }
    }

    /// What `--strategy` says for a piece of advice.
    #[must_use]
    pub fn of(strategy: &Strategy) -> String {
        match strategy {
            Strategy::LinearProbe { .. } => "probe".into(),
            Strategy::AllStageProbe => "all-stages".into(),
            Strategy::FineTuneLast { stages } => format!("last={stages}"),
            Strategy::FineTuneAll => "all".into(),
        }
    }
}

/// As `--strategy` names it.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Probe => write!(f, "probe"),
            Self::AllStages => write!(f, "all-stages"),
            Self::Last(last) => write!(f, "last={last}"),
            Self::All => write!(f, "all"),
        }
    }
}

/// Reads `auto`, `probe`, `all-stages`, `last=K` and `all`.
impl FromStr for Wanted {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Some(last) = text.strip_prefix("last=") {
            let last = whole(last).map_err(|why| ConfigError::Conflict(format!("last: {why}")))?;
            return Ok(Self::Last(last));
        }
        match text {
            "auto" => Ok(Self::Auto),
            "probe" => Ok(Self::Probe),
            "all-stages" => Ok(Self::AllStages),
            "all" => Ok(Self::All),
            other => {
                let known = ["auto", "probe", "all-stages", "last=K", "all"];
                Err(ConfigError::unknown_name("strategy", other, known))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_rounds_grow() {
        assert_eq!("last=3".parse(), Ok(Wanted::Last(3)));
        for name in ["auto", "probe", "all-stages", "last=3", "all"] {
            assert_eq!(name.parse::<Wanted>().unwrap().to_string(), name);
        }
        assert_eq!(Wanted::Auto.rounds(8), [1, 4, 8]);
        assert_eq!(Wanted::Auto.rounds(2), [1, 2]);
        assert_eq!(Wanted::Auto.rounds(1), [1]);
        assert_eq!(Wanted::All.rounds(5), [5]);
        let error = "al".parse::<Wanted>().unwrap_err().to_string();
        assert!(error.contains("did you mean `all`"), "{error}");
        assert!("last=x".parse::<Wanted>().is_err());
        assert!(Wanted::Last(0).check(4).is_err());
        let error = Wanted::Last(5).check(4).unwrap_err().to_string();
        assert!(error.contains("the model has 4 stages"), "{error}");
        Wanted::Last(4).check(4).unwrap();
    }
}
