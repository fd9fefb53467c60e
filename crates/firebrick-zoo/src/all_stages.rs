//! `all_stages(of=…)`: a linear layer on the features of every stage of another network.
//!
//! It is the classifier of Head2Toe (Evci et al., "Head2Toe: utilizing intermediate representations for better transfer learning", ICML 2022) as a
//! network: the mean over the image of each stage's planes, scaled to length 1 for each image and stage, side by side, and a linear layer on
//! that. Features that were not selected have weights of 0. It is not listed among the models: `transfer train` makes it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use firebrick_core::init::Init;
use firebrick_core::nn::{GlobalAvgPool, LinearConfig};
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError};
use serde::{Deserialize, Serialize};

use crate::backbone::{Backbone, Stage};
use crate::layers::{Layer, Layers, chain};
use crate::{Architecture, Head, Input, Model};

/// The name in specs.
pub(crate) const NAME: &str = "all_stages";

/// Configuration of [`AllStages`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllStagesConfig {
    /// The network whose stages it reads.
    pub of: Spec,
}

impl Default for AllStagesConfig {
    fn default() -> Self {
        Self {
            of: Spec::new("resnet20"),
        }
    }
}

/// A linear layer on the features of every stage of a network.
#[derive(Module, Debug)]
pub struct AllStages {
    /// The network, without its last layer.
    pub backbone: Model,
    /// The linear layer, or what [`Backbone::with_head`] puts in its place.
    classifier: Layer,
}

impl AllStagesConfig {
    /// The architecture, where `architecture` finds that of the network inside.
    pub(crate) fn around(
        &self,
        architecture: fn(&Spec) -> Result<Box<dyn Architecture>, ConfigError>,
    ) -> Result<Around, ConfigError> {
        if self.of.name == NAME {
            return Err(ConfigError::Conflict(
                "all_stages: `of` must be a network with stages of its own, such as resnet20"
                    .into(),
            ));
        }
        architecture(&self.of).map(Around)
    }
}

/// An [`AllStages`] around the network of an architecture.
pub(crate) struct Around(Box<dyn Architecture>);

impl Around {
    fn around(
        &self,
        network: &Model,
        input: &Input,
        device: &Device,
    ) -> Result<AllStages, ConfigError> {
        let stages = network.backbone().map(Backbone::stages);
        let (Some(stages), Some(backbone)) = (stages, network.with_head(Head::None, 0, 0)) else {
            return Err(ConfigError::Conflict(format!(
                "all_stages: {} with these options does not name its stages: give a model without `members`",
                self.0.spec()
            )));
        };
        let width = stages.iter().map(|stage| stage.width).sum();
        Ok(AllStages {
            backbone,
            classifier: Layer::Linear(LinearConfig::new(width, input.classes).init(device)),
        })
    }
}

impl Architecture for Around {
    fn spec(&self) -> Spec {
        Spec::canonical(NAME, &AllStagesConfig { of: self.0.spec() })
    }

    fn native_input(&self) -> Input {
        self.0.native_input()
    }

    fn head(&self) -> Option<&'static str> {
        Some("classifier")
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.0.check()
    }

    fn undrawn(&self, input: &Input, device: &Device) -> Result<Model, ConfigError> {
        let network = self.0.undrawn(input, device)?;
        self.around(&network, input, device).map(Model::of_backbone)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Model, ConfigError> {
        let network = self.0.model(input, seed, device)?;
        let mut model = self.around(&network, input, device)?;
        model.classifier = Init::PYTORCH.apply(model.classifier, seed);
        Ok(Model::of_backbone(model))
    }
}

impl Classifier for AllStages {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.logits(images)
    }
}

/// Its stages are those of the network inside.
impl Backbone for AllStages {
    fn stages(&self) -> Vec<Stage> {
        let stages = self.backbone.backbone().map(Backbone::stages);
        let inside = |path: &String| format!("backbone.{path}");
        let stages = stages.into_iter().flatten().map(|stage| Stage {
            modules: stage.modules.iter().map(inside).collect(),
            ..stage
        });
        stages.collect()
    }

    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let mut parts = Vec::new();
        if let Some(backbone) = self.backbone.backbone() {
            let _ = backbone.embed_through(images, &mut |planes| {
                let planes = stage(planes);
                parts.push(of_length_1(GlobalAvgPool {}.forward(planes.clone())));
                planes
            });
        }
        Tensor::cat(parts, 1).unsqueeze_dims(&[2, 3])
    }

    fn classify(&self, features: Tensor<4>) -> Tensor<2> {
        let layer = (String::new(), self.classifier.clone());
        chain(&[layer], features).flatten(1, 3)
    }

    fn with_head(self, head: Head, classes: usize, seed: u64) -> Self {
        let mut layers = head.layers(&self.classifier, classes, seed);
        let classifier = match layers.pop() {
            Some((_, only)) if layers.is_empty() => only,
            last => Layer::Layers(Layers {
                layers: layers.into_iter().chain(last).collect(),
                ..Layers::default()
            }),
        };
        Self { classifier, ..self }
    }
}

/// Rows of length 1; a row of zeros stays as it is.
fn of_length_1(rows: Tensor<2>) -> Tensor<2> {
    // Far below any square that counts, and the root has a slope there.
    const LEAST: f32 = 1e-30;
    let squares = (rows.clone() * rows.clone()).sum_dim(1);
    rows / squares.clamp_min(LEAST).sqrt()
}
