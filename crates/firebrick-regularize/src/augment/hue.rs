//! Hue, as `color_jitter` changes it: torchvision's `adjust_hue` on PIL images, bit for bit, with Pillow's 8-bit HSV.

use firebrick_core::data::Image;
use firebrick_core::kernels::wide;

use super::planes::{self, BLOCK, Colours, Plane};
use super::rounding::{floor, nearest_double};

/// Turns the hue by `shift` of a whole turn, −0.5 to 0.5. A grey image stays as it is.
///
/// Hue and saturation are rounded down to 8 bits on the way, as Pillow's `HSV` images have them, so a shift of 0
/// is not quite the identity; torchvision is like that too.
pub fn hue(image: &mut Image, shift: f64) {
    if image.channels != 3 {
        return;
    }
    turn(image.pixels.as_chunks_mut().0, &sectors(shift));
}

/// The sector of the colour circle that each hue comes to lie in, and how far into it.
pub(super) type Sectors = [(u8, f32); 256];

pub(super) fn sectors(shift: f64) -> Sectors {
    // torchvision adds the shift, its fraction cut off, modulo 256.
    let shift = (shift * 255.0) as i32 as u8;
    std::array::from_fn(|hue| {
        let at = f64::from((hue as u8).wrapping_add(shift)) * 6.0 / 255.0;
        ((at.floor() as u8) % 6, (at - at.floor()) as f32)
    })
}

wide! {
    fn turn(pixels: &mut [[u8; 3]], sectors: &Sectors) {
        planes::change(pixels, &Turn { sectors });
    }
}

/// [`hue`] of some pixels.
pub(super) struct Turn<'a> {
    pub(super) sectors: &'a Sectors,
}

impl Colours for Turn<'_> {
    /// Loops that do one thing each, so that each becomes vectors.
    #[inline(always)]
    fn change(&self, [reds, greens, blues]: &mut [Plane; 3]) {
        let (mut hues, mut saturations, mut values) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        let found = hues.iter_mut().zip(&mut saturations).zip(&mut values);
        let colours = reds.iter().zip(&*greens).zip(&*blues);
        for (((hue, saturation), value), ((red, green), blue)) in found.zip(colours) {
            (*hue, *saturation, *value) = to_hsv(*red, *green, *blue);
        }
        let (mut places, mut within) = ([0; BLOCK], [0.0; BLOCK]);
        for ((place, within), hue) in places.iter_mut().zip(&mut within).zip(&hues) {
            (*place, *within) = self.sectors[usize::from(*hue)];
        }
        let (mut least, mut falling, mut rising) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        let colours = within.iter().zip(&saturations).zip(&values);
        let shaded = least.iter_mut().zip(&mut falling).zip(&mut rising);
        for (((least, falling), rising), ((within, saturation), value)) in shaded.zip(colours) {
            (*least, *falling, *rising) = shades(*within, *saturation, *value);
        }
        let colours = places.iter().zip(&saturations).zip(&values);
        let shaded = least.iter().zip(&falling).zip(&rising);
        let pixels = reds.iter_mut().zip(greens).zip(blues);
        for (((red, green), blue), (colour, shaded)) in pixels.zip(colours.zip(shaded)) {
            let (((place, saturation), value), ((least, falling), rising)) = (colour, shaded);
            let shades = [*value, *least, *falling, *rising];
            (*red, *green, *blue) = to_rgb(*place, *saturation, shades);
        }
    }
}

/// Hue, saturation and value; the hue 0 to 255 for a whole turn, and anything where there is no colour.
#[inline(always)]
fn to_hsv(red: u8, green: u8, blue: u8) -> (u8, u8, u8) {
    let most = red.max(green).max(blue);
    let span = most - red.min(green).min(blue);
    let far = |channel: u8| f64::from(f32::from(most - channel) / f32::from(span.max(1)));
    let (red_far, green_far, blue_far) = (far(red), far(green), far(blue));
    // Exact until it is rounded to single precision.
    let sixths = if red == most {
        blue_far - green_far
    } else if green == most {
        2.0 + red_far - blue_far
    } else {
        4.0 + green_far - red_far
    } as f32;
    // From 5/6 to 11/6.
    let turn = f64::from(sixths) / 6.0 + 1.0;
    let turn = if turn < 1.0 { turn } else { turn - 1.0 } as f32;
    let saturation = f32::from(span) / f32::from(most.max(1));
    let byte = |share: f32| floor(f64::from(share) * 255.0) as u8;
    (byte(turn), byte(saturation), most)
}

/// The least of the three channels, the one that falls within a sector of the circle, and the one that rises.
#[inline(always)]
fn shades(within: f32, saturation: u8, value: u8) -> (u8, u8, u8) {
    let saturation = f32::from(saturation) / 255.0;
    // None of the 2²⁴ values lies half-way between two levels.
    let shade = |gone: f64| nearest_double(f64::from(value) * (1.0 - gone));
    let least = shade(f64::from(saturation));
    let falling = shade(f64::from(saturation * within));
    let rising = shade(f64::from(saturation) * (1.0 - f64::from(within)));
    (least, falling, rising)
}

/// The colour in a sector of the circle; without branches, which no vector has.
#[inline(always)]
fn to_rgb(sector: u8, saturation: u8, [value, least, falling, rising]: [u8; 4]) -> (u8, u8, u8) {
    let lies_in = |one: u8| 0_u8.wrapping_sub(u8::from(sector == one));
    let [zero, one, two, three, four, five] = [0, 1, 2, 3, 4, 5].map(lies_in);
    let red = (value & (zero | five)) | (falling & one) | (least & (two | three)) | (rising & four);
    let green =
        (rising & zero) | (value & (one | two)) | (falling & three) | (least & (four | five));
    let blue =
        (least & (zero | one)) | (rising & two) | (value & (three | four)) | (falling & five);
    let grey = 0_u8.wrapping_sub(u8::from(saturation == 0));
    let channel = |channel: u8| (channel & !grey) | (value & grey);
    (channel(red), channel(green), channel(blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pillow's formulas, colour by colour.
    fn turned([red, green, blue]: [u8; 3], shift: u8) -> [u8; 3] {
        let most = red.max(green).max(blue);
        let span = most - red.min(green).min(blue);
        if span == 0 {
            return [most; 3];
        }
        let far = |channel: u8| f32::from(most - channel) / f32::from(span);
        let (red_far, green_far, blue_far) = (far(red), far(green), far(blue));
        let sixths = if red == most {
            blue_far - green_far
        } else if green == most {
            (2.0 + f64::from(red_far) - f64::from(blue_far)) as f32
        } else {
            (4.0 + f64::from(green_far) - f64::from(red_far)) as f32
        };
        let turn = ((f64::from(sixths) / 6.0 + 1.0) % 1.0) as f32;
        let saturation = (f64::from(f32::from(span) / f32::from(most)) * 255.0) as u8;
        if saturation == 0 {
            return [most; 3];
        }
        let hue = ((f64::from(turn) * 255.0) as u8).wrapping_add(shift);
        let at = f64::from(hue) * 6.0 / 255.0;
        let within = (at - at.floor()) as f32;
        let saturation = (f64::from(saturation) / 255.0) as f32;
        let shade = |gone: f64| (f64::from(most) * (1.0 - gone)).round() as u8;
        let least = shade(f64::from(saturation));
        let falling = shade(f64::from(saturation * within));
        let rising = shade(f64::from(saturation) * (1.0 - f64::from(within)));
        match at.floor() as u8 % 6 {
            0 => [most, rising, least],
            1 => [falling, most, least],
            2 => [least, most, rising],
            3 => [least, falling, most],
            4 => [rising, least, most],
            _ => [most, least, falling],
        }
    }

    #[test]
    fn many_pixels_at_once_are_turned_as_each_by_itself() {
        // Every fifth level; 51 of them, so that the last block is not whole.
        let levels = || (0..=255_u8).step_by(5).map(|level| level.wrapping_mul(3));
        let colours: Vec<[u8; 3]> = levels()
            .flat_map(|red| {
                levels().flat_map(move |green| levels().map(move |blue| [red, green, blue]))
            })
            .collect();
        for shift in [0, 25, 128, 231] {
            let mut image = Image::black(colours.len(), 1, 3);
            image.pixels = colours.as_flattened().to_vec();
            // The middle of the interval that is cut off to it.
            hue(&mut image, (f64::from(shift) + 0.5) / 255.0);
            let (found, _) = image.pixels.as_chunks::<3>();
            for (colour, found) in colours.iter().zip(found) {
                assert_eq!(*found, turned(*colour, shift), "{colour:?} by {shift}");
            }
        }
    }
}
