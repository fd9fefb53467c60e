//! Reads an image at the points of a warp, as Pillow's `Image.transform` does: a point outside the image shows what is
//! outside; inside, the pixels at the edge count on beyond their centres.

use firebrick_core::image::Image;

use super::{Interpolation, Map, Outside, Reading, Warp};

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
    match image.channels {
        1 => sample_channels::<1>(warp, image, interpolation, outside),
        _ => sample_channels::<3>(warp, image, interpolation, outside),
    }
}

fn sample_channels<const C: usize>(
    warp: &Warp,
    image: &Image,
    interpolation: Interpolation,
    outside: Outside,
) -> Image {
    let fill = match outside {
        Outside::Fill(fill) => fill,
        _ => 0,
    };
    let output = warp.output;
    let mut result = Image {
        width: output.width,
        height: output.height,
        channels: C,
        pixels: vec![fill; output.width * output.height * C],
    };
    if image.pixels.is_empty() || result.pixels.is_empty() {
        return result;
    }
    let source = Source::<C> {
        image,
        outside,
        interpolation,
    };
    let (pixels, _) = result.pixels.as_chunks_mut::<C>();
    let rows = pixels.chunks_exact_mut(output.width).enumerate();
    let single = match &warp.maps[..] {
        [Map::Homography(map)] => Some(map),
        _ => None,
    };
    match single {
        Some(map) if map.is_affine() => {
            let [a, b, c, d, e, f, ..] = map.matrix();
            for (y, row) in rows {
                let y = y as f64 + 0.5;
                source.read_row(row, |x| [a * x + b * y + c, d * x + e * y + f]);
            }
        }
        Some(map) => rows.for_each(|(y, row)| {
            let y = y as f64 + 0.5;
            source.read_row(row, |x| match map.weight([x, y]) > 0.0 {
                true => map.at([x, y]),
                // Beyond the horizon.
                false => [f64::NAN; 2],
            });
        }),
        None => rows.for_each(|(y, row)| {
            let y = y as f64 + 0.5;
            source.read_row(row, |x| warp.source([x, y]));
        }),
    }
    result
}

struct Source<'a, const C: usize> {
    image: &'a Image,
    outside: Outside,
    interpolation: Interpolation,
}

impl<const C: usize> Source<'_, C> {
    /// Fills a row whose pixels come from the points that `point` gives for their centres. Pixels from outside a filled
    /// image keep the value that they have.
    fn read_row(&self, row: &mut [[u8; C]], point: impl Fn(f64) -> [f64; 2]) {
        let (width, height) = (self.image.width as f64, self.image.height as f64);
        for (x, pixel) in row.iter_mut().enumerate() {
            let [mut u, mut v] = point(x as f64 + 0.5);
            let inside = u >= 0.0 && u < width && v >= 0.0 && v < height;
            if !inside {
                if matches!(self.outside, Outside::Fill(_)) || !(u.is_finite() && v.is_finite()) {
                    continue;
                }
                (u, v) = (self.back(u, width), self.back(v, height));
            }
            *pixel = match self.interpolation {
                Interpolation::Nearest => self.pixel(u as usize, v as usize),
                Interpolation::Bilinear => self.between(u, v),
            };
        }
    }

    /// A coordinate that lies outside an axis of this length, inside.
    fn back(&self, at: f64, length: f64) -> f64 {
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
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; C] {
        let at = (y * self.image.width + x) * C;
        let values = &self.image.pixels[at..at + C];
        std::array::from_fn(|channel| values[channel])
    }

    /// Pillow's bilinear filter, with weights of 11 bits: the fraction of a level is cut off.
    fn between(&self, u: f64, v: f64) -> [u8; C] {
        let [right, lower] = [self.image.width, self.image.height].map(|side| side as u32 - 1);
        let (u, v) = (fixed(u), fixed(v));
        let (x, y) = ((u >> BITS) as u32, (v >> BITS) as u32);
        let (dx, dy) = (u as u32 & MASK, v as u32 & MASK);
        let row = self.image.width * C;
        // -1 is beyond every side, too.
        let [above, below]: [&[u8]; 2] = if x < right && y < lower {
            let at = y as usize * row + x as usize * C;
            [
                &self.image.pixels[at..at + 2 * C],
                &self.image.pixels[at + row..at + row + 2 * C],
            ]
        } else {
            return self.at_the_edge([u, v], [dx, dy]);
        };
        std::array::from_fn(|channel| {
            mix(
                [
                    above[channel],
                    above[channel + C],
                    below[channel],
                    below[channel + C],
                ],
                dx,
                dy,
            )
        })
    }

    #[cold]
    fn at_the_edge(&self, [u, v]: [i32; 2], [dx, dy]: [u32; 2]) -> [u8; C] {
        let side = |at: i32, length: usize| (at.max(0) as usize).min(length - 1);
        let ends =
            |at: i32, length: usize| [side(at >> BITS, length), side((at >> BITS) + 1, length)];
        let ([x0, x1], [y0, y1]) = (ends(u, self.image.width), ends(v, self.image.height));
        let corners = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| self.pixel(x, y));
        std::array::from_fn(|channel| mix(corners.map(|pixel| pixel[channel]), dx, dy))
    }
}

/// Bits of a weight.
const BITS: u32 = 11;
const MASK: u32 = (1 << BITS) - 1;

/// A coordinate from the centre of the first pixel, as a multiple of the smallest weight.
fn fixed(at: f64) -> i32 {
    ((at - 0.5) * f64::from(1 << BITS) + 0.5).floor() as i32
}

/// The value between four: the upper two, from left to right, and the lower two.
fn mix(corners: [u8; 4], dx: u32, dy: u32) -> u8 {
    let [upper_left, upper_right, lower_left, lower_right] = corners.map(u32::from);
    let one = 1 << BITS;
    let above = upper_left * (one - dx) + upper_right * dx;
    let below = lower_left * (one - dx) + lower_right * dx;
    ((above * (one - dy) + below * dy) >> (2 * BITS)) as u8
}
