//! What is said of each photo beside its prediction: the picture of `--explain` and the images of `--nearest`.

use firebrick::TrainedModel;
use firebrick::core::data::DataError;
use firebrick::datasets::image_list::ListedImage;
use firebrick::neighbours::Neighbours;
use firebrick::predict::{Prediction, Wanted, predict};

use super::explanations::Explanations;
use crate::failure::Failure;

/// What goes beside predictions.
pub(super) struct Beside<'a> {
    pub(super) model: &'a TrainedModel,
    pub(super) explanations: Option<Explanations<'a>>,
    /// The images, and how many of them.
    pub(super) neighbours: Option<(Neighbours, usize)>,
}

impl Beside<'_> {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.explanations.is_none() && self.neighbours.is_none()
    }

    /// As [`predict`], one image after another.
    pub(super) fn predict(
        &mut self,
        files: Vec<Result<ListedImage, DataError>>,
        wanted: &Wanted,
        each: &mut dyn FnMut(Result<Prediction, DataError>),
    ) -> Result<(), Failure> {
        for file in files {
            // A photo in colour is shown in colour, whatever the model reads of it.
            let read = file.and_then(|file| Ok((file.read(3)?, file)));
            let (image, file) = match read {
                Ok(read) => read,
                Err(error) => {
                    each(Err(error));
                    continue;
                }
            };
            let mut found = None;
            let decoded = ListedImage::decoded(file.path(), image.clone());
            predict(self.model, vec![Ok(decoded)], wanted, &mut |prediction| {
                found = Some(prediction);
            });
            let mut prediction = match found {
                Some(Ok(prediction)) => prediction,
                Some(Err(error)) => {
                    each(Err(error));
                    continue;
                }
                None => continue,
            };
            if let Some(explanations) = &mut self.explanations {
                explanations.explain(&image, file.path(), &mut prediction)?;
            }
            if let Some((neighbours, k)) = &self.neighbours {
                prediction.nearest = Some(neighbours.nearest(&image, *k)?);
            }
            each(Ok(prediction));
        }
        Ok(())
    }
}
