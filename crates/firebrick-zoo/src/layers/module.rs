//! Named layers as a module of Burn.

use burn::module::{
    Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

use super::{Layer, Layers};

/// Burn derives this for fields whose names it knows when they are compiled.
impl Module for Layers {
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        let layers = self.layers.iter();
        layers.fold(devices, |devices, (_, layer)| {
            layer.collect_devices(devices)
        })
    }

    fn fork(self, device: &Device) -> Self {
        self.each(|layer| layer.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.each(|layer| layer.to_device(device))
    }

    fn train(self) -> Self {
        self.each(Module::train)
    }

    fn valid(&self) -> Self {
        let layers = self.layers.iter();
        Self {
            join: self.join,
            layers: layers
                .map(|(name, layer)| (name.clone(), layer.valid()))
                .collect(),
        }
    }

    fn materialize(self) -> Self {
        self.each(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, layer) in &self.layers {
            if name.is_empty() {
                layer.visit(visitor);
                continue;
            }
            visitor.enter_module(name, CONTAINER);
            layer.visit(visitor);
            visitor.exit_module(name, CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let map = |(name, layer): (String, Layer)| {
            if name.is_empty() {
                return (name, layer.map(mapper));
            }
            mapper.enter_module(&name, CONTAINER);
            let layer = layer.map(mapper);
            mapper.exit_module(&name, CONTAINER);
            (name, layer)
        };
        Self {
            join: self.join,
            layers: self.layers.into_iter().map(map).collect(),
        }
    }
}

/// What visitors are told that the names belong to.
const CONTAINER: &str = "Struct:Layers";

impl Layer {
    /// With other layers in place of those that hold layers, inner ones first.
    pub(crate) fn each_group(self, change: &mut dyn FnMut(Layers) -> Self) -> Self {
        let Self::Layers(group) = self else {
            return self;
        };
        let layers = group.layers.into_iter();
        let layers = layers.map(|(name, layer)| (name, layer.each_group(change)));
        let layers = layers.collect();
        change(Layers {
            join: group.join,
            layers,
        })
    }
}

impl Layers {
    /// With other layers in place of those that hold none; `change` is given the path of each, below `path`.
    pub(crate) fn each_layer(
        self,
        path: &str,
        change: &mut dyn FnMut(&str, Layer) -> Layer,
    ) -> Self {
        let layers = self.layers.into_iter();
        let layers = layers.map(|(name, layer)| {
            let path = [path, &name].join(if path.is_empty() || name.is_empty() {
                ""
            } else {
                "."
            });
            let layer = match layer {
                Layer::Layers(layers) => Layer::Layers(layers.each_layer(&path, change)),
                layer => change(&path, layer),
            };
            (name, layer)
        });
        Self {
            join: self.join,
            layers: layers.collect(),
        }
    }

    fn each(self, change: impl Fn(Layer) -> Layer) -> Self {
        let layers = self.layers.into_iter();
        Self {
            join: self.join,
            layers: layers.map(|(name, layer)| (name, change(layer))).collect(),
        }
    }
}

impl ModuleDisplayDefault for Layers {
    fn content(&self, content: Content) -> Option<Content> {
        let layers = self.layers.iter();
        layers
            .fold(content, |content, (name, layer)| content.add(name, layer))
            .optional()
    }
}

impl ModuleDisplay for Layers {}
