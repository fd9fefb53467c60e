use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Device, Int, Tensor};
use firebrick_core::Classifier;
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;

use crate::{Input, Model, Network, REGISTRY, architecture, default_input, undrawn};

fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}

#[test]
fn the_head_is_what_depends_on_the_number_of_classes() {
    let device = flex();
    for entry in REGISTRY.entries() {
        let spec = Spec::new(entry.about.name);
        let input = default_input(&spec).unwrap();
        let model = |classes| undrawn(&spec, &Input { classes, ..input }, &device).unwrap();
        let (few, many) = (model(10), model(11));
        let head = architecture(&spec).unwrap().head().unwrap();
        let head = format!("{head}.");
        let others = StateDict::shapes(&many);
        for (few, many) in StateDict::shapes(&few).iter().zip(&others) {
            assert_eq!(few.0, many.0);
            assert_eq!(
                few.1 != many.1,
                few.0.starts_with(&head),
                "{spec}: {}",
                few.0
            );
        }
        assert!(
            others.iter().any(|(key, _)| key.starts_with(&head)),
            "{spec}"
        );
    }
}

/// Every kind of parameter that burn knows, at several ranks.
#[derive(Module, Debug)]
struct Everything {
    weight: Param<Tensor<4>>,
    bias: Option<Param<Tensor<1>>>,
    deep: Vec<Param<Tensor<8>>>,
    counts: Param<Tensor<1, Int>>,
    mask: Param<Tensor<3, Bool>>,
    training: Param<Flag>,
}

impl Everything {
    fn new(device: &Device) -> Self {
        let new = |id: u64| ParamId::from(id);
        Self {
            weight: Param::initialized(new(1), Tensor::ones([2, 3, 1, 1], device)),
            bias: Some(Param::initialized(new(2), Tensor::ones([2], device))),
            deep: vec![Param::initialized(new(3), Tensor::ones([1; 8], device))],
            counts: Param::initialized(new(4), Tensor::<1, Int>::ones([1], device)),
            mask: Param::initialized(new(5), Tensor::<3, Int>::ones([1; 3], device).bool()),
            training: Param::<Flag>::from_bool(true),
        }
    }
}

impl Classifier for Everything {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        images.mean_dim(3).mean_dim(2).flatten(1, 3)
    }
}

/// What a visitor and a mapper are shown, in order. The mapper doubles, negates and switches off.
#[derive(Default)]
struct Seen(Vec<String>);

impl ModuleVisitor for Seen {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.push(format!("in {name} {container}"));
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.push(format!("out {name} {container}"));
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let sum: f32 = param.val().sum().into_scalar();
        let (id, shape) = (param.id, param.shape());
        self.0.push(format!("float {D} {id:?} {shape:?} {sum}"));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let sum = param.val().sum().to_data().iter::<i64>().sum::<i64>();
        let (id, shape) = (param.id, param.shape());
        self.0.push(format!("int {D} {id:?} {shape:?} {sum}"));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let all = param.val().int().sum().to_data().iter::<i64>().sum::<i64>();
        let (id, shape) = (param.id, param.shape());
        self.0.push(format!("bool {D} {id:?} {shape:?} {all}"));
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.push(format!("flag {}", flag.is_enabled()));
    }
}

impl ModuleMapper for Seen {
    fn enter_module(&mut self, name: &str, container: &str) {
        ModuleVisitor::enter_module(self, name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        ModuleVisitor::exit_module(self, name, container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.visit_float(&param);
        param.map(|tensor| tensor * 2.0)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        self.visit_int(&param);
        param.map(|tensor| tensor * 2)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        self.visit_bool(&param);
        param.map(Tensor::bool_not)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.visit_flag(&flag);
        flag.with_value(false)
    }
}

fn visited(module: &impl Module) -> Vec<String> {
    let mut seen = Seen::default();
    module.visit(&mut seen);
    seen.0
}

#[test]
fn a_wrapped_model_shows_and_changes_the_same_parameters_as_the_bare_one() {
    let bare = Everything::new(&flex());
    let wrapped = Model::new(bare.clone());
    let expected = visited(&bare);
    assert_eq!(
        expected
            .iter()
            .filter(|line| line.contains("float"))
            .count(),
        3
    );
    assert_eq!(visited(&wrapped), expected);

    let (mut one, mut other) = (Seen::default(), Seen::default());
    let (bare, wrapped) = (bare.map(&mut one), wrapped.map(&mut other));
    assert_eq!(one.0, expected);
    assert_eq!(other.0, expected);
    assert_ne!(visited(&bare), expected);
    assert_eq!(visited(&wrapped), visited(&bare));
    assert_eq!(wrapped.num_params(), bare.num_params());
    assert_eq!(wrapped.devices(), bare.devices());
    assert!(wrapped.to_string().contains("counts"), "{wrapped}");
}

#[test]
fn the_model_inside_can_be_had_by_its_type() {
    let spec = Spec::new("small_cnn");
    let model = undrawn(&spec, &default_input(&spec).unwrap(), &flex()).unwrap();
    assert!(model.downcast_ref::<Network>().is_some());
    assert!(model.clone().downcast_ref::<Everything>().is_none());
}
