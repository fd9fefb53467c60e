//! `mixup`: each image becomes a weighted mean of itself and another one (Zhang et al. 2018); torchvision's
//! `v2.MixUp`.

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::data::{Batch, BatchMoment, BatchTransform};
use firebrick_core::random::HostRng;
use firebrick_core::spec::Spec;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::beta::symmetric;
use super::definition::{ALPHA, BuildMix, MixConfig, PROB, UNTIL};
use super::targets::{mixed, partner};

/// λ of each image, and 1 - λ of the one before it in the batch, with λ from Beta(α, α), drawn once for a batch.
/// The targets are mixed in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mixup {
    /// α of the Beta distribution, in [0.001, 1000]: the greater, the closer to halves.
    pub alpha: f64,
    /// The share of batches that are mixed, in [0, 1].
    pub prob: f64,
    /// The share of the run's epochs after which it is off, in [0, 1].
    pub until: f64,
}

impl Default for Mixup {
    fn default() -> Self {
        Self {
            alpha: 0.2,
            prob: 1.0,
            until: 1.0,
        }
    }
}

impl MixConfig for Mixup {
    const ABOUT: About = About::new(
        "mixup",
        "replaces each image by a weighted mean of itself and another image of the batch; mixes the targets too",
        &[ALPHA, PROB, UNTIL],
    )
    .source("Zhang et al. 2018; torchvision's MixUp");

    fn transform(&self, _: BuildMix) -> Result<Box<dyn BatchTransform>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl Mixup {
    /// Draws λ; none for a batch that stays as it is.
    #[must_use]
    pub fn sample(&self, rng: &mut HostRng) -> Option<f64> {
        (rng.random::<f64>() < self.prob).then(|| symmetric(self.alpha, rng))
    }
}

/// Mixes the images of a batch, `lambda` of each being its own.
#[must_use]
pub fn apply(batch: Batch, lambda: f64) -> Batch {
    let images = batch.len();
    let targets = mixed(&batch, lambda);
    let size = batch.images.len() / images.max(1);
    let (own, other) = (lambda as f32, (1.0 - lambda) as f32);
    let mut pixels = Vec::with_capacity(batch.images.len());
    for (at, image) in batch.images.chunks_exact(size.max(1)).enumerate() {
        let partner = &batch.images[partner(at, images) * size..][..size];
        pixels.extend(image.iter().zip(partner).map(|(a, b)| a * own + b * other));
    }
    Batch {
        images: pixels,
        targets,
        ..batch
    }
}

impl BatchTransform for Mixup {
    fn apply(&self, batch: Batch, moment: &BatchMoment, rng: &mut HostRng) -> Batch {
        if batch.len() < 2 || moment.share >= self.until {
            return batch;
        }
        match self.sample(rng) {
            Some(lambda) => apply(batch, lambda),
            None => batch,
        }
    }

    fn spec(&self) -> Spec {
        Spec::canonical(Self::ABOUT.name, self)
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::data::Targets;
    use firebrick_core::random::rng;

    use super::*;
    use crate::mix::tests::batch;

    #[test]
    fn images_and_targets_are_weighted_means_with_the_image_before() {
        let mixed = apply(batch(3, [1, 2]), 0.75);
        let expected = [0.5, 0.51, 0.75, 0.76, 1.75, 1.76];
        assert!(
            mixed
                .images
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
        let values = vec![0.75, 0.0, 0.25, 0.25, 0.75, 0.0, 0.0, 0.25, 0.75];
        assert_eq!(mixed.targets, Targets::Soft { values, classes: 3 });
        // Soft targets are mixed again.
        let again = apply(mixed, 0.5).targets;
        let Targets::Soft { values, .. } = again else {
            panic!("soft targets stay soft");
        };
        assert_eq!(values[..3], [0.375, 0.125, 0.5]);
    }

    #[test]
    fn draws_are_pinned() {
        let mixup = Mixup {
            prob: 0.6,
            ..Mixup::default()
        };
        let mut rng = rng(42, "mix", 1, 2);
        let draws: Vec<_> = (0..5).map(|_| mixup.sample(&mut rng)).collect();
        let shown: Vec<_> = draws
            .iter()
            .map(|draw| draw.map(|share| (share * 1e6).round()))
            .collect();
        assert_eq!(shown, [Some(999_915.0), Some(991_924.0), None, None, None]);
    }
}
