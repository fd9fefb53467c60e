//! Scores of a classifier, from logits on the host, in f64.
//!
//! The logits may be f32, as models compute them, or f64; each is widened before anything is computed of it, so both
//! have the same scores. Log-probabilities are logits too.

use crate::confusion::Confusion;
use crate::data::Targets;
use crate::run::{ConfidenceBin, Scores};

/// Bins of confidence in the expected calibration error.
pub const BINS: usize = 15;
/// Most wrong images that are kept.
const MISTAKES: usize = 24;

/// Gathers scores batch by batch.
#[derive(Debug, Clone)]
pub struct Scorer {
    count: usize,
    top1: f64,
    top5: f64,
    nll: f64,
    brier: f64,
    bins: [Bin; BINS],
    confusion: Confusion,
    mistakes: Vec<WrongImage>,
    right: Vec<(usize, bool)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    count: usize,
    confidence: f64,
    correct: f64,
}

/// One image whose most probable class was wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongImage {
    /// Its index in the data set.
    pub index: usize,
    /// The right class.
    pub truth: usize,
    /// The three most probable classes with their probabilities.
    pub said: Vec<(usize, f64)>,
    /// Probability of the right class.
    pub truth_probability: f64,
}

impl Scorer {
    /// An empty scorer.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self {
            count: 0,
            top1: 0.0,
            top5: 0.0,
            nll: 0.0,
            brier: 0.0,
            bins: [Bin::default(); BINS],
            confusion: Confusion::new(classes),
            mistakes: Vec::new(),
            right: Vec::new(),
        }
    }

    /// Adds one image: its logits, its class, its index in the data set.
    pub fn add<T: Copy + Into<f64>>(&mut self, logits: &[T], truth: usize, index: usize) {
        self.add_target(logits, Target::Class(truth), index);
    }

    /// As [`Self::add`], for any target. A distribution counts as right by its share of the predicted class; in
    /// the confusion matrix and among the mistakes, the image is of its most probable class.
    pub fn add_target<T: Copy + Into<f64>>(
        &mut self,
        logits: &[T],
        target: Target<'_>,
        index: usize,
    ) {
        let probabilities = softmax(logits);
        let ranked = ranked(logits);
        let (truth, predicted) = (target.class(), ranked[0]);
        let correct = predicted == truth;
        self.count += 1;
        self.top1 += target.share(predicted);
        self.top5 += ranked
            .iter()
            .take(5)
            .map(|class| target.share(*class))
            .sum::<f64>();
        self.confusion.add(truth, predicted);
        // log-softmax rather than the log of a probability that may have underflowed.
        self.nll += match target {
            Target::Class(truth) => log_sum_exp(logits) - logits[truth].into(),
            Target::Soft(shares) => {
                let log_sum = log_sum_exp(logits);
                let terms = shares
                    .iter()
                    .zip(logits)
                    .filter(|(share, _)| **share != 0.0);
                terms
                    .map(|(share, logit)| f64::from(*share) * (log_sum - (*logit).into()))
                    .sum()
            }
        };
        self.brier += probabilities
            .iter()
            .enumerate()
            .map(|(class, p)| (p - target.share(class)).powi(2))
            .sum::<f64>();
        let confidence = probabilities[predicted];
        let bin = &mut self.bins[bin_of(confidence)];
        bin.count += 1;
        bin.confidence += confidence;
        bin.correct += target.share(predicted);
        self.right.push((index, correct));
        if !correct {
            self.note_mistake(WrongImage {
                index,
                truth,
                said: ranked
                    .iter()
                    .take(3)
                    .map(|class| (*class, probabilities[*class]))
                    .collect(),
                truth_probability: probabilities[truth],
            });
        }
    }

    /// Keeps the most wrong images, ties by index, so that the order of batches does not matter.
    fn note_mistake(&mut self, mistake: WrongImage) {
        self.mistakes.push(mistake);
        if self.mistakes.len() > 4 * MISTAKES {
            self.trim_mistakes();
        }
    }

    fn trim_mistakes(&mut self) {
        // What is not a number is worst.
        let known = |wrong: &WrongImage| {
            let probability = wrong.truth_probability;
            if probability.is_nan() {
                -1.0
            } else {
                probability
            }
        };
        self.mistakes
            .sort_by(|a, b| known(a).total_cmp(&known(b)).then(a.index.cmp(&b.index)));
        self.mistakes.truncate(MISTAKES);
    }

    /// The scores so far; all zero without images. `loss` is the mean of the training loss.
    #[must_use]
    pub fn scores(&self, loss: f64) -> Scores {
        let count = self.count.max(1) as f64;
        let gap = |bin: &Bin| (bin.correct - bin.confidence).abs();
        Scores {
            loss,
            top1: self.top1 / count,
            top5: self.top5 / count,
            nll: self.nll / count,
            ece: self.bins.iter().map(gap).sum::<f64>() / count,
            brier: self.brier / count,
            count: self.count,
        }
    }

    /// Confidence against accuracy: the bins of the expected calibration error.
    #[must_use]
    pub fn calibration(&self) -> Vec<ConfidenceBin> {
        let bin = |bin: &Bin| {
            let count = bin.count.max(1) as f64;
            ConfidenceBin {
                count: bin.count,
                confidence: bin.confidence / count,
                accuracy: bin.correct / count,
            }
        };
        self.bins.iter().map(bin).collect()
    }

    /// The index of each image and whether it was classified right, in the order they came.
    #[must_use]
    pub fn right(&self) -> &[(usize, bool)] {
        &self.right
    }

    /// What was taken for what.
    #[must_use]
    pub fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    /// The most wrong images, worst first.
    #[must_use]
    pub fn mistakes(mut self) -> Vec<WrongImage> {
        self.trim_mistakes();
        self.mistakes
    }

    /// Images added so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// The bin of a confidence, from 0: (k/15, (k+1)/15], as in Guo et al. 2017. 0 is in the first.
#[must_use]
pub fn bin_of(confidence: f64) -> usize {
    ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}

/// What one image is to be classified as.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A class.
    Class(usize),
    /// A distribution over the classes.
    Soft(&'a [f32]),
}

impl Target<'_> {
    /// The class; of a distribution, the most probable one.
    #[must_use]
    pub fn class(self) -> usize {
        match self {
            Self::Class(class) => class,
            Self::Soft(shares) => highest(shares),
        }
    }

    /// The share of a class.
    #[must_use]
    pub fn share(self, class: usize) -> f64 {
        match self {
            Self::Class(truth) => f64::from(u8::from(truth == class)),
            Self::Soft(shares) => f64::from(shares[class]),
        }
    }

    /// The target of each image in turn.
    pub fn each(targets: &Targets) -> Box<dyn Iterator<Item = Target<'_>> + '_> {
        match targets {
            Targets::Classes(labels) => Box::new(labels.iter().map(|label| Target::Class(*label))),
            Targets::Soft { values, classes } => {
                Box::new(values.chunks(*classes).map(Target::Soft))
            }
            Targets::Taught { labels, .. } => Self::each(labels),
        }
    }
}

/// Classes from the highest score to the lowest; the first of equals first, what is not a number last.
#[must_use]
pub fn ranked<T: Copy + Into<f64>>(logits: &[T]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by(|a, b| order(logits[*b]).total_cmp(&order(logits[*a])));
    classes
}

/// The first class of [`ranked`], found without ranking the others; 0 without scores.
#[must_use]
pub fn highest<T: Copy + Into<f64>>(logits: &[T]) -> usize {
    let better = |best: usize, class: usize| {
        let ordering = order(logits[class]).total_cmp(&order(logits[best]));
        if ordering.is_gt() { class } else { best }
    };
    (0..logits.len()).reduce(better).unwrap_or(0)
}

/// What a score counts in a ranking: a NaN is the least.
fn order(logit: impl Into<f64>) -> f64 {
    let logit = logit.into();
    if logit.is_nan() {
        f64::NEG_INFINITY
    } else {
        logit
    }
}

/// Probabilities from logits.
#[must_use]
pub fn softmax<T: Copy + Into<f64>>(logits: &[T]) -> Vec<f64> {
    let norm = log_sum_exp(logits);
    let logits = logits.iter().copied().map(Into::into);
    logits.map(|logit| (logit - norm).exp()).collect()
}

/// The logarithm of the sum of exponentials: what is subtracted from logits to make log-probabilities.
#[must_use]
pub fn log_sum_exp<T: Copy + Into<f64>>(logits: &[T]) -> f64 {
    let logits = || logits.iter().copied().map(Into::into);
    let max = logits().fold(f64::NEG_INFINITY, f64::max);
    max + logits().map(|logit| (logit - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scorer(images: &[(&[f32], usize)]) -> Scorer {
        let mut scorer = Scorer::new(images[0].0.len());
        images
            .iter()
            .enumerate()
            .for_each(|(index, (logits, truth))| scorer.add(logits, *truth, index));
        scorer
    }

    #[test]
    fn scores_by_hand() {
        // Probabilities (0.8, 0.2) right and (0.6, 0.4) wrong.
        let (a, b) = ([4.0_f32.ln(), 0.0], [1.5_f32.ln(), 0.0]);
        let scores = scorer(&[(&a, 0), (&b, 1)]).scores(0.0);
        assert_eq!((scores.count, scores.top1, scores.top5), (2, 0.5, 1.0));
        assert!((scores.nll - (-(0.8_f64.ln()) - 0.4_f64.ln()) / 2.0).abs() < 1e-7);
        assert!((scores.brier - (0.08 + 0.72) / 2.0).abs() < 1e-7);
        // |1 - 0.8| and |0 - 0.6| in bins of their own.
        assert!((scores.ece - (0.2 + 0.6) / 2.0).abs() < 1e-7);
    }

    #[test]
    fn the_bins_hold_what_the_calibration_error_is_made_of() {
        // 0.79 lies in (11/15, 12/15], 0.58 in (8/15, 9/15].
        let logits = |p: f64| [(p / (1.0 - p)).ln() as f32, 0.0];
        let (sure, unsure) = (logits(0.79), logits(0.58));
        let images: [(&[f32], usize); 4] = [(&sure, 0), (&sure, 1), (&unsure, 0), (&unsure, 0)];
        let scorer = scorer(&images);
        let bins = scorer.calibration();
        assert_eq!(bins.len(), 15);
        let near = |bin: ConfidenceBin, count, confidence: f64, accuracy: f64| {
            bin.count == count
                && (bin.confidence - confidence).abs() < 1e-6
                && bin.accuracy == accuracy
        };
        assert!(near(bins[11], 2, 0.79, 0.5), "{bins:?}");
        assert!(near(bins[8], 2, 0.58, 1.0), "{bins:?}");
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), 4);
        let gap =
            |bin: &ConfidenceBin| bin.count as f64 / 4.0 * (bin.accuracy - bin.confidence).abs();
        let ece: f64 = bins.iter().map(gap).sum();
        assert!((ece - scorer.scores(0.0).ece).abs() < 1e-12);
        assert_eq!(
            scorer.right(),
            [(0, true), (1, false), (2, true), (3, true)]
        );
    }

    #[test]
    fn images_in_one_bin_are_averaged_before_the_gap_is_taken() {
        let a = [4.0_f32.ln(), 0.0];
        let scores = scorer(&[(&a, 0), (&a, 0), (&a, 0), (&a, 0), (&a, 1)]).scores(0.0);
        assert!(
            scores.ece.abs() < 1e-7,
            "80 % sure and 80 % right is calibrated, got {}",
            scores.ece
        );
    }

    #[test]
    fn top5_confusion_and_mistakes() {
        let logits = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        let scorer = scorer(&[(&logits, 0), (&logits, 4), (&logits, 5)]);
        let scores = scorer.scores(0.0);
        assert!((scores.top1 - 1.0 / 3.0).abs() < 1e-12 && (scores.top5 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(scorer.confusion().count(5, 0), 1);
        let mistakes = scorer.mistakes();
        assert_eq!(mistakes.iter().map(|m| m.index).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(mistakes[0].said[0].0, 0);
    }

    #[test]
    fn the_highest_is_the_first_of_the_ranking() {
        let rows: [&[f32]; 8] = [
            &[0.5],
            &[1.0, 3.0, 2.0],
            &[1.0, 2.0, 2.0],
            &[-0.0, 0.0],
            &[f32::NAN, -1.0],
            &[f32::NAN, f32::NAN],
            &[f32::NEG_INFINITY, f32::NAN],
            &[1.0, f32::INFINITY, f32::NAN],
        ];
        let expected = [0, 1, 1, 1, 1, 0, 0, 1];
        for (row, expected) in rows.into_iter().zip(expected) {
            assert_eq!(
                (highest(row), ranked(row)[0]),
                (expected, expected),
                "{row:?}"
            );
        }
    }

    #[test]
    fn extreme_logits_stay_finite_and_nan_is_wrong() {
        let scores = scorer(&[(&[1000.0, -1000.0], 0)]).scores(0.0);
        assert_eq!((scores.top1, scores.nll, scores.brier), (1.0, 0.0, 0.0));
        assert!((scorer(&[(&[1000.0, -1000.0], 1)]).scores(0.0).nll - 2000.0).abs() < 1e-9);
        assert_eq!(scorer(&[(&[f32::NAN, 0.0], 0)]).scores(0.0).top1, 0.0);
        let worst = scorer(&[(&[1.0, 0.0], 1), (&[f32::NAN, 0.0], 0)]).mistakes();
        assert_eq!([worst[0].index, worst[1].index], [1, 0]);
    }

    #[test]
    fn logits_in_f32_and_f64_have_the_same_scores() {
        let rows = [
            [0.1_f32, 2.7, -3.3],
            [f32::NAN, 1.0, 0.0],
            [-0.0, 0.0, 1e-7],
        ];
        let wide = rows.map(|row| row.map(f64::from));
        let mut scorers = [Scorer::new(3), Scorer::new(3)];
        for (index, (row, wide)) in rows.iter().zip(&wide).enumerate() {
            assert_eq!((ranked(row), highest(row)), (ranked(wide), highest(wide)));
            // The NaN is in an image of its own.
            if index != 1 {
                scorers[0].add(row, 1, index);
                scorers[1].add(wide, 1, index);
            }
        }
        let [narrow, wide] = scorers;
        assert_eq!(narrow.scores(0.0), wide.scores(0.0));
        assert_eq!(narrow.calibration(), wide.calibration());
        assert_eq!(narrow.mistakes(), wide.mistakes());
    }

    #[test]
    fn a_distribution_is_scored_by_its_shares() {
        let logits = [2.0, 0.5, -1.0, 0.0, 0.1, 0.2, 0.3];
        let mut shares = [0.0; 7];
        (shares[1], shares[0], shares[2]) = (0.5, 0.3, 0.2);
        let scored = |add: &dyn Fn(&mut Scorer)| {
            let mut scorer = Scorer::new(logits.len());
            add(&mut scorer);
            scorer
        };
        let soft = scored(&|scorer| scorer.add_target(&logits, Target::Soft(&shares), 0));
        let hard = |class| scored(&|scorer| scorer.add(&logits, class, 0)).scores(0.0);
        let mean = |score: fn(Scores) -> f64| {
            let parts = (0..3).map(|class| f64::from(shares[class]) * score(hard(class)));
            parts.sum::<f64>()
        };
        let scores = soft.scores(0.0);
        assert!((scores.nll - mean(|scores| scores.nll)).abs() < 1e-6);
        // Class 0 is predicted and class 2 is the least of the seven.
        assert!((scores.top1 - 0.3).abs() < 1e-6 && (scores.top5 - 0.8).abs() < 1e-6);
        let squares = softmax(&logits).into_iter().zip(shares);
        let brier: f64 = squares.map(|(p, t)| (p - f64::from(t)).powi(2)).sum();
        assert!((scores.brier - brier).abs() < 1e-12);
        // Elsewhere the image is one of its most probable class.
        assert_eq!(soft.confusion().count(1, 0), 1);
        assert_eq!(soft.mistakes()[0].truth, 1);
    }
}
