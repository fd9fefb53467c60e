//! 8-bit images: their size and channels, resizing, and how they are fitted to what a model reads.

mod fit;
#[cfg(test)]
mod golden;
mod resize;
mod weights;

use ::image::{DynamicImage, GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

pub use fit::{Fit, fit, fit_at, kept};
pub use resize::{Filter, Region, resize, resize_crop, resize_region};

use crate::ConfigError;

/// An 8-bit image, rows from the top, channels interleaved: `pixels[(y * width + x) * channels + c]`.
///
/// It becomes a buffer of the `image` crate, and comes from one, without copying a pixel:
///
/// ```
/// use firebrick_types::image::Image;
/// let buffer = image::RgbImage::from_pixel(2, 1, image::Rgb([1, 2, 3]));
/// let image = Image::from(buffer);
/// assert_eq!(image.pixels, [1, 2, 3, 1, 2, 3]);
/// let buffer = image::DynamicImage::try_from(image)?;
/// assert_eq!(buffer.as_rgb8().map(|rgb| rgb.dimensions()), Some((2, 1)));
/// # Ok::<(), firebrick_types::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// `height * width * channels` values.
    pub pixels: Vec<u8>,
}

/// The size of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Size {
    /// A size of `width` × `height` pixels.
    #[must_use]
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }
}

/// `32 × 24 px`.
impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {} px", self.width, self.height)
    }
}

impl Image {
    /// A black image.
    #[must_use]
    pub fn black(width: usize, height: usize, channels: usize) -> Self {
        Self {
            width,
            height,
            channels,
            pixels: vec![0; width * height * channels],
        }
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// The image with 1 or 3 channels: colour becomes grey by ITU-R 601 luma, as Pillow's `convert("L")`; grey becomes
    /// RGB by repetition.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        let pixels = match (self.channels, channels) {
            (1, 3) => self.pixels.iter().flat_map(|value| [*value; 3]).collect(),
            (3, 1) => self.pixels.chunks_exact(3).map(luma).collect(),
            _ => return self,
        };
        Self {
            channels,
            pixels,
            ..self
        }
    }

    /// The part of `size` whose first pixel is in column `left` and row `top`.
    ///
    /// # Panics
    /// When the part is not inside the image.
    #[must_use]
    pub fn crop(mut self, left: usize, top: usize, size: Size) -> Self {
        let inside = left + size.width <= self.width && top + size.height <= self.height;
        assert!(inside, "{size} at ({left}, {top}) of {}", self.size());
        if size == self.size() {
            return self;
        }
        let (from, row) = (self.width * self.channels, size.width * self.channels);
        // Every row moves towards the beginning.
        for y in 0..size.height {
            let start = (top + y) * from + left * self.channels;
            self.pixels.copy_within(start..start + row, y * row);
        }
        self.pixels.truncate(size.height * row);
        (self.width, self.height) = (size.width, size.height);
        self
    }
}

/// The grey of an RGB pixel: ITU-R 601 in 16-bit fixed point, the formula behind Pillow's `convert("L")`.
#[must_use]
#[inline(always)]
pub fn luma(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}

impl From<GrayImage> for Image {
    fn from(buffer: GrayImage) -> Self {
        let (width, height) = buffer.dimensions();
        Self {
            width: width as usize,
            height: height as usize,
            channels: 1,
            pixels: buffer.into_raw(),
        }
    }
}

impl From<RgbImage> for Image {
    fn from(buffer: RgbImage) -> Self {
        let (width, height) = buffer.dimensions();
        Self {
            width: width as usize,
            height: height as usize,
            channels: 3,
            pixels: buffer.into_raw(),
        }
    }
}

/// A grey image or an RGB image of the `image` crate.
impl TryFrom<Image> for DynamicImage {
    type Error = ConfigError;

    fn try_from(image: Image) -> Result<Self, ConfigError> {
        let (size, channels) = (image.size(), image.channels);
        let sides = u32::try_from(size.width)
            .ok()
            .zip(u32::try_from(size.height).ok());
        let buffer = sides.and_then(|(width, height)| match channels {
            1 => GrayImage::from_raw(width, height, image.pixels).map(Self::ImageLuma8),
            3 => RgbImage::from_raw(width, height, image.pixels).map(Self::ImageRgb8),
            _ => None,
        });
        buffer.ok_or_else(|| {
            ConfigError::Conflict(format!(
                "an image of {size} with {channels} channels must have 1 or 3 channels, and a value for each pixel \
                 and channel"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_the_image_crate_go_in_and_out_without_a_copy() {
        let grey = GrayImage::from_raw(3, 2, (0..6).collect()).unwrap();
        let at = grey.as_ptr();
        let image = Image::from(grey);
        assert_eq!((image.size(), image.channels), (Size::new(3, 2), 1));
        assert_eq!(image.pixels.as_ptr(), at);
        let DynamicImage::ImageLuma8(back) = DynamicImage::try_from(image).unwrap() else {
            panic!("grey stays grey");
        };
        assert_eq!((back.as_ptr(), back.dimensions()), (at, (3, 2)));

        let rgb = RgbImage::from_raw(1, 2, (0..6).collect()).unwrap();
        let image = Image::from(rgb.clone());
        assert_eq!((image.size(), image.channels), (Size::new(1, 2), 3));
        assert_eq!(DynamicImage::try_from(image).unwrap().into_rgb8(), rgb);
        let torn = Image {
            pixels: vec![0; 5],
            ..Image::black(1, 2, 3)
        };
        let error = DynamicImage::try_from(torn).unwrap_err().to_string();
        assert!(error.contains("1 × 2 px with 3 channels"), "{error}");
    }

    #[test]
    fn a_crop_is_a_part() {
        let image = Image {
            width: 3,
            height: 3,
            channels: 1,
            pixels: (1..=9).collect(),
        };
        assert_eq!(
            image.clone().crop(1, 1, Size::new(2, 2)).pixels,
            [5, 6, 8, 9]
        );
        assert_eq!(image.clone().crop(0, 2, Size::new(3, 1)).pixels, [7, 8, 9]);
        assert_eq!(image.clone().crop(0, 0, Size::new(3, 3)), image);
        let colour = Image {
            width: 2,
            height: 1,
            channels: 3,
            pixels: (1..=6).collect(),
        };
        assert_eq!(colour.crop(1, 0, Size::new(1, 1)).pixels, [4, 5, 6]);
    }

    #[test]
    fn colour_becomes_grey_as_in_pillow_and_grey_becomes_colour_by_repetition() {
        let colour = Image {
            width: 4,
            height: 1,
            channels: 3,
            pixels: vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30],
        };
        let grey = colour.with_channels(1);
        assert_eq!(grey.pixels, [76, 150, 29, 18]);
        assert_eq!(
            grey.with_channels(3).pixels[..6],
            [76, 76, 76, 150, 150, 150]
        );
    }
}
