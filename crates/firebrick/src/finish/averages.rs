//! Saves and scores the averages of a run.

use firebrick_core::Classifier;
use firebrick_core::state_dict::StateDict;
use firebrick_datasets::Loader;
use firebrick_train::evaluate_unless;

use super::Finish;
use crate::Error;
use crate::members::AverageScores;

/// The name of the weights in training among the averages.
const RAW: &str = "raw";
/// The directory of averages in a run directory.
const AVERAGES: &str = "averages";

impl<M: Classifier> Finish<'_, M> {
    /// Saves and evaluates each average and the weights that they are of. Nothing where the run has no average;
    /// `None` when it was interrupted.
    pub(crate) fn averages(&self, raw: &M) -> Result<Option<Vec<AverageScores>>, Error> {
        let mut all = Vec::new();
        if self.averages.is_empty() {
            return Ok(Some(all));
        }
        let raw = (RAW, Some(StateDict::of(raw)));
        let averages = self.averages.iter();
        let averages = averages.map(|(name, averaged)| (name.as_str(), averaged.take()));
        for (name, weights) in std::iter::once(raw).chain(averages) {
            // One that had not begun when the run was stopped.
            let Some(weights) = weights else { continue };
            let file = format!("{AVERAGES}/{name}.safetensors");
            self.run.write(&file, &self.info.to_bytes(&weights)?)?;
            let model = self
                .architecture
                .undrawn(&self.info.input(), &self.device)?;
            let model = weights.load_into(model)?;
            let splits = &self.prepared.splits;
            let mut scores = [None, None];
            for (scores, split) in scores.iter_mut().zip([&splits.valid, &splits.test]) {
                let Some(split) = split else { continue };
                let mut loader: Loader = self
                    .prepared
                    .evaluation_loader(self.recipe, split.clone())?;
                match evaluate_unless(self.interrupted, &model, &mut loader, self.loss)? {
                    Some(evaluation) => *scores = Some(evaluation.scores),
                    None => return Ok(None),
                }
            }
            let [valid, test] = scores;
            all.push(AverageScores {
                name: name.into(),
                file,
                valid,
                test,
            });
        }
        Ok(Some(all))
    }
}
