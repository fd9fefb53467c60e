//! Confusion matrices: how often each class was predicted as each other one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Counts of `(truth, predicted)`. Only pairs that occurred take memory, so thousands of classes are no matter.
///
/// In JSON it is `{"classes": 3, "counts": [[truth, predicted, count], …]}`; rows of counts, `[[5, 0], [1, 4]]`,
/// which earlier versions wrote, are read too.
///
/// ```
/// use firebrick_types::confusion::Confusion;
/// let mut confusion = Confusion::new(3);
/// confusion.add(2, 0);
/// assert_eq!(confusion, Confusion::from(vec![vec![0, 0, 0], vec![0, 0, 0], vec![1, 0, 0]]));
/// assert_eq!(confusion.count(2, 0), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    classes: usize,
    #[serde(serialize_with = "triples")]
    counts: BTreeMap<(usize, usize), u64>,
}

/// How well a model does on one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Images of the class.
    pub images: u64,
    /// Images predicted to be of the class.
    pub predicted: u64,
    /// Share of the images predicted to be of the class that are. `None` where there are none.
    pub precision: Option<f64>,
    /// Share of the images of the class that were predicted to be. `None` where there are none.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall, as `2 · right / (images + predicted)`: 0 for a class with
    /// images that is never predicted. `None` where no image is or was predicted to be of the class.
    pub f1: Option<f64>,
}

fn triples<S: serde::Serializer>(
    counts: &BTreeMap<(usize, usize), u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        counts
            .iter()
            .map(|((truth, predicted), n)| (truth, predicted, n)),
    )
}

impl Confusion {
    /// More classes than anything tells apart are taken for damage, before memory is.
    const MOST_CLASSES: usize = 1_000_000;

    /// No image yet.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            counts: BTreeMap::new(),
        }
    }

    /// Counts one image of the class `truth` that was predicted to be `predicted`.
    ///
    /// # Panics
    /// When one of them is no class.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(
            truth.max(predicted) < self.classes,
            "class {} of {}",
            truth.max(predicted),
            self.classes
        );
        *self.counts.entry((truth, predicted)).or_default() += 1;
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images of the class `truth` that were predicted to be `predicted`.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts.get(&(truth, predicted)).copied().unwrap_or(0)
    }

    /// `(truth, predicted, count)` of all pairs that occurred, ordered by `truth`, then by `predicted`.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.counts
            .iter()
            .map(|((truth, predicted), n)| (*truth, *predicted, *n))
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Images of each class.
    #[must_use]
    pub fn images(&self) -> Vec<u64> {
        self.sums(|truth, _| truth)
    }

    /// Images predicted to be of each class.
    #[must_use]
    pub fn predicted(&self) -> Vec<u64> {
        self.sums(|_, predicted| predicted)
    }

    /// The scores of each class.
    #[must_use]
    pub fn per_class(&self) -> Vec<ClassScores> {
        let sums = self.images().into_iter().zip(self.predicted());
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        sums.enumerate()
            .map(|(class, (images, predicted))| {
                let right = self.count(class, class);
                let both = images.saturating_add(predicted);
                ClassScores {
                    images,
                    predicted,
                    precision: share(right, predicted),
                    recall: share(right, images),
                    f1: share(right.saturating_mul(2), both),
                }
            })
            .collect()
    }

    fn sums(&self, class: impl Fn(usize, usize) -> usize) -> Vec<u64> {
        let mut sums = vec![0_u64; self.classes];
        for (truth, predicted, n) in self.iter() {
            let sum = &mut sums[class(truth, predicted)];
            *sum = sum.saturating_add(n);
        }
        sums
    }

    /// The same with at least so many classes.
    #[must_use]
    pub fn widened(self, classes: usize) -> Self {
        Self {
            classes: self.classes.max(classes),
            ..self
        }
    }
}

/// Rows of counts; a row that is short or missing counts as zeros.
impl From<Vec<Vec<u64>>> for Confusion {
    fn from(rows: Vec<Vec<u64>>) -> Self {
        let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut confusion = Self::new(rows.len().max(widest));
        for (truth, row) in rows.into_iter().enumerate() {
            let cells = row.into_iter().enumerate().filter(|(_, n)| *n > 0);
            confusion
                .counts
                .extend(cells.map(|(predicted, n)| ((truth, predicted), n)));
        }
        confusion
    }
}

impl<'de> Deserialize<'de> for Confusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Pairs {
                classes: usize,
                counts: Vec<(usize, usize, u64)>,
            },
            Rows(Vec<Vec<u64>>),
        }
        let wrong = |problem: String| Err(serde::de::Error::custom(problem));
        match Written::deserialize(deserializer)? {
            Written::Rows(rows) => Ok(rows.into()),
            Written::Pairs { classes, .. } if classes > Self::MOST_CLASSES => {
                wrong(format!("a confusion matrix of {classes} classes"))
            }
            Written::Pairs { classes, counts } => {
                let mut confusion = Self::new(classes);
                for (truth, predicted, n) in counts {
                    if truth.max(predicted) >= classes {
                        return wrong(format!(
                            "a confusion matrix of {classes} classes counts class {}",
                            truth.max(predicted)
                        ));
                    }
                    confusion.counts.insert((truth, predicted), n);
                }
                Ok(confusion)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_earlier_versions_and_pairs_read_the_same() {
        let rows: Confusion = serde_json::from_str("[[5,0,1],[],[0,4]]").unwrap();
        assert_eq!(rows.classes(), 3);
        assert_eq!(rows.images(), [6, 0, 4]);
        assert_eq!(rows.predicted(), [5, 4, 1]);
        let text = serde_json::to_string(&rows).unwrap();
        assert_eq!(text, r#"{"classes":3,"counts":[[0,0,5],[0,2,1],[2,1,4]]}"#);
        assert_eq!(serde_json::from_str::<Confusion>(&text).unwrap(), rows);
        assert!(serde_json::from_str::<Confusion>("[]").unwrap().is_empty());
    }

    #[test]
    fn scores_by_hand() {
        // Two cats right, one called dog; three dogs right, two called cat; a fox called dog; no bird.
        let confusion = Confusion::from(vec![vec![2, 1], vec![2, 3], vec![0, 1], vec![0; 4]]);
        let scores = confusion.per_class();
        let of = |class: usize| {
            let ClassScores {
                precision,
                recall,
                f1,
                ..
            } = scores[class];
            [precision, recall, f1]
        };
        assert_eq!((scores[0].images, scores[0].predicted), (3, 4));
        assert_eq!(of(0), [Some(0.5), Some(2.0 / 3.0), Some(4.0 / 7.0)]);
        assert_eq!(of(1), [Some(0.6), Some(0.6), Some(0.6)]);
        assert_eq!(of(2), [None, Some(0.0), Some(0.0)]);
        assert_eq!(of(3), [None; 3]);
    }

    #[test]
    fn its_size_follows_from_the_images_not_from_the_classes() {
        let mut confusion = Confusion::new(20_000);
        (0..1000).for_each(|image| confusion.add(image * 17 % 20_000, image));
        assert!(serde_json::to_vec(&confusion).unwrap().len() < 20_000);
        assert_eq!(confusion.images().iter().sum::<u64>(), 1000);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            r#"{"classes":18446744073709551615,"counts":[]}"#,
            r#"{"classes":2,"counts":[[0,2,1]]}"#,
            r#"{"classes":2,"counts":[[0,-1,1]]}"#,
            "7",
        ] {
            assert!(serde_json::from_str::<Confusion>(text).is_err(), "{text}");
        }
    }
}
