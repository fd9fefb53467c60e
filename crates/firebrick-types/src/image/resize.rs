//! Resizing with antialiasing, as Pillow does it: when an image becomes smaller, the filter becomes wider by the same
//! factor, so that every pixel of the source counts.
//!
//! It is computed in 16-bit fixed point with vector instructions; Pillow uses 22 bits. So values are those of Pillow's
//! `Image.resize`, or one level beside them. The kernels resize RGB images on processors with AVX2; `fast_image_resize`, whose
//! values they have, does the rest.

use firebrick_kernels::resample::{self, Part};
pub use firebrick_resize::Filter;
use firebrick_resize::Source;

use super::weights::weights;

use super::{Image, Size};

/// A part of an image, in pixels from its upper left corner; it may begin and end inside a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// The left edge, at least 0.
    pub left: f64,
    /// The upper edge, at least 0.
    pub top: f64,
    /// The width, greater than 0.
    pub width: f64,
    /// The height, greater than 0.
    pub height: f64,
}

impl Region {
    /// The whole of an image.
    #[must_use]
    pub fn whole(size: Size) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: size.width as f64,
            height: size.height as f64,
        }
    }

    /// The region inside an image of this size, should rounding have put an edge outside.
    fn within(self, size: Size) -> Self {
        let (width, height) = (size.width as f64, size.height as f64);
        let (left, top) = (self.left.clamp(0.0, width), self.top.clamp(0.0, height));
        Self {
            left,
            top,
            width: self.width.min(width - left),
            height: self.height.min(height - top),
        }
    }
}

/// The image with another size, as Pillow's `image.resize(size, filter)`. An image that has the size is returned as it is;
/// one without pixels gives black.
///
/// ```
/// use firebrick_types::image::{Filter, Image, Size, resize};
/// let image = Image { width: 4, height: 1, channels: 1, pixels: vec![0, 100, 100, 200] };
/// let half = resize(image, Size::new(2, 1), Filter::Box);
/// assert_eq!(half.pixels, [50, 150]);
/// ```
///
/// # Panics
/// When the number of pixel values does not follow from the size of the image.
#[must_use]
pub fn resize(image: Image, size: Size, filter: Filter) -> Image {
    if image.size() == size {
        return image;
    }
    resize_region(&image, Region::whole(image.size()), size, filter)
}

/// A part of an image with another size, as Pillow's `image.resize(size, filter, box)`. As there, the filter also reads
/// what lies around the part; to keep it out, use [`resize_crop`].
///
/// # Panics
/// When the number of pixel values does not follow from the size of the image, or it has neither 1 nor 3 channels.
#[must_use]
pub fn resize_region(image: &Image, region: Region, size: Size, filter: Filter) -> Image {
    let region = region.within(image.size());
    if image.pixels.is_empty() || !(region.width > 0.0 && region.height > 0.0) {
        return Image::black(size.width, size.height, image.channels);
    }
    passes(source(image, [0, 0], image.size()), region, size, filter)
}

/// What [`Image::crop`] leaves, with another size, without making the crop: pixels around it have no influence.
///
/// # Panics
/// When the crop is not inside the image, or as [`resize_region`].
#[must_use]
pub fn resize_crop(
    image: &Image,
    [left, top]: [usize; 2],
    crop: Size,
    size: Size,
    filter: Filter,
) -> Image {
    if image.pixels.is_empty() || crop.width == 0 || crop.height == 0 {
        return Image::black(size.width, size.height, image.channels);
    }
    let inside = left + crop.width <= image.width && top + crop.height <= image.height;
    assert!(inside, "{crop} at ({left}, {top}) of {}", image.size());
    passes(
        source(image, [left, top], crop),
        Region::whole(crop),
        size,
        filter,
    )
}

fn source(image: &Image, first: [usize; 2], part: Size) -> Source<'_> {
    Source {
        pixels: &image.pixels,
        size: [image.width, image.height],
        channels: image.channels,
        first,
        part: [part.width, part.height],
    }
}

/// Across, then down, rounded to whole levels in between, as Pillow. (In one call, the crate would begin with what is
/// faster, and the overshoot of sharp filters be cut off elsewhere.)
fn passes(source: Source<'_>, region: Region, size: Size, filter: Filter) -> Image {
    let [columns, rows] = source.part.map(|side| side as f64);
    let is_whole = (region.left, region.width, size.width) == (0.0, columns, source.part[0]);
    if filter == Filter::Nearest || is_whole {
        return pass(source, region, size, filter);
    }
    // Only the rows that the second pass reads.
    let reach = filter.support() * (region.height / size.height.max(1) as f64).max(1.0) + 1.0;
    let first = (region.top - reach).floor().max(0.0);
    let last = (region.top + region.height + reach).ceil().min(rows);
    let across = Region {
        top: first,
        height: last - first,
        ..region
    };
    let narrow = pass(
        source,
        across,
        Size::new(size.width, (last - first) as usize),
        filter,
    );
    if narrow.pixels.is_empty() {
        return Image::black(size.width, size.height, source.channels);
    }
    let down = Region {
        left: 0.0,
        width: size.width as f64,
        top: region.top - first,
        ..region
    };
    pass(
        self::source(&narrow, [0, 0], narrow.size()),
        down,
        size,
        filter,
    )
}

fn pass(source: Source<'_>, region: Region, size: Size, filter: Filter) -> Image {
    if let Some(image) = quick_pass(source, region, size, filter) {
        return image;
    }
    let part = [region.left, region.top, region.width, region.height];
    Image {
        width: size.width,
        height: size.height,
        channels: source.channels,
        pixels: firebrick_resize::resize(source, part, [size.width, size.height], filter),
    }
}

/// The same pass by our own kernels, where only one axis changes and they have code for it.
fn quick_pass(source: Source<'_>, region: Region, size: Size, filter: Filter) -> Option<Image> {
    let stays =
        |first: f64, length: f64, output: usize| length == output as f64 && first == first.round();
    let wide = !stays(region.left, region.width, size.width);
    let tall = !stays(region.top, region.height, size.height);
    if source.channels != 3 || filter == Filter::Nearest || wide == tall {
        return None;
    }
    let ([left, top], [columns, rows]) = (source.first, source.part);
    let part = |first, size| Part {
        pixels: source.pixels,
        width: source.size[0],
        first,
        size,
    };
    let pixels = if wide {
        let first = [left, top + region.top as usize];
        let weights = weights(filter, columns, [region.left, region.width], size.width)?;
        resample::across(part(first, [columns, size.height]), &weights)?
    } else {
        let first = [left + region.left as usize, top];
        let weights = weights(filter, rows, [region.top, region.height], size.height)?;
        resample::down(part(first, [size.width, rows]), &weights)?
    };
    Some(Image {
        width: size.width,
        height: size.height,
        channels: source.channels,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testkit::photo;

    proptest! {
        #[test]
        fn quick_passes_are_those_of_fast_image_resize(
            [width, height] in [1..70_usize, 1..70_usize],
            [left, top, right, bottom] in [0..4_usize, 0..4_usize, 0..4_usize, 0..4_usize],
            output in 1..150_usize, down: bool, kind in 1..5_usize,
            [first, share] in [0.0..1.0_f64, 0.01..1.0_f64], whole: bool,
        ) {
            let image = photo(left + width + right, top + height + bottom, 3);
            let source = source(&image, [left, top], Size::new(width, height));
            let axis = if down { height } else { width } as f64;
            let [first, length] = if whole { [0.0, axis] } else { [first * axis, share * (1.0 - first) * axis] };
            let everything = Region::whole(Size::new(width, height));
            let (region, size) = if down {
                (Region { top: first, height: length, ..everything }, Size::new(width, output))
            } else {
                (Region { left: first, width: length, ..everything }, Size::new(output, height))
            };
            let filter = Filter::NAMES[kind].1;
            let Some(found) = quick_pass(source, region, size, filter) else { return Ok(()) };
            let part = [region.left, region.top, region.width, region.height];
            let expected = firebrick_resize::resize(source, part, [size.width, size.height], filter);
            prop_assert_eq!(found.pixels, expected, "{:?} of {:?}", region, filter);
        }
    }

    #[test]
    fn processors_with_long_vectors_resize_quickly() {
        let image = photo(50, 40, 3);
        let source = source(&image, [0, 0], image.size());
        for size in [Size::new(64, 40), Size::new(50, 13)] {
            let found = quick_pass(source, Region::whole(image.size()), size, Filter::Bicubic);
            let long = firebrick_kernels::simd::level() >= firebrick_kernels::simd::Level::Avx2;
            assert_eq!(found.is_some(), long);
        }
    }
}
