//! Matches the tensors of a file with those of a model: by name under any common prefix, then by shape.

mod candidate;
mod differences;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::contents::Entry;
use super::element::ElementType;
use super::rules::Rules;
use crate::groups::path_matches;
use crate::listed::{in_full, listed, printable};
pub(super) use candidate::is_counter;
use candidate::{Candidate, Kind, Names};
use differences::differences;

/// The longest list of names that may be the file's, in characters.
const LONGEST: usize = 1000;

/// Which tensors of a file go into a model.
#[derive(Debug, PartialEq)]
pub(super) struct Fit {
    /// The tensor of each of the model's keys; `None` where the model keeps its own, in a new head.
    pub(super) entries: Vec<Option<usize>>,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
}

/// Looks for a model in a file. Tensors of the rules' head may be missing or of another shape; none of them is taken then.
///
/// # Errors
/// What is missing, of another shape or type, or too much, and what the file has; or the exception that is for no key.
pub(super) fn fit(
    file: &[Entry],
    model: &[(String, Vec<usize>)],
    rules: &Rules,
) -> Result<Fit, String> {
    let names = Names::of(file, model, rules);
    let found = names.prefixes(model);
    let all: Vec<Candidate<'_>> = found
        .iter()
        .map(|prefix| Candidate::of(prefix, &names, file, model, &found, rules))
        .collect();
    check_exceptions(&all, model, rules)?;
    for allowed in [false, true] {
        let fitting = all.iter().filter(|candidate| {
            candidate.problems.iter().all(|problem| allowed && rules.is_head(&problem.key))
                // A head alone is no network.
                && candidate.entries.iter().zip(model).any(|(entry, (key, _))| entry.is_some() && !rules.is_head(key))
        });
        let fitting: Vec<_> = fitting.collect();
        if let Some((chosen, mut notes)) = choose(&fitting, file)? {
            let mut entries = chosen.entries.clone();
            if let Some(head) = rules
                .head
                .as_deref()
                .filter(|_| !chosen.problems.is_empty())
            {
                notes.push(new_head(chosen, head, file, model, rules));
                for (entry, (key, _)) in entries.iter_mut().zip(model) {
                    *entry = entry.filter(|_| !rules.is_head(key));
                }
            }
            notes.extend(excepted(chosen));
            notes.extend(adapted(&entries, file, model, rules));
            notes.extend(converted(&entries, file));
            notes.extend(left_out(chosen, file));
            return Ok(Fit { entries, notes });
        }
        if rules.head.is_none() {
            break;
        }
    }
    let nothing = Candidate::of("", &names, file, model, &found, rules);
    Err(misfit(all.first().unwrap_or(&nothing), file))
}

/// Refuses an exception that is for no key.
fn check_exceptions(
    all: &[Candidate<'_>],
    model: &[(String, Vec<usize>)],
    rules: &Rules,
) -> Result<(), String> {
    for pattern in &rules.except {
        let matches = |key: &String| path_matches(pattern, key);
        let of_model = model.iter().any(|(key, _)| matches(key));
        let mut of_file = all.iter().flat_map(|candidate| &candidate.ignored);
        if !of_model && !of_file.any(matches) {
            let pattern = printable(pattern, LONGEST);
            return Err(format!(
                "no key matches the exception `{pattern}`; the model has {}",
                listed(model.iter().map(|(key, _)| format!("`{key}`")), 4)
            ));
        }
    }
    Ok(())
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
            printable(&places(&chosen), LONGEST)
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
    rules: &Rules,
) -> String {
    let mut of_head = chosen
        .entries
        .iter()
        .zip(model)
        .filter(|(_, (key, _))| rules.is_head(key));
    let Some((entry, (key, shape))) = of_head.next() else {
        return format!("the head `{head}` is reinitialized");
    };
    let was = match entry {
        Some(at) => format!("`{key}` was {:?} in the file", file[*at].view.shape),
        None => format!("the file has no `{key}`"),
    };
    let classes = shape.first().copied().unwrap_or(0);
    format!("the head is reinitialized: {was}, the model has {classes} classes")
}

/// What the exceptions keep out of the model.
fn excepted(chosen: &Candidate<'_>) -> Option<String> {
    let names = chosen.excepted.iter().map(|key| format!("`{key}`"));
    (!chosen.excepted.is_empty()).then(|| {
        format!(
            "not loaded, because of the exceptions: {}; the model begins with its own values there",
            listed(names, 3)
        )
    })
}

/// The convolutions that are for another number of channels in the file.
fn adapted(
    entries: &[Option<usize>],
    file: &[Entry],
    model: &[(String, Vec<usize>)],
    rules: &Rules,
) -> Option<String> {
    let entries = entries.iter().zip(model);
    let changed = entries
        .filter(|(at, (_, shape))| at.is_some_and(|at| rules.adapts(&file[at].view.shape, shape)));
    let changed: Vec<String> = changed.map(|(_, (key, _))| format!("`{key}`")).collect();
    let channels = rules.channels.filter(|_| !changed.is_empty())?;
    let how = if channels == 1 {
        "its weights are summed over the channels"
    } else {
        "its weights are repeated over the channels and scaled by 3 over their number"
    };
    Some(format!(
        "{} reads RGB in the file and {channels} {} here: {how}",
        listed(changed.into_iter(), 3),
        if channels == 1 { "channel" } else { "channels" }
    ))
}

/// The types that become single precision.
fn converted(entries: &[Option<usize>], file: &[Entry]) -> Option<String> {
    let elements = entries.iter().flatten().map(|at| &file[*at].view.element);
    let mut others: Vec<String> = elements
        .filter(|element| **element != ElementType::F32)
        .map(ToString::to_string)
        .collect();
    others.sort();
    others.dedup();
    (!others.is_empty()).then(|| {
        format!(
            "its values of type {} are converted to float32",
            others.join(" and ")
        )
    })
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

/// Names in the state of PyTorch's optimizers.
fn is_state_of_an_optimizer(name: &str) -> bool {
    let last = name.rsplit('.').next();
    matches!(
        last,
        Some("exp_avg" | "exp_avg_sq" | "momentum_buffer" | "square_avg")
    )
}

/// Why no network of the file is the model's; `best` is the one that comes nearest.
fn misfit(best: &Candidate<'_>, file: &[Entry]) -> String {
    if file.is_empty() {
        return "the file has no tensors".into();
    }
    let none = best.entries.iter().all(Option::is_none);
    let of_optimizer = |entry: &Entry| is_state_of_an_optimizer(&entry.name);
    if none && file.iter().any(of_optimizer) {
        return "the file holds the state of an optimizer, but none of the model's keys: save the network, with torch.save(model.state_dict(), …)".into();
    }
    let mut text = in_full(&differences(best, file));
    if none {
        text = format!("the file has none of the model's keys: {text}");
    } else if !best.prefix.is_empty() {
        text = format!("under `{}`: {text}", printable(best.place(), LONGEST));
    }
    let listed_already = best
        .problems
        .iter()
        .filter_map(|problem| match problem.kind {
            Kind::Extra(at) => Some(at),
            _ => None,
        });
    let known: HashSet<usize> = best
        .entries
        .iter()
        .flatten()
        .copied()
        .chain(listed_already)
        .collect();
    let others = file.iter().enumerate();
    let others = others.filter(|(at, entry)| !known.contains(at) && !is_counter(&entry.name));
    let others: Vec<String> = others
        .map(|(_, entry)| format!("`{}` {:?}", entry.name, entry.view.shape))
        .collect();
    let missing = best.entries.iter().any(Option::is_none);
    if missing && !others.is_empty() {
        let others = printable(&listed(others.into_iter(), 4), LONGEST);
        text = format!("{text}; the file also has {others}");
    }
    text
}
