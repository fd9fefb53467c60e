//! A model whose type is not known: the methods of burn's `Module` that take a visitor or a mapper of any type
//! go through ones that take a reference to either, one method for each kind of parameter.

use std::any::Any;
use std::fmt::{self, Debug};

use burn::module::{Content, Flag, Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Int, Tensor};
use firebrick_core::graph::{Graph, Value};
use firebrick_core::{Classifier, ConfigError, TrainingScores};

use crate::backbone::Backbone;
use crate::head::Head;

/// A [`Classifier`] of any type.
pub(super) trait Erased: Send + Debug {
    fn cloned(&self) -> Box<dyn Erased>;
    fn as_any(&self) -> &dyn Any;
    fn backbone(&self) -> Option<&dyn Backbone>;
    fn with_head(&self, head: Head, classes: usize, seed: u64) -> Option<Box<dyn Erased>>;
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;
    fn forward_training(&self, images: Tensor<4>) -> TrainingScores;
    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError>;
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device>;
    fn fork(self: Box<Self>, device: &Device) -> Box<dyn Erased>;
    fn to_device(self: Box<Self>, device: &Device) -> Box<dyn Erased>;
    fn train(self: Box<Self>) -> Box<dyn Erased>;
    fn valid(&self) -> Box<dyn Erased>;
    fn materialize(self: Box<Self>) -> Box<dyn Erased>;
    fn visit(&self, visitor: &mut dyn Visit);
    fn map(self: Box<Self>, mapper: &mut dyn Map) -> Box<dyn Erased>;
    fn content(&self, content: Content) -> Option<Content>;
}

/// How a model of this type is a [`Backbone`].
pub(super) struct AsBackbone<M> {
    pub(super) shown: fn(&M) -> &dyn Backbone,
    pub(super) with_head: fn(M, Head, usize, u64) -> M,
}

impl<M> Clone for AsBackbone<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for AsBackbone<M> {}

/// A [`Classifier`] of this type, and how its features are taken, if they can be.
pub(super) struct Held<M> {
    pub(super) model: M,
    pub(super) backbone: Option<AsBackbone<M>>,
}

impl<M: Debug> Debug for Held<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model.fmt(f)
    }
}

impl<M: Classifier + ModuleDisplay + 'static> Held<M> {
    /// Another model of the same type.
    fn with(&self, model: M) -> Box<dyn Erased> {
        let backbone = self.backbone;
        Box::new(Self { model, backbone })
    }

    fn map_model(self, change: impl FnOnce(M) -> M) -> Box<dyn Erased> {
        Box::new(Self {
            model: change(self.model),
            backbone: self.backbone,
        })
    }
}

impl<M: Classifier + ModuleDisplay + 'static> Erased for Held<M> {
    fn cloned(&self) -> Box<dyn Erased> {
        self.with(self.model.clone())
    }

    fn as_any(&self) -> &dyn Any {
        &self.model
    }

    fn backbone(&self) -> Option<&dyn Backbone> {
        self.backbone.map(|backbone| (backbone.shown)(&self.model))
    }

    fn with_head(&self, head: Head, classes: usize, seed: u64) -> Option<Box<dyn Erased>> {
        let backbone = self.backbone?;
        let model = (backbone.with_head)(self.model.clone(), head, classes, seed);
        Some(self.with(model))
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.model.forward(images)
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        self.model.forward_training(images)
    }

    fn graph(&self, graph: &mut Graph, images: Value) -> Result<Value, ConfigError> {
        self.model.graph(graph, images)
    }

    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.model.collect_devices(devices)
    }

    fn fork(self: Box<Self>, device: &Device) -> Box<dyn Erased> {
        self.map_model(|model| model.fork(device))
    }

    fn to_device(self: Box<Self>, device: &Device) -> Box<dyn Erased> {
        self.map_model(|model| model.to_device(device))
    }

    fn train(self: Box<Self>) -> Box<dyn Erased> {
        self.map_model(Module::train)
    }

    fn valid(&self) -> Box<dyn Erased> {
        self.with(self.model.valid())
    }

    fn materialize(self: Box<Self>) -> Box<dyn Erased> {
        self.map_model(Module::materialize)
    }

    fn visit(&self, visitor: &mut dyn Visit) {
        self.model.visit(&mut Visited(visitor));
    }

    fn map(self: Box<Self>, mapper: &mut dyn Map) -> Box<dyn Erased> {
        self.map_model(|model| model.map(&mut Mapped(mapper)))
    }

    fn content(&self, content: Content) -> Option<Content> {
        self.model.content(content)
    }
}

/// Looks at parameters. Those with a rank are `Param<Tensor<D>>`, of integers or of truth values.
pub(super) trait Visit {
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
    fn float(&mut self, param: &dyn Any);
    fn int(&mut self, param: &dyn Any);
    fn bool(&mut self, param: &dyn Any);
    fn flag(&mut self, flag: &Param<Flag>);
}

/// Changes parameters. Those with a rank are `Option<Param<Tensor<D>>>`, of integers or of truth values, and
/// hold one before and after.
pub(super) trait Map {
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
    fn float(&mut self, param: &mut dyn Any);
    fn int(&mut self, param: &mut dyn Any);
    fn bool(&mut self, param: &mut dyn Any);
    fn flag(&mut self, flag: Param<Flag>) -> Param<Flag>;
}

type Float<const D: usize> = Param<Tensor<D>>;
type Whole<const D: usize> = Param<Tensor<D, Int>>;
type Truth<const D: usize> = Param<Tensor<D, Bool>>;

/// Hands the parameter of `$any` to the visitor's method, whatever its rank.
macro_rules! visit {
    ($visitor:expr, $method:ident, $any:expr, $param:ident: $($rank:literal)+) => {
        $(if let Some(param) = $any.downcast_ref::<$param<$rank>>() {
            return $visitor.$method(param);
        })+
    };
}

/// Replaces the parameter of `$any` by what the mapper's method makes of it, whatever its rank.
macro_rules! map {
    ($mapper:expr, $method:ident, $any:expr, $param:ident: $($rank:literal)+) => {
        $(if let Some(param) = $any.downcast_mut::<Option<$param<$rank>>>() {
            *param = param.take().map(|param| $mapper.$method(param));
            return;
        })+
    };
}

/// Burn's visitor as a [`Visit`].
pub(super) struct Visiting<'a, V>(pub(super) &'a mut V);

impl<V: ModuleVisitor> Visit for Visiting<'_, V> {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }

    fn float(&mut self, param: &dyn Any) {
        visit!(self.0, visit_float, param, Float: 1 2 3 4 5 6 7 8);
    }

    fn int(&mut self, param: &dyn Any) {
        visit!(self.0, visit_int, param, Whole: 1 2 3 4 5 6 7 8);
    }

    fn bool(&mut self, param: &dyn Any) {
        visit!(self.0, visit_bool, param, Truth: 1 2 3 4 5 6 7 8);
    }

    fn flag(&mut self, flag: &Param<Flag>) {
        self.0.visit_flag(flag);
    }
}

/// A [`Visit`] as burn's visitor.
struct Visited<'a>(&'a mut dyn Visit);

impl ModuleVisitor for Visited<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.enter(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.0.exit(name, container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.float(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.int(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.bool(param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.flag(flag);
    }
}

/// Burn's mapper as a [`Map`].
pub(super) struct Mapping<'a, M>(pub(super) &'a mut M);

impl<M: ModuleMapper> Map for Mapping<'_, M> {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }

    fn float(&mut self, param: &mut dyn Any) {
        map!(self.0, map_float, param, Float: 1 2 3 4 5 6 7 8);
    }

    fn int(&mut self, param: &mut dyn Any) {
        map!(self.0, map_int, param, Whole: 1 2 3 4 5 6 7 8);
    }

    fn bool(&mut self, param: &mut dyn Any) {
        map!(self.0, map_bool, param, Truth: 1 2 3 4 5 6 7 8);
    }

    fn flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.map_flag(flag)
    }
}

/// A [`Map`] as burn's mapper.
struct Mapped<'a>(&'a mut dyn Map);

/// The parameter that a [`Map`] has put back.
fn put_back<P>(param: Option<P>) -> P {
    param.unwrap_or_else(|| unreachable!("a mapper puts back the parameter that it is given"))
}

impl ModuleMapper for Mapped<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.enter(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.0.exit(name, container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut param = Some(param);
        self.0.float(&mut param);
        put_back(param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let mut param = Some(param);
        self.0.int(&mut param);
        put_back(param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let mut param = Some(param);
        self.0.bool(&mut param);
        put_back(param)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.flag(flag)
    }
}
