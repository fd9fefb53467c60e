//! Predicts one photo after another.

use std::panic::{AssertUnwindSafe, catch_unwind};

use firebrick::TrainedModel;
use firebrick::core::data::{DataError, Image};
use firebrick::core::spec::Spec;
use firebrick::datasets::decode;
use firebrick::datasets::image_list::ListedImage;
use firebrick::ensembles::{self, Ensemble, EnsemblePredict};
use firebrick::explain::{Explain, Explainer};
use firebrick::neighbours::{NearImage, Neighbours};
use firebrick::predict::{Guess, Prediction, Wanted, predict};
use firebrick::report::png_uri;
use serde::Serialize;

use super::response::Response;

/// What predicts.
pub(super) struct Predictor<'a> {
    source: Source<'a>,
    top: usize,
    /// Or why there is none.
    explainer: Result<Explainer<'a>, String>,
    /// The training images, and how many to show; or why there are none.
    nearest: Result<(Neighbours, usize), String>,
}

enum Source<'a> {
    Model(&'a TrainedModel),
    Ensemble(&'a Ensemble, Spec),
}

/// What is answered for a photo.
#[derive(Serialize)]
struct Answer {
    top: Vec<Guess>,
    explanation: Option<Explanation>,
    /// None where there are no images to look among.
    nearest: Option<Vec<Shown>>,
}

/// A training image that is near the photo.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    image: NearImage,
    /// A small PNG as a `data:` address; none where the file cannot be read any more.
    picture: Option<String>,
}

#[derive(Serialize)]
struct Explanation {
    method: &'static str,
    stage: Option<String>,
    /// The class that it is for.
    class: String,
    /// A PNG as a `data:` address.
    picture: String,
}

impl<'a> Predictor<'a> {
    pub(super) fn model(
        model: &'a TrainedModel,
        top: usize,
        nearest: Result<(Neighbours, usize), String>,
    ) -> Self {
        let explainer = Explainer::new(model, &Explain::default());
        Self {
            source: Source::Model(model),
            top,
            explainer: explainer.map_err(|_| {
                let name = &model.info.model.name;
                format!("predictions have no Grad-CAM: {name} with these options does not name its stages")
            }),
            nearest,
        }
    }

    pub(super) fn ensemble(ensemble: &'a Ensemble, combine: Spec, top: usize) -> Self {
        let note =
            "predictions have no Grad-CAM: the members of an ensemble may look at different things";
        Self {
            source: Source::Ensemble(ensemble, combine),
            top,
            explainer: Err(note.into()),
            nearest: Err("predictions have no nearest images: the members of an ensemble have features of their own".into()),
        }
    }

    /// Why predictions are not explained, and why they have no nearest images, if they do not.
    pub(super) fn notes(&self) -> impl Iterator<Item = &str> {
        let explainer = self.explainer.as_ref().err();
        let notes = explainer.into_iter().chain(self.nearest.as_ref().err());
        notes.map(String::as_str)
    }

    /// The answer for the content of an image file.
    pub(super) fn answer(&self, content: &[u8], explain: bool) -> Response {
        let answered = catch_unwind(AssertUnwindSafe(|| self.answered(content, explain)));
        match answered {
            Ok(Ok(answer)) => Response::json(&answer),
            Ok(Err(response)) => response,
            Err(_) => Response::refused(500, "the photo cannot be predicted: see the terminal"),
        }
    }

    fn answered(&self, content: &[u8], explain: bool) -> Result<Answer, Response> {
        const NAME: &str = "the photo";
        let refused = |error: DataError| match error {
            DataError::Corrupt { problem, .. } => {
                Response::refused(422, &format!("{NAME} cannot be read: {problem}"))
            }
            error => Response::refused(422, &error.to_string()),
        };
        if decode::format(content).is_none() {
            let problem = "this is not an image that can be read (JPEG, PNG, WebP, BMP, GIF, TIFF)";
            return Err(Response::refused(415, problem));
        }
        let image = decode::decode(NAME.as_ref(), content, 3).map_err(refused)?;
        let prediction = self.predicted(ListedImage::decoded(NAME, image.clone()));
        let prediction = prediction.map_err(refused)?;
        let explained = self.explainer.as_ref().ok().filter(|_| explain);
        let first = prediction.top.first();
        let explanation = match explained.zip(first) {
            Some((explainer, first)) => explanation(explainer, &image, first)
                .map_err(|error| Response::refused(500, &error))?,
            None => None,
        };
        let nearest = match &self.nearest {
            Ok((neighbours, k)) => Some(
                near(neighbours, &image, *k)
                    .map_err(|error| Response::refused(500, &error.to_string()))?,
            ),
            Err(_) => None,
        };
        Ok(Answer {
            top: prediction.top,
            explanation,
            nearest,
        })
    }

    fn predicted(&self, image: ListedImage) -> Result<Prediction, DataError> {
        let wanted = Wanted {
            top: self.top,
            ..Wanted::default()
        };
        let mut found = Err(DataError::Invalid("there is no prediction".into()));
        let mut keep = |prediction| found = prediction;
        match &self.source {
            Source::Model(model) => predict(model, vec![Ok(image)], &wanted, &mut keep),
            Source::Ensemble(ensemble, combine) => {
                let job = EnsemblePredict {
                    ensemble,
                    combine: combine.clone(),
                    members_in_memory: 1,
                    wanted,
                };
                let done = ensembles::predict(&job, vec![Ok(image)], &mut keep);
                done.map_err(|error| DataError::Invalid(error.to_string()))?;
            }
        }
        found
    }
}

/// The longest side of the picture of a training image, in pixels.
const SIDE: usize = 160;

fn near(neighbours: &Neighbours, photo: &Image, k: usize) -> Result<Vec<Shown>, firebrick::Error> {
    let shown = |image: NearImage| Shown {
        picture: neighbours
            .picture(&image, SIDE)
            .and_then(|picture| png_uri(&picture)),
        image,
    };
    let found = neighbours.nearest(photo, k)?.into_iter();
    Ok(found.map(shown).collect())
}

fn explanation(
    explainer: &Explainer<'_>,
    image: &Image,
    first: &Guess,
) -> Result<Option<Explanation>, String> {
    let map = explainer.map(image, first.index);
    let map = map.map_err(|error| error.to_string())?;
    let picture = png_uri(&explainer.picture(image, &map, ""));
    Ok(picture.map(|picture| Explanation {
        method: "grad_cam",
        stage: explainer.stage().map(String::from),
        class: first.class.clone(),
        picture,
    }))
}
