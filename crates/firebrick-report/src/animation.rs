//! A contour map with growing paths, as an animated GIF.

use firebrick_types::contour::ContourMap;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, ImageResult, Rgba, RgbaImage};

use crate::contour::{contours, shares, visible};

const WIDE: u32 = 480;
const HIGH: u32 = 360;
/// A longer race is shown in larger strides.
const MOST_FRAMES: usize = 100;
const PAPER: [u8; 3] = [255, 255, 255];
const LINE: [u8; 3] = [205, 209, 214];
const INK: [u8; 3] = [27, 29, 32];

/// The colours of the paths by name, those of the charts on light paper; further paths repeat them.
pub const PATH_COLOURS: [(&str, [u8; 3]); 8] = [
    ("blue", [0x00, 0x67, 0xa5]),
    ("orange", [0xb8, 0x48, 0x00]),
    ("green", [0x00, 0x75, 0x5a]),
    ("pink", [0x9c, 0x3f, 0x78]),
    ("brown", [0x7d, 0x5a, 0x00]),
    ("teal", [0x2f, 0x6f, 0x8f]),
    ("violet", [0x6a, 0x4f, 0xb3]),
    ("grey", [0x55, 0x59, 0x5e]),
];

/// The map as an animated GIF of 480×360 pixels that repeats for ever: at most 101 frames, so that
/// paths of more than 100 updates grow by several at a time. It has no names: minima are crosses, the
/// start is a disc, and the paths are [`PATH_COLOURS`] in order.
///
/// # Errors
/// What the encoder says.
pub fn contour_gif(map: &ContourMap) -> ImageResult<Vec<u8>> {
    let mut canvas = Canvas::new();
    for line in contours(map).into_iter().flatten() {
        line.windows(2)
            .for_each(|pair| canvas.line(pair[0], pair[1], 1, LINE));
    }
    for cross in map.crosses.iter().filter(|at| map.window.contains(**at)) {
        canvas.cross(shares(map, *cross), 5, INK);
    }
    let first = map.paths.first().and_then(|path| path.points.first());
    if let Some(start) = first.filter(|start| map.window.contains(**start)) {
        canvas.disc(shares(map, *start), 3, INK);
    }
    let longest = map.paths.iter().map(|path| path.points.len()).max();
    let last = longest.unwrap_or(0).saturating_sub(1);
    let stride = last.div_ceil(MOST_FRAMES).max(1);
    let ends: Vec<usize> = (0..last).step_by(stride).chain([last]).collect();
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
    encoder.set_repeat(Repeat::Infinite)?;
    let mut drawn = 0;
    for end in ends {
        for (index, path) in map.paths.iter().enumerate() {
            let new = path.points.iter().take(end + 1).skip(drawn);
            for (from, to) in new.clone().zip(new.skip(1)) {
                if let Some([from, to]) = visible(map, *from, *to) {
                    canvas.line(from, to, 2, colour(index));
                }
            }
        }
        drawn = end;
        let mut picture = canvas.clone();
        for (index, path) in map.paths.iter().enumerate() {
            if let Some(at) = path.points.get(end).filter(|at| map.window.contains(**at)) {
                picture.disc(shares(map, *at), 4, colour(index));
            }
        }
        let milliseconds = if end == last { 2000 } else { 60 };
        let delay = Delay::from_numer_denom_ms(milliseconds, 1);
        encoder.encode_frame(Frame::from_parts(picture.0, 0, 0, delay))?;
    }
    drop(encoder);
    Ok(bytes)
}

fn colour(path: usize) -> [u8; 3] {
    PATH_COLOURS[path % PATH_COLOURS.len()].1
}

/// Pixels; places are shares of the sides from the lower left.
#[derive(Clone)]
struct Canvas(RgbaImage);

impl Canvas {
    fn new() -> Self {
        let [r, g, b] = PAPER;
        Self(RgbaImage::from_pixel(WIDE, HIGH, Rgba([r, g, b, 255])))
    }

    fn place([x, y]: [f64; 2]) -> [f64; 2] {
        [x * f64::from(WIDE - 1), (1.0 - y) * f64::from(HIGH - 1)]
    }

    /// A pixel, unless it lies outside.
    fn set(&mut self, x: i64, y: i64, [r, g, b]: [u8; 3]) {
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
        {
            *pixel = Rgba([r, g, b, 255]);
        }
    }

    /// A straight line inside the picture, as squares of `thick` pixels.
    fn line(&mut self, from: [f64; 2], to: [f64; 2], thick: i64, colour: [u8; 3]) {
        let (from, to) = (Self::place(from), Self::place(to));
        let way = [to[0] - from[0], to[1] - from[1]];
        let steps = way[0].abs().max(way[1].abs()).ceil().max(1.0);
        for step in 0..=steps as u32 {
            let share = f64::from(step) / steps;
            let [x, y] = [0, 1].map(|axis| (from[axis] + share * way[axis]).round() as i64);
            for (dx, dy) in (0..thick).flat_map(|dx| (0..thick).map(move |dy| (dx, dy))) {
                self.set(x + dx, y + dy, colour);
            }
        }
    }

    /// Two diagonal strokes, two pixels thick.
    fn cross(&mut self, at: [f64; 2], reach: i64, colour: [u8; 3]) {
        let [x, y] = Self::place(at).map(|value| value.round() as i64);
        for step in -reach..=reach {
            for wide in 0..2 {
                self.set(x + step + wide, y + step, colour);
                self.set(x + step + wide, y - step, colour);
            }
        }
    }

    fn disc(&mut self, at: [f64; 2], radius: i64, colour: [u8; 3]) {
        let [x, y] = Self::place(at).map(|value| value.round() as i64);
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                if dx * dx + dy * dy <= radius * radius {
                    self.set(x + dx, y + dy, colour);
                }
            }
        }
    }
}
