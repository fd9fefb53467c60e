//! What keeps a network of a file out of the model, each tensor with the one that was probably meant.

use std::collections::HashMap;

use super::candidate::{Candidate, Kind, Problem};
use crate::error::nearest;
use crate::listed::listed;
use crate::weights_file::contents::Entry;

/// How many differences an error lists.
const SHOWN: usize = 8;

/// Names that are compared with a missing one at most.
const COMPARED: usize = 500;

/// The differences, those of the model's own tensors first: the key, what is wrong with it, and the nearest of the keys that are left over on
/// the other side.
pub(super) fn differences(network: &Candidate<'_>, file: &[Entry]) -> String {
    let names: HashMap<&str, &Entry> = file
        .iter()
        .filter_map(|entry| Some((entry.name.get(entry.level..)?, entry)))
        .map(|(name, entry)| (name.trim_start_matches('.'), entry))
        .collect();
    let shape_of = |key: &str| {
        let entry = names.get(format!("{}{key}", network.prefix).as_str())?;
        Some(entry.view.shape.as_slice())
    };
    let problems = || network.problems.iter();
    let extra: Vec<&str> = problems()
        .filter(|problem| matches!(problem.kind, Kind::Extra))
        .map(|problem| problem.key.as_str())
        .take(COMPARED)
        .collect();
    let missing: Vec<&str> = problems()
        .filter(|problem| matches!(problem.kind, Kind::Missing(_)))
        .map(|problem| problem.key.as_str())
        .take(COMPARED)
        .collect();
    let text = |Problem { key, kind }: &Problem| match kind {
        Kind::Missing(shape) => {
            let alike = extra.iter().copied();
            let alike = alike.filter(|other| shape_of(other).is_none_or(|other| other == shape));
            let near = nearest(key, alike).map_or(String::new(), |near| {
                format!(" (the nearest in the file is `{near}`)")
            });
            format!("`{key}` {shape:?} is missing{near}")
        }
        Kind::Type(element) => format!("`{key}` is of type {element}; a float is needed"),
        Kind::Shape(file, model) => {
            format!("`{key}` is {file:?} in the file but {model:?} in the model")
        }
        Kind::Extra => {
            let near = nearest(key, missing.iter().copied()).map_or(String::new(), |near| {
                format!(" (the nearest there is `{near}`)")
            });
            format!("`{key}` is in the file but not in the model{near}")
        }
    };
    // Only what is listed is compared.
    let shown = problems().take(SHOWN).map(text);
    let rest = problems().skip(SHOWN).map(|_| String::new());
    listed(shown.chain(rest), SHOWN)
}
