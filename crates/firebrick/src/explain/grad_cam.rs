//! Grad-CAM: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::freeze::freeze;
use firebrick_core::image::Size;
use firebrick_zoo::{Backbone, Model};
use serde::{Deserialize, Serialize};

use super::importance_map::ImportanceMap;
use crate::TrainedModel;

/// The features of a stage, each channel weighted by the mean over the image of the gradient of the class's logit; what is
/// negative counts as 0.
///
/// For a stage in front of a mean over the image and a linear layer, as the last one of most networks, this is the class
/// activation map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GradCam {
    /// The stage, such as `layer3`; by default the last one whose features have sides.
    pub stage: Option<String>,
}

/// A network without dropout, with fixed statistics, through which gradients flow.
pub(super) struct Differentiable {
    network: Model,
    /// The position of the stage, and its name.
    at: usize,
    stage: String,
    /// The name of the model, for messages.
    name: String,
}

impl GradCam {
    pub(super) fn of(&self, model: &TrainedModel) -> Result<Differentiable, ConfigError> {
        let name = &model.info.model.name;
        let stages = backbone(&model.network, name)?.stages();
        let with_sides = stages
            .iter()
            .enumerate()
            .filter(|(_, stage)| stage.stride.is_some());
        let names = with_sides.clone().map(|(_, stage)| stage.name.as_str());
        let found = match &self.stage {
            Some(wanted) => with_sides.clone().find(|(_, stage)| stage.name == *wanted),
            None => with_sides.clone().next_back(),
        };
        let Some((at, stage)) = found else {
            let wanted = self.stage.as_deref().unwrap_or_default();
            let family = format!("stage with planes of {name}");
            return Err(ConfigError::unknown_name(&family, wanted, names));
        };
        // `valid` and `train` make a copy on a device with gradients that shares no statistics with the model; frozen, its
        // layers work as in evaluation.
        let network = freeze(model.network.valid().train(), |_| true);
        Ok(Differentiable {
            network,
            at,
            stage: stage.name.clone(),
            name: name.clone(),
        })
    }
}

fn backbone<'a>(network: &'a Model, name: &str) -> Result<&'a dyn Backbone, ConfigError> {
    network.backbone().ok_or_else(|| {
        ConfigError::Conflict(format!(
            "grad_cam needs a network that names its stages, and {name} with these options does not: use occlusion, which \
             works with every model"
        ))
    })
}

impl Differentiable {
    pub(super) fn stage(&self) -> &str {
        &self.stage
    }

    /// # Shapes
    /// `image`: `[1, C, H, W]`, without gradients.
    pub(super) fn map(&self, image: Tensor<4>, class: usize) -> Result<ImportanceMap, ConfigError> {
        let backbone = backbone(&self.network, &self.name)?;
        let mut features = None;
        let mut number = 0;
        let last = backbone.embed_through(Tensor::from_inner(image), &mut |stage| {
            number += 1;
            if number != self.at + 1 {
                return stage;
            }
            let stage = Tensor::from_inner(stage.inner()).require_grad();
            features = Some(stage.clone());
            stage
        });
        let score = backbone.classify(last).narrow(1, class, 1).sum();
        let gradients = score.backward();
        let found = features.and_then(|features: Tensor<4>| {
            let gradient = features.grad(&gradients)?;
            Some((features.inner(), gradient))
        });
        let Some((features, gradient)) = found else {
            return Err(ConfigError::Conflict(format!(
                "grad_cam: the classes of {} do not depend on its stage {}",
                self.name, self.stage
            )));
        };
        let [_, _, height, width] = features.dims();
        let weights = gradient.mean_dim(2).mean_dim(3);
        let map = (features * weights).sum_dim(1).clamp_min(0.0);
        Ok(ImportanceMap {
            size: Size::new(width, height),
            values: map.into_data().iter::<f32>().collect(),
        })
    }
}
