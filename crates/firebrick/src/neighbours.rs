//! The images that a model finds most similar to a photo: those with the nearest features, by the cosine of the angle
//! between them.
//!
//! ```no_run
//! use firebrick::core::data::Image;
//! use firebrick::neighbours::{Among, Neighbours};
//! use firebrick::{TrainedModel, datasets};
//!
//! fn say(model: &TrainedModel, photo: &Image) -> Result<(), firebrick::Error> {
//!     let splits = datasets::open("folder:photos", &datasets::OpenOptions::default())?;
//!     let among = Among::new(splits.train);
//!     let neighbours = Neighbours::find(model, &among, &mut |_, _| {})?;
//!     for near in neighbours.nearest(photo, 3)? {
//!         println!("{} ({}), {:.2}", near.path, near.class, near.cosine);
//!     }
//!     Ok(())
//! }
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use firebrick_core::data::{Dataset, Image};
use firebrick_core::error::check;
use firebrick_datasets::OnBadImage;
use firebrick_datasets::split::Subset;
use firebrick_transfer::Features;
use firebrick_transfer::knn::nearest;
use serde::Serialize;

use crate::eval::EvalImages;
use crate::features::{Extractor, POOLED, Pass};
use crate::mistakes::within;
use crate::{Error, TrainedModel};

/// The images that neighbours are looked for among.
pub struct Among {
    /// The images.
    pub images: Arc<dyn Dataset>,
    /// The directory with the file that keeps their features; without one they are kept in memory only.
    pub cache: Option<PathBuf>,
    /// Threads that read and decode images while the network works on others.
    pub workers: usize,
}

impl Among {
    /// These images, whose features are kept in memory.
    #[must_use]
    pub fn new(images: Arc<dyn Dataset>) -> Self {
        let Pass { workers, .. } = Pass::default();
        Self {
            images,
            cache: None,
            workers,
        }
    }

    /// The images of a split of a data set, for a model that reads so many channels; at most `most`, spread evenly over it. What
    /// the user should know is returned beside them.
    ///
    /// # Errors
    /// [`Error`] when the data cannot be read, or there are none.
    pub fn of_split(
        split: &EvalImages,
        channels: usize,
        most: Option<usize>,
    ) -> Result<(Self, Vec<String>), Error> {
        let taken = split.take(channels)?;
        let (all, mut notes) = (taken.dataset.len(), taken.notes);
        let mut images = taken.dataset;
        if let Some(most) = most.filter(|most| *most < all) {
            let chosen = (0..most).map(|at| at * all / most).collect();
            images = Arc::new(Subset::new(images, chosen)?);
            notes.push(format!(
                "nearest images are looked for among {most} of the {all} images, spread evenly"
            ));
        }
        let among = Self {
            workers: split.recipe.workers,
            ..Self::new(images)
        };
        Ok((among, notes))
    }
}

/// An image that is near a photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearImage {
    /// Its name: the path of its file, if it has one.
    pub path: String,
    /// Its class.
    pub class: String,
    /// The cosine of the angle between its features and those of the photo, at most 1.
    pub cosine: f32,
    /// Its index in the data set.
    #[serde(skip)]
    pub index: usize,
}

/// Images with their features.
pub struct Neighbours {
    extractor: Extractor,
    images: Arc<dyn Dataset>,
    features: Features,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

impl Neighbours {
    /// Takes the features of the images; `progress` is told the images done and their total. Images that cannot be read are left
    /// out, and noted.
    ///
    /// # Errors
    /// [`Error`] for a model that does not name its stages, and features that are not finite or cannot be kept.
    pub fn find(
        model: &TrainedModel,
        among: &Among,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, Error> {
        check("nearest", "images", among.images.len(), 1..)?;
        let extractor = Extractor::new(model, &[POOLED])?;
        let mut pass = Pass {
            cache: None,
            workers: among.workers,
            on_bad: OnBadImage::Skip,
        };
        if let Some(directory) = &among.cache {
            pass.cache = Some(extractor.cache_file(directory, &*among.images)?);
        }
        let found = extractor.of_dataset(&among.images, &pass, progress)?;
        Ok(Self {
            features: found.stage(extractor.pooled())?,
            extractor,
            images: among.images.clone(),
            notes: found.notes,
        })
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.features.rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `k` images that are nearest to a decoded photo of any size, the nearest first.
    ///
    /// # Errors
    /// [`Error`] for a `k` of 0, and features of the photo that are not finite.
    pub fn nearest(&self, photo: &Image, k: usize) -> Result<Vec<NearImage>, Error> {
        check("nearest", "k", k, 1..)?;
        let row = self.extractor.of_images(std::slice::from_ref(photo));
        let classes = self.features.classes();
        let of = Features::new(row, self.extractor.width(), vec![0], classes.to_vec())?;
        let of = of.with_names(vec!["the photo".into()])?;
        let found = nearest(&of, &self.features, k)?;
        let near = found.into_iter().flatten().map(|near| {
            let index = self.features.images()[near.row];
            NearImage {
                path: self.features.name(near.row),
                class: classes[self.features.labels()[near.row]].clone(),
                cosine: near.cosine,
                index,
            }
        });
        Ok(near.collect())
    }

    /// One of the images, scaled down to at most `side` pixels on its longer side; `None` where it cannot be read any more.
    #[must_use]
    pub fn picture(&self, near: &NearImage, side: usize) -> Option<Image> {
        let image = self.images.get(near.index).ok()?.image;
        Some(within(image, side))
    }
}

#[cfg(test)]
mod tests;
