//! The order in which an epoch visits the images: a function of (seed, epoch) alone.

use std::fmt;
use std::str::FromStr;

use firebrick_types::ConfigError;
use firebrick_types::random::rng;
use firebrick_types::spec::{Spec, Value};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// How an epoch draws its images. An epoch always has as many draws as there are images.
///
/// In spec strings and recipes: `sequential`, `shuffle`, `balanced`, `weighted([1, 2.5, 0])`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Spec", into = "Spec")]
pub enum Sampling {
    /// Every image once, in the order of the data set: for evaluation.
    Sequential,
    /// Every image once, in a new random order each epoch.
    #[default]
    Shuffled,
    /// Draws with replacement: first a class, all being equally likely, then one of its images.
    ///
    /// A rare class is seen as often as a frequent one, its images several times each; a frequent
    /// class shows only a part of its images in one epoch. Classes without images are left out.
    Balanced,
    /// Draws with replacement: first a class, with a probability proportional to its weight, then
    /// one of its images. A class of weight 0 is never drawn; classes without images are left out.
    Weighted(
        /// One weight for each class, finite and at least 0, not all 0.
        Vec<f64>,
    ),
}

const FAMILY: &str = "sampling";
const NAMES: [&str; 4] = ["sequential", "shuffle", "balanced", "weighted"];

impl Sampling {
    /// Whether images with these labels, of `classes` classes, can be drawn this way.
    ///
    /// # Errors
    /// [`ConfigError`] for weights that are negative or not finite, that are not one for each
    /// class, or that leave no image to draw.
    pub fn validate(&self, labels: &[usize], classes: usize) -> Result<(), ConfigError> {
        let Self::Weighted(weights) = self else {
            return Ok(());
        };
        if weights.len() != classes {
            return Err(ConfigError::Conflict(format!(
                "weighted: {} weights are given, but the data set has {classes} classes: give one \
                 for each class",
                weights.len()
            )));
        }
        for (class, weight) in weights.iter().enumerate() {
            if !(weight.is_finite() && *weight >= 0.0) {
                let field = format!("weights[{class}]");
                let range = "finite and at least 0";
                return Err(ConfigError::out_of_range("weighted", &field, weight, range));
            }
        }
        let drawable = |label: &usize| weights.get(*label).is_some_and(|weight| *weight > 0.0);
        if !labels.is_empty() && !labels.iter().any(drawable) {
            return Err(ConfigError::Conflict(
                "weighted: no image has a class whose weight is greater than 0: raise the weight \
                 of a class that has images"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The images of epoch `epoch`, in order: `labels.len()` indices into `labels`.
    ///
    /// Empty when nothing can be drawn, which [`Self::validate`] tells beforehand. A class beyond
    /// `classes` is never drawn with replacement.
    #[must_use]
    pub fn order(&self, labels: &[usize], classes: usize, seed: u64, epoch: u64) -> Vec<usize> {
        match self {
            Self::Sequential => (0..labels.len()).collect(),
            Self::Shuffled => {
                let mut order: Vec<usize> = (0..labels.len()).collect();
                order.shuffle(&mut rng(seed, "shuffle", epoch, 0));
                order
            }
            Self::Balanced => draw(labels, &vec![1.0; classes], seed, epoch),
            Self::Weighted(weights) => draw(labels, weights, seed, epoch),
        }
    }
}

/// Draws a class by weight and then one of its images, once for each label.
fn draw(labels: &[usize], weights: &[f64], seed: u64, epoch: u64) -> Vec<usize> {
    let mut images = vec![Vec::new(); weights.len()];
    for (index, label) in labels.iter().enumerate() {
        if let Some(class) = images.get_mut(*label) {
            class.push(index);
        }
    }
    // Only classes that can be drawn, each with the sum of the weights up to and including its own.
    // Relative to the largest weight, so that the sum is finite.
    let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut total = 0.0;
    let mut bins = Vec::new();
    for (class, weight) in images.iter().zip(weights) {
        if !class.is_empty() && *weight > 0.0 {
            total += weight / largest;
            bins.push((total, class));
        }
    }
    let Some(last) = bins.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut rng = rng(seed, "draw", epoch, 0);
    labels
        .iter()
        .map(|_| {
            let point = rng.random::<f64>() * total;
            // Rounding can make the point equal to the total: then it is the last class.
            let bin = bins.partition_point(|(end, _)| *end <= point).min(last);
            let class = bins[bin].1;
            class[rng.random_range(0..class.len())]
        })
        .collect()
}

impl TryFrom<Spec> for Sampling {
    type Error = ConfigError;

    fn try_from(spec: Spec) -> Result<Self, ConfigError> {
        let plain = |sampling| {
            if spec.positional.is_empty() && spec.named.is_empty() {
                Ok(sampling)
            } else {
                Err(ConfigError::Conflict(format!(
                    "{spec}: `{}` takes no arguments",
                    spec.name
                )))
            }
        };
        match spec.name.as_str() {
            "sequential" => plain(Self::Sequential),
            "shuffle" => plain(Self::Shuffled),
            "balanced" => plain(Self::Balanced),
            "weighted" => spec
                .resolve::<WeightedConfig>()
                .map(|config| Self::Weighted(config.weights)),
            name => Err(ConfigError::unknown_name(FAMILY, name, NAMES)),
        }
    }
}

/// The arguments of `weighted`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WeightedConfig {
    weights: Vec<f64>,
}

impl From<Sampling> for Spec {
    fn from(sampling: Sampling) -> Self {
        let name = match &sampling {
            Sampling::Sequential => "sequential",
            Sampling::Shuffled => "shuffle",
            Sampling::Balanced => "balanced",
            Sampling::Weighted(_) => "weighted",
        };
        let mut spec = Self::new(name);
        if let Sampling::Weighted(weights) = sampling {
            let weights = weights.into_iter().map(Value::Number).collect();
            spec.positional.push(Value::List(weights));
        }
        spec
    }
}

impl FromStr for Sampling {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        text.parse::<Spec>()?.try_into()
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Spec::from(self.clone()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 900 images of class 0, 90 of class 1, none of class 2, 10 of class 3.
    fn labels() -> Vec<usize> {
        let mut labels = vec![0; 900];
        labels.extend([1; 90]);
        labels.extend([3; 10]);
        labels
    }

    fn counts(sampling: &Sampling, epochs: u64) -> Vec<f64> {
        let labels = labels();
        let mut counts = vec![0.0; 4];
        for epoch in 0..epochs {
            for index in sampling.order(&labels, 4, 7, epoch) {
                counts[labels[index]] += 1.0 / (epochs as f64 * labels.len() as f64);
            }
        }
        counts
    }

    fn near(found: &[f64], expected: &[f64], tolerance: f64) {
        let close = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < tolerance);
        assert!(close, "{found:?} is not {expected:?}");
    }

    #[test]
    fn a_shuffle_visits_every_image_once_and_is_pinned() {
        let labels = labels();
        let order = Sampling::Shuffled.order(&labels, 4, 0, 0);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, Sampling::Sequential.order(&labels, 4, 0, 0));
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_eq!(order[..6], [240, 443, 251, 123, 48, 806]);
        assert_ne!(order, Sampling::Shuffled.order(&labels, 4, 0, 1), "epoch");
        assert_ne!(order, Sampling::Shuffled.order(&labels, 4, 1, 0), "seed");
    }

    #[test]
    fn balanced_draws_show_present_classes_equally_often() {
        // Standard deviation of a count over 20 000 draws: 0.0033.
        near(
            &counts(&Sampling::Balanced, 20),
            &[1.0 / 3.0, 1.0 / 3.0, 0.0, 1.0 / 3.0],
            0.014,
        );
        let order = Sampling::Balanced.order(&labels(), 4, 0, 0);
        assert_eq!(order.len(), 1000);
        // Ten images fill a third of the epoch, each about 33 times: none is forgotten.
        for image in 990..1000 {
            let times = order.iter().filter(|index| **index == image).count();
            assert!((10..60).contains(&times), "{image}: {times}");
        }
        assert_eq!(order, Sampling::Balanced.order(&labels(), 4, 0, 0));
        assert_ne!(order, Sampling::Balanced.order(&labels(), 4, 0, 1));
    }

    #[test]
    fn weights_are_probabilities_of_classes() {
        let weighted = Sampling::Weighted(vec![1.0, 3.0, 5.0, 0.0]);
        weighted.validate(&labels(), 4).unwrap();
        near(&counts(&weighted, 20), &[0.25, 0.75, 0.0, 0.0], 0.014);
    }

    #[test]
    fn bad_weights_are_named() {
        for (weights, needle) in [
            (
                vec![1.0, 1.0],
                "2 weights are given, but the data set has 4 classes",
            ),
            (vec![1.0, -1.0, 1.0, 1.0], "weights[1] = -1"),
            (vec![1.0, 1.0, f64::NAN, 1.0], "weights[2] = NaN"),
            (vec![f64::INFINITY, 1.0, 1.0, 1.0], "weights[0] = inf"),
            (vec![0.0; 4], "greater than 0"),
            (vec![0.0, 0.0, 1.0, 0.0], "greater than 0"),
        ] {
            let sampling = Sampling::Weighted(weights);
            let error = sampling.validate(&labels(), 4).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        assert!(
            Sampling::Weighted(vec![0.0; 4])
                .order(&labels(), 4, 0, 0)
                .is_empty()
        );
    }

    #[test]
    fn specs_read_back() {
        for text in [
            "sequential",
            "shuffle",
            "balanced",
            "weighted([1.0, 0.5, 0.0])",
        ] {
            assert_eq!(text.parse::<Sampling>().unwrap().to_string(), text);
        }
        let whole: Sampling = "weighted(weights=[1, 2])".parse().unwrap();
        assert_eq!(whole, Sampling::Weighted(vec![1.0, 2.0]));
        for (text, needle) in [
            ("shufle", "did you mean `shuffle`?"),
            ("balanced(3)", "takes no arguments"),
            ("weighted(1)", "weights = 1 has the wrong type"),
        ] {
            let error = text.parse::<Sampling>().unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
