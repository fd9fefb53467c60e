//! The weights with which a run began, for penalties that measure from them.

use std::collections::BTreeSet;

use firebrick_core::Classifier;
use firebrick_core::parameters::Parameters;
use firebrick_core::penalty::Penalties;

use crate::error::TrainError;
use crate::hook::{Hook, HookContext, HookState};

/// The mark of a checkpoint that has the starting point, even where no parameter is in it.
const KEPT: &str = "kept";

/// Tells penalties such as `l2_sp` the weights with which the run began, and keeps these in checkpoints.
///
/// A run that branches off keeps the starting point of its parent. Where the parent had none, it begins at the branch.
pub struct StartWeights<'a> {
    penalties: &'a Penalties,
    /// Paths of the parameters that begin without pretrained weights.
    fresh: BTreeSet<String>,
    start: Parameters,
}

impl<'a> StartWeights<'a> {
    /// The name of the hook.
    pub const NAME: &'static str = "start_weights";

    /// For penalties of a run whose parameters are all pretrained but for the `fresh` ones, given by path.
    #[must_use]
    pub fn new(penalties: &'a Penalties, fresh: BTreeSet<String>) -> Self {
        Self {
            penalties,
            fresh,
            start: Parameters::default(),
        }
    }

    /// The parameters of a model that the penalties measure from, and that are pretrained.
    fn of<M: Classifier>(&self, model: &M) -> Parameters {
        let mut all = Parameters::of(model);
        all.0.retain(|one| {
            self.penalties.need_start_of(&one.path, &one.shape) && !self.fresh.contains(&one.path)
        });
        all
    }
}

impl<M: Classifier> Hook<M> for StartWeights<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn begin(
        &mut self,
        model: M,
        _context: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        self.start = match kept.filter(|kept| kept.data == KEPT) {
            Some(HookState { tensors, .. }) => {
                let kept: BTreeSet<String> = tensors.keys().cloned().collect();
                let mut all = Parameters::of(&model).to_data();
                all.extend(tensors);
                let mut start = Parameters::from_data(all, &model)?;
                start.0.retain(|one| kept.contains(&one.path));
                start
            }
            None => self.of(&model),
        };
        self.penalties.begin(&self.start);
        Ok(model)
    }

    fn save(&self) -> Option<HookState> {
        Some(HookState {
            tensors: self.start.to_data(),
            data: KEPT.into(),
        })
    }
}
