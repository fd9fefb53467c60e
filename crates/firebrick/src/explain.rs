//! Explains a prediction: which parts of an image speak for a class, and which against it.
//!
//! | explanation | what it computes | for |
//! | --- | --- | --- |
//! | `grad_cam` | the features of a stage, weighted by their mean gradient | a model that is a [`Backbone`](firebrick_zoo::Backbone) |
//! | `occlusion` | how far the probability falls while a patch is covered | any model; some hundred forward passes |
//!
//! ```
//! use firebrick::TrainedModel;
//! use firebrick::core::image::Image;
//! use firebrick::explain::{Explain, Explainer};
//!
//! fn heat(model: &TrainedModel, photo: &Image, class: usize) -> Result<Image, firebrick::Error> {
//!     let explain = Explain::from_spec(&"grad_cam".parse()?)?;
//!     let explainer = Explainer::new(model, &explain)?;
//!     let map = explainer.map(photo, class)?;
//!     Ok(explainer.picture(photo, &map, "a caption"))
//! }
//! ```

mod grad_cam;
mod importance_map;
mod occlusion;

use burn::tensor::{Tensor, TensorData};
use firebrick_core::ConfigError;
use firebrick_core::data::Image;
use firebrick_core::error::check;
use firebrick_core::image::{Size, fit, kept};
use firebrick_core::spec::Spec;
use firebrick_report::{Overlay, overlay};

use crate::TrainedModel;

pub use grad_cam::GradCam;
pub use importance_map::ImportanceMap;
pub use occlusion::Occlusion;

/// How to explain a prediction.
#[derive(Debug, Clone, PartialEq)]
pub enum Explain {
    /// By the gradients of a stage.
    GradCam(GradCam),
    /// By covering parts of the image.
    Occlusion(Occlusion),
}

impl Default for Explain {
    fn default() -> Self {
        Self::GradCam(GradCam::default())
    }
}

impl Explain {
    /// The names that [`Self::from_spec`] knows.
    pub const NAMES: [&str; 2] = ["grad_cam", "occlusion"];

    /// `grad_cam(stage=…)` or `occlusion(patch=…, stride=…)`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is not known.
    pub fn from_spec(spec: &Spec) -> Result<Self, ConfigError> {
        match spec.name.as_str() {
            "grad_cam" => spec.resolve().map(Self::GradCam),
            "occlusion" => spec.resolve().map(Self::Occlusion),
            name => Err(ConfigError::unknown_name("explanation", name, Self::NAMES)),
        }
    }
}

/// A model that is ready to explain what it predicts.
pub struct Explainer<'a> {
    model: &'a TrainedModel,
    how: How,
}

enum How {
    GradCam(grad_cam::Differentiable),
    Occlusion(occlusion::Patches),
}

impl<'a> Explainer<'a> {
    /// # Errors
    /// [`ConfigError`] for `grad_cam` of a model that names no stages, a stage that it does not have or whose features have no
    /// sides, and a patch that is larger than the image.
    pub fn new(model: &'a TrainedModel, explain: &Explain) -> Result<Self, ConfigError> {
        let how = match explain {
            Explain::GradCam(grad_cam) => How::GradCam(grad_cam.of(model)?),
            Explain::Occlusion(occlusion) => {
                How::Occlusion(occlusion.of(model.info.preprocessing.size())?)
            }
        };
        Ok(Self { model, how })
    }

    /// The stage whose features explain, for `grad_cam`.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        match &self.how {
            How::GradCam(differentiable) => Some(differentiable.stage()),
            How::Occlusion(_) => None,
        }
    }

    /// The map of a decoded image of any size for a class.
    ///
    /// # Errors
    /// As [`Self::map_of_input`].
    pub fn map(&self, image: &Image, class: usize) -> Result<ImportanceMap, ConfigError> {
        let preprocessing = &self.model.info.preprocessing;
        let mut pixels = Vec::new();
        preprocessing.normalize_into(&fit(image.clone(), preprocessing), &mut pixels);
        let Size { width, height } = preprocessing.size();
        let image = TensorData::new(pixels, [1, preprocessing.channels, height, width]);
        self.map_of_input(Tensor::from_data(image, &self.model.device), class)
    }

    /// The map of what the model reads, for a class.
    ///
    /// # Shapes
    /// `image`: `[1, C, H, W]`, of the size that the model reads, without gradients.
    ///
    /// # Errors
    /// [`ConfigError`] for a class that the model does not have.
    pub fn map_of_input(
        &self,
        image: Tensor<4>,
        class: usize,
    ) -> Result<ImportanceMap, ConfigError> {
        check("explain", "class", class, 0..self.model.info.classes.len())?;
        match &self.how {
            How::GradCam(differentiable) => differentiable.map(image, class),
            How::Occlusion(patches) => {
                let pixels: Vec<f32> = image.into_data().iter::<f32>().collect();
                Ok(patches.map(self.model, &pixels, class))
            }
        }
    }

    /// The map over the photo that it was computed for; what the model did not see of the photo is darkened. The caption
    /// stands below.
    #[must_use]
    pub fn picture(&self, image: &Image, map: &ImportanceMap, caption: &str) -> Image {
        overlay(&Overlay {
            photo: image,
            seen: kept(image.size(), &self.model.info.preprocessing),
            size: map.size,
            values: &map.values,
            caption,
        })
    }
}
