//! Parameters on their way down a function.

use burn::tensor::{DType, Device, Tensor, TensorData, Transaction};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::update::{Step, Update, UpdateError};

use super::objectives::Objective;

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
    // One transfer for all: on a GPU each one waits for the queue.
    let all = parameters
        .0
        .iter()
        .fold(Transaction::default(), |all, one| {
            all.register(one.value.clone())
        });
    let numbers = |data: TensorData| data.iter::<f64>().collect();
    all.execute().into_iter().map(numbers).collect()
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
