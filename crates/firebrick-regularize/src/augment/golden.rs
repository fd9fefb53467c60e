//! Results of torchvision, Pillow and timm on images that Python and Rust draw alike
//! (`xtask/golden/augment/`).

mod augmix;
mod noise;
mod pixels;
mod policies;

use std::fmt::Write;

use firebrick_core::data::Image;
use serde::Deserialize;

/// The twin of `seeded` in `xtask/golden/augment/seeded_images.py`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SeededImage {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    kind: String,
    seed: u64,
}

impl SeededImage {
    pub(super) fn draw(&self) -> Image {
        let mut state = self.seed;
        let mut image = Image::black(self.width, self.height, self.channels);
        for (index, value) in image.pixels.iter_mut().enumerate() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let byte = (state >> 56) as usize;
            let (place, channel) = (index / self.channels, index % self.channels);
            let (x, y) = (place % self.width, place / self.width);
            *value = match self.kind.as_str() {
                "noise" => byte,
                "scene" => 30 + (5 * x + 3 * y + 20 * channel) % 160 + (byte >> 3),
                "narrow" => 100 + 15 * channel + (byte >> 5),
                "flat" => 90 + 40 * channel,
                other => panic!("no image of kind {other}"),
            } as u8;
        }
        image
    }
}

/// The bytes in hexadecimal; of more than 48 only their FNV-1a hash.
pub(super) fn short(bytes: &[u8]) -> String {
    if bytes.len() > 48 {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        return format!("#{hash:016x}");
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The bytes of a hexadecimal text.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}
