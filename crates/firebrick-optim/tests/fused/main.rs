//! Optimizer steps by the kernels, compared with Burn's operations, and which memory they change.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::kernels;
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{GroupFactors, Step, Update};

/// Options of the first ones, whose places in memory are looked at too.
const OPTIMIZERS: [&str; 8] = [
    "sgd(weight_decay=0.1)",
    "sgd(momentum=0.9, dampening=0.1, weight_decay=0.1)",
    "sgd(momentum=0.9, nesterov=true)",
    "adam",
    "adam(amsgrad=true, weight_decay=0.1)",
    "adamw",
    "adamw(amsgrad=true)",
    "adamw(beta1=0)",
];

/// Every optimizer that takes one gradient for a step, and the options above.
fn optimizers() -> Vec<String> {
    let entries = firebrick_optim::optimizer::REGISTRY.entries();
    let names = entries.iter().map(|entry| entry.about.name.to_string());
    // Prodigy makes one step for all and refuses the groups below.
    let once = names.filter(|name| !build(name).reevaluates() && name != "prodigy");
    OPTIMIZERS
        .map(String::from)
        .into_iter()
        .chain(once)
        .collect()
}

/// Of the parameters: empty vectors at the end, one piece, several pieces.
const LENGTHS: [usize; 4] = [3, 16, 1000, 40_000];

/// The switch is the whole process's: one test at a time, and the kernels on afterwards.
struct Exclusive(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Exclusive {
    fn new() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        kernels::enable(true);
        Self(guard)
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        kernels::enable(true);
    }
}

fn cpus() -> [(&'static str, Device); 2] {
    ["flex", "ndarray"].map(|name| (name, firebrick_core::device(name).unwrap()))
}

fn build(spec: &str) -> Box<dyn Update> {
    let spec: Spec = spec.parse().unwrap();
    firebrick_optim::optimizer::build(&spec).unwrap().update
}

fn tensor(len: usize, seed: usize, device: &Device) -> Tensor<1> {
    let number = |index: usize| ((index + 1) as f32 * (seed as f32 + 0.618)).sin();
    let numbers: Vec<f32> = (0..len).map(number).collect();
    Tensor::from_data(TensorData::new(numbers, [len]), device)
}

fn values(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

fn start(device: &Device) -> Parameters {
    let parameters = LENGTHS.iter().enumerate().map(|(index, &len)| Parameter {
        path: format!("p{index}"),
        shape: vec![len],
        value: tensor(len, index, device),
    });
    Parameters(parameters.collect())
}

fn step(
    update: &mut dyn Update,
    parameters: Parameters,
    index: usize,
    device: &Device,
) -> Parameters {
    let gradient = |(place, &len): (usize, &usize)| {
        // One parameter misses every third gradient, so that their counts differ.
        let there = place != 1 || !index.is_multiple_of(3);
        there.then(|| tensor(len, 10 + 7 * index + place, device) * 0.1)
    };
    let groups: [_; 4] = std::array::from_fn(|place| GroupFactors {
        lr: 1.0 + place as f64,
        weight_decay: place as f64,
    });
    let step = Step {
        groups: &groups,
        ..Step::new(index as u64, 0.01)
    };
    let gradients = Gradients(LENGTHS.iter().enumerate().map(gradient).collect());
    let mut no_search = |_: &Parameters| panic!("no optimizer here looks ahead");
    update
        .step(&step, parameters, gradients, &mut no_search)
        .unwrap()
}

fn train(
    update: &mut dyn Update,
    mut parameters: Parameters,
    steps: std::ops::Range<usize>,
    device: &Device,
) -> Parameters {
    for index in steps {
        parameters = step(update, parameters, index, device);
    }
    parameters
}

/// Values and states of all parameters, by name.
fn everything(update: &dyn Update, parameters: &Parameters) -> Vec<(String, Vec<f32>)> {
    let mut all: Vec<_> = parameters
        .0
        .iter()
        .map(|parameter| (parameter.path.clone(), values(&parameter.value)))
        .collect();
    for (path, state) in update.state().parameters {
        for (what, tensor) in state.tensors {
            all.push((format!("{path}.{what}"), values(&tensor)));
        }
        for (what, number) in state.numbers {
            all.push((format!("{path}.{what}"), vec![number as f32]));
        }
    }
    all
}

#[test]
fn fifty_steps_are_those_of_burns_operations() {
    let _exclusive = Exclusive::new();
    for (name, device) in cpus() {
        for spec in optimizers() {
            let run = |on| {
                kernels::enable(on);
                let mut update = build(&spec);
                let end = train(&mut *update, start(&device), 0..50, &device);
                everything(&*update, &end)
            };
            let (fused, composed) = (run(true), run(false));
            assert_eq!(fused.len(), composed.len(), "{spec}");
            for ((what, fused), (same, composed)) in fused.iter().zip(&composed) {
                assert_eq!((what, fused.len()), (same, composed.len()));
                for (fused, composed) in fused.iter().zip(composed) {
                    // MadGrad's values are small differences from where they began, and Burn's cube root
                    // is a power: what rounds is of the size of the beginning.
                    let least = if spec == "madgrad" { 0.1 } else { 1e-3 };
                    let error = (fused - composed).abs() / composed.abs().max(least);
                    assert!(
                        error <= 1e-6,
                        "{spec}, {what} on {name}: {fused} {composed}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let _exclusive = Exclusive::new();
    for (name, device) in cpus() {
        for spec in optimizers() {
            let mut whole = build(&spec);
            let end = train(&mut *whole, start(&device), 0..9, &device);
            let expected = everything(&*whole, &end);

            let mut first = build(&spec);
            let middle = train(&mut *first, start(&device), 0..4, &device);
            let mut second = build(&spec);
            let paths: Vec<_> = middle.0.iter().map(|one| one.path.clone()).collect();
            // Through the host, as a checkpoint goes, and shared with the first one.
            second.load_state(first.state(), &paths, &device).unwrap();
            let copies = middle.0.iter().map(|one| Parameter {
                value: Tensor::from_data(one.value.to_data(), &device),
                ..one.clone()
            });
            let resumed = train(&mut *second, Parameters(copies.collect()), 4..9, &device);
            assert!(
                everything(&*second, &resumed) == expected,
                "{spec} on {name}"
            );
            let went_on = train(&mut *first, middle, 4..9, &device);
            assert!(
                everything(&*first, &went_on) == expected,
                "{spec} on {name}"
            );
        }
    }
}

#[test]
fn what_others_hold_does_not_change() {
    let _exclusive = Exclusive::new();
    for (name, device) in cpus() {
        for spec in optimizers() {
            let mut update = build(&spec);
            let parameters = train(&mut *update, start(&device), 0..3, &device);
            let (held, state) = (parameters.clone(), update.state());
            let snapshot = everything(&*update, &held);
            let after = train(&mut *update, parameters, 3..6, &device);
            let mut unchanged = build(&spec);
            let paths: Vec<_> = held.0.iter().map(|one| one.path.clone()).collect();
            unchanged.load_state(state, &paths, &device).unwrap();
            assert!(
                everything(&*unchanged, &held) == snapshot,
                "{spec} on {name} changed what others hold"
            );
            assert!(everything(&*update, &after) != snapshot, "{spec} on {name}");
        }
    }
}

/// Where the elements of a tensor on flex lie.
fn place(tensor: &Tensor<1>) -> *const f32 {
    let primitive = tensor
        .clone()
        .try_into_primitive::<burn::backend::Flex>()
        .unwrap();
    primitive.storage::<f32>().as_ptr()
}

#[test]
fn values_and_states_stay_where_they_are() {
    let _exclusive = Exclusive::new();
    let [(_, flex), _] = cpus();
    for spec in OPTIMIZERS {
        let mut update = build(spec);
        let places = |update: &dyn Update, parameters: &Parameters| {
            let values = parameters.0.iter().map(|one| place(&one.value));
            let states = update.state().parameters.into_values();
            let states = states.flat_map(|state| state.tensors.into_values());
            let states: Vec<_> = states.map(|tensor| place(&tensor)).collect();
            values.chain(states).collect::<Vec<_>>()
        };
        let parameters = train(&mut *update, start(&flex), 0..2, &flex);
        let before = places(&*update, &parameters);
        let after = train(&mut *update, parameters, 2..5, &flex);
        assert_eq!(places(&*update, &after), before, "{spec}");
    }
}
