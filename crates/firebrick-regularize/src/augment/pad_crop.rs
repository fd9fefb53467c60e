//! `pad_crop`: pads the image, then crops the original size at a random position; torchvision's
//! `RandomCrop(size, padding=4)`, the standard augmentation of CIFAR (He et al. 2015, section 4.2).
//!
//! Differs from torchvision: the border may be wider than the image in every mode (`reflect` then
//! goes back and forth), and `fill` is a share of full intensity.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::warp::{Homography, Outside, Warp};

/// What the border shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// One value, `fill`. Also read as `zero`.
    #[default]
    #[serde(alias = "zero")]
    Constant,
    /// The image mirrored at its edge, the edge itself not repeated: `c b | a b c | b a`.
    Reflect,
    /// The nearest pixel of the edge: `a a | a b c | c c`.
    Edge,
}

/// Pads all sides, then cuts the original size at a random place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PadCrop {
    /// Width of the border in pixels, 0 to 4096.
    pub size: i64,
    /// What the border shows.
    pub mode: PadMode,
    /// Value of a constant border, in [0, 1]: 0 black, 1 full intensity.
    pub fill: f64,
}

impl Default for PadCrop {
    fn default() -> Self {
        Self {
            size: 4,
            mode: PadMode::Constant,
            fill: 0.0,
        }
    }
}

/// What [`PadCrop`] drew: where the cut begins in the padded image, each in `0..=2 * size`.
/// `size` on both axes leaves the image as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadCropParams {
    /// Rows above the cut.
    pub top: u32,
    /// Columns left of the cut.
    pub left: u32,
}

impl Augmentation for PadCrop {
    const ABOUT: About = About::new(
        "pad_crop",
        "pads the image, then crops it to its original size at a random position",
        &[
            Field::new("size", Range::Whole(0, 4096)),
            Field::new("mode", Range::Choice(&["constant", "reflect", "edge"])),
            Field::new("fill", Range::Within(0.0, 1.0)),
        ],
    )
    .source("torchvision's RandomCrop(size, padding)");
    type Params = PadCropParams;

    fn check(&self) -> Result<(), ConfigError> {
        if self.mode != PadMode::Constant && self.fill != 0.0 {
            return Err(ConfigError::Conflict(format!(
                "pad_crop: fill = {} has an effect only with mode=constant; remove fill or mode",
                self.fill
            )));
        }
        Ok(())
    }

    /// Draws, top first as torchvision does.
    fn sample(&self, _: Size, _: &Subject, rng: &mut HostRng) -> PadCropParams {
        let last = 2 * self.size as u32;
        PadCropParams {
            top: rng.random_range(0..=last),
            left: rng.random_range(0..=last),
        }
    }

    /// Pads and cuts; the padded image is never made.
    fn apply(&self, image: Image, params: &PadCropParams) -> Image {
        let (shift_y, shift_x) = (
            i64::from(params.top) - self.size,
            i64::from(params.left) - self.size,
        );
        if (shift_y, shift_x) == (0, 0) || image.pixels.is_empty() {
            return image;
        }
        let source = |at: usize, shift: i64, length: usize| {
            inside(at as i64 + shift, length as i64, self.mode)
        };
        let columns: Vec<_> = (0..image.width)
            .map(|x| source(x, shift_x, image.width))
            .collect();
        let fill = (self.fill * 255.0).round() as u8;
        let channels = image.channels;
        let mut pixels = Vec::with_capacity(image.pixels.len());
        for y in 0..image.height {
            let Some(y) = source(y, shift_y, image.height) else {
                pixels.resize(pixels.len() + image.width * channels, fill);
                continue;
            };
            let row = &image.pixels[y * image.width * channels..][..image.width * channels];
            for column in &columns {
                match column {
                    Some(x) => pixels.extend_from_slice(&row[x * channels..][..channels]),
                    None => pixels.resize(pixels.len() + channels, fill),
                }
            }
        }
        Image { pixels, ..image }
    }

    fn warp(&self, size: Size, params: &PadCropParams) -> Option<Warp> {
        let shift = [params.left, params.top].map(|at| (i64::from(at) - self.size) as f64);
        let outside = match self.mode {
            PadMode::Constant => Outside::fill(self.fill),
            PadMode::Edge => Outside::Edge,
            PadMode::Reflect => Outside::Reflect,
        };
        Some(Warp::moves(size, Homography::shift(shift)).outside(outside))
    }
}

/// The pixel shown at `at` of an axis of `length` > 0 pixels; `None` for the constant border.
fn inside(at: i64, length: i64, mode: PadMode) -> Option<usize> {
    let shown = match mode {
        PadMode::Constant => return usize::try_from(at).ok().filter(|_| at < length),
        PadMode::Edge => at.clamp(0, length - 1),
        PadMode::Reflect => {
            // There and back again: 0 1 2 1 | 0 1 2 1 | …
            let period = (2 * (length - 1)).max(1);
            let phase = at.rem_euclid(period);
            phase.min(period - phase).min(length - 1)
        }
    };
    usize::try_from(shown).ok()
}

#[cfg(test)]
mod tests {
    use firebrick_core::random::rng;
    use proptest::prelude::*;

    use super::*;
    use crate::augment::tests::{image, subject};
    use firebrick_core::spec::Spec;

    fn pad_crop(size: i64, mode: PadMode, fill: f64) -> PadCrop {
        PadCrop { size, mode, fill }
    }

    fn row(pixels: &[u8]) -> Image {
        Image {
            width: pixels.len(),
            height: 1,
            channels: 1,
            pixels: pixels.to_vec(),
        }
    }

    #[test]
    fn draws_are_pinned() {
        let crop = PadCrop::default();
        let mut rng = rng(42, "augment", 1, 2);
        let draws: Vec<_> = (0..6)
            .map(|_| crop.sample(Size::new(9, 9), &subject(), &mut rng))
            .map(|params| (params.top, params.left))
            .collect();
        assert_eq!(draws, [(1, 1), (8, 0), (6, 2), (6, 0), (7, 2), (8, 0)]);
    }

    #[test]
    fn every_place_is_drawn_alike() {
        let crop = PadCrop::default();
        let mut rng = rng(0, "augment", 0, 0);
        let mut counts = [[0; 9]; 2];
        for _ in 0..9000 {
            let params = crop.sample(Size::new(9, 9), &subject(), &mut rng);
            counts[0][params.top as usize] += 1;
            counts[1][params.left as usize] += 1;
        }
        // 1000 expected; five standard deviations are 149.
        assert!(
            counts
                .iter()
                .flatten()
                .all(|count| (851..1149).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn modes_show_what_they_say() {
        // Cutting at the far left of a border of 5 shows the border's 5 pixels first.
        for (mode, fill, expected) in [
            (PadMode::Constant, 0.2, [51, 51, 51, 51, 51, 1]),
            (PadMode::Edge, 0.0, [1, 1, 1, 1, 1, 1]),
            (PadMode::Reflect, 0.0, [6, 5, 4, 3, 2, 1]),
        ] {
            let crop = pad_crop(5, mode, fill);
            let shown = crop.apply(row(&[1, 2, 3, 4, 5, 6]), &PadCropParams { top: 5, left: 0 });
            assert_eq!(shown.pixels, expected, "{mode:?}");
        }
        // A border wider than the image.
        let shown = pad_crop(7, PadMode::Reflect, 0.0)
            .apply(row(&[1, 2, 3]), &PadCropParams { top: 7, left: 14 });
        assert_eq!(shown.pixels, [2, 1, 2], "…1 2 3 2 1 2 3 [2 1 2]");
    }

    #[test]
    fn rows_and_columns_do_not_mix() {
        let image = Image {
            width: 2,
            height: 2,
            channels: 3,
            pixels: (1..=12).collect(),
        };
        let crop = pad_crop(1, PadMode::Constant, 0.0);
        let shown = crop.apply(image, &PadCropParams { top: 2, left: 0 });
        assert_eq!(shown.pixels, [0, 0, 0, 7, 8, 9, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn one_pixel_and_none_are_images_too() {
        for mode in [PadMode::Constant, PadMode::Reflect, PadMode::Edge] {
            let crop = pad_crop(3, mode, 0.0);
            for params in [(0, 0), (6, 6), (3, 3)] {
                let (top, left) = params;
                let shown = crop.apply(row(&[9]), &PadCropParams { top, left });
                let outside = mode == PadMode::Constant && params != (3, 3);
                assert_eq!(shown.pixels, [if outside { 0 } else { 9 }]);
            }
            let empty = Image::black(0, 2, 1);
            assert_eq!(
                crop.apply(empty.clone(), &PadCropParams { top: 0, left: 0 }),
                empty
            );
        }
    }

    #[test]
    fn zero_is_another_word_for_constant() {
        let spec: Spec = "pad_crop(4, zero)".parse().unwrap();
        assert_eq!(spec.resolve::<PadCrop>().unwrap(), PadCrop::default());
    }

    proptest! {
        #[test]
        fn the_shape_stays_and_the_middle_is_the_identity(
            image in image(), size in 0_i64..20, at in (0_u32..=40, 0_u32..=40), mode in 0..3,
        ) {
            let mode = [PadMode::Constant, PadMode::Reflect, PadMode::Edge][mode as usize];
            let crop = pad_crop(size, mode, 0.0);
            let last = 2 * size as u32;
            let params = PadCropParams { top: at.0.min(last), left: at.1.min(last) };
            let shown = crop.apply(image.clone(), &params);
            prop_assert_eq!(
                (shown.width, shown.height, shown.pixels.len()),
                (image.width, image.height, image.pixels.len())
            );
            let middle = PadCropParams { top: size as u32, left: size as u32 };
            prop_assert_eq!(crop.apply(image.clone(), &middle), image.clone());
            let warp = crop.warp(image.size(), &params).unwrap();
            prop_assert_eq!(warp.apply(&image), shown);
        }
    }
}
