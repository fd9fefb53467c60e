//! Keeps the members of an ensemble that are best together.

use std::path::Path;

use firebrick_core::{Classifier, ConfigError};
use firebrick_datasets::Split;
use firebrick_ensemble::manifest::{FILE, Manifest, ManifestError, Member};
use firebrick_ensemble::select::{Criterion, Greedy, Pick, greedy};
use firebrick_train::evaluate::hard_labels;
use firebrick_train::run_dir::write_whole;

use super::{Ensemble, members};
use crate::Error;
use crate::eval::EvalImages;

/// Chooses `count` members one after another, each the one with which the mean of the probabilities is best on validation,
/// and copies their model files into a new ensemble. `progress` is told the images done, over all members, and their total.
///
/// # Errors
/// [`Error`] for more members than there are, a data set without a validation split, and a directory that is not empty or
/// cannot be written.
pub fn prune<M: Classifier>(
    ensemble: &Ensemble<M>,
    images: &EvalImages,
    count: usize,
    by: Criterion,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Pick>, Error> {
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = format!(
            "{}: this directory is not empty; choose another --out",
            out.display()
        );
        return Err(ConfigError::Conflict(problem).into());
    }
    let images = EvalImages {
        split: Some(Split::Valid),
        ..images.clone()
    };
    let taken = images.take(ensemble.members[0].info.preprocessing.channels)?;
    let predicted = ensemble.predictions(&images.recipe, &taken.dataset, None, progress)?;
    let labels = hard_labels(&predicted[0].predictions.targets);
    let how = Greedy {
        picks: count,
        criterion: by,
        replacement: false,
    };
    let picks = greedy(&members(&predicted)?, &labels, &how)?;
    let failed = |error: std::io::Error| ManifestError {
        path: out.into(),
        problem: format!("cannot be written: {error}"),
    };
    std::fs::create_dir_all(out.join("members")).map_err(failed)?;
    let mut kept = Vec::new();
    for member in &ensemble.members {
        if picks.iter().any(|pick| pick.name == member.name) {
            let file = format!("members/{}.safetensors", member.name);
            std::fs::copy(&member.file, out.join(&file)).map_err(failed)?;
            kept.push(Member {
                name: member.name.clone(),
                file,
            });
        }
    }
    if let Some(run) = ensemble.run() {
        // It names the images that the members were trained on.
        std::fs::copy(run.join("recipe.toml"), out.join("members/recipe.toml")).map_err(failed)?;
    }
    let manifest = Manifest::new(ensemble.kind, kept);
    write_whole(&out.join(FILE), &manifest.to_bytes()).map_err(failed)?;
    Ok(picks)
}
