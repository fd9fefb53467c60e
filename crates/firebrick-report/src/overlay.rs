//! A map of numbers over a photo: what speaks for a class in warm colours, what speaks against it in blue.

use firebrick_types::image::{Filter, Image, Region, Size, resize};

use crate::bitmap_font::{self, ADVANCE, HEIGHT};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The photo, grey or RGB.
    pub photo: &'a Image,
    /// The part of the photo that the map is of; the rest is darkened.
    pub seen: Region,
    /// Columns and rows of the map.
    pub size: Size,
    /// The map, rows from the top; it is scaled by its largest absolute value.
    pub values: &'a [f32],
    /// Stands below; what does not fit is cut off.
    pub caption: &'a str,
}

/// Longest side of a picture, in pixels; smaller ones are enlarged by whole factors while they stay below [`LEAST`].
const MOST: usize = 640;
const LEAST: usize = 256;
/// What remains of the photo outside of the part that is seen.
const UNSEEN: f32 = 0.4;
/// How far the strongest colour covers the photo.
const STRONGEST: f32 = 0.7;
/// From weak to strong, in equal steps.
const FOR: [[f32; 3]; 4] = [
    [70.0, 20.0, 110.0],
    [190.0, 40.0, 90.0],
    [240.0, 110.0, 30.0],
    [255.0, 220.0, 60.0],
];
const AGAINST: [f32; 3] = [40.0, 110.0, 240.0];
const PAPER: u8 = 255;
const INK: u8 = 40;
/// Pixels around the caption.
const MARGIN: usize = 4;

/// The picture in RGB, with the caption below it. Values between the places of the map are interpolated.
#[must_use]
pub fn overlay(overlay: &Overlay<'_>) -> Image {
    let photo = shown(overlay.photo);
    let across = photo.width as f64 / overlay.photo.width.max(1) as f64;
    let down = photo.height as f64 / overlay.photo.height.max(1) as f64;
    let seen = Region {
        left: overlay.seen.left * across,
        top: overlay.seen.top * down,
        width: overlay.seen.width * across,
        height: overlay.seen.height * down,
    };
    let largest = overlay.values.iter().filter(|value| value.is_finite());
    let largest = largest.fold(0.0f32, |most, value| most.max(value.abs()));
    let mut picture = photo;
    let width = picture.width;
    for (at, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
        let x = ((at % width) as f64 + 0.5 - seen.left) / seen.width;
        let y = ((at / width) as f64 + 0.5 - seen.top) / seen.height;
        if !(0.0..1.0).contains(&x) || !(0.0..1.0).contains(&y) {
            blend(pixel, [0.0; 3], 1.0 - UNSEEN);
        } else if largest > 0.0 {
            let value = between(overlay, x, y) / largest;
            blend(pixel, colour(value), STRONGEST * value.abs());
        }
    }
    with_caption(picture, overlay.caption)
}

/// The photo in RGB, in a size to look at.
fn shown(photo: &Image) -> Image {
    let longest = photo.width.max(photo.height).max(1);
    let photo = photo.clone().with_channels(3);
    if longest > MOST {
        let scaled = |side: usize| (side * MOST / longest).max(1);
        let size = Size::new(scaled(photo.width), scaled(photo.height));
        return resize(photo, size, Filter::Box);
    }
    let times = (LEAST / longest).max(1);
    let size = Size::new(photo.width * times, photo.height * times);
    resize(photo, size, Filter::Nearest)
}

/// The map at a place, from 0 to 1 along each axis, bilinear; numbers that are not finite count as 0.
fn between(overlay: &Overlay<'_>, x: f64, y: f64) -> f32 {
    let Size { width, height } = overlay.size;
    let axis = |place: f64, length: usize| {
        let place = (place * length as f64 - 0.5).clamp(0.0, length.saturating_sub(1) as f64);
        let first = place.floor();
        let second = (first as usize + 1).min(length.saturating_sub(1));
        (first as usize, second, (place - first) as f32)
    };
    let (left, right, along) = axis(x, width);
    let (above, below, down) = axis(y, height);
    let value = |row: usize, column: usize| {
        let value = overlay.values.get(row * width + column).copied();
        value.filter(|value| value.is_finite()).unwrap_or_default()
    };
    let row = |row: usize| value(row, left) * (1.0 - along) + value(row, right) * along;
    row(above) * (1.0 - down) + row(below) * down
}

/// The colour of a value in [-1, 1].
fn colour(value: f32) -> [f32; 3] {
    if value < 0.0 {
        return AGAINST;
    }
    let steps = FOR.len() - 1;
    let place = value.min(1.0) * steps as f32;
    let first = (place as usize).min(steps - 1);
    let share = place - first as f32;
    std::array::from_fn(|channel| {
        FOR[first][channel] * (1.0 - share) + FOR[first + 1][channel] * share
    })
}

fn blend(pixel: &mut [u8], colour: [f32; 3], share: f32) {
    for (value, colour) in pixel.iter_mut().zip(colour) {
        *value = (f32::from(*value) * (1.0 - share) + colour * share).round() as u8;
    }
}

fn with_caption(mut picture: Image, caption: &str) -> Image {
    if caption.is_empty() {
        return picture;
    }
    let times = if picture.width >= 400 { 2 } else { 1 };
    let below = picture.height;
    picture.height += times * HEIGHT + 2 * MARGIN;
    let size = picture.width * picture.height * 3;
    picture.pixels.resize(size, PAPER);
    let room = picture.width.saturating_sub(MARGIN) / (times * ADVANCE);
    let caption: String = caption.chars().take(room).collect();
    for (x, y) in bitmap_font::pixels(&caption) {
        for line in 0..times {
            let row = below + MARGIN + y * times + line;
            let start = (row * picture.width + MARGIN + x * times) * 3;
            picture.pixels[start..start + 3 * times].fill(INK);
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize) -> Image {
        let mut photo = Image::black(width, height, 1);
        photo.pixels.fill(100);
        photo
    }

    fn at(picture: &Image, x: usize, y: usize) -> [u8; 3] {
        let start = (y * picture.width + x) * 3;
        picture.pixels[start..start + 3].try_into().unwrap()
    }

    fn drawn(photo: &Image, seen: Region, values: &[f32], caption: &str) -> Image {
        overlay(&Overlay {
            photo,
            seen,
            size: Size::new(values.len(), 1),
            values,
            caption,
        })
    }

    #[test]
    fn the_strongest_place_is_bright_and_a_place_of_nothing_is_the_photo() {
        let photo = grey(512, 256);
        let whole = Region::whole(photo.size());
        let picture = drawn(&photo, whole, &[0.0, 5.0], "");
        assert_eq!(picture.size(), photo.size());
        assert_eq!(at(&picture, 0, 128), [100; 3]);
        // 0.3 · 100 + 0.7 · the last colour.
        assert_eq!(at(&picture, 511, 128), [209, 184, 72]);
        // Half-way, the value is a half: 0.65 · 100 + 0.35 · the colour in the middle.
        let [red, ..] = at(&picture, 256, 128);
        assert!((139..=142).contains(&red), "{red}");
        let against = drawn(&photo, whole, &[-1.0, 0.0], "");
        let [red, _, blue] = at(&against, 0, 0);
        assert!(blue > red, "{red} {blue}");
    }

    #[test]
    fn what_the_model_did_not_see_is_dark_and_without_colour() {
        let photo = grey(300, 100);
        let middle = Region {
            left: 100.0,
            top: 0.0,
            width: 100.0,
            height: 100.0,
        };
        let picture = drawn(&photo, middle, &[1.0], "");
        assert_eq!(at(&picture, 99, 50), [40; 3]);
        assert_eq!(at(&picture, 200, 50), [40; 3]);
        assert_eq!(at(&picture, 100, 50), [209, 184, 72]);
        assert_eq!(at(&picture, 199, 50), [209, 184, 72]);
    }

    #[test]
    fn sizes_are_for_looking_at_and_captions_stand_below() {
        let small = grey(28, 28);
        let whole = Region::whole(small.size());
        let picture = drawn(&small, whole, &[1.0], "l");
        assert_eq!(picture.width, 252);
        assert_eq!(picture.height, 252 + HEIGHT + 2 * MARGIN);
        let (x, y) = bitmap_font::pixels("l").next().unwrap();
        assert_eq!(at(&picture, MARGIN + x, 252 + MARGIN + y), [INK; 3]);
        let large = grey(4000, 3000);
        let whole = Region::whole(large.size());
        let long = "m".repeat(1000);
        let picture = drawn(&large, whole, &[1.0], &long);
        assert_eq!(picture.width, 640);
        assert_eq!(picture.height, 480 + 2 * HEIGHT + 2 * MARGIN);
        assert_eq!(picture.pixels.len(), picture.width * picture.height * 3);
    }

    #[test]
    fn maps_of_nothing_or_of_no_numbers_leave_the_photo() {
        let photo = grey(256, 256);
        let whole = Region::whole(photo.size());
        for values in [&[0.0, 0.0][..], &[f32::NAN], &[]] {
            let picture = drawn(&photo, whole, values, "");
            assert_eq!(at(&picture, 128, 128), [100; 3]);
        }
    }
}
