//! Made-up photos, the same bytes as those of `bench/photo.py`: whole numbers throughout.

use firebrick::core::image::Image;

/// A value of 0 to 255 for a point of a lattice.
fn noise(x: usize, y: usize, seed: u32) -> i64 {
    let lattice = (x as u32)
        .wrapping_mul(374_761_393)
        .wrapping_add((y as u32).wrapping_mul(668_265_263))
        .wrapping_add(seed.wrapping_mul(2_246_822_519));
    let lattice = (lattice ^ (lattice >> 13)).wrapping_mul(1_274_126_177);
    i64::from((lattice ^ (lattice >> 16)) & 255)
}

/// Noise on a lattice of `cell` pixels, linear in between.
fn clouds(x: usize, y: usize, cell: usize, seed: u32) -> i64 {
    let (left, top) = (x / cell, y / cell);
    let (right, down) = ((x % cell) as i64, (y % cell) as i64);
    let cell = cell as i64;
    let row = |y: usize| noise(left, y, seed) * (cell - right) + noise(left + 1, y, seed) * right;
    (row(top) * (cell - down) + row(top + 1) * down).div_euclid(cell * cell)
}

/// A square RGB image: shapes with edges, soft light, texture that is weaker the finer it is. No value is at either end, so that
/// `autocontrast` has something to do.
pub(crate) fn photo(side: usize, index: u32) -> Image {
    let mut image = Image::black(side, side, 3);
    let (base, coarse) = (16 * index, side / 4);
    for (at, pixel) in image.pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at % side, at / side);
        let (mut light, mut cell, mut weight, mut seed) = (0, coarse, 32, base);
        while cell >= 2 {
            seed += 1;
            light += (clouds(x, y, cell, seed) - 128) * weight;
            (cell, weight) = (cell / 2, weight / 2);
        }
        let shape = if clouds(x, y, coarse, base + 9) > 120 {
            150
        } else {
            90
        };
        let grain = noise(x, y, base + 10) / 32 - 4;
        let grey = shape + i64::div_euclid(light, 40) + grain;
        for (channel, value) in (0..).zip(pixel) {
            let tint = (clouds(x, y, coarse, base + 11 + channel) - 128).div_euclid(3);
            *value = (grey + tint).clamp(8, 243) as u8;
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::photo;

    /// `photo.py` gives these sums: each value times its place, counted from 1, modulo 2³².
    #[test]
    fn pixels_are_those_of_the_peers() {
        for (side, expected) in [(256, 742_058_495), (32, 529_247_442)] {
            let mut sum = 0_u32;
            for (at, value) in (1_u32..).zip(&photo(side, 3).pixels) {
                sum = sum.wrapping_add(at.wrapping_mul(u32::from(*value)));
            }
            assert_eq!(sum, expected, "{side}");
        }
    }
}
