//! Golden passes through layers: tensors by the reference's keys, the output and every gradient, on every device of this
//! machine.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::state_dict::StateDict;
use serde::Deserialize;

/// Of the largest entry expected.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
pub(crate) struct Pass {
    pub(crate) parameters: BTreeMap<String, Array>,
    pub(crate) input: Array,
    pub(crate) cotangent: Array,
    pub(crate) output: Array,
    pub(crate) input_gradient: Array,
    pub(crate) gradients: BTreeMap<String, Array>,
}

#[derive(Deserialize)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Array {
    pub(crate) fn data(&self) -> TensorData {
        TensorData::new(self.values.clone(), self.shape.clone()).convert::<f32>()
    }

    pub(crate) fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(), device)
    }

    pub(crate) fn assert_near(&self, found: &TensorData, place: &str) {
        assert_eq!(found.shape().to_vec(), self.shape, "{place}");
        let sizes = self.values.iter().map(|value| value.abs());
        let largest = sizes.fold(1e-30_f64, f64::max);
        for (index, (found, expected)) in found.iter::<f64>().zip(&self.values).enumerate() {
            let error = (found - expected).abs() / largest;
            assert!(
                error <= TOLERANCE,
                "{place}[{index}]: {found} is not {expected}"
            );
        }
    }
}

/// Loads the reference's tensors under its keys; every key must be one of the layer's.
pub(crate) fn loaded<M: Module>(module: M, tensors: &BTreeMap<String, Array>) -> M {
    let mut dict = StateDict::of(&module);
    for (key, array) in tensors {
        assert!(
            dict.tensors.insert(key.clone(), array.data()).is_some(),
            "{key}"
        );
    }
    dict.load_into(module).unwrap()
}

pub(crate) fn on_devices(check: impl Fn(&str, &Device)) {
    for name in ["flex", "ndarray", "wgpu"] {
        match firebrick_core::device(name) {
            Ok(device) => check(name, &device.autodiff()),
            Err(error) => println!("SKIPPED: {error}"),
        }
    }
}

/// Output and all gradients of a pass; parameters are found by the reference's keys.
pub(crate) fn check<M: Module, const D: usize>(
    pass: &Pass,
    module: &M,
    forward: impl Fn(&M, Tensor<D>) -> Tensor<D>,
    device: &Device,
    place: &str,
) {
    let input = pass.input.tensor(device).require_grad();
    let output = forward(module, input.clone());
    pass.output.assert_near(&output.to_data(), place);
    let mut gradients = (output * pass.cotangent.tensor(device)).sum().backward();
    let own = input.grad(&gradients).unwrap();
    pass.input_gradient
        .assert_near(&own.to_data(), &format!("{place}: input gradient"));
    let found = Gradients::take(module, &mut gradients);
    let parameters = Parameters::list(module);
    assert_eq!(parameters.len(), pass.gradients.len(), "{place}");
    for ((path, shape), gradient) in parameters.into_iter().zip(found.0) {
        let expected = &pass.gradients[&path];
        let values: Vec<f32> = gradient.unwrap().to_data().iter::<f32>().collect();
        let mut data = TensorData::new(values, shape.clone());
        if let ([rows, columns], true) = (&shape[..], shape != expected.shape) {
            // A linear weight lies `[in, out]`.
            let matrix = Tensor::<2>::from_data(data, device);
            assert_eq!([*columns, *rows], expected.shape[..]);
            data = matrix.transpose().to_data();
        }
        expected.assert_near(&data, &format!("{place}: gradient of {path}"));
    }
}
