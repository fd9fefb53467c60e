//! [`Running`]: the weights that an average has taken in so far.

use std::collections::{BTreeMap, VecDeque};

use burn::module::Module;
use firebrick_core::parameters::Parameters;
use firebrick_core::state_dict::WeightsError;
use firebrick_train::HookState;
use serde::{Deserialize, Serialize};

use super::definition::Weighting;

/// The weights that an average has taken in so far: their average, or each of the latest ones.
#[derive(Debug, Default)]
pub(super) struct Running {
    taken: u64,
    kept: VecDeque<Parameters>,
}

/// What of it is no tensor.
#[derive(Serialize, Deserialize)]
struct Kept {
    taken: u64,
}

impl Running {
    /// Takes in the weights after update `step`.
    pub(super) fn take(&mut self, weights: Parameters, weighting: &Weighting, step: u64) {
        let share = match weighting {
            Weighting::Mean => 1.0 / (self.taken + 1) as f64,
            Weighting::Share(share) => share(step),
            Weighting::Latest(most) => {
                self.kept.push_back(weights);
                if self.kept.len() > *most {
                    self.kept.pop_front();
                }
                self.taken += 1;
                return;
            }
        };
        let moved = match self.kept.pop_front() {
            Some(average) => average.moved_towards(&weights, share),
            None => weights,
        };
        self.kept.push_back(moved);
        self.taken += 1;
    }

    /// The average; none before the first weights.
    pub(super) fn average(&self) -> Option<Parameters> {
        let mut kept = self.kept.iter();
        let first = kept.next()?.clone();
        let mean = kept.zip(2_u64..).fold(first, |mean, (one, count)| {
            mean.moved_towards(one, 1.0 / count as f64)
        });
        Some(mean)
    }

    /// For a checkpoint; nothing before the first weights, so that a branch can begin to average.
    pub(super) fn save(&self) -> Option<HookState> {
        if self.taken == 0 {
            return None;
        }
        let tensors = self.kept.iter().enumerate().flat_map(|(at, weights)| {
            let data = weights.to_data().into_iter();
            data.map(move |(path, data)| (format!("{at}/{path}"), data))
        });
        Some(HookState {
            tensors: tensors.collect(),
            data: serde_json::json!(Kept { taken: self.taken }),
        })
    }

    /// From a checkpoint.
    pub(super) fn restore<M: Module>(state: HookState, model: &M) -> Result<Self, WeightsError> {
        let damaged = |error: serde_json::Error| WeightsError::Mismatch(error.to_string());
        let Kept { taken } = serde_json::from_value(state.data).map_err(damaged)?;
        let mut parts: BTreeMap<usize, BTreeMap<_, _>> = BTreeMap::new();
        for (name, data) in state.tensors {
            let part = name
                .split_once('/')
                .and_then(|(at, path)| Some((at.parse().ok()?, path.to_string())));
            let Some((at, path)) = part else {
                return Err(WeightsError::Mismatch(format!(
                    "`{name}` is no weight of an average"
                )));
            };
            parts.entry(at).or_default().insert(path, data);
        }
        let kept = parts
            .into_values()
            .map(|data| Parameters::from_data(data, model));
        Ok(Self {
            taken,
            kept: kept.collect::<Result<_, _>>()?,
        })
    }
}
