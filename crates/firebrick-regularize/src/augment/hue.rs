//! Hue, as `color_jitter` changes it: torchvision's `adjust_hue` on PIL images, bit for bit, with Pillow's 8-bit HSV.

use firebrick_core::data::Image;

/// Turns the hue by `shift` of a whole turn, −0.5 to 0.5. A grey image stays as it is.
///
/// Hue and saturation are rounded down to 8 bits on the way, as Pillow's `HSV` images have them, so a shift of 0
/// is not quite the identity; torchvision is like that too.
pub fn hue(image: &mut Image, shift: f64) {
    if image.channels != 3 {
        return;
    }
    // torchvision adds the shift, its fraction cut off, modulo 256.
    let shift = (shift * 255.0) as i32 as u8;
    // The sector of the colour circle that each hue lies in, and how far into it.
    let sectors: [(u8, f32); 256] = std::array::from_fn(|hue| {
        let at = f64::from(hue as u8) * 6.0 / 255.0;
        ((at.floor() as u8) % 6, (at - at.floor()) as f32)
    });
    for pixel in image.pixels.chunks_exact_mut(3) {
        let [hue, saturation, value] = to_hsv(pixel[0], pixel[1], pixel[2]);
        if saturation == 0 {
            pixel.fill(value);
            continue;
        }
        let (sector, within) = sectors[usize::from(hue.wrapping_add(shift))];
        pixel.copy_from_slice(&to_rgb(sector, within, saturation, value));
    }
}

/// Hue, saturation and value; the hue 0 to 255 for a whole turn.
fn to_hsv(red: u8, green: u8, blue: u8) -> [u8; 3] {
    let most = red.max(green).max(blue);
    let span = most - red.min(green).min(blue);
    if span == 0 {
        return [0, 0, most];
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
    let saturation = f32::from(span) / f32::from(most);
    let byte = |share: f32| (f64::from(share) * 255.0) as u8;
    [byte(turn), byte(saturation), most]
}

fn to_rgb(sector: u8, within: f32, saturation: u8, value: u8) -> [u8; 3] {
    let saturation = (f64::from(saturation) / 255.0) as f32;
    let bright = f64::from(value);
    let least = (bright * (1.0 - f64::from(saturation))).round() as u8;
    let falling = (bright * (1.0 - f64::from(saturation * within))).round() as u8;
    let rising = (bright * (1.0 - f64::from(saturation) * (1.0 - f64::from(within)))).round() as u8;
    match sector {
        0 => [value, rising, least],
        1 => [falling, value, least],
        2 => [least, value, rising],
        3 => [least, falling, value],
        4 => [rising, least, value],
        _ => [value, least, falling],
    }
}
