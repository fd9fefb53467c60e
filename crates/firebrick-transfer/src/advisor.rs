//! Advice: which way of transfer learning fits some data, from what was measured of it.
//!
//! The table is that of the lecture (Stanford CS231n, "Transfer learning and fine-tuning convolutional neural networks"):
//!
//! | | data like the source's | other data |
//! |---|---|---|
//! | few images | a linear classifier on the last features | a linear classifier on features of several stages |
//! | many images | fine-tune the last stages | fine-tune everything |
//!
//! Each figure that was measured says "similar" or "different" with a weight; [`advise`] adds them up, and gives its reasons in
//! sentences.

mod evidence;
mod measured;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use evidence::Evidence;
pub use measured::{Measured, StageProbe};

/// Images of each class from which on there are many.
///
/// With a fifth of 200 held out, the accuracy of a class is measured on 40 images, with a standard error of up to 8 points. With fewer,
/// validation hardly tells whether training the layers of the backbone pays off.
pub const MANY_PER_CLASS: usize = 200;
/// Images of all classes together from which on there are many: the 1000 images of each task of VTAB-1k, which Head2Toe is measured on,
/// count as few.
pub const MANY_IMAGES: usize = 2000;

/// A cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quadrant {
    /// Whether the data is like that which the model was trained on.
    pub similar: bool,
    /// Whether there are many images.
    pub many: bool,
}

/// `similar data, few images`.
impl fmt::Display for Quadrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = if self.similar { "similar" } else { "different" };
        let images = if self.many { "many" } else { "few" };
        write!(f, "{data} data, {images} images")
    }
}

/// A way of transfer learning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum Strategy {
    /// A linear classifier on the features of one stage.
    LinearProbe {
        /// The stage.
        stage: String,
    },
    /// A linear classifier on selected features of all stages.
    AllStageProbe,
    /// The head first, then the last stages with it.
    FineTuneLast {
        /// How many stages before the head.
        stages: usize,
    },
    /// The head first, then everything at a tenth of the rate.
    FineTuneAll,
}

/// As in `a linear classifier on the features of layer4`.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinearProbe { stage } => {
                write!(f, "a linear classifier on the features of `{stage}`")
            }
            Self::AllStageProbe => write!(f, "a linear classifier on features of all stages"),
            Self::FineTuneLast { stages: 1 } => write!(f, "fine-tuning of the last stage"),
            Self::FineTuneLast { stages } => write!(f, "fine-tuning of the last {stages} stages"),
            Self::FineTuneAll => write!(f, "fine-tuning of the whole model"),
        }
    }
}

/// What to do, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The cell of the table.
    pub quadrant: Quadrant,
    /// What to do.
    pub strategy: Strategy,
    /// What to try next, the most promising first.
    pub alternatives: Vec<Strategy>,
    /// What each figure says about whether the data is similar.
    pub evidence: Vec<Evidence>,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// What may spoil the result, in sentences.
    pub warnings: Vec<String>,
}

/// Advice for what was measured; none without classes, images or probes.
#[must_use]
pub fn advise(measured: &Measured) -> Option<Advice> {
    let total: usize = measured.images.iter().sum();
    let last = measured.probes.last()?;
    if measured.images.is_empty() || total == 0 {
        return None;
    }
    let mut counts = measured.images.clone();
    counts.sort_unstable();
    let typical = counts[counts.len() / 2];
    let many = typical >= MANY_PER_CLASS && total >= MANY_IMAGES;
    let evidence = evidence::all(measured, total);
    let sum: f64 = evidence.iter().map(|item| item.weight).sum();
    let quadrant = Quadrant {
        similar: sum >= 0.0,
        many,
    };
    let mut reasons = vec![format!(
        "There are {total} training images of {} classes, typically {typical} of each: {}.",
        measured.images.len(),
        if many {
            "enough to train the layers of the backbone too".to_string()
        } else {
            format!(
                "few, because less than {MANY_PER_CLASS} of a class or {MANY_IMAGES} in all do not tell the layers of a backbone what to become"
            )
        }
    )];
    reasons.extend(evidence.iter().map(|item| item.sentence.clone()));
    let best = evidence::best_probe(&measured.probes).unwrap_or(last);
    let probe = Strategy::LinearProbe {
        stage: if quadrant.similar { last } else { best }.stage.clone(),
    };
    // Half of the stages, which the later ones are: the early ones are generic.
    let half = measured.probes.len().div_ceil(2).max(1);
    let some = Strategy::FineTuneLast { stages: half };
    let one = Strategy::FineTuneLast { stages: 1 };
    let (strategy, alternatives) = match (quadrant.similar, many) {
        (true, false) => (probe, vec![Strategy::AllStageProbe, one]),
        (false, false) => (Strategy::AllStageProbe, vec![probe, some]),
        (true, true) => (some, vec![Strategy::FineTuneAll, Strategy::AllStageProbe]),
        (false, true) => (Strategy::FineTuneAll, vec![some, Strategy::AllStageProbe]),
    };
    reasons.push(format!("So this is {quadrant}: {strategy} comes first."));
    Some(Advice {
        quadrant,
        strategy,
        alternatives,
        evidence,
        reasons,
        warnings: warnings(&counts, last.top1, total),
    })
}

/// What may spoil the result; the numbers of images are sorted.
fn warnings(counts: &[usize], top1: f64, total: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let few = counts.iter().filter(|count| **count < 10).count();
    if few > 0 {
        warnings.push(format!(
            "{few} of {} classes have fewer than 10 images: their accuracy cannot be measured, and more photos of them help most.",
            counts.len()
        ));
    }
    let (least, most) = (counts[0], counts[counts.len() - 1]);
    if least > 0 && most >= 3 * least {
        warnings.push(format!(
            "The largest class has {most} images and the smallest {least}: use `--class-weights auto`, or the large class is predicted too often."
        ));
    }
    let guess = most as f64 / total as f64;
    if top1 <= guess + 2.0 * evidence::standard_error(guess, total) {
        warnings.push(format!(
            "A linear classifier is right for {:.1} % of images, hardly more than the {:.1} % of always guessing the largest class: check the labels and the preprocessing.",
            100.0 * top1,
            100.0 * guess
        ));
    }
    warnings
}

#[cfg(test)]
mod tests;
