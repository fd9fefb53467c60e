//! What keeps a network of a file out of the model, each tensor with the one that was probably meant.

use std::collections::HashMap;

use super::candidate::{Candidate, Kind, Problem};
use crate::error::nearest;
use crate::weights_file::contents::Entry;

/// Names that are compared with one at most.
const COMPARED: usize = 500;

/// Keys by the shape of their tensors.
type Keys<'a> = HashMap<&'a [usize], Vec<&'a str>>;

/// All differences, those of the model's own tensors first: the key, what is wrong with it, and the nearest of the keys that are left over on
/// the other side and have the same shape.
pub(super) fn differences(network: &Candidate<'_>, file: &[Entry]) -> Vec<String> {
    let (mut missing, mut extra) = (Keys::new(), Keys::new());
    for Problem { key, kind } in &network.problems {
        match kind {
            Kind::Missing(shape) => missing.entry(shape).or_default().push(key),
            Kind::Extra(at) => extra.entry(&file[*at].view.shape).or_default().push(key),
            Kind::Type(_) | Kind::Shape(..) => {}
        }
    }
    let near = |key: &str, keys: &Keys<'_>, shape: &[usize], place: &str| {
        let alike = keys.get(shape).into_iter().flatten();
        nearest(key, alike.copied().take(COMPARED)).map_or(String::new(), |near| {
            format!(" (the nearest {place} is `{near}`)")
        })
    };
    let text = |Problem { key, kind }: &Problem| match kind {
        Kind::Missing(shape) => format!(
            "`{key}` {shape:?} is missing{}",
            near(key, &extra, shape, "in the file")
        ),
        Kind::Type(element) => format!("`{key}` is of type {element}; a float is needed"),
        Kind::Shape(file, model) => {
            format!("`{key}` is {file:?} in the file but {model:?} in the model")
        }
        Kind::Extra(at) => format!(
            "`{key}` is in the file but not in the model{}",
            near(key, &missing, &file[*at].view.shape, "there")
        ),
    };
    network.problems.iter().map(text).collect()
}
