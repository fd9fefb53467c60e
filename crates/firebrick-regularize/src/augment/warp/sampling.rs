//! Reads an image at the points of a warp, as Pillow's `Image.transform` does: a point outside the image shows what is
//! outside; inside, the pixels at the edge count on beyond their centres.

use firebrick_core::image::{Image, Size};
use firebrick_core::kernels::wide;

use super::{Interpolation, Outside, Reading, Warp};
use crate::augment::rounding::floor;

impl Warp {
    /// The warped image.
    #[must_use]
    pub fn apply(&self, image: &Image) -> Image {
        let interpolation = match self.reading {
            Reading::Exact => Interpolation::Nearest,
            Reading::Points(interpolation) => interpolation,
            Reading::Areas => Interpolation::Bilinear,
        };
        sample(
            self,
            image,
            interpolation,
            self.outside.unwrap_or(Outside::Edge),
        )
    }

    /// The warped mask: values are never mixed, and what lies outside the mask is `fill`.
    #[must_use]
    pub fn mask(&self, mask: &Image, fill: u8) -> Image {
        let outside = match self.outside {
            Some(Outside::Fill(_)) | None => Outside::Fill(fill),
            Some(other) => other,
        };
        sample(self, mask, Interpolation::Nearest, outside)
    }
}

fn sample(warp: &Warp, image: &Image, interpolation: Interpolation, outside: Outside) -> Image {
    let source = Source {
        image,
        outside,
        interpolation,
    };
    let pixels = match image.channels {
        1 => source.sample::<1>(warp),
        _ => source.sample::<3>(warp),
    };
    Image {
        width: warp.output.width,
        height: warp.output.height,
        channels: image.channels,
        pixels,
    }
}

struct Source<'a> {
    image: &'a Image,
    outside: Outside,
    interpolation: Interpolation,
}

/// The points of one row of the result.
struct Row {
    xs: Vec<f64>,
    ys: Vec<f64>,
    /// Where they lie in the image: in which pixel where the nearest one is read, otherwise between which one, which may be −1,
    /// and the next. The column is [`AWAY`] outside of it.
    columns: Vec<i32>,
    lines: Vec<i32>,
    /// How far they are on the way to the next pixel, to the right and down, as multiples of the smallest weight.
    right: Vec<i32>,
    down: Vec<i32>,
    /// The place of the pixel's first value in the image where all four neighbours are in it, [`NOWHERE`] otherwise.
    firsts: Vec<u32>,
}

/// The column of a point outside the image.
const AWAY: i32 = i32::MIN;
/// The place of a pixel that is not between four others; no image has it.
const NOWHERE: u32 = u32::MAX;
/// Channels that are interpolated at once: a vector has no three.
const LANES: usize = 4;

impl Source<'_> {
    fn sample<const C: usize>(&self, warp: &Warp) -> Vec<u8> {
        let Size { width, height } = warp.output;
        let length = width * C;
        if self.image.pixels.is_empty() || length == 0 {
            return vec![self.fill(); length * height];
        }
        let mut row = Row {
            xs: vec![0.0; width],
            ys: vec![0.0; width],
            columns: vec![0; width],
            lines: vec![0; width],
            right: vec![0; width],
            down: vec![0; width],
            firsts: vec![NOWHERE; width],
        };
        let mut mixed = vec![[0; LANES]; width];
        let mut pixels = vec![0; length * height];
        let sides = [self.image.width, self.image.height].map(|side| side as f64);
        for (y, pixels) in pixels.chunks_exact_mut(length).enumerate() {
            for (x, at) in row.xs.iter_mut().enumerate() {
                *at = x as f64 + 0.5;
            }
            row.ys.fill(y as f64 + 0.5);
            warp.follow(&mut row.xs, &mut row.ys);
            let Row {
                xs,
                ys,
                columns,
                lines,
                right,
                down,
                firsts,
            } = &mut row;
            match self.interpolation {
                Interpolation::Nearest => {
                    locate_pixels(xs, ys, sides, columns, lines);
                    self.copy::<C>(&row, pixels);
                }
                Interpolation::Bilinear => {
                    locate(xs, ys, sides, columns, lines, right, down);
                    // In an image that is too large for it, each pixel is read as those at the edge are.
                    if self.image.pixels.len() < NOWHERE as usize {
                        let sides = [self.image.width, self.image.height].map(|side| side as u32);
                        find_firsts(columns, lines, sides, C as u32, firsts);
                    }
                    mix_row(self, &row, &mut mixed, pixels);
                }
            }
        }
        pixels
    }

    /// What is shown where there is nothing.
    fn fill(&self) -> u8 {
        match self.outside {
            Outside::Fill(fill) => fill,
            _ => 0,
        }
    }

    /// The nearest pixels.
    fn copy<const C: usize>(&self, row: &Row, pixels: &mut [u8]) {
        let places = row.columns.iter().zip(&row.lines).enumerate();
        for ((at, (column, line)), pixel) in places.zip(pixels.as_chunks_mut::<C>().0) {
            *pixel = if *column == AWAY {
                match self.back(row.xs[at], row.ys[at]) {
                    Some([x, y]) => self.pixel(x as usize, y as usize),
                    None => [self.fill(); C],
                }
            } else {
                self.pixel(*column as usize, *line as usize)
            };
        }
    }

    /// A point that lies outside the image, inside; `None` where nothing is shown.
    fn back(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        if matches!(self.outside, Outside::Fill(_)) || !(x.is_finite() && y.is_finite()) {
            return None;
        }
        let axis = |at: f64, length: usize| {
            let length = length as f64;
            let inside = match self.outside {
                Outside::Reflect if length > 1.0 => {
                    // Mirrored at the centres of the first and the last pixel.
                    let last = length - 1.0;
                    let phase = (at - 0.5).rem_euclid(2.0 * last);
                    phase.min(2.0 * last - phase) + 0.5
                }
                _ => at,
            };
            inside.clamp(0.0, length - 1e-9)
        };
        Some([axis(x, self.image.width), axis(y, self.image.height)])
    }

    fn pixel<const C: usize>(&self, x: usize, y: usize) -> [u8; C] {
        let at = (y * self.image.width + x) * C;
        let values = &self.image.pixels[at..at + C];
        std::array::from_fn(|channel| values[channel])
    }

    /// A pixel of a row that is not among four others.
    #[cold]
    fn at_the_edge<const C: usize>(&self, row: &Row, at: usize) -> [i32; LANES] {
        let (mut column, mut line) = (row.columns[at], row.lines[at]);
        let (mut right, mut down) = (row.right[at], row.down[at]);
        if column == AWAY {
            let Some([x, y]) = self.back(row.xs[at], row.ys[at]) else {
                return [i32::from(self.fill()) << (2 * BITS); LANES];
            };
            ((column, right), (line, down)) = (between(x), between(y));
        }
        let side = |at: i32, length: usize| (at.max(0) as usize).min(length - 1);
        let ends = |at: i32, length: usize| [side(at, length), side(at + 1, length)];
        let [x0, x1] = ends(column, self.image.width);
        let [y0, y1] = ends(line, self.image.height);
        let pixel = |x: usize, y: usize| {
            let mut values = [0; LANES];
            for (to, from) in values.iter_mut().zip(self.pixel::<C>(x, y)) {
                *to = i32::from(from);
            }
            values
        };
        let along = |y: usize| mixed(pixel(x0, y), pixel(x1, y), right);
        mixed(along(y0), along(y1), down)
    }
}

/// Bits of a weight of Pillow's bilinear filter.
const BITS: u32 = 11;
const MASK: i32 = (1 << BITS) - 1;

/// The pixel whose centre lies before a coordinate, and how far that is on the way to the next centre.
#[inline(always)]
fn between(at: f64) -> (i32, i32) {
    let fixed = floor((at - 0.5) * f64::from(1 << BITS) + 0.5);
    (fixed >> BITS, fixed & MASK)
}

/// Values between others, with [`BITS`] more bits of a fraction.
#[inline(always)]
fn mixed(from: [i32; LANES], to: [i32; LANES], share: i32) -> [i32; LANES] {
    let mix = |lane: usize| (from[lane] << BITS) + (to[lane] - from[lane]) * share;
    [mix(0), mix(1), mix(2), mix(3)]
}

#[inline(always)]
fn widened(values: &[u8]) -> [i32; LANES] {
    let wide = |lane: usize| i32::from(values[lane]);
    [wide(0), wide(1), wide(2), wide(3)]
}

wide! {
    /// Where points lie in an image that is interpolated.
    fn locate(
        xs: &[f64],
        ys: &[f64],
        sides: [f64; 2],
        columns: &mut [i32],
        lines: &mut [i32],
        right: &mut [i32],
        down: &mut [i32],
    ) {
        let columns = columns.iter_mut().zip(right);
        let lines = lines.iter_mut().zip(down);
        for ((x, y), ((column, right), (line, down))) in xs.iter().zip(ys).zip(columns.zip(lines)) {
            (*column, *right) = between(*x);
            (*line, *down) = between(*y);
            *column = if lies_inside([*x, *y], sides) { *column } else { AWAY };
        }
    }
}

wide! {
    /// Where the first of the four pixels around each point begins.
    fn find_firsts(columns: &[i32], lines: &[i32], sides: [u32; 2], channels: u32, firsts: &mut [u32]) {
        let [width, height] = sides;
        for (first, (column, line)) in firsts.iter_mut().zip(columns.iter().zip(lines)) {
            // Negative ones are beyond every side, too.
            let (x, y) = (*column as u32, *line as u32);
            let place = y.wrapping_mul(width).wrapping_add(x).wrapping_mul(channels);
            *first = if (x < width - 1) & (y < height - 1) { place } else { NOWHERE };
        }
    }
}

wide! {
    /// The pixels in which points lie.
    fn locate_pixels(xs: &[f64], ys: &[f64], sides: [f64; 2], columns: &mut [i32], lines: &mut [i32]) {
        for ((x, y), (column, line)) in xs.iter().zip(ys).zip(columns.iter_mut().zip(lines)) {
            *column = if lies_inside([*x, *y], sides) { floor(*x) } else { AWAY };
            *line = floor(*y);
        }
    }
}

#[inline(always)]
fn lies_inside([x, y]: [f64; 2], [width, height]: [f64; 2]) -> bool {
    (x >= 0.0) & (x < width) & (y >= 0.0) & (y < height)
}

wide! {
    /// The interpolated pixels of a row; `mixed` has room for them.
    fn mix_row(source: &Source<'_>, row: &Row, mixed: &mut [[i32; LANES]], pixels: &mut [u8]) {
        match source.image.channels {
            1 => mix_pixels::<1>(source, row, mixed, pixels),
            _ => mix_pixels::<3>(source, row, mixed, pixels),
        }
    }
}

#[inline(always)]
fn mix_pixels<const C: usize>(
    source: &Source<'_>,
    row: &Row,
    mixed: &mut [[i32; LANES]],
    pixels: &mut [u8],
) {
    let values = &source.image.pixels[..];
    let length = source.image.width * C;
    let fill = match source.outside {
        Outside::Fill(fill) => Some([i32::from(fill) << (2 * BITS); LANES]),
        _ => None,
    };
    let shares = row.right.iter().zip(&row.down);
    let places = row.firsts.iter().zip(&row.columns);
    for (at, (pixel, (place, share))) in mixed.iter_mut().zip(places.zip(shares)).enumerate() {
        let ((first, column), (right, down)) = (place, share);
        // Two pixels side by side, and more than is needed.
        let pair = |first: usize| values.get(first..first + 2 * LANES);
        let first = *first as usize;
        if let (Some(upper), Some(lower)) = (pair(first), pair(first + length)) {
            let along = |pair: &[u8]| {
                let (left, next) = (widened(&pair[..LANES]), widened(&pair[C..C + LANES]));
                self::mixed(left, next, *right)
            };
            *pixel = self::mixed(along(upper), along(lower), *down);
            continue;
        }
        *pixel = match fill {
            Some(fill) if *column == AWAY => fill,
            _ => source.at_the_edge::<C>(row, at),
        };
    }
    // The fraction of a level is cut off.
    for (pixel, mixed) in pixels.as_chunks_mut::<C>().0.iter_mut().zip(&*mixed) {
        for (value, mixed) in pixel.iter_mut().zip(mixed) {
            *value = (*mixed >> (2 * BITS)) as u8;
        }
    }
}
