//! A rectangle of pixels that is erased, and what it is filled with; for `erase` and `cutout`.

use firebrick_core::image::Image;
use firebrick_core::random;
use rand::Rng;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A rectangle inside an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rectangle {
    /// Columns to its left.
    pub left: usize,
    /// Rows above it.
    pub top: usize,
    /// Its width; 0 for no rectangle.
    pub width: usize,
    /// Its height.
    pub height: usize,
}

impl Rectangle {
    /// Fills the rectangle with one value.
    pub(super) fn fill(&self, image: &mut Image, value: u8) {
        self.rows(image, |row| row.fill(value));
    }

    /// Gives every value in the rectangle one from 0 to 255 at random, all alike likely, as a function of `seed`.
    pub(super) fn fill_at_random(&self, image: &mut Image, seed: u32) {
        let mut rng = random::rng(u64::from(seed), "erase", 0, 0);
        self.rows(image, |row| rng.fill_bytes(row));
    }

    fn rows(&self, image: &mut Image, mut change: impl FnMut(&mut [u8])) {
        let (width, channels) = (image.width, image.channels);
        // A log may be of another image.
        let left = self.left.min(width);
        let right = self.left.saturating_add(self.width).min(width);
        let bottom = self.top.saturating_add(self.height).min(image.height);
        for y in self.top..bottom {
            let row = y * width;
            change(&mut image.pixels[(row + left) * channels..(row + right) * channels]);
        }
    }
}

/// What an erased rectangle shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// This share of full intensity: 0 black, 1 white.
    Value(f64),
    /// Another value for each pixel and channel. Written `random`.
    Random,
}

/// The word for [`Fill::Random`] in specs.
pub(super) const RANDOM: &str = "random";

impl Serialize for Fill {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(share) => serializer.serialize_f64(*share),
            Self::Random => serializer.serialize_str(RANDOM),
        }
    }
}

impl<'de> Deserialize<'de> for Fill {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number or `random`")]
        enum Either {
            Value(f64),
            Word(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Value(share) => Ok(Self::Value(share)),
            Either::Word(word) if word == RANDOM => Ok(Self::Random),
            Either::Word(_) => Err(D::Error::custom("expected a number or `random`")),
        }
    }
}

impl Fill {
    /// Fills a rectangle. `seed` is for [`Fill::Random`].
    pub(super) fn apply(self, image: &mut Image, rectangle: &Rectangle, seed: Option<u32>) {
        match (self, seed) {
            (Self::Random, Some(seed)) => rectangle.fill_at_random(image, seed),
            (Self::Random, None) => rectangle.fill(image, 0),
            (Self::Value(share), _) => rectangle.fill(image, (255.0 * share).round() as u8),
        }
    }
}
