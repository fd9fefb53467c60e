//! What each figure says about whether data is like that which a model was trained on.

use serde::{Deserialize, Serialize};

use super::measured::{Measured, StageProbe};

/// What a figure says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The name of the figure.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// Greater than 0 for similar data and less for different data; the further from 0, the more it counts.
    pub weight: f64,
    /// What it says, as a sentence.
    pub sentence: String,
}

/// The share of the labels' entropy that the source's classes must explain to speak for similar data: more than half of what is
/// to be learned is there already.
const EXPLAINED: f64 = 0.5;
/// The distance, in variances of the source, from which on data is different: its features are further from those of the source
/// than a typical source image is from their mean.
const DISTANCE: f64 = 1.0;
/// The share of the way from guessing to perfection that neighbours must get without any training.
const NEIGHBOURS: f64 = 0.7;

/// All that was measured, the stages first: where the best probe is shows what matters for the choice, so it counts double.
pub(super) fn all(measured: &Measured, images: usize) -> Vec<Evidence> {
    let guess = measured.images.iter().max().copied().unwrap_or(0) as f64 / images as f64;
    let mut all: Vec<Evidence> = [
        stages(&measured.probes, images),
        logme(measured),
        measured.leep_explained.map(leep),
        measured.distance.map(distance),
        measured.knn_top1.map(|top1| neighbours(top1, guess)),
    ]
    .into_iter()
    .flatten()
    .collect();
    // Not a number: no evidence.
    all.retain(|item| item.value.is_finite());
    all
}

/// The standard error of an accuracy on so many images.
pub(super) fn standard_error(top1: f64, images: usize) -> f64 {
    (top1 * (1.0 - top1) / images as f64).sqrt()
}

/// The probe with the highest accuracy, the last of equal ones.
pub(super) fn best_probe(probes: &[StageProbe]) -> Option<&StageProbe> {
    probes.iter().max_by(|a, b| a.top1.total_cmp(&b.top1))
}

/// Late features are made for the source's classes. Where earlier ones are better, the data is different.
fn stages(probes: &[StageProbe], images: usize) -> Option<Evidence> {
    let (last, best) = (probes.last()?, best_probe(probes)?);
    if probes.len() < 2 {
        return None;
    }
    let behind = best.top1 - last.top1;
    // Two standard errors: a difference that the choice of held-out images would rarely make.
    let clear = 2.0 * standard_error(best.top1.clamp(0.05, 0.95), images);
    let (weight, sentence) = if behind > clear {
        (
            -2.0,
            format!(
                "The features of `{}` are better than the last ones ({:.1} % against {:.1} %): the last stages are too specific for the source's classes.",
                best.stage,
                100.0 * best.top1,
                100.0 * last.top1
            ),
        )
    } else {
        (
            2.0,
            format!(
                "The last features are the best, or as good ({:.1} %): what the model learned last is of use here.",
                100.0 * last.top1
            ),
        )
    };
    Some(Evidence {
        figure: "stages".into(),
        value: -behind,
        weight,
        sentence,
    })
}

fn logme(measured: &Measured) -> Option<Evidence> {
    let scores = measured.logme.as_ref()?;
    let last = *scores.last()?;
    if scores.len() != measured.probes.len() || scores.len() < 2 {
        return None;
    }
    let (best, most) = scores
        .iter()
        .copied()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let is_last = best + 1 == scores.len();
    Some(Evidence {
        figure: "logme".into(),
        value: last - most,
        weight: if is_last { 1.0 } else { -1.0 },
        sentence: if is_last {
            format!("LogME is highest for the last features ({last:.3}).")
        } else {
            format!(
                "LogME is higher for `{}` ({most:.3}) than for the last features ({last:.3}).",
                measured.probes[best].stage
            )
        },
    })
}

fn leep(explained: f64) -> Evidence {
    let similar = explained >= EXPLAINED;
    Evidence {
        figure: "leep".into(),
        value: explained,
        weight: if similar { 1.0 } else { -1.0 },
        sentence: format!(
            "The classes that the model knows explain {:.0} % of the new ones' entropy (LEEP): {}.",
            100.0 * explained,
            if similar {
                "more than half of what is to be learned"
            } else {
                "less than half of what is to be learned"
            }
        ),
    }
}

fn distance(distance: f64) -> Evidence {
    let similar = distance <= DISTANCE;
    Evidence {
        figure: "distance".into(),
        value: distance,
        weight: if similar { 1.0 } else { -1.0 },
        sentence: format!(
            "Its features are {distance:.2} variances away from those of the source's images: {}.",
            if similar {
                "within what these differ among themselves"
            } else {
                "further than these differ among themselves"
            }
        ),
    }
}

fn neighbours(top1: f64, guess: f64) -> Evidence {
    let share = (top1 - guess) / (1.0 - guess).max(1e-9);
    let similar = share >= NEIGHBOURS;
    Evidence {
        figure: "knn".into(),
        value: top1,
        weight: if similar { 1.0 } else { -1.0 },
        sentence: format!(
            "Without any training, nearest neighbours in the last features are right for {:.1} %, where guessing is for {:.1} %: {}.",
            100.0 * top1,
            100.0 * guess,
            if similar {
                "images of a class lie together already"
            } else {
                "images of a class do not lie together yet"
            }
        ),
    }
}
