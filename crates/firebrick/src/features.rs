//! Features: what a frozen backbone says of images, stage by stage, as one vector for each image.
//!
//! An [`Extractor`] runs a network in evaluation mode and takes the mean over the image of each stage's planes.
//! [`Extractor::of_dataset`] does so for a data set, with a file that keeps what was computed; [`Extractor::of_images`] for images
//! that are decoded already.
//!
//! ```no_run
//! use firebrick::core::data::Image;
//! use firebrick::features::{Extractor, POOLED, Pass};
//! use firebrick::{TrainedModel, datasets};
//!
//! fn nearest(model: &TrainedModel, photo: &Image) -> Result<(), firebrick::Error> {
//!     let splits = datasets::open("folder:photos", &datasets::OpenOptions::default())?;
//!     let extractor = Extractor::new(model, &[POOLED])?;
//!     let of_train = extractor.of_dataset(&splits.train, &Pass::default(), &mut |_, _| {})?;
//!     let known = of_train.stage(extractor.pooled())?;
//!     let photo = extractor.of_images(std::slice::from_ref(photo));
//!     assert_eq!(photo.len(), known.width());
//!     Ok(())
//! }
//! ```

mod dataset;
pub mod file;
mod unchanged;

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::checksum::Checksum;
use firebrick_core::data::Image;
use firebrick_core::image::fit;
use firebrick_core::nn::GlobalAvgPool;
use firebrick_core::state_dict::StateDict;
use firebrick_transfer::cache::StageWidth;
use firebrick_zoo::{Backbone, Model};

use crate::{Error, ModelInfo, Models, TrainedModel};

pub use dataset::{DatasetFeatures, Pass};

/// The name for what the last layer reads, as a vector: the mean where it reads planes.
pub const POOLED: &str = "pooled";
/// The name for the scores of the model's own classes, before the softmax.
pub const LOGITS: &str = "logits";

/// A network that puts out the features of some of its stages. It shares its weights with the model that it was made of, and changes
/// nothing of it.
#[derive(Clone)]
pub struct Extractor {
    network: Model,
    info: ModelInfo,
    device: Device,
    /// The name under which what the last layer reads is taken: that of the last stage, if it is the same, or [`POOLED`].
    pooled: String,
    /// All that can be taken: the stages, what the last layer reads if that is something else, and the scores.
    known: Vec<Taken>,
    /// What is taken, in the order in which it stands in a row.
    taken: Vec<Taken>,
}

/// Features that are taken.
#[derive(Debug, Clone, PartialEq)]
struct Taken {
    stage: StageWidth,
    from: Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// The stage at this position.
    Stage(usize),
    /// What the last layer reads.
    Last,
    /// What the last layer puts out.
    Scores,
}

impl Extractor {
    /// Takes the features of these stages of a model, by their names ([`Backbone::stages`]), [`POOLED`] or [`LOGITS`].
    ///
    /// # Errors
    /// [`ConfigError`] for a model that names no stages, a stage that it does not have, and no stage at all.
    pub fn new(model: &TrainedModel, stages: &[&str]) -> Result<Self, ConfigError> {
        let extractor = Self::all(model)?;
        let mut taken: Vec<Taken> = Vec::new();
        for name in stages {
            let own = match *name {
                POOLED => &extractor.pooled,
                name => name,
            };
            let mut known = extractor.known.iter();
            let Some(found) = known.find(|known| known.stage.name == own) else {
                let family = format!("stage of {}", extractor.info.model.name);
                let names = extractor
                    .known
                    .iter()
                    .map(|known| known.stage.name.as_str());
                let other = (extractor.pooled != POOLED).then_some(POOLED);
                return Err(ConfigError::unknown_name(&family, name, names.chain(other)));
            };
            if !taken.contains(found) {
                taken.push(found.clone());
            }
        }
        if taken.is_empty() {
            return Err(ConfigError::Conflict(
                "no stage is given whose features are to be taken: name at least one, such as pooled".into(),
            ));
        }
        Ok(Self { taken, ..extractor })
    }

    /// Takes the features of every stage and, where that is something else than the last stage's, what the last layer reads.
    ///
    /// # Errors
    /// [`ConfigError`] for a model that names no stages.
    pub fn all(model: &TrainedModel) -> Result<Self, ConfigError> {
        let mut extractor = Self {
            network: model.network.valid(),
            info: model.info.clone(),
            device: model.device.clone().inner(),
            pooled: POOLED.into(),
            known: Vec::new(),
            taken: Vec::new(),
        };
        let taken = |name: &str, width: usize, from: Place| Taken {
            stage: StageWidth {
                name: name.into(),
                width,
            },
            from,
        };
        let stages = extractor.backbone()?.stages().into_iter().enumerate();
        extractor.taken = stages
            .map(|(at, stage)| taken(&stage.name, stage.width, Place::Stage(at)))
            .collect();
        // What lies between the last stage and the last layer is only seen in what comes out.
        let of_stages = extractor.rows(extractor.noise());
        let pooled = extractor.pooled_row();
        let last = extractor.taken.last().map(|last| last.stage.clone());
        match last.filter(|last| last.width == pooled.len() && of_stages.ends_with(&pooled)) {
            Some(last) => extractor.pooled = last.name,
            None => {
                let pooled = taken(POOLED, pooled.len(), Place::Last);
                extractor.taken.push(pooled);
            }
        }
        extractor.known.clone_from(&extractor.taken);
        let classes = extractor.info.classes.len();
        extractor.known.push(taken(LOGITS, classes, Place::Scores));
        Ok(extractor)
    }

    /// The same features, and the scores of the model's own classes behind them.
    #[must_use]
    pub fn with_logits(mut self) -> Self {
        let scores = self.known.iter().find(|known| known.from == Place::Scores);
        let scores = scores
            .filter(|scores| !self.taken.contains(scores))
            .cloned();
        self.taken.extend(scores);
        self
    }

    /// What is taken, in the order in which it stands in a row.
    pub fn stages(&self) -> impl Iterator<Item = &StageWidth> {
        self.taken.iter().map(|taken| &taken.stage)
    }

    /// The name under which what the last layer reads is taken: that of the last stage where it is the same, and [`POOLED`]
    /// otherwise.
    #[must_use]
    pub fn pooled(&self) -> &str {
        &self.pooled
    }

    /// The number of features of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.stages().map(|stage| stage.width).sum()
    }

    /// How images become input.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The features of decoded images of any size, `[images × width]` row by row.
    #[must_use]
    pub fn of_images(&self, images: &[Image]) -> Vec<f32> {
        let preprocessing = &self.info.preprocessing;
        let mut rows = Vec::with_capacity(images.len() * self.width());
        for images in images.chunks(self.batch()) {
            let mut pixels = Vec::new();
            for image in images {
                preprocessing.normalize_into(&fit(image.clone(), preprocessing), &mut pixels);
            }
            rows.extend(self.rows(self.input(pixels, images.len())));
        }
        rows
    }

    /// The seconds that the network takes for an image, decoding aside.
    pub(crate) fn seconds_per_image(&self) -> f64 {
        const IMAGES: usize = 8;
        let images = self.noise().repeat_dim(0, IMAGES);
        let began = Instant::now();
        let _ = self.rows(images);
        began.elapsed().as_secs_f64() / IMAGES as f64
    }

    fn input(&self, pixels: Vec<f32>, images: usize) -> Tensor<4> {
        let size = self.info.preprocessing.size();
        let shape = [
            images,
            self.info.preprocessing.channels,
            size.height,
            size.width,
        ];
        Tensor::from_data(TensorData::new(pixels, shape), &self.device)
    }

    /// The features of images as the network reads them, `[images × width]` row by row.
    fn rows(&self, images: Tensor<4>) -> Vec<f32> {
        let Ok(backbone) = self.backbone() else {
            return Vec::new();
        };
        let [count, ..] = images.dims();
        let mut parts: Vec<Vec<f32>> = vec![Vec::new(); self.taken.len()];
        let mut put = |from: Place, features: &dyn Fn() -> Tensor<2>| {
            let places = self.taken.iter().zip(&mut parts);
            for (_, part) in places.filter(|(taken, _)| taken.from == from) {
                *part = features().into_data().iter::<f32>().collect();
            }
        };
        let mut number = 0;
        let last = backbone.embed(images, &mut |stage| {
            put(Place::Stage(number), &|| {
                GlobalAvgPool {}.forward(stage.clone())
            });
            number += 1;
        });
        put(Place::Last, &|| GlobalAvgPool {}.forward(last.clone()));
        put(Place::Scores, &|| backbone.classify(last.clone()));
        let mut rows = Vec::with_capacity(count * self.width());
        for row in 0..count {
            for part in &parts {
                let width = part.len() / count;
                rows.extend(&part[row * width..(row + 1) * width]);
            }
        }
        rows
    }

    fn backbone(&self) -> Result<&dyn Backbone, ConfigError> {
        self.network.backbone().ok_or_else(|| {
            ConfigError::Conflict(format!(
                "{} with these options does not name its stages, so its features cannot be taken: give a model without `members`",
                self.info.model
            ))
        })
    }

    /// An image of no meaning, on which all features differ.
    fn noise(&self) -> Tensor<4> {
        let size = self.info.preprocessing.size();
        let values = self.info.preprocessing.channels * size.height * size.width;
        let value = |at: usize| ((at * at % 8191) as f32 / 8191.0 - 0.5) * 4.0;
        self.input((0..values).map(value).collect(), 1)
    }

    fn pooled_row(&self) -> Vec<f32> {
        let pooled = |backbone: &dyn Backbone| backbone.pooled(self.noise()).into_data();
        let pooled = self.backbone().map(pooled);
        pooled.map_or(Vec::new(), |data| data.iter::<f32>().collect())
    }

    /// Images in one pass: few enough that what waits for the network stays small.
    fn batch(&self) -> usize {
        /// The most pixel values of a batch of several images: 32 MiB.
        const VALUES: usize = 1 << 23;
        let size = self.info.preprocessing.size();
        let values = self.info.preprocessing.channels * size.height * size.width;
        (VALUES / values.max(1)).clamp(1, 32)
    }

    /// What tells the weights that the features depend on from all others: the model and a checksum of its values. The last layer is
    /// only part of it where its scores are taken.
    fn weights(&self) -> Result<String, Error> {
        let architecture = Models::default().architecture(&self.info.model)?;
        let scores = self.taken.iter().any(|taken| taken.from == Place::Scores);
        let head = architecture.head().filter(|_| !scores);
        let is_head = |key: &str| {
            let rest = head.and_then(|head| key.strip_prefix(head));
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let mut sum = Checksum::default();
        for (key, tensor) in &StateDict::of(&self.network).tensors {
            if !is_head(key) {
                sum.add(key.as_bytes());
                sum.add(tensor.as_bytes());
            }
        }
        Ok(format!("{} sha256={}", architecture.spec(), sum.digits()))
    }
}

#[cfg(test)]
mod tests;
