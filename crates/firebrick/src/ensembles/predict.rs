//! Predicts the classes of image files with an ensemble.

use firebrick_core::Classifier;
use firebrick_core::data::DataError;
use firebrick_core::spec::Spec;
use firebrick_datasets::image_list::ListedImage;
use firebrick_ensemble::class_names::reordered;
use firebrick_ensemble::{EnsembleError, Member, Members, combine};
use firebrick_zoo::Model;

use super::Ensemble;
use crate::Error;
use crate::predict::{Logits, Prediction, Wanted, logits_of_files, prediction};

/// How an ensemble predicts image files.
pub struct EnsemblePredict<'a, M = Model> {
    /// The ensemble.
    pub ensemble: &'a Ensemble<M>,
    /// How the members combine: a rule that is not fitted.
    pub combine: Spec,
    /// The number of members in memory at a time, at least 1. Files are decoded once for each group of so many.
    pub members_in_memory: usize,
    /// What a prediction has. Scores of all classes are here the logarithms of probabilities.
    pub wanted: Wanted,
}

/// Predicts image files, in their order. `each` gets the prediction or the error of every file.
///
/// # Errors
/// [`Error`] when a member cannot be read, or the members cannot be combined.
pub fn predict<M: Classifier>(
    job: &EnsemblePredict<'_, M>,
    files: Vec<Result<ListedImage, DataError>>,
    each: &mut dyn FnMut(Result<Prediction, DataError>),
) -> Result<(), Error> {
    let ensemble = job.ensemble;
    let classes = ensemble.classes().len();
    let rule = combine::build(&job.combine)?;
    if rule.combine.parameters(ensemble.members.len(), classes) > 0 {
        return Err(EnsembleError::NeedsLabels(rule.spec.name).into());
    }
    let mut files: Vec<(usize, Result<ListedImage, DataError>)> =
        files.into_iter().enumerate().collect();
    let mut predictions: Vec<(usize, Result<Prediction, DataError>)> = Vec::new();
    let mut readable: Vec<(usize, ListedImage)> = Vec::new();
    // For each member the scores of one readable file after another.
    let mut scores: Vec<Vec<f32>> = Vec::new();
    for group in ensemble.members.chunks(job.members_in_memory.max(1)) {
        let models = group.iter().map(|member| ensemble.load(member));
        let models = models.collect::<Result<Vec<_>, _>>()?;
        let mut rows = vec![Vec::new(); group.len()];
        readable.clear();
        logits_of_files(
            &models,
            files,
            job.wanted.tta.as_ref(),
            &mut |number, found| match found {
                Ok(Logits { listed, of_models }) => {
                    readable.push((number, listed));
                    rows.iter_mut()
                        .zip(of_models)
                        .for_each(|(rows, row)| rows.extend(row));
                }
                Err(error) => predictions.push((number, Err(error))),
            },
        )?;
        for (member, rows) in group.iter().zip(rows) {
            scores.push(match &member.columns {
                Some(columns) => reordered(&rows, columns),
                None => rows,
            });
        }
        files = readable
            .iter()
            .map(|(number, listed)| (*number, Ok(listed.clone())))
            .collect();
    }
    if !readable.is_empty() {
        let members = ensemble.members.iter().zip(&scores);
        let members = members.map(|(member, logits)| Member::new(&member.name, logits, classes));
        let members = Members::new(members.collect())?;
        let pooled = combine::fit(&job.combine, &members, None)?.combine(&members)?;
        let info = &ensemble.members[0].info;
        for ((number, listed), row) in readable.iter().zip(pooled.rows()) {
            let row: Vec<f32> = row
                .iter()
                .map(|value| value.max(f64::from(f32::MIN)) as f32)
                .collect();
            predictions.push((*number, prediction(listed.path(), &row, info, &job.wanted)));
        }
    }
    predictions.sort_by_key(|(number, _)| *number);
    predictions
        .into_iter()
        .for_each(|(_, prediction)| each(prediction));
    Ok(())
}
