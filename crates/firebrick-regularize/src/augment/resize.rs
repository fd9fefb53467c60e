//! `resize`: brings the image to a size; torchvision's `Resize`, within one level of Pillow.

use firebrick_core::ConfigError;
use firebrick_core::about::{About, Field, Range};
use firebrick_core::data::{Image, Subject};
use firebrick_core::image::{self, Filter, Region, Size};
use firebrick_core::random::HostRng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::sides::Sides;
use super::warp::{Homography, Interpolation, Warp};

/// Resizes the image. It draws nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resize {
    /// The shorter side, which keeps the proportions, or `[height, width]`; by default the size that the model reads.
    pub size: Option<Sides>,
    /// How pixels are made of those of the image.
    pub filter: Filter,
}

impl Augmentation for Resize {
    const ABOUT: About = About::new(
        "resize",
        "resizes the shorter side to a length, or both sides",
        &[SIZE, FILTER],
    )
    .source("torchvision's Resize");
    /// The size.
    type Params = Size;

    fn wants_original(&self) -> bool {
        true
    }

    fn output(&self, input: Option<Size>, target: Size) -> Result<Option<Size>, ConfigError> {
        Ok(match self.size {
            Some(Sides::One(shorter)) => input.map(|input| with_shorter_side(input, shorter)),
            Some(sides) => Some(sides.size()),
            None => Some(target),
        })
    }

    fn sample(&self, size: Size, subject: &Subject, _: &mut HostRng) -> Size {
        match self.size {
            Some(Sides::One(shorter)) => with_shorter_side(size, shorter),
            Some(sides) => sides.size(),
            None => subject.target,
        }
    }

    fn apply(&self, image: Image, size: &Size) -> Image {
        image::resize(image, *size, self.filter)
    }

    fn warp(&self, size: Size, output: &Size) -> Option<Warp> {
        Some(resized(Region::whole(size), *output, self.filter))
    }
}

/// The field `size` of augmentations that change the size.
pub(super) const SIZE: Field = Field::new("size", Range::Whole(1, 4096));

/// The field `filter` of augmentations that resize.
pub(super) const FILTER: Field = Field::new(
    "filter",
    Range::Choice(&["nearest", "bilinear", "bicubic", "box", "lanczos"]),
);

/// The size with this shorter side and the proportions of `size`; the longer side is rounded down, as in torchvision, and not
/// longer than an image that can be decoded.
fn with_shorter_side(size: Size, shorter: usize) -> Size {
    const LONGEST: usize = 16_384;
    let longer = |long: usize, short: usize| {
        (shorter * long / short.max(1)).clamp(shorter, LONGEST.max(shorter))
    };
    if size.width <= size.height {
        Size::new(shorter, longer(size.height, size.width))
    } else {
        Size::new(longer(size.width, size.height), shorter)
    }
}

/// The warp of a part of an image that is resized: points where bilinear interpolation enlarges it, areas otherwise.
pub(super) fn resized(part: Region, output: Size, filter: Filter) -> Warp {
    let axis = |length: f64, output: usize| length / output.max(1) as f64;
    let scale = [
        axis(part.width, output.width),
        axis(part.height, output.height),
    ];
    let map = Homography::axes(scale, [part.left, part.top]);
    match filter {
        _ if scale == [1.0; 2] => Warp::moves(output, map),
        Filter::Bilinear if scale[0] <= 1.0 && scale[1] <= 1.0 => {
            Warp::homography(output, map, Interpolation::Bilinear)
        }
        Filter::Nearest => Warp::homography(output, map, Interpolation::Nearest),
        _ => Warp::areas(output, map),
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::testkit::photo;

    use super::*;

    #[test]
    fn the_shorter_side_keeps_the_proportions_as_in_torchvision() {
        let of = |size: [usize; 2], shorter| {
            let Size { width, height } = with_shorter_side(Size::new(size[0], size[1]), shorter);
            [width, height]
        };
        assert_eq!(of([61, 43], 32), [45, 32]);
        assert_eq!(of([43, 61], 32), [32, 45]);
        assert_eq!(of([7, 7], 3), [3, 3]);
        assert_eq!(of([1, 16_000], 224), [224, 16_384]);
    }

    #[test]
    fn its_warp_is_the_same_resize_where_it_enlarges() {
        let image = photo(13, 9, 3);
        let resize = Resize::default();
        let output = Size::new(31, 20);
        let warp = resize.warp(image.size(), &output).unwrap();
        assert!(warp.composes());
        let (one, other) = (resize.apply(image.clone(), &output), warp.apply(&image));
        let most = one
            .pixels
            .iter()
            .zip(&other.pixels)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(most <= Some(1), "{most:?}");
        assert!(
            !resize
                .warp(image.size(), &Size::new(6, 20))
                .unwrap()
                .composes()
        );
    }
}
