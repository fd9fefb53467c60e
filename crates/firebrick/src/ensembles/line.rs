//! The loss along the straight line from the weights of one member to those of another.

use std::sync::Arc;

use firebrick_core::data::Dataset;
use firebrick_core::error::check;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::run::ensemble::{LinePoint, MemberLine};
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, ConfigError, Recipe};
use firebrick_datasets::Loader;
use firebrick_datasets::split::Subset;
use firebrick_ensemble::soup::between;
use firebrick_train::recount_statistics;

use super::{Ensemble, EnsembleMember};
use crate::Error;
use crate::eval::EvalImages;
use crate::prepared::Prepared;

/// Training batches from which batch norm statistics are recomputed, as for a soup.
const RECOUNT: usize = 100;

/// The most points.
const MOST: usize = 1001;

/// Whether a line can have so many points.
///
/// # Errors
/// [`ConfigError`] naming the number.
pub(super) fn check_points(points: usize) -> Result<(), ConfigError> {
    check("line", "points", points, 2..=MOST)
}

/// Scores models on the straight line from the weights of the first member to those of the last, on validation images and
/// on as many training images without augmentation. Of snapshots, these two are furthest apart. `points` is a number that
/// [`check_points`] accepts.
///
/// The batch norm statistics of every model, the two members too, are recomputed from training batches, as Garipov et al.
/// 2018 do: those of the members belong to none of the models in between.
///
/// # Errors
/// [`Error`] for members of two kinds, and images that are not those of the members' run.
pub(super) fn line<M: Classifier>(
    ensemble: &Ensemble<M>,
    members: [&EnsembleMember; 2],
    images: &EvalImages,
    points: usize,
) -> Result<MemberLine, Error> {
    let [first, last] = members;
    let info = &first.info;
    let refused = |problem: String| Err(ConfigError::Conflict(problem).into());
    if first.name == last.name {
        return refused("there is one member, and a line needs two".into());
    }
    if *info != last.info {
        return refused(format!(
            "{} and {} are models of two kinds, or read images in two ways, so there is no line between their weights",
            first.name, last.name
        ));
    }
    if images.held_out || images.run.is_none() {
        return refused(
            "the images that are scored are not those that the members were trained on".into(),
        );
    }
    let recipe = Recipe {
        channels: images.recipe.channels.or(Some(info.preprocessing.channels)),
        ..images.recipe.clone()
    };
    let architecture = ensemble.models.architecture(&info.model)?;
    let mut prepared =
        Prepared::of_data_set(&recipe, &images.cache, &architecture.native_input(), None)?;
    prepared.preprocessing = info.preprocessing.clone();
    let Some(valid) = prepared.splits.valid.clone() else {
        return refused(format!("{} has no validation images", recipe.dataset));
    };
    let mut train = prepared.train_loader(&recipe)?;
    let all = prepared.splits.train.clone();
    let count = valid.len().min(all.len());
    let spread = (0..count).map(|at| at * all.len() / count);
    let sample: Arc<dyn Dataset> = Arc::new(Subset::new(all.clone(), spread.collect())?);
    let mut sample = prepared.evaluation_loader(&recipe, sample)?;
    let mut valid = prepared.evaluation_loader(&recipe, valid)?;

    let from = StateDict::of(&ensemble.load(first)?.network);
    let to = StateDict::of(&ensemble.load(last)?.network);
    let loss = CrossEntropy::default();
    let mut found = Vec::with_capacity(points);
    for point in 0..points {
        let t = point as f64 / (points - 1) as f64;
        let model = architecture.undrawn(&info.input(), &ensemble.device)?;
        let model = between(&from, &to, t)?.load_into(model)?;
        let model = recount_statistics(&model, &mut train, Some(RECOUNT))?;
        let score =
            |images: &mut Loader| firebrick_train::evaluate(&model, images, &loss, &mut |_| {});
        let seen = score(&mut sample)?.scores;
        let held_out = score(&mut valid)?.scores;
        found.push(LinePoint {
            t,
            train_loss: seen.loss,
            valid_loss: held_out.loss,
            valid_top1: held_out.top1,
        });
    }
    Ok(MemberLine {
        members: [first.name.clone(), last.name.clone()],
        points: found,
    })
}
