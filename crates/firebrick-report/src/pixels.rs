//! Encodes pixels as a PNG, also inside the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firebrick_types::image::Image;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// An image as a PNG file; `None` when its pixels do not match its size, or there are none.
#[must_use]
pub fn png(image: &Image) -> Option<Vec<u8>> {
    encoded([image.width, image.height, image.channels], &image.pixels)
}

/// An image as an address that holds it as a PNG file; `None` as for [`png`].
#[must_use]
pub fn png_uri(image: &Image) -> Option<String> {
    data_uri([image.width, image.height, image.channels], &image.pixels)
}

/// A picture of `[width, height, channels]` as an address that holds it; `None` when its pixels do not
/// match its size.
pub(crate) fn data_uri(size: [usize; 3], pixels: &[u8]) -> Option<String> {
    let png = encoded(size, pixels)?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

fn encoded([width, height, channels]: [usize; 3], pixels: &[u8]) -> Option<Vec<u8>> {
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return None,
    };
    let expected = width.checked_mul(height)?.checked_mul(channels)?;
    if expected == 0 || expected != pixels.len() {
        return None;
    }
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(pixels, width, height, color)
        .ok()?;
    Some(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_read_back_as_they_were() {
        for (size, pixels) in [
            ([2, 1, 3], vec![1, 2, 3, 250, 251, 252]),
            ([1, 3, 1], vec![0, 128, 255]),
        ] {
            let uri = data_uri(size, &pixels).unwrap();
            let png = STANDARD.decode(uri.split_once(',').unwrap().1).unwrap();
            let image = image::load_from_memory(&png).unwrap();
            assert_eq!(
                (image.width() as usize, image.height() as usize),
                (size[0], size[1])
            );
            assert_eq!(image.into_bytes(), pixels);
        }
    }

    #[test]
    fn pixels_that_do_not_match_their_size_are_no_picture() {
        for (size, pixels) in [
            ([2, 2, 3], vec![0; 11]),
            ([0, 2, 3], vec![]),
            ([1, 1, 2], vec![0; 2]),
            ([usize::MAX, 2, 3], vec![]),
        ] {
            assert_eq!(data_uri(size, &pixels), None);
        }
    }
}
