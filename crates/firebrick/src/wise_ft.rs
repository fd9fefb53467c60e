//! WiSE-FT: a model on the straight line from the weights of a linear-probed model to those of the fine-tuned one.
//!
//! Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

use std::path::{Path, PathBuf};

use firebrick_core::ConfigError;
use firebrick_core::error::check;
use firebrick_core::run::Scores;
use firebrick_core::state_dict::StateDict;
use firebrick_ensemble::soup::between;
use firebrick_transfer::wise_ft::{AlphaScore, alphas, best};
use serde::Serialize;

use crate::Error;
use crate::ensembles::ingredients::Ingredients;
use crate::ensembles::model_files;
use crate::session::Sources;

/// The most places between two models.
const MOST: usize = 1001;

/// Where to look between two models, and what to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Places {
    /// The number of places from 0 to 1, both included, in 2 to 1001.
    pub count: usize,
    /// The place to take, in [0, 1], whatever its accuracy; without it, the best one on validation images.
    pub alpha: Option<f64>,
    /// Training batches from which the batch norm statistics of a model between the two are recomputed, where those of the two differ.
    pub recount: usize,
}

/// What was found between two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WiseFt {
    /// The model file of the place that was taken.
    pub file: String,
    /// The files of the linear-probed model and of the fine-tuned one.
    pub models: [String; 2],
    /// The validation scores of each place, in order.
    pub places: Vec<Place>,
    /// The place that was taken.
    pub alpha: f64,
    /// Its validation scores.
    pub valid: Scores,
}

/// A model between two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Place {
    /// 0: the linear-probed model; 1: the fine-tuned one.
    pub alpha: f64,
    /// Its validation scores.
    pub valid: Scores,
}

/// Scores the models on the line from `probed` to `fine_tuned`, each a run directory or a model file, on the validation images of the run in which
/// the first of them lies, and writes one of them as the model file `out`.
///
/// The two models themselves are scored as they are. If their batch norm statistics are equal, because they were frozen, so are those of the models
/// in between; otherwise those are recomputed.
///
/// # Errors
/// [`Error`] for a place outside its range, for models of two kinds, and for a first one that lies in no run with validation images.
pub fn wise_ft(
    probed: &Path,
    fine_tuned: &Path,
    places: Places,
    sources: Sources,
    out: &Path,
) -> Result<WiseFt, Error> {
    check("wise-ft", "points", places.count, 2..=MOST)?;
    if let Some(alpha) = places.alpha {
        check("wise-ft", "alpha", alpha, 0.0..=1.0)?;
    }
    let files = [one_file(probed)?, one_file(fine_tuned)?];
    let (models, weights) = Ingredients::read(&files, sources)?;
    let [first, last] = &weights[..] else {
        unreachable!("two files were read");
    };
    let recount = (!same_statistics(first, last)).then_some(places.recount);
    let mut line = Line {
        models,
        ends: [first, last],
        recount,
    };
    let mut all = alphas(places.count);
    if let Some(alpha) = places.alpha.filter(|alpha| !all.contains(alpha)) {
        all.push(alpha);
        all.sort_by(f64::total_cmp);
    }
    let (mut found, mut scores) = (Vec::new(), Vec::new());
    let mut taken = None;
    for alpha in all {
        let (dict, valid) = line.at(alpha)?;
        found.push(Place { alpha, valid });
        let top1 = valid.top1;
        scores.push(AlphaScore { alpha, top1 });
        let best_so_far = || best(&scores).map(|score| score.alpha);
        if places.alpha.or_else(best_so_far) == Some(alpha) {
            taken = Some((alpha, dict, valid));
        }
    }
    let Some((alpha, dict, valid)) = taken else {
        unreachable!("there are two places at least");
    };
    line.models.write(&dict, out)?;
    Ok(WiseFt {
        file: out.display().to_string(),
        models: files.map(|file| file.display().to_string()),
        places: found,
        alpha,
        valid,
    })
}

/// The models between two.
struct Line<'a> {
    models: Ingredients,
    ends: [&'a StateDict; 2],
    recount: Option<usize>,
}

impl Line<'_> {
    /// The weights at a place, and their validation scores.
    fn at(&mut self, alpha: f64) -> Result<(StateDict, Scores), Error> {
        let [first, last] = self.ends;
        if alpha == 0.0 || alpha == 1.0 {
            let end = if alpha == 0.0 { first } else { last };
            return self.models.scored(end.clone(), None);
        }
        self.models
            .scored(between(first, last, alpha)?, self.recount)
    }
}

/// The one model file that a path names.
fn one_file(path: &Path) -> Result<PathBuf, Error> {
    let files = model_files(&[path.to_path_buf()])?;
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(files) => Err(ConfigError::Conflict(format!(
            "{}: this is an ensemble of {} models; give a run directory or a model file",
            path.display(),
            files.len()
        ))
        .into()),
    }
}

/// Whether the batch norms of two models have the same running statistics.
fn same_statistics(first: &StateDict, last: &StateDict) -> bool {
    let mut statistics = first.tensors.iter().filter(|(key, _)| {
        let name = key.rsplit('.').next().unwrap_or_default();
        name == "running_mean" || name == "running_var"
    });
    statistics.all(|(key, data)| last.tensors.get(key) == Some(data))
}
