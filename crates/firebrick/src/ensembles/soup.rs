//! Makes one model of several, by averaging their weights.

use std::path::{Path, PathBuf};

use firebrick_core::ConfigError;
use firebrick_core::run::Scores;
use firebrick_core::state_dict::StateDict;
use firebrick_ensemble::manifest::Manifest;
use firebrick_ensemble::soup::{greedy, mean};
use serde::Serialize;

use super::ingredients::Ingredients;
use crate::Error;
use crate::session::Sources;

/// Which models go into a soup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// All of them.
    Uniform,
    /// The best on validation, and every other one that does not make it worse.
    Greedy,
}

/// A soup of models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Soup {
    /// Its model file.
    pub file: String,
    /// The model files that could go in, with their validation scores.
    pub ingredients: Vec<(String, Scores)>,
    /// Those that went in, the best first.
    pub kept: Vec<String>,
    /// Its validation scores.
    pub valid: Scores,
}

/// The model files that paths name: model files, run directories, and all members of ensembles.
///
/// # Errors
/// [`Error::Manifest`] for an ensemble that is damaged.
pub fn model_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if Manifest::is_in(path) {
            let manifest = Manifest::read(path)?;
            files.extend(
                manifest
                    .members
                    .iter()
                    .map(|member| path.join(&member.file)),
            );
        } else if path.is_dir() {
            files.push(path.join("model.safetensors"));
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Averages the weights of models and writes the model file `out`. The batch norm statistics of the soup are recomputed from
/// `recount` training batches of the run in which the first model lies.
///
/// # Errors
/// [`Error`] for fewer than two models, models of two kinds, and a first one that lies in no run with validation images.
pub fn soup(
    files: &[PathBuf],
    how: How,
    recount: usize,
    sources: Sources,
    out: &Path,
) -> Result<Soup, Error> {
    let refused = |problem: String| Error::from(ConfigError::Conflict(problem));
    if files.len() < 2 {
        return Err(refused(format!(
            "a soup needs at least 2 models, not {}",
            files.len()
        )));
    }
    let (mut all, weights) = Ingredients::read(files, sources)?;
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut ingredients = Vec::new();
    for (name, dict) in names.iter().zip(&weights) {
        ingredients.push((name.clone(), all.scored(dict.clone(), None)?.1));
    }
    let of = |places: &[usize]| mean(&places.iter().map(|at| &weights[*at]).collect::<Vec<_>>());
    // The soups that were scored and may still be the last one.
    let mut scored_soups: Vec<(Vec<usize>, (StateDict, Scores))> = Vec::new();
    let kept: Vec<usize> = match how {
        How::Uniform => (0..weights.len()).collect(),
        How::Greedy => {
            let accuracies: Vec<f64> = ingredients.iter().map(|(_, scores)| scores.top1).collect();
            greedy(&accuracies, |places| {
                let soup = all.scored(of(places)?, Some(recount))?;
                let accuracy = soup.1.top1;
                // Those that lost an ingredient since are not kept.
                scored_soups.retain(|(before, _)| places.starts_with(before));
                scored_soups.push((places.to_vec(), soup));
                Ok::<_, Error>(accuracy)
            })?
        }
    };
    let done = scored_soups.into_iter().find(|(places, _)| *places == kept);
    let (dict, valid) = match (done, &kept[..]) {
        (Some((_, soup)), _) => soup,
        // A single model keeps its own statistics, and was scored before.
        (None, [one]) => (weights[*one].clone(), ingredients[*one].1),
        (None, _) => all.scored(of(&kept)?, Some(recount))?,
    };
    all.write(&dict, out)?;
    Ok(Soup {
        file: out.display().to_string(),
        kept: kept.into_iter().map(|at| names[at].clone()).collect(),
        ingredients,
        valid,
    })
}
