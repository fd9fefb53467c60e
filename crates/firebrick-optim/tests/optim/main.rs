//! Tests of whole optimizers and schedules: contracts over the registries, and golden values.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod burn_optimizer;
mod contracts;
mod optimizers;
mod race;
mod schedules;
mod surfaces;

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{GroupFactors, Step, Update};

/// An optimizer from its spec string.
fn build(spec: &str) -> Box<dyn Update> {
    let spec: Spec = spec.parse().unwrap();
    firebrick_optim::optimizer::build(&spec).unwrap().update
}

fn tensor(values: &[f64], device: &Device, dtype: DType) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, dtype))
}

fn values(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// Parameters named `p0`, `p1`, …
fn parameters(tensors: impl IntoIterator<Item = Tensor<1>>) -> Parameters {
    let named = tensors
        .into_iter()
        .enumerate()
        .map(|(index, value)| Parameter {
            path: format!("p{index}"),
            shape: value.dims().to_vec(),
            value,
        });
    Parameters(named.collect())
}

/// What the trainer says at one update.
#[derive(Clone, Copy)]
struct Now<'a> {
    lr: f64,
    momentum: Option<f64>,
    groups: &'a [GroupFactors],
}

impl Now<'_> {
    fn at(lr: f64) -> Self {
        Self {
            lr,
            momentum: None,
            groups: &[],
        }
    }

    fn step(
        self,
        update: &mut dyn Update,
        parameters: Parameters,
        gradients: Vec<Option<Tensor<1>>>,
    ) -> Parameters {
        let step = Step {
            momentum: self.momentum,
            groups: self.groups,
            ..Step::new(0, self.lr)
        };
        let mut no_search = |_: &Parameters| panic!("no optimizer here looks ahead");
        update
            .step(&step, parameters, Gradients(gradients), &mut no_search)
            .unwrap()
    }
}
