//! The data set, the transforms and the helpers of the tests of the loader.

mod order;
mod refusals;
mod threads;
mod transforms;

use std::sync::atomic::{AtomicUsize, Ordering};

use firebrick_types::data::{BatchMoment, Drawn, Image, Sample, Subject};
use firebrick_types::random::HostRng;
use firebrick_types::spec::Spec;
use rand::RngExt;

use super::*;

/// 2 × 1 grey images whose pixels hold their index; every 5th is of class 1, the rest of class 0.
#[derive(Default)]
struct Numbers {
    len: usize,
    bad: Vec<usize>,
    panics_at: Option<usize>,
    reads: AtomicUsize,
    classes: Vec<String>,
}

impl Numbers {
    fn new(len: usize) -> Self {
        Self {
            len,
            classes: vec!["many".into(), "few".into()],
            ..Self::default()
        }
    }
}

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.len
    }
    fn get(&self, index: usize) -> Result<Sample, DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        assert_ne!(Some(index), self.panics_at, "a broken reader");
        if self.bad.contains(&index) {
            return Err(DataError::Invalid(format!("numbers[{index}]: torn")));
        }
        let image = Image {
            width: 2,
            height: 1,
            channels: 1,
            pixels: vec![index as u8, (index >> 8) as u8],
        };
        Ok(Sample {
            image,
            label: self.label(index),
        })
    }
    fn label(&self, index: usize) -> usize {
        usize::from(index.is_multiple_of(5))
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn describe(&self, index: usize) -> String {
        format!("numbers[{index}]")
    }
    fn fingerprint(&self) -> String {
        format!("numbers-{}", self.len)
    }
}

/// A change of images that a function makes.
struct Change<F>(F);

impl<F> SampleTransform for Change<F>
where
    F: Fn(Image, &Subject, &mut HostRng) -> Image + Send + Sync,
{
    fn transform(
        &self,
        image: Image,
        subject: &Subject,
        rng: &mut HostRng,
        _: Option<&mut Vec<Drawn>>,
    ) -> Result<Image, ConfigError> {
        Ok((self.0)(image, subject, rng))
    }
    fn replay(&self, image: Image, _: &[Drawn]) -> Result<Image, ConfigError> {
        Ok(image)
    }
}

/// Adds a random number to the second pixel.
fn shift(mut image: Image, _: &Subject, rng: &mut HostRng) -> Image {
    image.pixels[1] = image.pixels[1].wrapping_add(rng.random());
    image
}

/// Adds one random number to the whole batch.
struct Tint;

impl BatchTransform for Tint {
    fn apply(&self, mut batch: Batch, _: &BatchMoment, rng: &mut HostRng) -> Batch {
        let tint: f32 = rng.random();
        batch.images.iter_mut().for_each(|value| *value += tint);
        batch
    }
    fn spec(&self) -> Spec {
        Spec::new("tint")
    }
}

/// Leaves values as they are: `(v / 255 - 0) / (1 / 255)`.
fn raw() -> Preprocessing {
    Preprocessing {
        std: vec![1.0 / 255.0],
        ..Preprocessing::unnormalized(1, 1, 2)
    }
}

fn plain(dataset: Numbers, config: LoaderConfig) -> Loader {
    Loader::new(Arc::new(dataset), raw(), None, vec![], config).unwrap()
}

fn augmented(dataset: Numbers, config: LoaderConfig) -> Loader {
    let shift: Arc<dyn SampleTransform> = Arc::new(Change(shift));
    let tint: Vec<Box<dyn BatchTransform>> = vec![Box::new(Tint)];
    Loader::new(Arc::new(dataset), raw(), Some(shift), tint, config).unwrap()
}

fn rest(loader: &mut Loader) -> Vec<Batch> {
    std::iter::from_fn(|| loader.next_batch())
        .map(Result::unwrap)
        .collect()
}

fn indices(batches: &[Batch]) -> Vec<usize> {
    batches
        .iter()
        .flat_map(|batch| batch.indices.clone())
        .collect()
}
