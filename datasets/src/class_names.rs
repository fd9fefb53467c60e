//! Matches the classes of a data set with those of a model.
//!
//! The outputs of a model are numbered. To score them on another data set, its classes are matched with
//! the model's by name, not by position.

use std::sync::Arc;

use firebrick_types::ConfigError;
use firebrick_types::data::{DataError, Dataset, Sample};
use firebrick_types::image::Size;

/// A data set with the classes of a model.
struct Relabelled {
    dataset: Arc<dyn Dataset>,
    classes: Vec<String>,
    /// For each class of the data set, the model's.
    to: Vec<usize>,
}

/// A data set whose labels are those of a model, and what the user should know about the matching.
pub type Matched = (Arc<dyn Dataset>, Option<String>);

/// Gives the images of `dataset` the labels of a model whose classes are `classes`.
///
/// - Classes are matched by name, in any order; some may be missing from the data set.
/// - `ids` are other names of the model's classes, if they have some: those of ImageNet's folders, for example. They are matched
///   in the same way.
/// - With `numbered`, the weights came without names: numbers (`7`, `007`) in the data set are matched by value. Where
///   the classes of the model are nothing but numbers, other names are matched by their order when there are as many as the model has.
///
/// # Errors
/// [`ConfigError::Conflict`] listing the classes of both, when one of the data set's is not a class of
/// the model.
pub fn matched(
    dataset: Arc<dyn Dataset>,
    classes: &[String],
    ids: &[&str],
    numbered: bool,
) -> Result<Matched, ConfigError> {
    let found = dataset.classes();
    if found == classes {
        return Ok((dataset, None));
    }
    let (to, note) = if let Some(to) = by_name(found, classes) {
        let note = missing(&to, classes);
        (to, note)
    } else if let Some(to) = by_name(found, ids) {
        let note = missing(&to, classes);
        (to, note)
    } else if numbered && let Some(to) = by_number(found, classes.len()) {
        let note = missing(&to, classes);
        (to, note)
    } else if numbered && found.len() == classes.len() && are_numbers(classes) {
        let note = format!(
            "the weights have no class names, so the classes of the data set are numbered in order: {}",
            quoted_pairs(found)
        );
        ((0..found.len()).collect(), Some(note))
    } else {
        return Err(ConfigError::Conflict(format!(
            "the classes of the data set are not those of the model: the data set has {}, the model {}{}",
            listed(found),
            listed(classes),
            stranger(found, classes)
        )));
    };
    let relabelled = Relabelled {
        dataset,
        classes: classes.to_vec(),
        to,
    };
    Ok((Arc::new(relabelled), note))
}

fn by_name(found: &[String], names: &[impl AsRef<str>]) -> Option<Vec<usize>> {
    let place = |name: &String| names.iter().position(|other| other.as_ref() == name);
    found.iter().map(place).collect()
}

/// Whether the names are only `0`, `1`, …
fn are_numbers(names: &[String]) -> bool {
    let mut names = names.iter().enumerate();
    names.all(|(number, name)| *name == number.to_string())
}

/// Different numbers below `count`.
fn by_number(found: &[String], count: usize) -> Option<Vec<usize>> {
    let numbers: Vec<usize> = found
        .iter()
        .map(|name| name.parse().ok().filter(|number| *number < count))
        .collect::<Option<_>>()?;
    let mut seen = vec![false; count];
    numbers
        .iter()
        .all(|number| !std::mem::replace(&mut seen[*number], true))
        .then_some(numbers)
}

fn missing(to: &[usize], classes: &[String]) -> Option<String> {
    let absent: Vec<String> = (0..classes.len())
        .filter(|class| !to.contains(class))
        .map(|class| classes[class].clone())
        .collect();
    (!absent.is_empty()).then(|| {
        format!(
            "{} of the {} classes of the model have no images here: {}",
            absent.len(),
            classes.len(),
            names(&absent)
        )
    })
}

/// The first class that the model does not have, with the most similar one that it has.
fn stranger(found: &[String], classes: &[String]) -> String {
    let Some(stranger) = found.iter().find(|name| !classes.contains(name)) else {
        return String::new();
    };
    let known = classes.iter().map(String::as_str);
    match firebrick_types::error::nearest(stranger, known) {
        Some(near) => {
            format!("; `{stranger}` is not a class of the model (did you mean `{near}`?)")
        }
        None => format!("; `{stranger}` is not a class of the model"),
    }
}

fn listed(classes: &[String]) -> String {
    format!("{} ({})", classes.len(), names(classes))
}

/// The first names.
fn names(classes: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = classes[..classes.len().min(SHOWN)].join(", ");
    if classes.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

fn quoted_pairs(found: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut pairs: Vec<String> = found
        .iter()
        .enumerate()
        .take(SHOWN)
        .map(|(number, name)| format!("{number} = {name}"))
        .collect();
    if found.len() > SHOWN {
        pairs.push("…".into());
    }
    pairs.join(", ")
}

/// An index beyond the end panics, as it does for a slice.
impl Dataset for Relabelled {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let sample = self.dataset.get(index)?;
        Ok(Sample {
            label: self.to[sample.label],
            ..sample
        })
    }

    fn label(&self, index: usize) -> usize {
        self.to[self.dataset.label(index)]
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self, index: usize) -> String {
        self.dataset.describe(index)
    }

    fn checksum(&self, index: usize) -> Option<[u8; 32]> {
        self.dataset.checksum(index)
    }

    fn image_size(&self) -> Option<Size> {
        self.dataset.image_size()
    }

    fn fingerprint(&self) -> String {
        format!("{} as {:?}", self.dataset.fingerprint(), self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    fn names_of(names: &str) -> Vec<String> {
        names.split(' ').map(String::from).collect()
    }

    /// One image of each class; its pixel is the class.
    fn set(names: &str) -> Arc<dyn Dataset> {
        let classes = names_of(names);
        let count = classes.len();
        let pixels = (0..count).map(|class| class as u8).collect();
        let labels = (0..count).collect();
        Arc::new(InMemory::new("set", [1, 1, 1], pixels, labels, classes).unwrap())
    }

    /// The label that each image gets, both ways of asking.
    fn labels(set: &dyn Dataset) -> Vec<usize> {
        (0..set.len())
            .map(|index| {
                let sample = set.get(index).unwrap();
                assert_eq!(sample.label, set.label(index));
                assert_eq!(usize::from(sample.image.pixels[0]), index);
                sample.label
            })
            .collect()
    }

    fn outcome(found: &str, model: &str, numbered: bool) -> Result<Vec<usize>, String> {
        matched(set(found), &names_of(model), &[], numbered)
            .map(|(set, _)| {
                assert_eq!(set.classes(), names_of(model));
                labels(&*set)
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_decide_not_positions() {
        for numbered in [false, true] {
            let mapped = |found: &str, model: &str| outcome(found, model, numbered).unwrap();
            assert_eq!(mapped("cat dog", "cat dog"), [0, 1]);
            assert_eq!(mapped("dog zebra cat", "cat dog zebra"), [1, 2, 0]);
            assert_eq!(mapped("zebra", "cat dog zebra"), [2], "some are missing");
        }
        let note =
            |found: &str, model: &str| matched(set(found), &names_of(model), &[], false).unwrap().1;
        assert_eq!(note("dog cat", "cat dog"), None);
        assert_eq!(
            note("zebra", "cat dog zebra").unwrap(),
            "2 of the 3 classes of the model have no images here: cat, dog"
        );
    }

    #[test]
    fn other_names_are_refused_and_both_sides_listed() {
        let error = outcome("pear plum", "cat dog", false).unwrap_err();
        for needle in [
            "2 (pear, plum)",
            "2 (cat, dog)",
            "`pear` is not a class of the model",
        ] {
            assert!(error.contains(needle), "{error}");
        }
        let error = outcome("cat dogs", "cat dog", false).unwrap_err();
        assert!(error.contains("did you mean `dog`?"), "{error}");
        assert!(outcome("cat dog eel", "cat dog", true).is_err());
    }

    #[test]
    fn weights_without_names_go_by_number_and_then_by_order() {
        let twelve = "0 1 2 3 4 5 6 7 8 9 10 11";
        let as_text = "0 1 10 11 2 3 4 5 6 7 8 9";
        let expected = [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(outcome(as_text, twelve, true).unwrap(), expected);
        assert_eq!(outcome("003 011", twelve, true).unwrap(), [3, 11]);
        assert!(outcome("3 12", twelve, true).is_err(), "no such output");
        assert!(outcome("3 03", twelve, true).is_err(), "twice the same");
        assert!(outcome("one two", "0 1", false).is_err());
        let (set, note) = matched(set("cat dog"), &names_of("0 1"), &[], true).unwrap();
        assert_eq!(labels(&*set), [0, 1]);
        let note = note.unwrap();
        assert!(note.contains("0 = cat, 1 = dog"), "{note}");
    }

    #[test]
    fn classes_with_names_and_ids_go_by_these_and_by_number_but_never_by_order() {
        let model = names_of("tench goldfish hen");
        let ids = ["n1", "n2", "n3"];
        let known = |found: &str| {
            let matched = matched(set(found), &model, &ids, true);
            matched.map(|(set, note)| {
                assert_eq!(set.classes(), model);
                (labels(&*set), note.unwrap_or_default())
            })
        };
        assert_eq!(known("n3 n2 n1").unwrap().0, [2, 1, 0]);
        let (labels, note) = known("n2").unwrap();
        assert_eq!(labels, [1]);
        assert!(note.ends_with("no images here: tench, hen"), "{note}");
        assert_eq!(known("hen tench").unwrap().0, [2, 0]);
        assert_eq!(known("1 2").unwrap().0, [1, 2]);
        let error = known("barber surgeon baker").unwrap_err().to_string();
        assert!(error.contains("`barber` is not a class"), "{error}");
    }
}
