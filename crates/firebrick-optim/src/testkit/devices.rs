//! The contract of devices: all of them step alike.

use std::sync::OnceLock;

use burn::tensor::{DType, Device};

use super::descent::tensor;
use super::kit::{Kit, SHAPES, flex, paths};

/// The devices of this machine. Asking for a GPU takes a while, and every spec asks.
fn devices() -> &'static [(&'static str, Device)] {
    static FOUND: OnceLock<Vec<(&str, Device)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = ["flex", "ndarray", "wgpu"].map(|name| match firebrick_core::device(name) {
            Ok(device) => Some((name, device)),
            Err(error) => {
                eprintln!("SKIPPED: {error}");
                None
            }
        });
        found.into_iter().flatten().collect()
    })
}

impl Kit<'_> {
    pub(super) fn every_device_steps_alike(&self) {
        let lr = self.lr();
        let mut reference = self.descent_on(&flex(), DType::F32);
        reference.run(0..1, lr);
        let first = reference.values();
        reference.run(1..5, lr);
        let (middle, state) = (reference.values(), reference.update.state());
        reference.run(5..8, lr);
        let last = reference.values();
        for (name, device) in devices() {
            let dtypes = if *name == "wgpu" {
                &[DType::F32][..]
            } else {
                &[DType::F32, DType::F64]
            };
            for dtype in dtypes {
                let mut descent = self.descent_on(device, *dtype);
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
                descent.update.load_state(state, &paths(), device).unwrap();
                for (one, values) in descent.parameters.0.iter_mut().zip(&middle) {
                    one.value = tensor(values, device, *dtype);
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
}
