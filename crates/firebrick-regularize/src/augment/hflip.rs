//! `hflip`: flips the image left to right; torchvision's `RandomHorizontalFlip`.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::kernels::mirrored_rows;
use firebrick_core::random::{self, HostRng};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::warp::{Homography, Warp};

/// When an image is flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlipMode {
    /// With a probability, `prob`.
    #[default]
    Random,
    /// In every other epoch; half of the images begin flipped. So each image is seen from both sides equally often (Keller
    /// Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024, section 3.6).
    Alternate,
}

/// Flips left to right. Not for classes that differ by handedness, such as digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hflip {
    /// When an image is flipped.
    pub mode: FlipMode,
}

impl Augmentation for Hflip {
    const ABOUT: About = About::new(
        "hflip",
        "flips the image left to right with probability prob, or in every other epoch",
        &[Field::new("mode", Range::Choice(&["random", "alternate"]))],
    )
    .source("torchvision's RandomHorizontalFlip; alternate: Jordan 2024, arXiv:2404.00498");
    const PROB: f64 = 0.5;
    type Params = ();

    fn check_prob(&self, prob: f64) -> Result<(), ConfigError> {
        if self.mode == FlipMode::Alternate && prob != Self::PROB {
            return Err(ConfigError::Conflict(format!(
                "hflip: prob = {prob} has an effect only with mode=random; remove prob or mode"
            )));
        }
        Ok(())
    }

    /// One number is drawn, whatever the probability; alternate flips draw none.
    fn applies(&self, prob: f64, subject: &Subject, rng: &mut HostRng) -> bool {
        match self.mode {
            FlipMode::Random => rng.random::<f64>() < prob,
            FlipMode::Alternate => {
                let side = random::rng(subject.seed, "hflip", subject.index as u64, 0).next_u64();
                (side ^ subject.epoch) & 1 == 1
            }
        }
    }

    fn sample(&self, _: Size, _: &Subject, _: &mut HostRng) {}

    fn apply(&self, image: Image, (): &()) -> Image {
        flipped(image)
    }

    fn warp(&self, size: Size, (): &()) -> Option<Warp> {
        let map = Homography::axes([-1.0, 1.0], [size.width as f64, 0.0]);
        Some(Warp::moves(size, map))
    }
}

/// The image with left and right exchanged. In memory of its own: it is quicker to write than the image, which may lie far
/// away.
#[must_use]
pub fn flipped(image: Image) -> Image {
    if image.pixels.is_empty() {
        return image;
    }
    let pixels = if image.channels == 3 {
        mirrored_rows(&image.pixels, image.width)
    } else {
        let rows = image.pixels.chunks_exact(image.width);
        rows.flat_map(|row| row.iter().rev().copied()).collect()
    };
    Image { pixels, ..image }
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;
    use proptest::prelude::*;

    use super::*;
    use crate::augment::tests::{image, subject};

    #[test]
    fn draws_are_pinned() {
        let mut rng = rng(42, "augment", 1, 2);
        let mut draw = || Hflip::default().applies(0.5, &subject(), &mut rng);
        let draws: Vec<_> = (0..16).map(|_| u8::from(draw())).collect();
        assert_eq!(draws, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1]);
    }

    #[test]
    fn the_share_of_flips_is_prob() {
        for prob in [0.0, 0.2, 1.0] {
            let mut rng = rng(1, "augment", 0, 0);
            let mut draw = || Hflip::default().applies(prob, &subject(), &mut rng);
            let flips = (0..10_000).filter(|_| draw()).count();
            let share = flips as f64 / 10_000.0;
            assert!((share - prob).abs() <= 5.0 * (prob * (1.0 - prob) / 10_000.0).sqrt());
        }
    }

    #[test]
    fn alternate_flips_show_both_sides_in_turn_and_half_of_the_images_begin_flipped() {
        let flip = Hflip {
            mode: FlipMode::Alternate,
        };
        let side = |index: usize, epoch: u64| {
            let subject = Subject {
                seed: 7,
                index,
                epoch,
                // Neither the place in the epoch nor the generator matters.
                position: 3 * index + epoch as usize,
                ..subject()
            };
            flip.applies(0.5, &subject, &mut rng(epoch, "", 0, 0))
        };
        let first: Vec<_> = (0..2000).map(|index| side(index, 0)).collect();
        for epoch in 1..4 {
            let turned =
                |(index, first): (usize, &bool)| side(index, epoch) == (*first ^ (epoch % 2 == 1));
            assert!(first.iter().enumerate().all(turned));
        }
        // 1000 expected; four standard deviations are 89.
        let flipped = first.iter().filter(|flipped| **flipped).count();
        assert!((911..1089).contains(&flipped), "{flipped}");
        let pinned: Vec<_> = first[..12]
            .iter()
            .map(|flipped| u8::from(*flipped))
            .collect();
        assert_eq!(pinned, [0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn rows_of_any_length_are_reversed() {
        for (width, channels) in (1..40).flat_map(|width| [(width, 1), (width, 3)]) {
            let image = firebrick_core::testkit::photo(width, 3, channels);
            let flip = flipped(image.clone());
            for (row, expected) in flip
                .pixels
                .chunks_exact(width * channels)
                .zip(image.pixels.chunks_exact(width * channels))
            {
                let back = row.chunks_exact(channels).rev().flatten();
                assert!(back.eq(expected), "{width} × {channels}");
            }
        }
    }

    #[test]
    fn pixels_move_and_channels_stay() {
        let image = Image {
            width: 2,
            height: 2,
            channels: 3,
            pixels: (1..=12).collect(),
        };
        assert_eq!(
            flipped(image).pixels,
            [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]
        );
        let empty = Image::black(0, 3, 3);
        assert_eq!(flipped(empty.clone()), empty);
    }

    proptest! {
        #[test]
        fn twice_is_the_identity_and_the_warp_says_the_same(image in image()) {
            prop_assert_eq!(flipped(flipped(image.clone())), image.clone());
            let warp = Hflip::default().warp(image.size(), &()).unwrap();
            prop_assert_eq!(warp.apply(&image), flipped(image));
        }
    }
}
