//! The counts of a confusion matrix with the names of its classes, and the scores of each class.

use firebrick_core::confusion::Confusion as Counts;

/// Counts with a name for every class.
#[derive(Debug, Clone)]
pub(crate) struct Confusion {
    pub(crate) counts: Counts,
    names: Vec<String>,
    images: Vec<u64>,
    said: Vec<u64>,
}

impl Confusion {
    /// Names of the first classes; the others get their numbers.
    pub(crate) fn new(counts: &Counts, names: &[String]) -> Self {
        let counts = counts.clone().widened(names.len());
        Self {
            names: names.to_vec(),
            images: counts.images(),
            said: counts.said(),
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
        self.images[truth]
    }

    /// Images that were said to be of a class.
    pub(crate) fn said(&self, class: usize) -> u64 {
        self.said[class]
    }

    pub(crate) fn right(&self, class: usize) -> u64 {
        self.counts.count(class, class)
    }

    /// Share of the images said to be of the class that are.
    pub(crate) fn precision(&self, class: usize) -> Option<f64> {
        share(self.right(class), self.said(class))
    }

    /// Share of the images of the class that were said to be.
    pub(crate) fn recall(&self, class: usize) -> Option<f64> {
        share(self.right(class), self.images(class))
    }

    /// Harmonic mean of precision and recall.
    pub(crate) fn f1(&self, class: usize) -> Option<f64> {
        let both = self.images(class).saturating_add(self.said(class));
        share(self.right(class).saturating_mul(2), both)
    }

    /// Pairs `(truth, said, count)` that were confused, most often first.
    pub(crate) fn pairs(&self) -> Vec<(usize, usize, u64)> {
        let wrong = |(truth, said, _): &(usize, usize, u64)| truth != said;
        let mut pairs: Vec<_> = self.counts.iter().filter(wrong).collect();
        pairs.sort_by_key(|(truth, said, count)| (u64::MAX - count, *truth, *said));
        pairs
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scores_by_hand() {
        // Two cats right, one cat called dog; three dogs right, two dogs called cat; no bird.
        let counts = vec![vec![2, 1], vec![2, 3]].into();
        let confusion = Confusion::new(&counts, &names(&["cat", "dog", "bird"]));
        assert_eq!(confusion.precision(0), Some(0.5));
        assert_eq!(confusion.recall(0), Some(2.0 / 3.0));
        assert_eq!(confusion.f1(0), Some(4.0 / 7.0));
        assert_eq!((confusion.precision(2), confusion.f1(2)), (None, None));
        assert_eq!(confusion.pairs(), [(1, 0, 2), (0, 1, 1)]);
    }

    #[test]
    fn odd_matrices_are_made_square() {
        let rows = vec![vec![1], vec![], vec![0, 0, 7, u64::MAX]];
        let ragged = Confusion::new(&rows.into(), &names(&["a"]));
        assert_eq!(ragged.classes(), 4);
        assert_eq!(ragged.name(0), "a");
        assert_eq!(ragged.name(3), "class 3");
        assert_eq!(ragged.images(2), u64::MAX);
        assert_eq!(Confusion::new(&Counts::default(), &[]).classes(), 0);
    }
}
