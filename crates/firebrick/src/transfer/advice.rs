//! What to do with some data, before it is done.

use std::path::Path;
use std::sync::Arc;

use firebrick_core::{ConfigError, Recipe};
use firebrick_transfer::advisor::{Advice, Measured, advise as of_measured};
use serde::Serialize;

use super::opened::Opened;
use super::strategy::Wanted;
use crate::{Error, Sources};

/// What was measured, and what follows from it. `firebrick transfer advise --json` prints it as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advised {
    /// The model with its options.
    pub model: String,
    /// The cell of the lecture's table, such as `similar data, few images`.
    pub quadrant: String,
    /// What to do, as `--strategy` names it.
    pub strategy: String,
    /// What to try next, the most promising first.
    pub alternatives: Vec<String>,
    /// The advice, with its evidence, reasons and warnings.
    pub advice: Advice,
    /// The figures that it comes from.
    pub measured: Measured,
}

/// Measures the training images of a recipe with its pretrained network, and says what to do with them. `cache` is the directory that keeps
/// features for the next time.
///
/// # Errors
/// [`Error`] naming the setting, the file or the image.
pub fn advise(
    recipe: &Recipe,
    sources: &Sources,
    cache: Option<&Path>,
    progress: &mut dyn FnMut(usize, usize),
    notice: &mut dyn FnMut(&str),
) -> Result<Advised, Error> {
    let opened = Opened::open(recipe, sources)?;
    opened.notes.iter().for_each(|note| notice(note));
    let taken = opened.take(cache, &Arc::default(), progress, notice)?;
    let probed = taken.probe(recipe)?;
    let measured = taken.measured(&opened, &probed)?;
    let Some(advice) = of_measured(&measured) else {
        return Err(
            ConfigError::Conflict("there are no training images to give advice on".into()).into(),
        );
    };
    Ok(Advised {
        model: opened.source.info.model.to_string(),
        quadrant: advice.quadrant.to_string(),
        strategy: Wanted::of(&advice.strategy),
        alternatives: advice.alternatives.iter().map(Wanted::of).collect(),
        advice,
        measured,
    })
}
