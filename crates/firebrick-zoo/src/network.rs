//! The networks of the families: named layers, where their stages end, and which layer is the last.

use burn::module::{
    Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use firebrick_core::graph::{Graph, Value};
use firebrick_core::init::Init;
use firebrick_core::{Classifier, ConfigError, TrainingScores};

use crate::Model;
use crate::backbone::{Backbone, Stage};
use crate::head::Head;
use crate::layers::{Layer, Layers, chain};
use crate::members::Members;

/// A network as a list of named layers. The names are those of the reference implementation: its weights load unchanged.
#[derive(Debug, Clone)]
pub struct Network {
    layers: Layers,
    /// The stages, and the number of layers up to the end of each.
    stages: Vec<(Stage, usize)>,
    /// The position of the last layer; behind it come none with parameters.
    head: usize,
    members: Members,
}

impl Network {
    pub(crate) fn new(
        layers: Vec<(String, Layer)>,
        stages: Vec<(Stage, usize)>,
        head: &str,
        members: Members,
    ) -> Self {
        let position = layers.iter().position(|(name, _)| name == head);
        Self {
            head: position.unwrap_or(layers.len()),
            layers: Layers {
                layers,
                ..Layers::default()
            },
            stages,
            members,
        }
    }

    /// With weights drawn from `seed`.
    pub(crate) fn drawn(self, init: Init, seed: u64) -> Self {
        self.members.draw(init, self, seed)
    }

    /// As a model; the features of one with members cannot be taken.
    pub(crate) fn model(self) -> Model {
        if self.members == Members::One {
            Model::of_backbone(self)
        } else {
            Model::new(self)
        }
    }

    /// The layers with their names.
    #[must_use]
    pub fn layers(&self) -> &[(String, Layer)] {
        &self.layers.layers
    }

    /// The position of the last layer; their number where there is none.
    pub(crate) fn head(&self) -> usize {
        self.head
    }

    /// The same network with these layers from its last one on, the first of them the last layer.
    pub(crate) fn with_end(
        mut self,
        last: Vec<(String, Layer)>,
        behind: Vec<(String, Layer)>,
    ) -> Self {
        self.layers.layers.truncate(self.head);
        self.layers.layers.extend(last);
        self.layers.layers.extend(behind);
        self
    }

    /// The same network with other layers in place of each one that has no layers of its own; `change` is given the path of each.
    pub(crate) fn each_layer(self, change: &mut dyn FnMut(&str, Layer) -> Layer) -> Self {
        Self {
            layers: self.layers.each_layer("", change),
            ..self
        }
    }

    /// The same network with the weights of grouped convolutions as large as if drawn by the outputs of their own group, which is
    /// TensorFlow's way; drawn as PyTorch does, they are smaller by the root of the number of groups.
    pub(crate) fn with_fan_out_of_groups(self) -> Self {
        self.each_layer(&mut |_, layer| {
            let Layer::Conv(mut conv) = layer else {
                return layer;
            };
            let factor = (conv.groups as f64).sqrt();
            let tracked = conv.weight.is_require_grad();
            let scaled = |weight: Tensor<4>| (weight * factor).detach().set_require_grad(tracked);
            if conv.groups > 1 {
                conv.weight = conv.weight.map(scaled);
            }
            Layer::Conv(conv)
        })
    }

    /// The same network with other layers in place of those that hold layers; `change` is given the inner ones first.
    pub(crate) fn each_group(self, change: &mut dyn FnMut(Layers) -> Layer) -> Self {
        let layers = self.layers.layers.into_iter();
        let layers = layers.map(|(name, layer)| (name, layer.each_group(change)));
        Self {
            layers: Layers {
                join: self.layers.join,
                layers: layers.collect(),
            },
            ..self
        }
    }
}

impl Classifier for Network {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.members.forward(images, |images| self.logits(images))
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        self.members
            .forward_training(images, |images| self.logits(images))
    }

    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError> {
        let scores = |graph: &mut Graph, images| self.layers.graph("", graph, images);
        self.members.graph(graph, images, scores)
    }
}

/// Of a network without members; of one with members, [`Backbone::logits`] are the outputs for the inputs of its members.
impl Backbone for Network {
    fn stages(&self) -> Vec<Stage> {
        self.stages.iter().map(|(stage, _)| stage.clone()).collect()
    }

    fn embed_through(
        &self,
        images: Tensor<4>,
        stage: &mut dyn FnMut(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let layers = self.layers();
        let mut planes = images;
        let mut begin = 0;
        for (_, end) in &self.stages {
            planes = stage(chain(&layers[begin..*end], planes));
            begin = *end;
        }
        chain(&layers[begin..self.head], planes)
    }

    fn classify(&self, features: Tensor<4>) -> Tensor<2> {
        chain(&self.layers()[self.head..], features).flatten(1, 3)
    }

    /// What follows the published last layer, such as SqueezeNet's mean over the image, follows the new one too.
    fn with_head(self, head: Head, classes: usize, seed: u64) -> Self {
        let position = self.head();
        let Some((name, published)) = self.layers().get(position) else {
            return self;
        };
        let new = head.layers(published, classes, seed).into_iter();
        let new = new.map(|(own, layer)| match (own.as_str(), &layer) {
            ("", Layer::Plain(_)) => (own, layer),
            ("", _) => (name.clone(), layer),
            _ => (format!("{name}.{own}"), layer),
        });
        let new = new.collect();
        let behind = match head {
            Head::None => Vec::new(),
            _ => self.layers()[position + 1..].to_vec(),
        };
        self.with_end(new, behind)
    }
}

/// That of its layers; Burn derives it for fields, whose names would be part of every path.
impl Module for Network {
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.layers.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            layers: self.layers.fork(device),
            ..self
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            layers: self.layers.to_device(device),
            ..self
        }
    }

    fn train(self) -> Self {
        Self {
            layers: self.layers.train(),
            ..self
        }
    }

    fn valid(&self) -> Self {
        Self {
            layers: self.layers.valid(),
            stages: self.stages.clone(),
            ..*self
        }
    }

    fn materialize(self) -> Self {
        Self {
            layers: self.layers.materialize(),
            ..self
        }
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.layers.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self {
            layers: self.layers.map(mapper),
            ..self
        }
    }
}

impl ModuleDisplayDefault for Network {
    fn content(&self, content: Content) -> Option<Content> {
        self.layers.content(content)
    }
}

impl ModuleDisplay for Network {}
