//! Matches the tensors of a file with those of a model: by name under any common prefix, then by shape.

mod candidate;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::contents::Entry;
use crate::listed::listed;
pub(super) use candidate::is_counter;
use candidate::{Candidate, Names};

/// How many names an error lists.
const SHOWN: usize = 6;

/// Which tensors of a file go into a model.
#[derive(Debug, PartialEq)]
pub(super) struct Fit {
    /// The tensor of each of the model's keys; `None` where the model keeps its own, in a new head.
    pub(super) entries: Vec<Option<usize>>,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
}

/// Looks for a model in a file. Tensors of `head`, the path of the model's last layer, may be missing
/// or of another shape; none of them is taken then.
///
/// # Errors
/// What is missing, of another shape or type, or too much, and what the file has.
pub(super) fn fit(
    file: &[Entry],
    model: &[(String, Vec<usize>)],
    head: Option<&str>,
) -> Result<Fit, String> {
    let names = Names::of(file, model);
    let found = names.prefixes(model);
    let is_head = |key: &str| head.is_some_and(|head| under(key, head));
    let all: Vec<Candidate<'_>> = found
        .iter()
        .map(|prefix| Candidate::of(prefix, &names, file, model, &found))
        .collect();
    for allowed in [false, true] {
        let fitting = all.iter().filter(|candidate| {
            candidate.problems.iter().all(|problem| allowed && is_head(&problem.key))
                // A head alone is no network.
                && candidate.entries.iter().zip(model).any(|(entry, (key, _))| entry.is_some() && !is_head(key))
        });
        let fitting: Vec<_> = fitting.collect();
        if let Some((chosen, mut notes)) = choose(&fitting, file)? {
            let mut entries = chosen.entries.clone();
            if let Some(head) = head.filter(|_| !chosen.problems.is_empty()) {
                notes.push(new_head(chosen, head, file, model));
                for (entry, (key, _)) in entries.iter_mut().zip(model) {
                    *entry = entry.filter(|_| !is_head(key));
                }
            }
            notes.extend(left_out(chosen, file));
            return Ok(Fit { entries, notes });
        }
        if head.is_none() {
            break;
        }
    }
    Err(misfit(all.first(), file, model))
}

/// Whether a key lies in the module at `path`.
fn under(key: &str, path: &str) -> bool {
    key.strip_prefix(path)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Of several networks that fit, the one that was trained, not its average.
fn choose<'a>(
    fitting: &[&'a Candidate<'a>],
    file: &[Entry],
) -> Result<Option<(&'a Candidate<'a>, Vec<String>)>, String> {
    let (plain, averaged): (Vec<_>, Vec<_>) = fitting
        .iter()
        .copied()
        .partition(|candidate| !candidate.averaged);
    // Averages alone are networks like any others.
    let (chosen, beside) = if plain.is_empty() {
        (averaged, plain)
    } else {
        (plain, averaged)
    };
    let Some(first) = chosen.first().copied() else {
        return Ok(None);
    };
    let places = |candidates: &[&Candidate<'_>]| {
        let places = candidates.iter();
        let places: Vec<String> = places.map(|one| format!("`{}`", one.place())).collect();
        places.join(" and ")
    };
    // The same values under two names are one network.
    let views = |candidate: &Candidate<'_>| -> Vec<_> {
        candidate
            .entries
            .iter()
            .map(|at| at.map(|at| &file[at].view))
            .collect()
    };
    let own = views(first);
    if chosen.iter().any(|other| views(other) != own) {
        return Err(format!(
            "the file has several networks that fit the model, under {}; save the one you want in a file of its own",
            places(&chosen)
        ));
    }
    let note = (!beside.is_empty()).then(|| {
        format!(
            "the file also has averaged weights (EMA), under {}; the plain ones are used",
            places(&beside)
        )
    });
    Ok(Some((first, note.into_iter().collect())))
}

fn new_head(
    chosen: &Candidate<'_>,
    head: &str,
    file: &[Entry],
    model: &[(String, Vec<usize>)],
) -> String {
    let mut of_head = chosen
        .entries
        .iter()
        .zip(model)
        .filter(|(_, (key, _))| under(key, head));
    let Some((entry, (key, shape))) = of_head.next() else {
        return "the head is reinitialized".into();
    };
    let was = match entry {
        Some(at) => format!("`{key}` was {:?} in the file", file[*at].view.shape),
        None => format!("the file has no `{key}`"),
    };
    let classes = shape.first().copied().unwrap_or(0);
    format!("the head is reinitialized: {was}, the model has {classes} classes")
}

fn left_out(chosen: &Candidate<'_>, file: &[Entry]) -> Option<String> {
    let names = chosen
        .beside
        .iter()
        .map(|at| format!("`{}`", file[*at].name));
    (!chosen.beside.is_empty()).then(|| {
        format!(
            "the file has tensors that are not part of the network and are not used: {}",
            listed(names, 3)
        )
    })
}

/// Why no network of the file is the model's.
fn misfit(best: Option<&Candidate<'_>>, file: &[Entry], model: &[(String, Vec<usize>)]) -> String {
    let names = |entries: &mut dyn Iterator<Item = &Entry>| {
        let names: Vec<String> = entries
            .map(|entry| format!("`{}` {:?}", entry.name, entry.view.shape))
            .collect();
        listed(names.into_iter(), 4)
    };
    if file.is_empty() {
        return "the file has no tensors".into();
    }
    let Some(best) = best else {
        let missing = model
            .iter()
            .map(|(key, shape)| format!("`{key}` {shape:?}"));
        return format!(
            "the file has none of the model's keys. The model needs {}; the file has {}",
            listed(missing, 4),
            names(&mut file.iter())
        );
    };
    let mut text = listed(
        best.problems.iter().map(|problem| problem.text.clone()),
        SHOWN,
    );
    if !best.prefix.is_empty() {
        text = format!("under `{}`: {text}", best.place());
    }
    let missing = best.entries.iter().any(Option::is_none);
    let taken: HashSet<usize> = best.entries.iter().flatten().copied().collect();
    let mut others = file
        .iter()
        .enumerate()
        .filter(|(at, entry)| !taken.contains(at) && !is_counter(&entry.name))
        .map(|(_, entry)| entry)
        .peekable();
    if missing && others.peek().is_some() {
        text = format!("{text}; the file also has {}", names(&mut others));
    }
    text
}
