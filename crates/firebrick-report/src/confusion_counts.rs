//! The counts of a confusion matrix with the names of its classes, and the scores of each class.

use firebrick_types::confusion::{ClassScores, Confusion as Counts};

/// Counts with a name for every class.
#[derive(Debug, Clone)]
pub(crate) struct Confusion {
    pub(crate) counts: Counts,
    pub(crate) scores: Vec<ClassScores>,
    names: Vec<String>,
}

impl Confusion {
    /// Names of the first classes; the others get their numbers.
    pub(crate) fn new(counts: &Counts, names: &[String]) -> Self {
        let counts = counts.clone().widened(names.len());
        Self {
            names: names.to_vec(),
            scores: counts.per_class(),
            counts,
        }
    }

    pub(crate) fn classes(&self) -> usize {
        self.counts.classes()
    }

    /// A class's name. Made when it is asked for: of many classes few are shown.
    pub(crate) fn name(&self, class: usize) -> String {
        let name = self.names.get(class).cloned();
        name.unwrap_or_else(|| format!("class {class}"))
    }

    /// Images of a class.
    pub(crate) fn images(&self, truth: usize) -> u64 {
        self.scores[truth].images
    }

    /// Pairs `(truth, predicted, count)` that were confused, most often first.
    pub(crate) fn pairs(&self) -> Vec<(usize, usize, u64)> {
        let wrong = |(truth, predicted, _): &(usize, usize, u64)| truth != predicted;
        let mut pairs: Vec<_> = self.counts.iter().filter(wrong).collect();
        pairs.sort_by_key(|(truth, predicted, count)| (u64::MAX - count, *truth, *predicted));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_most_often_first() {
        let counts = vec![vec![2, 1], vec![2, 3]].into();
        let confusion = Confusion::new(&counts, &[]);
        assert_eq!(confusion.pairs(), [(1, 0, 2), (0, 1, 1)]);
    }

    #[test]
    fn odd_matrices_are_made_square() {
        let rows = vec![vec![1], vec![], vec![0, 0, 7, u64::MAX]];
        let ragged = Confusion::new(&rows.into(), &["a".into()]);
        assert_eq!(ragged.classes(), 4);
        assert_eq!(ragged.name(0), "a");
        assert_eq!(ragged.name(3), "class 3");
        assert_eq!(ragged.images(2), u64::MAX);
        assert_eq!(Confusion::new(&Counts::default(), &[]).classes(), 0);
    }
}
