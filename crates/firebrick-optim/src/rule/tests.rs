//! What the tests of single optimizers share.

use burn::tensor::{DType, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::update::{ParameterState, Step, Update};

/// Steps one parameter of one f64 value on flex, and gives its values and its last state.
pub(crate) fn descend(
    update: Box<dyn Update>,
    lr: f64,
    gradients: &[f64],
) -> (Vec<f64>, ParameterState) {
    descend_at(update, &vec![lr; gradients.len()], gradients)
}

/// The same with a rate for each step.
pub(crate) fn descend_at(
    mut update: Box<dyn Update>,
    rates: &[f64],
    gradients: &[f64],
) -> (Vec<f64>, ParameterState) {
    let device = firebrick_core::device("flex").unwrap();
    let tensor =
        |value: f64| Tensor::<1>::from_data(TensorData::from([value]), (&device, DType::F64));
    let mut value = tensor(1.0);
    let mut values = Vec::new();
    for (index, (gradient, &lr)) in gradients.iter().zip(rates).enumerate() {
        let parameter = Parameter {
            path: "p".into(),
            shape: vec![1],
            value,
        };
        let step = Step::new(index as u64, lr);
        let gradients = Gradients(vec![Some(tensor(*gradient))]);
        let mut no_search = |_: &Parameters| panic!("no rule here looks ahead");
        let updated = update.step(
            &step,
            Parameters(vec![parameter]),
            gradients,
            &mut no_search,
        );
        value = updated.unwrap().0.remove(0).value;
        values.push(value.clone().into_scalar::<f64>());
    }
    let state = update.state().parameters.remove("p");
    (values, state.unwrap_or_default())
}

/// Compares what was computed by hand.
pub(crate) fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-14,
            "{found} is not {expected}"
        );
    }
}

/// The single element of a state tensor.
pub(crate) fn kept(state: &ParameterState, what: &str) -> f64 {
    state.tensors[what].clone().into_scalar::<f64>()
}
