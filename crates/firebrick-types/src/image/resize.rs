//! Resizing with antialiasing, as Pillow does it: when an image becomes smaller, the filter becomes wider by the same
//! factor, so that every pixel of the source counts.
//!
//! `fast_image_resize` computes it, in 16-bit fixed point with vector instructions; Pillow uses 22 bits. So values are
//! those of Pillow's `Image.resize`, or one level beside them.

use std::cell::RefCell;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, ImageView, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::{Image, Size};

/// How the pixels of a resized image come from those of the source; the names and results are Pillow's and torchvision's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The pixel of the source in which the centre lies; the only one that makes no new values, for masks.
    Nearest,
    /// Linear interpolation, with antialiasing.
    #[default]
    Bilinear,
    /// Cubic interpolation (Keys 1981, a = −0.5), with antialiasing: sharper. Many published ImageNet models expect it.
    Bicubic,
    /// The mean of the pixels that the new one covers.
    Box,
    /// A windowed sinc over three pixels on each side, with antialiasing: sharpest, and slowest.
    Lanczos,
}

impl Filter {
    /// All filters by name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("nearest", Self::Nearest),
        ("bilinear", Self::Bilinear),
        ("bicubic", Self::Bicubic),
        ("box", Self::Box),
        ("lanczos", Self::Lanczos),
    ];

    /// How far it reads on each side of a pixel, in pixels of the larger image.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn algorithm(self) -> ResizeAlg {
        match self {
            Self::Nearest => ResizeAlg::Nearest,
            Self::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
            Self::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
            Self::Box => ResizeAlg::Convolution(FilterType::Box),
            Self::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
        }
    }
}

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

thread_local! {
    /// Keeps its buffers from one image to the next.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
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
    any(image, [0, 0], image.size(), region, size, filter)
}

/// What [`Image::crop`] leaves, with another size, without making the crop: pixels around it have no influence.
///
/// # Panics
/// When the crop is not inside the image, or as [`resize_region`].
#[must_use]
pub fn resize_crop(image: &Image, [left, top]: [usize; 2], crop: Size, size: Size, filter: Filter) -> Image {
    if image.pixels.is_empty() || crop.width == 0 || crop.height == 0 {
        return Image::black(size.width, size.height, image.channels);
    }
    let inside = left + crop.width <= image.width && top + crop.height <= image.height;
    assert!(inside, "{crop} at ({left}, {top}) of {}", image.size());
    any(image, [left, top], crop, Region::whole(crop), size, filter)
}

/// [`passes`] for the pixels that the image has. Each kind of pixel costs compile time, so there are only these two.
fn any(image: &Image, first: [usize; 2], part: Size, region: Region, size: Size, filter: Filter) -> Image {
    match image.channels {
        1 => passes::<U8>(&view(image, first, part), 1, region, size, filter),
        3 => passes::<U8x3>(&view(image, first, part), 3, region, size, filter),
        other => panic!("an image with {other} channels is neither grey nor RGB"),
    }
}

/// The part of the image that begins at the column and row `first`.
fn view<P: PixelTrait>(image: &Image, [left, top]: [usize; 2], part: Size) -> Source<'_, P> {
    let side = |side: usize| side as u32;
    let whole = TypedImageRef::from_buffer(side(image.width), side(image.height), &image.pixels)
        .expect("an image has height × width × channels values");
    TypedCroppedImage::new(whole, side(left), side(top), side(part.width), side(part.height))
        .expect("the part is inside")
}

/// A part of an image.
type Source<'a, P> = TypedCroppedImage<'a, TypedImageRef<'a, P>>;

/// Across, then down, rounded to whole levels in between, as Pillow. (In one call, the crate would begin with what is
/// faster, and the overshoot of sharp filters be cut off elsewhere.)
fn passes<P: PixelTrait>(
    source: &Source<'_, P>,
    channels: usize,
    region: Region,
    size: Size,
    filter: Filter,
) -> Image {
    let height = source.height() as usize;
    let across = Region {
        top: 0.0,
        height: height as f64,
        ..region
    };
    let is_whole = (region.left, region.width, size.width) == (0.0, f64::from(source.width()), source.width() as usize);
    if filter == Filter::Nearest || is_whole {
        return pass(source, channels, region, size, filter);
    }
    let down = Region {
        left: 0.0,
        width: size.width as f64,
        ..region
    };
    // Only the rows that the second pass reads.
    let reach = filter.support() * (region.height / size.height.max(1) as f64).max(1.0) + 1.0;
    let first = (region.top - reach).floor().max(0.0);
    let last = (region.top + region.height + reach).ceil().min(height as f64);
    let across = Region {
        top: first,
        height: last - first,
        ..across
    };
    let narrow = pass(source, channels, across, Size::new(size.width, (last - first) as usize), filter);
    if narrow.pixels.is_empty() {
        return Image::black(size.width, size.height, channels);
    }
    let down = Region {
        top: region.top - first,
        ..down
    };
    pass::<P>(&view(&narrow, [0, 0], narrow.size()), channels, down, size, filter)
}

fn pass<P: PixelTrait>(
    source: &Source<'_, P>,
    channels: usize,
    region: Region,
    size: Size,
    filter: Filter,
) -> Image {
    let mut resized = Image::black(size.width, size.height, channels);
    if resized.pixels.is_empty() {
        return resized;
    }
    let (width, height) = (size.width as u32, size.height as u32);
    let mut target = TypedImage::<P>::from_buffer(width, height, &mut resized.pixels)
        .expect("a black image has height × width × channels values");
    let options = ResizeOptions::new()
        .resize_alg(filter.algorithm())
        .crop(region.left, region.top, region.width, region.height);
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize_typed(source, &mut target, &options))
        .expect("the region is inside");
    drop(target);
    resized
}
