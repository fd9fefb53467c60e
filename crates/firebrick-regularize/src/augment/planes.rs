//! Changes RGB pixels channel by channel, many at once: what comes three by three does not become vectors.

/// Pixels that are changed together.
pub(super) const BLOCK: usize = 64;

/// A channel of so many pixels.
pub(super) type Plane = [u8; BLOCK];

/// A change of colours that does not depend on the place.
pub(super) trait Colours {
    /// Changes the red, green and blue of some pixels. `#[inline(always)]`, as this is done within
    /// [`wide!`](firebrick_core::kernels::wide).
    fn change(&self, planes: &mut [Plane; 3]);
}

/// Changes all pixels.
#[inline(always)]
pub(super) fn change(pixels: &mut [[u8; 3]], colours: &impl Colours) {
    let (blocks, rest) = pixels.as_chunks_mut::<BLOCK>();
    for block in blocks {
        change_block(block, colours);
    }
    if !rest.is_empty() {
        let mut block = [[0; 3]; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        change_block(&mut block, colours);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

/// The channels of pixels.
#[inline(always)]
pub(super) fn of(pixels: &[[u8; 3]; BLOCK]) -> [Plane; 3] {
    let mut planes = [[0; BLOCK]; 3];
    let [reds, greens, blues] = &mut planes;
    for (((red, green), blue), pixel) in reds.iter_mut().zip(greens).zip(blues).zip(pixels) {
        [*red, *green, *blue] = *pixel;
    }
    planes
}

#[inline(always)]
fn change_block(pixels: &mut [[u8; 3]; BLOCK], colours: &impl Colours) {
    let mut planes = of(pixels);
    colours.change(&mut planes);
    join(&planes, pixels);
}

/// Puts the channels of pixels together.
#[inline(always)]
pub(super) fn join([reds, greens, blues]: &[Plane; 3], pixels: &mut [[u8; 3]; BLOCK]) {
    for (((red, green), blue), pixel) in reds.iter().zip(greens).zip(blues).zip(pixels) {
        *pixel = [*red, *green, *blue];
    }
}

/// Puts the channels into the memory of the pixels, one behind the other.
#[inline(always)]
pub(super) fn keep_apart(planes: &[Plane; 3], pixels: &mut [[u8; 3]; BLOCK]) {
    pixels
        .as_flattened_mut()
        .copy_from_slice(planes.as_flattened());
}

/// What [`keep_apart`] put there.
#[inline(always)]
pub(super) fn apart(pixels: &[[u8; 3]; BLOCK]) -> [Plane; 3] {
    let mut planes = [[0; BLOCK]; 3];
    planes
        .as_flattened_mut()
        .copy_from_slice(pixels.as_flattened());
    planes
}
