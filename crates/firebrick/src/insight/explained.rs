//! Why images were taken for what they were taken for: what speaks for it, and the nearest training images.

use firebrick_core::data::Dataset;
use firebrick_core::image::{Filter, Image, Region, Size, fit, resize};
use firebrick_core::run::{Explained, ExplainedMistake, NearestImage, Picture};
use firebrick_report::{Overlay, overlay};
use firebrick_train::metrics::WrongImage;
use firebrick_transfer::Features;
use firebrick_transfer::knn::{Neighbour, nearest};

use crate::explain::{Explain, Explainer};
use crate::features::Extractor;
use crate::mistakes::{self, kept, within};
use crate::{Error, TrainedModel};

/// The most wrong images that are explained.
pub(super) const MOST_EXPLAINED: usize = 12;
/// Training images that are shown beside each of them.
pub(super) const NEAREST: usize = 3;

/// Longest side of a heat map, in pixels.
const SIDE: usize = 96;

/// What explains the mistakes of a model.
pub(super) struct Explaining<'a> {
    pub(super) model: &'a TrainedModel,
    pub(super) extractor: &'a Extractor,
    /// The training images, and the features of some of them.
    pub(super) train: &'a dyn Dataset,
    pub(super) among: &'a Features,
}

impl Explaining<'_> {
    /// Explains the first of the most wrong images that can be read, which are those that the record shows.
    pub(super) fn of(
        &self,
        wrong: &[WrongImage],
        held_out: &dyn Dataset,
    ) -> Result<Explained, Error> {
        // A network may have no stage with planes.
        let explainer = Explainer::new(self.model, &Explain::default()).ok();
        let read = wrong.iter().filter_map(|wrong| {
            let image = held_out.get(wrong.index).ok()?.image;
            Some((wrong, image))
        });
        let read: Vec<(&WrongImage, Image)> = read.take(MOST_EXPLAINED).collect();
        let (mut heat, mut images) = (Vec::new(), Vec::new());
        for (wrong, image) in read {
            let said = wrong.said.first().map_or(wrong.truth, |(class, _)| *class);
            heat.push(match &explainer {
                Some(explainer) => Some(self.heat(explainer, &image, said)?),
                None => None,
            });
            images.push(image);
        }
        let rows = self.extractor.of_images(&images);
        let classes = self.among.classes().to_vec();
        let width = self.extractor.width();
        let features = Features::new(rows, width, vec![0; images.len()], classes)?;
        let nearest = nearest(&features, self.among, NEAREST)?;
        let mistakes = heat.into_iter().zip(nearest);
        Ok(Explained {
            stage: explainer
                .as_ref()
                .and_then(Explainer::stage)
                .unwrap_or_default()
                .into(),
            among: self.among.rows(),
            of: self.train.len(),
            mistakes: mistakes
                .map(|(heat, nearest)| ExplainedMistake {
                    heat,
                    nearest: nearest.iter().map(|one| self.neighbour(one)).collect(),
                })
                .collect(),
        })
    }

    /// What the model saw of an image, with what speaks for a class over it.
    fn heat(
        &self,
        explainer: &Explainer<'_>,
        image: &Image,
        class: usize,
    ) -> Result<Picture, Error> {
        let map = explainer.map(image, class)?;
        let seen = fit(image.clone(), &self.model.info.preprocessing);
        let picture = overlay(&Overlay {
            photo: &seen,
            seen: Region::whole(seen.size()),
            size: map.size,
            values: &map.values,
            caption: "",
        });
        Ok(kept(within(picture, SIDE)))
    }

    fn neighbour(&self, neighbour: &Neighbour) -> NearestImage {
        let image = self.among.images()[neighbour.row];
        let picture = mistakes::picture(image, self.train, &self.model.info.preprocessing);
        NearestImage {
            name: self.train.describe(image),
            class: self.among.labels()[neighbour.row],
            cosine: f64::from(neighbour.cosine),
            picture: picture.map(small).unwrap_or_default(),
        }
    }
}

/// Neighbours are shown smaller than the image that they are near.
fn small(picture: Picture) -> Picture {
    let [width, height, channels] = picture.size;
    let image = Image {
        width,
        height,
        channels,
        pixels: picture.pixels,
    };
    let smaller = |side: usize| (2 * side / 3).max(1);
    kept(resize(
        image,
        Size::new(smaller(width), smaller(height)),
        Filter::Bilinear,
    ))
}
