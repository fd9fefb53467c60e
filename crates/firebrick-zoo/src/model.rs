//! Any model as one type.

mod erased;

use std::any::Any;
use std::fmt;

use burn::module::{
    Content, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use firebrick_core::Classifier;

use erased::{Erased, Mapping, Visiting};

/// A model that is picked by name at run time, of this crate or of another one. Parameter paths and weight
/// files do not show the wrapping: they are those of the model inside.
#[derive(Debug)]
pub struct Model {
    inside: Box<dyn Erased>,
    head: &'static str,
}

impl Model {
    /// A model, and the path of its last layer: see [`Self::head`]. Its parameters have at most 8 dimensions.
    #[must_use]
    pub fn new<M: Classifier + ModuleDisplay + 'static>(model: M, head: &'static str) -> Self {
        Self {
            inside: Box::new(model),
            head,
        }
    }

    /// The path of the last layer, whose outputs are the classes, as in the keys of weight files: `fc`
    /// for `fc.weight` and `fc.bias`. The rest does not depend on the number of classes.
    #[must_use]
    pub const fn head(&self) -> &'static str {
        self.head
    }

    /// The model inside, if it is of this type.
    #[must_use]
    pub fn downcast_ref<M: 'static>(&self) -> Option<&M> {
        let inside: &dyn Any = self.inside.as_any();
        inside.downcast_ref()
    }

    fn with(self, change: impl FnOnce(Box<dyn Erased>) -> Box<dyn Erased>) -> Self {
        Self {
            inside: change(self.inside),
            head: self.head,
        }
    }
}

impl Clone for Model {
    fn clone(&self) -> Self {
        Self {
            inside: self.inside.cloned(),
            head: self.head,
        }
    }
}

impl Classifier for Model {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.inside.forward(images)
    }
}

// Burn derives this for types that it knows when they are compiled; here it is handed on.
impl Module for Model {
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.inside.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.with(|inside| inside.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.with(|inside| inside.to_device(device))
    }

    fn train(self) -> Self {
        self.with(|inside| inside.train())
    }

    fn valid(&self) -> Self {
        Self {
            inside: self.inside.valid(),
            head: self.head,
        }
    }

    fn materialize(self) -> Self {
        self.with(|inside| inside.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.inside.visit(&mut Visiting(visitor));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.with(|inside| inside.map(&mut Mapping(mapper)))
    }
}

impl ModuleDisplayDefault for Model {
    fn content(&self, content: Content) -> Option<Content> {
        self.inside.content(content)
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
