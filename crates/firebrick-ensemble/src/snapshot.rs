//! Snapshots: members of an ensemble from one run, taken where its schedule ends a cycle.
//!
//! Source: Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017; with cycles between two rates at the
//! end of a run, Garipov et al., "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", NeurIPS 2018.

use std::fmt;
use std::str::FromStr;

use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, ConfigError};
use firebrick_train::{Flow, Hook, HookContext, HookState, RunDir, TrainError};

use crate::manifest::{FILE, Kind, Manifest, Member};

/// The directory of the members in a run directory.
const DIRECTORY: &str = "members";

/// Which snapshots are kept: `all`, or `last=K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// The last so many, at least one.
    Last(usize),
}

impl FromStr for Keep {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let last = text.strip_prefix("last=").map(str::parse);
        match (text, last) {
            ("all", _) => Ok(Self::All),
            (_, Some(Ok(count))) if count > 0 => Ok(Self::Last(count)),
            _ => Err(ConfigError::out_of_range(
                "train",
                "snapshots",
                text,
                "`all`, or `last=K` with K at least 1",
            )),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Last(count) => write!(f, "last={count}"),
        }
    }
}

/// Makes the bytes of a model file from weights.
pub type ToBytes<'a> = Box<dyn Fn(&StateDict) -> Result<Vec<u8>, TrainError> + 'a>;

/// Saves a snapshot of the model in training at the end of each cycle, and lists it in the run's `ensemble.json`.
///
/// The file depends on the model alone: a run that is killed and resumed writes the same again.
pub struct Snapshots<'a> {
    keep: Keep,
    to_bytes: ToBytes<'a>,
    taken: usize,
}

impl<'a> Snapshots<'a> {
    /// The name under which it keeps its state.
    pub const NAME: &'static str = "snapshots";

    /// Keeps so many, as files with these bytes.
    #[must_use]
    pub fn new(keep: Keep, to_bytes: ToBytes<'a>) -> Self {
        Self {
            keep,
            to_bytes,
            taken: 0,
        }
    }

    fn take<M: Classifier>(&mut self, model: &M, run: &RunDir) -> Result<(), TrainError> {
        self.taken += 1;
        let bytes = (self.to_bytes)(&StateDict::of(model))?;
        run.write(&member(self.taken).file, &bytes)?;
        let first = match self.keep {
            Keep::All => 1,
            Keep::Last(count) => self.taken.saturating_sub(count) + 1,
        };
        let members = (first..=self.taken).map(member).collect();
        run.write(FILE, &Manifest::new(Kind::Snapshots, members).to_bytes())?;
        // Only now nothing names them any more.
        for number in 1..first {
            run.remove(&member(number).file)?;
        }
        Ok(())
    }
}

/// The snapshot of this number, from 1.
fn member(number: usize) -> Member {
    let name = format!("snapshot-{number}");
    Member {
        file: format!("{DIRECTORY}/{name}.safetensors"),
        name,
    }
}

impl<M: Classifier> Hook<M> for Snapshots<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn begin(
        &mut self,
        model: M,
        _context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        if let Some(kept) = kept {
            self.taken = serde_json::from_value(kept.data)
                .map_err(|error| TrainError::hook(Self::NAME, error.to_string()))?;
        }
        Ok(model)
    }

    fn cycle_end(&mut self, model: &M, context: &mut HookContext<'_>) -> Result<Flow, TrainError> {
        if let Some(run) = context.run {
            self.take(model, run)?;
        }
        Ok(Flow::Continue)
    }

    fn save(&self) -> Option<HookState> {
        (self.taken > 0).then(|| HookState {
            data: self.taken.into(),
            ..HookState::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_keep_is_read_and_written() {
        for (text, keep) in [("all", Keep::All), ("last=3", Keep::Last(3))] {
            assert_eq!(text.parse::<Keep>().unwrap(), keep);
            assert_eq!(keep.to_string(), text);
        }
        for text in ["last", "last=0", "last=-1", "3", "ALL", ""] {
            let error = text.parse::<Keep>().unwrap_err().to_string();
            assert!(
                error.contains("snapshots") && error.contains("last=K"),
                "{error}"
            );
        }
    }
}
