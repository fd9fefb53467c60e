//! `cutmix`: a box of each image is replaced by that of another one (Yun et al. 2019); torchvision's `v2.CutMix`.

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

/// A box of each image shows the image before it in the batch. The box, the same for a batch, covers 1 - λ of the
/// image with λ from Beta(α, α), less what lies outside; the targets are mixed by the area that it really covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutmix {
    /// α of the Beta distribution, in [0.001, 1000].
    pub alpha: f64,
    /// The share of batches that are mixed, in [0, 1].
    pub prob: f64,
    /// The share of the run's epochs after which it is off, in [0, 1].
    pub until: f64,
}

impl Default for Cutmix {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            prob: 1.0,
            until: 1.0,
        }
    }
}

impl MixConfig for Cutmix {
    const ABOUT: About = About::new(
        "cutmix",
        "pastes a box of another image of the batch into each image; mixes the targets by area",
        &[ALPHA, PROB, UNTIL],
    )
    .source("Yun et al. 2019; torchvision's CutMix");

    fn transform(&self, _: BuildMix) -> Result<Box<dyn BatchTransform>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

/// What [`Cutmix`] drew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutmixParams {
    /// The share of the image that the box leaves, before it is cut off at the edges.
    pub lambda: f64,
    /// Row and column of the middle of the box.
    pub middle: [usize; 2],
}

impl Cutmix {
    /// Draws for images of this height and width, the column first as torchvision does; none for a batch that
    /// stays as it is.
    #[must_use]
    pub fn sample(&self, [height, width]: [usize; 2], rng: &mut HostRng) -> Option<CutmixParams> {
        if rng.random::<f64>() >= self.prob {
            return None;
        }
        let lambda = symmetric(self.alpha, rng);
        let column = rng.random_range(0..width);
        let row = rng.random_range(0..height);
        Some(CutmixParams {
            lambda,
            middle: [row, column],
        })
    }
}

impl CutmixParams {
    /// Rows and columns of the box, the ends left out.
    fn ranges(&self, size: [usize; 2]) -> [std::ops::Range<usize>; 2] {
        let share = 0.5 * (1.0 - self.lambda).sqrt();
        [0, 1].map(|axis| {
            let half = (share * size[axis] as f64) as usize;
            let middle = self.middle[axis];
            middle.saturating_sub(half)..(middle + half).min(size[axis])
        })
    }
}

/// Mixes the images of a batch.
#[must_use]
pub fn apply(mut batch: Batch, params: &CutmixParams) -> Batch {
    let [images, channels, height, width] = batch.shape;
    let [rows, columns] = params.ranges([height, width]);
    let covered = (rows.len() * columns.len()) as f64 / (height * width) as f64;
    let targets = mixed(&batch, 1.0 - covered);
    let from = batch.images.clone();
    for at in 0..images {
        for channel in 0..channels {
            for row in rows.clone() {
                let line = |image: usize| ((image * channels + channel) * height + row) * width;
                let (to, other) = (line(at), line(partner(at, images)));
                batch.images[to + columns.start..to + columns.end]
                    .copy_from_slice(&from[other + columns.start..other + columns.end]);
            }
        }
    }
    Batch { targets, ..batch }
}

impl BatchTransform for Cutmix {
    fn apply(&self, batch: Batch, moment: &BatchMoment, rng: &mut HostRng) -> Batch {
        if batch.len() < 2 || moment.share >= self.until {
            return batch;
        }
        let [_, _, height, width] = batch.shape;
        match self.sample([height, width], rng) {
            Some(params) => apply(batch, &params),
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
    fn a_box_is_the_image_before_and_targets_follow_the_area() {
        let params = CutmixParams {
            lambda: 0.75,
            middle: [1, 0],
        };
        // Half of a side of 4 is 1 each way, and the left part of the box lies outside.
        let mixed = apply(batch(2, [4, 4]), &params);
        let whole = batch(2, [4, 4]).images;
        for (at, value) in mixed.images.iter().enumerate() {
            let (image, row, column) = (at / 16, at / 4 % 4, at % 4);
            let inside = row < 2 && column < 1;
            let from = if inside { 1 - image } else { image };
            assert_eq!(*value, whole[from * 16 + at % 16], "{image} {row} {column}");
        }
        let values = vec![0.875, 0.125, 0.0, 0.125, 0.875, 0.0];
        assert_eq!(mixed.targets, Targets::Soft { values, classes: 3 });
    }

    #[test]
    fn the_extremes_are_nothing_and_the_whole_image() {
        let middle = [2, 2];
        let none = apply(
            batch(2, [4, 4]),
            &CutmixParams {
                lambda: 1.0,
                middle,
            },
        );
        assert_eq!(none.images, batch(2, [4, 4]).images);
        let all = apply(
            batch(2, [4, 4]),
            &CutmixParams {
                lambda: 0.0,
                middle,
            },
        );
        let swapped = batch(2, [4, 4]).images;
        assert_eq!(all.images, [&swapped[16..], &swapped[..16]].concat());
    }

    #[test]
    fn draws_are_pinned() {
        let mut rng = rng(42, "mix", 1, 2);
        let drawn = Cutmix::default().sample([32, 48], &mut rng).unwrap();
        let shown = ((drawn.lambda * 1e6).round(), drawn.middle);
        assert_eq!(shown, (866_948.0, [16, 39]));
    }
}
