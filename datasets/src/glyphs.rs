//! `glyphs`: drawn digits and letters, made in memory. No files, no network.
//!
//! Each image is a function of (seed, split, index) alone. A character is a few pen strokes with
//! jittered control points, in a random position, rotation, scale, shear and pen width, drawn on
//! paper with a gradient and a weave, with specks beside it, at times something lying on it, and
//! noise. Grey is mostly chalk on a board; RGB is any colour on any other: a model trained on one
//! domain meets a real shift in the other, with the same characters in the same poses.
//!
//! ```
//! use firebrick_types::data::Dataset;
//! use firebrick_datasets::glyphs::GlyphsConfig;
//! let (train, test) = GlyphsConfig { train: 60, test: 20, ..Default::default() }.build()?;
//! assert_eq!((train.len(), test.len()), (60, 20));
//! # Ok::<(), firebrick_types::ConfigError>(())
//! ```

mod domain;
mod looks;
mod pose;
mod raster;
mod strokes;

use firebrick_types::ConfigError;
use firebrick_types::about::{About, Field, Range};
use firebrick_types::data::{DataError, Dataset, Image, Sample};
use firebrick_types::random::rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use domain::Domain;
use looks::Looks;
use pose::{Pose, SIZE};
use strokes::CHARACTERS;

/// `glyphs(train=8000, test=2000, domain=grey, seed=0, difficulty=1)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlyphsConfig {
    /// Images in the train split, 1 to 500 000. A smaller split is the beginning of a larger one.
    pub train: usize,
    /// Images in the test split, 1 to 500 000.
    pub test: usize,
    /// Grey or RGB.
    pub domain: Domain,
    /// Another seed draws other images of the same kind.
    pub seed: u64,
    /// How far the images are from clean print, 0 to 2: it scales every distortion and all dirt.
    pub difficulty: f64,
}

impl Default for GlyphsConfig {
    fn default() -> Self {
        Self {
            train: 8000,
            test: 2000,
            domain: Domain::Grey,
            seed: 0,
            difficulty: 1.0,
        }
    }
}

impl GlyphsConfig {
    /// The name in spec strings.
    pub const NAME: &str = "glyphs";

    /// What the data set says about itself.
    pub const ABOUT: About = About::new(
        Self::NAME,
        "computer-drawn digits and letters, 32 × 32, built in: nothing to download",
        &[
            Field::new("train", Range::Whole(1, 500_000)),
            Field::new("test", Range::Whole(1, 500_000)),
            Field::new("domain", Range::Choice(&["grey", "rgb"])),
            Field::new("seed", Range::Count(0)),
            Field::new("difficulty", Range::Within(0.0, 2.0)),
        ],
    );

    /// Draws the train and the test split.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn build(&self) -> Result<(Glyphs, Glyphs), ConfigError> {
        Self::ABOUT.check(self)?;
        let split = |name, len| Glyphs::draw(self, name, len);
        Ok((split("train", self.train), split("test", self.test)))
    }
}

/// One split of `glyphs`: 32 × 32, classes in equal numbers.
#[derive(Debug, Clone)]
pub struct Glyphs {
    split: &'static str,
    domain: Domain,
    /// All images one after the other.
    pixels: Vec<u8>,
    len: usize,
    classes: Vec<String>,
    fingerprint: String,
}

impl Glyphs {
    fn draw(config: &GlyphsConfig, split: &'static str, len: usize) -> Self {
        let size = SIZE * SIZE * config.domain.channels();
        let mut pixels = vec![0; len * size];
        pixels
            .par_chunks_mut(size)
            .enumerate()
            .for_each(|(index, image)| image.copy_from_slice(&draw(config, split, index)));
        Self {
            split,
            domain: config.domain,
            fingerprint: format!(
                "{}-{split}-{len}-{:016x}",
                GlyphsConfig::NAME,
                hash(&pixels, size)
            ),
            pixels,
            len,
            classes: CHARACTERS.iter().map(|c| c.name.to_string()).collect(),
        }
    }
}

/// One image, channels interleaved.
fn draw(config: &GlyphsConfig, split: &str, index: usize) -> Vec<u8> {
    let difficulty = config.difficulty as f32;
    // The pose has its own stream, so that both domains show the same drawings.
    let purpose = format!("{}-{split}", GlyphsConfig::NAME);
    let stream = |part| rng(config.seed, &purpose, index as u64, part);
    let (mut hand, mut light) = (stream(0), stream(1));

    let pose = Pose::sample(difficulty, &mut hand);
    let forms = CHARACTERS[index % CHARACTERS.len()].forms;
    let form = forms[(pose.form * forms.len() as f32) as usize % forms.len()];
    let mut coverage = [0.0; SIZE * SIZE];
    for chain in pose.place(form, &mut hand) {
        raster::draw(&chain, pose.pen, &mut coverage);
    }

    let mut pixels = Vec::with_capacity(SIZE * SIZE * config.domain.channels());
    Looks::sample(config.domain, difficulty, &mut light).render(coverage, &mut light, &mut pixels);
    pixels
}

/// FNV-1a over the images' own hashes, which are taken in parallel.
fn hash(pixels: &[u8], size: usize) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325;
    let images: Vec<u64> = pixels
        .par_chunks(size)
        .map(|image| image.iter().fold(start, |hash, byte| fnv(hash, *byte)))
        .collect();
    images
        .iter()
        .flat_map(|hash| hash.to_le_bytes())
        .fold(start, fnv)
}

impl Dataset for Glyphs {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let channels = self.domain.channels();
        let size = SIZE * SIZE * channels;
        let pixels = self.pixels.get(index * size..(index + 1) * size);
        let pixels = pixels.ok_or_else(|| {
            DataError::Invalid(format!(
                "{}: there are only {} images",
                self.describe(index),
                self.len
            ))
        })?;
        let image = Image {
            width: SIZE,
            height: SIZE,
            channels,
            pixels: pixels.to_vec(),
        };
        Ok(Sample {
            image,
            label: self.label(index),
        })
    }

    fn label(&self, index: usize) -> usize {
        index % self.classes.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self, index: usize) -> String {
        format!("{}/{}[{index}]", GlyphsConfig::NAME, self.split)
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

#[cfg(test)]
mod tests;
