//! Brings an image of any size to the size and channels that a model reads.

use serde::{Deserialize, Serialize};

use super::{Image, Region, Size, resize_region};
use crate::data::Preprocessing;

/// How an image that is not of the model's size is brought to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Scale the shorter side to the size and cut the centre: keeps proportions.
    #[default]
    Crop,
    /// Scale both sides, whatever the proportions.
    Squash,
}

/// Brings an image to the channels and the size of `preprocessing`; an image that fits already, and of which all is to be
/// kept, is returned as it is.
///
/// With `crop` = 1, [`Fit::Crop`] scales so that the image just covers the target and cuts the centre, as torchvision's
/// `Resize` and `CenterCrop`; [`Fit::Squash`] scales both sides. With a smaller `crop`, the image is scaled to the size
/// divided by it, rounded down, and the centre of the size is cut: timm's `crop_pct`. Only what is kept is computed.
///
/// # Panics
/// When the number of pixel values does not follow from the size of the image.
#[must_use]
pub fn fit(image: Image, preprocessing: &Preprocessing) -> Image {
    fit_at(image, preprocessing, [0.5, 0.5])
}

/// As [`fit()`], with another part than the centre: `place` is where it lies on each axis, from 0 (left, top) to 1 (right,
/// bottom).
///
/// # Panics
/// As [`fit()`].
#[must_use]
pub fn fit_at(image: Image, preprocessing: &Preprocessing, place: [f64; 2]) -> Image {
    let image = image.with_channels(preprocessing.channels);
    let (found, target) = (image.size(), preprocessing.size());
    let scaled = scaled(found, preprocessing);
    if found == target && scaled == target {
        return image;
    }
    if found.width == 0 || found.height == 0 {
        return Image::black(target.width, target.height, image.channels);
    }
    resize_region(
        &image,
        part(found, scaled, target, place),
        target,
        preprocessing.filter,
    )
}

/// The part of an image of size `found` that [`fit()`] keeps; what lies outside of it, a model never sees.
#[must_use]
pub fn kept(found: Size, preprocessing: &Preprocessing) -> Region {
    let scaled = scaled(found, preprocessing);
    part(found, scaled, preprocessing.size(), [0.5, 0.5])
}

/// The size to which an image of size `found` is scaled before its centre is cut.
fn scaled(found: Size, preprocessing: &Preprocessing) -> Size {
    let target = preprocessing.size();
    // Rounding must not lose a pixel of a quotient that is whole, such as 224 / 0.875.
    let enlarged =
        |side: usize| ((side as f64 / preprocessing.crop + 1e-9).floor() as usize).max(side);
    let whole = Size::new(enlarged(target.width), enlarged(target.height));
    match preprocessing.fit {
        Fit::Squash => whole,
        Fit::Crop => cover(found, whole),
    }
}

/// The size that covers `target` with the proportions of `found`; the longer side is rounded down, as in torchvision.
fn cover(found: Size, target: Size) -> Size {
    let Size { width, height } = found;
    if width == 0 || height == 0 {
        return target;
    }
    if target.width * height >= target.height * width {
        let across = target.width * height / width;
        Size::new(target.width, across.max(target.height))
    } else {
        let across = target.height * width / height;
        Size::new(across.max(target.width), target.height)
    }
}

/// What the part at `place` of the scaled image, of size `target`, is of the image before it was scaled.
fn part(found: Size, scaled: Size, target: Size, place: [f64; 2]) -> Region {
    let axis = |found: usize, scaled: usize, target: usize, place: f64| {
        let pixel = found as f64 / scaled as f64;
        (
            first(scaled, target, place) as f64 * pixel,
            target as f64 * pixel,
        )
    };
    let (left, width) = axis(found.width, scaled.width, target.width, place[0]);
    let (top, height) = axis(found.height, scaled.height, target.height, place[1]);
    Region {
        left,
        top,
        width,
        height,
    }
}

/// The first pixel of a cut at a share of the room; halves go to the even side, as Python rounds.
fn first(length: usize, cut: usize, place: f64) -> usize {
    ((length - cut) as f64 * place).round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(width: usize, height: usize, channels: usize, fit: Fit) -> Preprocessing {
        Preprocessing {
            fit,
            ..Preprocessing::unnormalized(channels, height, width)
        }
    }

    #[test]
    fn what_is_kept_is_the_middle_or_all() {
        let found = Size::new(60, 20);
        let middle = Region {
            left: 20.0,
            top: 0.0,
            width: 20.0,
            height: 20.0,
        };
        assert_eq!(kept(found, &target(20, 20, 3, Fit::Crop)), middle);
        let all = Region::whole(found);
        assert_eq!(kept(found, &target(20, 20, 3, Fit::Squash)), all);
        let half = Preprocessing {
            crop: 0.5,
            ..target(60, 20, 3, Fit::Crop)
        };
        assert_eq!(kept(found, &half).left, 15.0);
    }

    #[test]
    fn an_image_that_fits_is_left_alone_and_channels_follow_the_model() {
        let image = crate::testkit::photo(32, 20, 3);
        let same = fit(image.clone(), &target(32, 20, 3, Fit::Crop));
        assert_eq!(same, image);
        let grey = fit(image.clone(), &target(32, 20, 1, Fit::Crop));
        assert_eq!([grey.channels, grey.pixels.len()], [1, 640]);
        assert_eq!(grey.pixels[0], crate::image::luma(&image.pixels[..3]));
        let small = fit(grey, &target(8, 8, 3, Fit::Squash));
        assert_eq!([small.channels, small.pixels.len()], [3, 192]);
    }

    #[test]
    fn thin_images_neither_blow_up_nor_lose_their_middle() {
        for (width, height) in [(1, 16_384), (16_384, 1), (7, 3000), (3000, 7), (1, 1)] {
            let mut image = Image::black(width, height, 1);
            let at = (height / 2) * width + width / 2;
            image.pixels[at] = 255;
            let fitted = fit(image, &target(64, 48, 1, Fit::Crop));
            assert_eq!(fitted.pixels.len(), 64 * 48);
            let brightest = fitted.pixels.iter().max();
            assert!(brightest > Some(&100), "{width} × {height}: {brightest:?}");
        }
        let cover = |found: [usize; 2], target: [usize; 2]| {
            let size = |[width, height]: [usize; 2]| Size::new(width, height);
            let Size { width, height } = cover(size(found), size(target));
            [width, height]
        };
        assert_eq!(cover([61, 43], [32, 32]), [45, 32]);
        assert_eq!(cover([10, 30], [20, 10]), [20, 60]);
        assert_eq!([first(45, 32, 0.5), first(47, 32, 0.5)], [6, 8]);
    }

    #[test]
    fn a_share_scales_to_the_size_that_the_field_uses() {
        let scaled = |side: usize, crop: f64| {
            let preprocessing = Preprocessing {
                crop,
                ..target(side, side, 3, Fit::Squash)
            };
            super::scaled(Size::new(500, 400), &preprocessing).width
        };
        // torchvision's resize 256, crop 224; timm's floor.
        assert_eq!(scaled(224, 0.875), 256);
        assert_eq!(scaled(224, 0.9), 248);
        assert_eq!(scaled(224, 1.0), 224);
        assert_eq!(scaled(21, 0.7), 30);
    }
}
