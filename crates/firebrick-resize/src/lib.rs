//! Resizes images of 8-bit pixels, grey or RGB, with `fast_image_resize`.
//!
//! The generic code of `fast_image_resize` takes a minute to compile wherever it is used. This crate is its only user and
//! hardly ever changes, so that minute is spent once. Other crates call `firebrick_types::image`.

use std::cell::RefCell;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

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
    #[must_use]
    pub fn support(self) -> f64 {
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

/// Pixels to read: 8-bit values, interleaved, rows from the top.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// `height · width · channels` values.
    pub pixels: &'a [u8],
    /// Width and height.
    pub size: [usize; 2],
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// The first column and row that is read.
    pub first: [usize; 2],
    /// The columns and rows that are read.
    pub part: [usize; 2],
}

thread_local! {
    /// Keeps its buffers from one image to the next.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Resizes `[left, top, width, height]` of the part, in pixels of it, to `size` (width and height), in one call of
/// `fast_image_resize`.
///
/// # Panics
/// When the number of values does not follow from the size, the channels are neither 1 nor 3, the part is not inside the
/// image, or the region not inside the part.
#[must_use]
pub fn resize(source: Source<'_>, region: [f64; 4], size: [usize; 2], filter: Filter) -> Vec<u8> {
    match source.channels {
        1 => resize_typed::<U8>(source, region, size, filter),
        3 => resize_typed::<U8x3>(source, region, size, filter),
        other => panic!("an image with {other} channels is neither grey nor RGB"),
    }
}

fn resize_typed<P: PixelTrait>(
    source: Source<'_>,
    [left, top, width, height]: [f64; 4],
    size: [usize; 2],
    filter: Filter,
) -> Vec<u8> {
    let side = |side: usize| side as u32;
    let mut resized = vec![0; size[0] * size[1] * source.channels];
    if resized.is_empty() {
        return resized;
    }
    let [across, down] = source.size.map(side);
    let whole = TypedImageRef::<P>::from_buffer(across, down, source.pixels)
        .expect("an image has height × width × channels values");
    let ([column, row], [columns, rows]) = (source.first.map(side), source.part.map(side));
    let part =
        TypedCroppedImage::new(whole, column, row, columns, rows).expect("the part is inside");
    let mut target = TypedImage::<P>::from_buffer(side(size[0]), side(size[1]), &mut resized)
        .expect("as many values as the size says");
    let options = ResizeOptions::new()
        .resize_alg(filter.algorithm())
        .crop(left, top, width, height);
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize_typed(&part, &mut target, &options))
        .expect("the region is inside");
    drop(target);
    resized
}
