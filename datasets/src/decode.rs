//! Decodes image files to 8-bit pixels.
//!
//! JPEG, PNG, WebP, BMP, GIF and TIFF are recognised by their content, never by their name.
//! Colour profiles are not applied: values are taken as they are stored.

mod guard;
mod jpeg;
mod limits;
mod png;

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use firebrick_types::data::{DataError, Image};
use firebrick_types::error::brief;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

pub use guard::catches_panics;
pub(crate) use guard::panic_message;
pub use limits::{MAX_BYTES, MAX_SIDE};

use crate::image_files;

const FORMATS: [(ImageFormat, &str); 6] = [
    (ImageFormat::Jpeg, "JPEG"),
    (ImageFormat::Png, "PNG"),
    (ImageFormat::WebP, "WebP"),
    (ImageFormat::Bmp, "BMP"),
    (ImageFormat::Gif, "GIF"),
    (ImageFormat::Tiff, "TIFF"),
];

/// The name of the format of an image, such as `JPEG`; `None` for content that is no image of a kind that can be read.
#[must_use]
pub fn format(bytes: &[u8]) -> Option<&'static str> {
    format_of(bytes).map(|(_, name)| name)
}

fn format_of(bytes: &[u8]) -> Option<(ImageFormat, &'static str)> {
    let guess = image::guess_format(bytes).ok();
    let mut formats = FORMATS.into_iter();
    formats.find(|(format, _)| Some(*format) == guess)
}

/// Reads an image file and decodes it: [`image_files::content`], then [`decode`].
///
/// # Errors
/// [`DataError`] naming the file.
pub fn read(path: &Path, channels: usize) -> Result<Image, DataError> {
    decode(path, &image_files::content(path)?, channels)
}

/// Decodes the content of an image file to `channels` (1: grey, 3: RGB). `path` is for messages.
///
/// - The first frame of an animation is taken.
/// - Orientation in EXIF data is applied, so the image is upright.
/// - 16-bit values are scaled exactly: `round(value / 257)`.
/// - Transparent pixels are laid over white, as on paper.
/// - CMYK and YCCK become RGB as Pillow does it (Adobe's inverted values), without a profile.
/// - Colour becomes grey by ITU-R 601 luma, as Pillow's `L`; grey becomes RGB by repetition.
///
/// # Errors
/// [`DataError::Corrupt`] naming the file and the reason: it is empty, no image, damaged, cut off,
/// of a kind that is not supported (floating point pixels), larger than [`MAX_SIDE`] or
/// [`MAX_BYTES`], which is found from the header before memory is taken, or of a kind that makes the
/// decoder panic (see [`catches_panics`]).
pub fn decode(path: &Path, bytes: &[u8], channels: usize) -> Result<Image, DataError> {
    if !matches!(channels, 1 | 3) {
        return Err(DataError::Invalid(format!(
            "images can be read with 1 channel (grey) or 3 (RGB), not {channels}"
        )));
    }
    Ok(decode_as_stored(path, bytes)?.with_channels(channels))
}

/// As [`decode`], in the channels that the file has: grey or RGB.
pub(crate) fn decode_as_stored(path: &Path, bytes: &[u8]) -> Result<Image, DataError> {
    let refuse = |problem: String| DataError::corrupt(path, problem);
    if bytes.is_empty() {
        return Err(refuse("the file is empty".into()));
    }
    let Some((format, name)) = format_of(bytes) else {
        let known = FORMATS.map(|(_, name)| name).join(", ");
        return Err(refuse(format!(
            "its content is not an image that can be read ({known})"
        )));
    };
    let bytes = as_decoded(bytes, format).ok_or_else(|| {
        refuse("the JPEG is cut off: part of the image and its end marker are missing".into())
    })?;
    let image =
        guard::guarded(|| upright(&bytes, format, name, &refuse)).unwrap_or_else(|panic| {
            Err(refuse(format!(
                "it cannot be read as {name}: the decoder broke off: {}",
                brief(&panic)
            )))
        })?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (found, pixels) = eight_bit(image).ok_or_else(|| {
        refuse(
            "its pixels are floating-point numbers without a defined range: convert it to 8 or 16 bits"
                .into(),
        )
    })?;
    let (channels, pixels) = over_white(found, pixels);
    Ok(Image {
        width,
        height,
        channels,
        pixels,
    })
}

/// The bytes that the decoder is given; `None` for a JPEG that is cut off: the decoder would fill what
/// is missing with grey and report no error.
fn as_decoded(bytes: &[u8], format: ImageFormat) -> Option<Cow<'_, [u8]>> {
    match format {
        ImageFormat::Jpeg => jpeg::whole(bytes),
        ImageFormat::Png => Some(png::without_profile(bytes)),
        _ => Some(Cow::Borrowed(bytes)),
    }
}

/// The pixels as they are stored, turned upright.
fn upright(
    bytes: &[u8],
    format: ImageFormat,
    name: &str,
    refuse: &dyn Fn(String) -> DataError,
) -> Result<DynamicImage, DataError> {
    let explain = |error: ImageError| match error {
        ImageError::Limits(_) => refuse(too_large()),
        error => refuse(format!(
            "it cannot be read as {name}: {}",
            brief(&error.to_string())
        )),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(refuse(format!(
            "it has {width} × {height} pixels; {}",
            too_large()
        )));
    }
    if width == 0 || height == 0 {
        return Err(refuse(format!("it has {width} × {height} pixels")));
    }
    // EXIF data that cannot be read is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn too_large() -> String {
    format!(
        "the limit is {MAX_SIDE} pixels a side and {} MiB decoded: make it smaller",
        MAX_BYTES >> 20
    )
}

/// Channels and 8-bit values; `None` for floating point.
fn eight_bit(image: DynamicImage) -> Option<(usize, Vec<u8>)> {
    let narrow = |values: &[u16]| -> Vec<u8> {
        let exact = |value: &u16| ((u32::from(*value) + 128) / 257) as u8;
        values.iter().map(exact).collect()
    };
    Some(match image {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageLumaA8(image) => (2, image.into_raw()),
        DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
        DynamicImage::ImageRgba8(image) => (4, image.into_raw()),
        DynamicImage::ImageLuma16(image) => (1, narrow(&image)),
        DynamicImage::ImageLumaA16(image) => (2, narrow(&image)),
        DynamicImage::ImageRgb16(image) => (3, narrow(&image)),
        DynamicImage::ImageRgba16(image) => (4, narrow(&image)),
        _ => return None,
    })
}

/// Removes the alpha channel, if there is one.
fn over_white(channels: usize, pixels: Vec<u8>) -> (usize, Vec<u8>) {
    if channels % 2 == 1 {
        return (channels, pixels);
    }
    let colours = channels - 1;
    let mix = |pixel: &[u8]| {
        let alpha = u32::from(pixel[colours]);
        let mix =
            move |value: u8| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        [
            mix(pixel[0]),
            mix(pixel[colours / 2]),
            mix(pixel[colours - 1]),
        ]
    };
    let flat = pixels.chunks_exact(channels).flat_map(|pixel| {
        let mixed = mix(pixel);
        mixed.into_iter().take(colours)
    });
    (colours, flat.collect())
}

#[cfg(test)]
#[path = "decode/tests.rs"]
mod tests;
