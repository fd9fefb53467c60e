//! What every optimizer promises, as tests: feature `testkit`.
//!
//! An optimizer of another crate runs them all in one line:
//!
//! ```no_run
//! # use firebrick_optim::optimizer::sgd::Sgd;
//! firebrick_optim::testkit::contracts::<Sgd>();
//! ```
//!
//! They panic with the optimizer, the contract and the values. Devices that the program was not
//! built with, or that the machine lacks, are left out and named on stderr.

// These are tests.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::print_stderr)]

mod fields;
mod scheduled;

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{GroupFactors, Step, Update, UpdateError};

use crate::about::{Configure, Entry};
pub use fields::{every_field_matters, fields_out_of_range_are_named};

/// A function of all entries and its gradient.
pub type Objective = fn(&[f64]) -> (f64, Vec<f64>);

/// Σ (1 + i/10)/2 · (zᵢ - sin i)²: a bowl whose Hessian is diagonal.
#[must_use]
pub fn bowl(z: &[f64]) -> (f64, Vec<f64>) {
    let slope =
        |(index, z): (usize, &f64)| (1.0 + index as f64 / 10.0) * (z - (index as f64).sin());
    let gradient: Vec<_> = z.iter().enumerate().map(slope).collect();
    let away = |(index, z): (usize, &f64)| z - (index as f64).sin();
    let distances = z.iter().enumerate().map(away);
    let value: f64 = gradient
        .iter()
        .zip(distances)
        .map(|(g, d)| g * d / 2.0)
        .sum();
    (value, gradient)
}

/// The bowl with coupled neighbours: + Σ (zᵢ₊₁ - zᵢ²)²/10.
#[must_use]
pub fn coupled(z: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = bowl(z);
    for index in 1..z.len() {
        let gap = z[index] - z[index - 1] * z[index - 1];
        value += gap * gap / 10.0;
        gradient[index] += gap / 5.0;
        gradient[index - 1] -= 2.0 * z[index - 1] * gap / 5.0;
    }
    (value, gradient)
}

/// Rosenbrock's valley, 100 (y - x²)² + (1 - x)², for each pair of entries.
#[must_use]
pub fn rosenbrock(z: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = (0.0, vec![0.0; z.len()]);
    let slopes = gradient.as_chunks_mut::<2>().0;
    for ([x, y], slope) in z.as_chunks::<2>().0.iter().zip(slopes) {
        let gap = y - x * x;
        value += 100.0 * gap * gap + (1.0 - x).powi(2);
        *slope = [-400.0 * x * gap - 2.0 * (1.0 - x), 200.0 * gap];
    }
    (value, gradient)
}

/// The loss and the gradients of a step at some place.
pub type Evaluate<'a> = dyn Fn(u64, &Parameters) -> (f64, Gradients) + 'a;

/// Parameters on their way down a function by an optimizer.
pub struct Descent<'a> {
    /// The optimizer.
    pub update: Box<dyn Update>,
    /// Where they are.
    pub parameters: Parameters,
    /// The loss and the gradients at some place, in a step.
    pub evaluate: Box<Evaluate<'a>>,
}

impl<'a> Descent<'a> {
    /// Down `objective`, multiplied by `scale`.
    pub fn new(
        update: Box<dyn Update>,
        parameters: Parameters,
        objective: Objective,
        scale: f64,
    ) -> Self {
        let evaluate = move |_: u64, at: &Parameters| {
            let (value, gradient) = objective(&values(at).concat());
            let gradient: Vec<_> = gradient.into_iter().map(|g| g * scale).collect();
            (value * scale, split(&gradient, at))
        };
        Self {
            update,
            parameters,
            evaluate: Box::new(evaluate),
        }
    }

    /// Along gradients that are given for each step, parameter by parameter.
    pub fn along(
        update: Box<dyn Update>,
        parameters: Parameters,
        gradient: impl Fn(u64) -> Vec<f64> + 'a,
    ) -> Self {
        let evaluate = move |step: u64, at: &Parameters| {
            let gradient = gradient(step);
            let linear = values(at).concat();
            let value = linear.iter().zip(&gradient).map(|(z, g)| z * g).sum();
            (value, split(&gradient, at))
        };
        Self {
            update,
            parameters,
            evaluate: Box::new(evaluate),
        }
    }

    /// One step, as the training loop makes it.
    ///
    /// # Errors
    /// The optimizer's.
    pub fn try_step(&mut self, step: &Step<'_>) -> Result<(), UpdateError> {
        let parameters = std::mem::take(&mut self.parameters);
        let point = self.update.gradient_point(step, &parameters);
        let (_, gradients) = (self.evaluate)(step.index, point.as_ref().unwrap_or(&parameters));
        let evaluate = &self.evaluate;
        let mut again = |at: &Parameters| Ok(evaluate(step.index, at));
        self.parameters = self.update.step(step, parameters, gradients, &mut again)?;
        Ok(())
    }

    /// [`Self::try_step`] for optimizers that cannot fail here.
    pub fn step(&mut self, step: &Step<'_>) {
        let name = self.update.name().to_string();
        if let Err(error) = self.try_step(step) {
            panic!("{name} at step {}: {error}", step.index);
        }
    }

    /// Steps at one rate.
    pub fn run(&mut self, steps: std::ops::Range<u64>, lr: f64) {
        steps.for_each(|index| self.step(&Step::new(index, lr)));
    }

    /// The values, parameter by parameter.
    #[must_use]
    pub fn values(&self) -> Vec<Vec<f64>> {
        values(&self.parameters)
    }
}

/// A tensor of numbers.
#[must_use]
pub fn tensor(values: &[f64], device: &Device, dtype: DType) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, dtype))
}

/// Parameters of these names, shapes and values.
#[must_use]
pub fn parameters(
    named: &[(&str, &[usize], Vec<f64>)],
    device: &Device,
    dtype: DType,
) -> Parameters {
    let one = |(path, shape, values): &(&str, &[usize], Vec<f64>)| Parameter {
        path: (*path).into(),
        shape: shape.to_vec(),
        value: tensor(values, device, dtype),
    };
    Parameters(named.iter().map(one).collect())
}

/// The values of each parameter.
#[must_use]
pub fn values(parameters: &Parameters) -> Vec<Vec<f64>> {
    let numbers = |one: &Parameter| one.value.to_data().iter::<f64>().collect();
    parameters.0.iter().map(numbers).collect()
}

/// A gradient of all entries as one for each parameter, like the parameters.
fn split(gradient: &[f64], like: &Parameters) -> Gradients {
    let mut rest = gradient;
    let mut next = |one: &Parameter| {
        let (head, tail) = rest.split_at(one.value.dims()[0]);
        rest = tail;
        Some(tensor(head, &one.value.device(), one.value.dtype()))
    };
    Gradients(like.0.iter().map(&mut next).collect())
}

/// All contracts for the defaults of an optimizer, and the ranges of its fields.
pub fn contracts<C: Configure>() {
    let entry = Entry::of::<C>();
    fields_out_of_range_are_named(entry);
    every_field_matters(entry);
    every_contract(entry, &Spec::new(entry.about.name));
}

/// All contracts for one spec.
pub fn every_contract(entry: Entry, spec: &Spec) {
    let kit = Kit { entry, spec };
    kit.canonical_specs_build_themselves_again();
    kit.rate_zero_is_the_identity();
    kit.steps_are_finite_for_every_finite_gradient();
    kit.a_resumed_run_is_the_uninterrupted_one();
    kit.states_of_others_are_refused();
    kit.groups_scale_the_rate();
    kit.what_is_scheduled_stands_in_for_its_own();
    kit.parameters_without_gradient_are_left_alone();
    kit.every_device_steps_alike();
    kit.memory_is_what_the_registry_says();
    kit.it_converges(bowl, "a quadratic", &BOWL_START, 300, 0.02);
    kit.it_converges(rosenbrock, "Rosenbrock's valley", &[-1.2, 1.0], 1500, 0.1);
}

/// Shapes of the contracts' parameters: a vector, a linear weight, a convolution kernel.
const SHAPES: [(&str, &[usize]); 3] = [
    ("bias", &[7]),
    ("weight", &[4, 3]),
    ("kernel", &[3, 2, 2, 2]),
];

const BOWL_START: [f64; 6] = [2.0, -1.0, 0.5, 3.0, -2.0, 0.25];

/// The devices of this machine.
fn devices() -> Vec<(&'static str, Device)> {
    let found = ["flex", "ndarray", "wgpu"].map(|name| match firebrick_core::device(name) {
        Ok(device) => Some((name, device)),
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    });
    found.into_iter().flatten().collect()
}

/// Where the contracts begin.
fn start(device: &Device, dtype: DType) -> Parameters {
    let named = SHAPES.map(|(path, shape)| {
        let len: usize = shape.iter().product();
        let value = |index| (2.1 * index as f64 + path.len() as f64).sin() + 0.1;
        (path, shape, (0..len).map(value).collect())
    });
    parameters(&named, device, dtype)
}

fn paths() -> Vec<String> {
    SHAPES.map(|(path, _)| path.to_string()).to_vec()
}

/// Gradients that change from step to step.
fn gradient(step: u64, scale: f64) -> Vec<f64> {
    let len: usize = SHAPES
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    let entry = |index| ((step * 7 + index * 3) as f64).sin() * scale / (1 + step) as f64;
    (0..len as u64).map(entry).collect()
}

/// One spec of one optimizer.
struct Kit<'a> {
    entry: Entry,
    spec: &'a Spec,
}

impl Kit<'_> {
    fn build(&self) -> Box<dyn Update> {
        match self.entry.build.optimizer(self.spec) {
            Ok(optimizer) => optimizer.update,
            Err(error) => panic!("{}: {error}", self.spec),
        }
    }

    /// Its own rate, but none at which gradient descent leaves the bowl: schedule-free SGD's is 1.
    fn lr(&self) -> f64 {
        match crate::plan::rate_of(self.entry, &self.canonical()) {
            Ok(Some((lr, _))) if self.build().reevaluates() => lr,
            Ok(Some((lr, _))) => lr.min(0.1),
            _ => 1.0,
        }
    }

    fn canonical(&self) -> Spec {
        let built = self.entry.build.optimizer(self.spec);
        built.map_or_else(|_| self.spec.clone(), |built| built.spec)
    }

    /// From the start, down the coupled bowl, in f64 on flex.
    fn descent(&self) -> Descent<'static> {
        self.descent_on(&flex(), DType::F64)
    }

    fn descent_on(&self, device: &Device, dtype: DType) -> Descent<'static> {
        Descent::new(self.build(), start(device, dtype), coupled, 1.0)
    }

    fn canonical_specs_build_themselves_again(&self) {
        let canonical = self.canonical();
        let reread: Spec = canonical.to_string().parse().unwrap();
        let again = self.entry.build.optimizer(&reread).map(|built| built.spec);
        assert_eq!(again.as_ref(), Ok(&canonical), "{}", self.spec);
    }

    fn rate_zero_is_the_identity(&self) {
        let mut still = self.descent();
        let before = still.values();
        still.run(0..5, 0.0);
        assert_eq!(still.values(), before, "{} at rate 0", self.spec);
        let mut moving = self.descent();
        moving.run(0..5, self.lr());
        assert_ne!(moving.values(), before, "{} does not move", self.spec);
    }

    fn steps_are_finite_for_every_finite_gradient(&self) {
        let scales = [
            (DType::F32, [0.0, 1e-15, 1e15]),
            (DType::F64, [0.0, 1e-20, 1e20]),
        ];
        for (dtype, scales) in scales {
            for scale in scales {
                let update = self.build();
                let start = start(&flex(), dtype);
                let mut descent = Descent::along(update, start, |step| gradient(step, scale));
                for index in 0..5 {
                    // A rule that searches may say that there is no way down a plane.
                    if descent.try_step(&Step::new(index, self.lr())).is_err() {
                        break;
                    }
                    let found = descent.values().concat();
                    assert!(
                        found.iter().all(|value| value.is_finite()),
                        "{} with gradients times {scale:e} in {dtype:?}: {found:?}",
                        self.spec
                    );
                }
            }
        }
    }

    fn a_resumed_run_is_the_uninterrupted_one(&self) {
        let lr = self.lr();
        let mut whole = self.descent();
        whole.run(0..7, lr);
        let mut first = self.descent();
        first.run(0..3, lr);
        let mut second = self.descent();
        let state = first.update.state();
        second
            .update
            .load_state(state.clone(), &paths(), &flex().autodiff())
            .unwrap();
        second.parameters = first.parameters.clone();
        second.run(3..7, lr);
        assert_eq!(second.values(), whole.values(), "{} resumed", self.spec);
        let kept = |one: &firebrick_core::update::ParameterState| !one.tensors.is_empty();
        if state.parameters.values().any(kept) {
            let mut forgetful = self.descent();
            forgetful.parameters = first.parameters.clone();
            forgetful.run(3..7, lr);
            // A rule that takes signs shows it where they change.
            let changing = |state: Option<firebrick_core::update::UpdateState>| {
                let mut update = self.build();
                if let Some(state) = state {
                    update.load_state(state, &paths(), &flex()).unwrap();
                }
                let start = start(&flex(), DType::F64);
                let mut along = Descent::along(update, start, |step| gradient(step, 1.0));
                (3..7).all(|index| along.try_step(&Step::new(index, lr)).is_ok());
                along.values()
            };
            let differs =
                forgetful.values() != whole.values() || changing(Some(state)) != changing(None);
            assert!(differs, "{}: the state does not matter", self.spec);
        }
    }

    fn states_of_others_are_refused(&self) {
        let mut descent = self.descent();
        descent.run(0..2, self.lr());
        let state = descent.update.state();
        let refused = |state, why: &str| {
            let mut fresh = self.build();
            let Err(error) = fresh.load_state(state, &paths(), &flex()) else {
                panic!("{}: {why} was taken", self.spec);
            };
            error.to_string()
        };
        let mut other = state.clone();
        other.name = "another".into();
        let message = refused(other, "another optimizer's state");
        assert!(message.contains("another"), "{}: {message}", self.spec);
        let mut short = state.clone();
        if short.parameters.remove("weight").is_some() {
            let message = refused(short, "a state without a parameter");
            assert!(message.contains("`weight`"), "{}: {message}", self.spec);
        }
        let mut surplus = state;
        surplus.parameters.insert("head".into(), Default::default());
        let message = refused(surplus, "a state of another model");
        assert!(message.contains("`head`"), "{}: {message}", self.spec);
    }

    fn groups_scale_the_rate(&self) {
        let with = |lr: f64, factors: &[GroupFactors]| {
            let mut descent = self.descent();
            for index in 0..4 {
                descent.step(&Step {
                    groups: factors,
                    ..Step::new(index, lr)
                });
            }
            descent.values()
        };
        let factors = |lr| {
            [GroupFactors {
                lr,
                weight_decay: 1.0,
            }; 3]
        };
        let lr = self.lr();
        if !self.build().reevaluates() {
            let (halved, half) = (with(lr, &factors(0.5)), with(lr * 0.5, &[]));
            assert_eq!(halved, half, "{}: half the rate for all groups", self.spec);
        }
        let mut still = factors(1.0);
        still[1].lr = 0.0;
        let found = with(lr, &still);
        let before = self.descent().values();
        assert_eq!(found[1], before[1], "{}: a group with rate 0", self.spec);
        assert_ne!(found[0], before[0], "{}: the group beside it", self.spec);
    }

    fn parameters_without_gradient_are_left_alone(&self) {
        let mut descent = self.descent();
        let evaluate = descent.evaluate;
        descent.evaluate = Box::new(move |step, at| {
            let (loss, mut gradients) = evaluate(step, at);
            gradients.0[1] = None;
            (loss, gradients)
        });
        let before = descent.values();
        descent.run(0..3, self.lr());
        let after = descent.values();
        assert_eq!(after[1], before[1], "{}: without a gradient", self.spec);
        assert_ne!(after[0], before[0], "{}: the one beside it", self.spec);
    }

    fn every_device_steps_alike(&self) {
        let lr = self.lr();
        let mut reference = self.descent_on(&flex(), DType::F32);
        reference.run(0..1, lr);
        let first = reference.values();
        reference.run(1..5, lr);
        let (middle, state) = (reference.values(), reference.update.state());
        reference.run(5..8, lr);
        let last = reference.values();
        for (name, device) in devices() {
            let dtypes = if name == "wgpu" {
                &[DType::F32][..]
            } else {
                &[DType::F32, DType::F64]
            };
            for dtype in dtypes {
                let mut descent = self.descent_on(&device, *dtype);
                let place = format!("{} on {name} in {dtype:?}", self.spec);
                let near = |found: Vec<Vec<f64>>, expected: &[Vec<f64>]| {
                    for (found, expected) in found.concat().iter().zip(expected.concat()) {
                        assert!(
                            (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                            "{place}: {found} for {expected}"
                        );
                    }
                };
                descent.run(0..1, lr);
                near(descent.values(), &first);
                // On from a later state of the reference: where the first gradients leave directions
                // open, rounding alone decides what SOAP does along them.
                let mut state = state.clone();
                let kept = state.parameters.values_mut();
                for tensor in kept.flat_map(|one| one.tensors.values_mut()) {
                    *tensor = tensor.clone().cast(*dtype);
                }
                descent.update.load_state(state, &paths(), &device).unwrap();
                for (one, values) in descent.parameters.0.iter_mut().zip(&middle) {
                    one.value = tensor(values, &device, *dtype);
                }
                descent.run(5..8, lr);
                near(descent.values(), &last);
                let state = descent.update.state();
                let kept = state
                    .parameters
                    .values()
                    .flat_map(|one| one.tensors.values());
                let stepped = descent.parameters.0.iter().map(|one| &one.value);
                for tensor in stepped.chain(kept) {
                    let found = (tensor.dtype(), tensor.device());
                    assert_eq!(found, (*dtype, device.clone()), "{place}");
                }
                for (one, (path, shape)) in descent.parameters.0.iter().zip(SHAPES) {
                    assert_eq!((one.path.as_str(), &*one.shape), (path, shape), "{place}");
                }
            }
        }
    }

    fn memory_is_what_the_registry_says(&self) {
        let mut descent = self.descent();
        descent.run(0..4, self.lr());
        let mut state = descent.update.state();
        for (path, shape) in SHAPES {
            let one = state.parameters.remove(path).unwrap_or_default();
            let kept: usize = one.tensors.values().map(|tensor| tensor.dims()[0]).sum();
            let said = (self.entry.build.memory)(self.spec, shape).unwrap();
            // A rule that searches may fill its history as it goes.
            let fits = kept == said || self.build().reevaluates() && 0 < kept && kept < said;
            assert!(
                fits,
                "{}: {kept} elements kept for `{path}`, not {said}",
                self.spec
            );
        }
    }

    /// With one of several rates, the loss falls below a share of the first.
    fn it_converges(
        &self,
        objective: Objective,
        name: &str,
        start: &[f64],
        steps: u64,
        share: f64,
    ) {
        let (first, _) = objective(start);
        let own = self.lr();
        let rates = [1.0, 10.0, 100.0, 4.0, 0.2, 0.1, 1000.0, 0.01].map(|factor| own * factor);
        let mut best = f64::INFINITY;
        for lr in rates {
            let named = [("point", &[start.len()][..], start.to_vec())];
            let parameters = parameters(&named, &flex(), DType::F64);
            let mut descent = Descent::new(self.build(), parameters, objective, 1.0);
            let mut at = first;
            for index in 0..steps {
                if descent.try_step(&Step::new(index, lr)).is_err() {
                    break;
                }
                let view = descent.update.evaluation_view(&descent.parameters);
                let place = view.as_ref().unwrap_or(&descent.parameters);
                at = objective(&values(place).concat()).0;
                if at <= share * first {
                    return;
                }
                if !at.is_finite() {
                    break;
                }
            }
            best = best.min(at);
        }
        panic!(
            "{} goes from {first} to {best:.3e} on {name} at best, in {steps} steps",
            self.spec
        );
    }
}

fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}
