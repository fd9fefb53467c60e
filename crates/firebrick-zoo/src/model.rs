//! Any model as one type.

mod erased;

use std::any::Any;
use std::fmt;

use burn::module::{
    Content, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use firebrick_core::graph::{Graph, Value};
use firebrick_core::{Classifier, ConfigError, TrainingScores};

use crate::backbone::Backbone;
use crate::head::Head;
use erased::{AsBackbone, Erased, Held, Mapping, Visiting};

/// A model that is picked by name at run time, of this crate or of another one. Parameter paths and weight
/// files do not show the wrapping: they are those of the model inside.
#[derive(Debug)]
pub struct Model(Box<dyn Erased>);

impl Model {
    /// Wraps a model. Its parameters have at most 8 dimensions.
    #[must_use]
    pub fn new<M: Classifier + ModuleDisplay + 'static>(model: M) -> Self {
        let backbone = None;
        Self(Box::new(Held { model, backbone }))
    }

    /// Wraps a network whose features can be taken. Its parameters have at most 8 dimensions.
    #[must_use]
    pub fn of_backbone<M: Classifier + Backbone + ModuleDisplay + 'static>(model: M) -> Self {
        let backbone = Some(AsBackbone {
            shown: |model| model,
            with_head: M::with_head,
        });
        Self(Box::new(Held { model, backbone }))
    }

    /// The stages of the model and their features; `None` for a model that does not name them.
    #[must_use]
    pub fn backbone(&self) -> Option<&dyn Backbone> {
        self.0.backbone()
    }

    /// The model with another last layer, as [`Backbone::with_head`] makes it; `None` for a model that is no backbone. It shares the weights
    /// in front of the last layer with this one.
    #[must_use]
    pub fn with_head(&self, head: Head, classes: usize, seed: u64) -> Option<Self> {
        self.0.with_head(head, classes, seed).map(Self)
    }

    /// The model inside, if it is of this type.
    #[must_use]
    pub fn downcast_ref<M: 'static>(&self) -> Option<&M> {
        let inside: &dyn Any = self.0.as_any();
        inside.downcast_ref()
    }
}

impl Clone for Model {
    fn clone(&self) -> Self {
        Self(self.0.cloned())
    }
}

impl Classifier for Model {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.0.forward(images)
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        self.0.forward_training(images)
    }

    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError> {
        self.0.graph(graph, images)
    }
}

// Burn derives this for types that it knows when they are compiled; here it is handed on.
impl Module for Model {
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    fn train(self) -> Self {
        Self(self.0.train())
    }

    fn valid(&self) -> Self {
        Self(self.0.valid())
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit(&mut Visiting(visitor));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self(self.0.map(&mut Mapping(mapper)))
    }
}

impl ModuleDisplayDefault for Model {
    fn content(&self, content: Content) -> Option<Content> {
        self.0.content(content)
    }
}

impl ModuleDisplay for Model {}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(DisplaySettings::default()))
    }
}

#[cfg(test)]
mod tests;
