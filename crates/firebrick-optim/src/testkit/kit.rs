//! What the contracts share: one spec of one optimizer, and where it begins.

use burn::tensor::{DType, Device};
use firebrick_core::parameters::Parameters;
use firebrick_core::spec::Spec;
use firebrick_core::update::Update;

use super::descent::{Descent, parameters};
use super::objectives::coupled;
use crate::about::Entry;
use crate::optimizer;

/// Shapes of the contracts' parameters: a vector, a linear weight, a convolution kernel.
pub(super) const SHAPES: [(&str, &[usize]); 3] = [
    ("bias", &[7]),
    ("weight", &[4, 3]),
    ("kernel", &[3, 2, 2, 2]),
];

/// Where the contracts begin.
pub(super) fn start(device: &Device, dtype: DType) -> Parameters {
    let named = SHAPES.map(|(path, shape)| {
        let len: usize = shape.iter().product();
        let value = |index| (2.1 * index as f64 + path.len() as f64).sin() + 0.1;
        (path, shape, (0..len).map(value).collect())
    });
    parameters(&named, device, dtype)
}

pub(super) fn paths() -> Vec<String> {
    SHAPES.map(|(path, _)| path.to_string()).to_vec()
}

/// Gradients that change from step to step.
pub(super) fn gradient(step: u64, scale: f64) -> Vec<f64> {
    let len: usize = SHAPES
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    let entry = |index| ((step * 7 + index * 3) as f64).sin() * scale / (1 + step) as f64;
    (0..len as u64).map(entry).collect()
}

/// One spec of one optimizer.
pub(super) struct Kit<'a> {
    pub(super) entry: Entry,
    pub(super) spec: &'a Spec,
}

impl Kit<'_> {
    pub(super) fn build(&self) -> Box<dyn Update> {
        match optimizer::build_entry(self.entry, self.spec) {
            Ok(optimizer) => optimizer.update,
            Err(error) => panic!("{}: {error}", self.spec),
        }
    }

    /// Its own rate, but none at which gradient descent leaves the bowl: schedule-free SGD's is 1.
    pub(super) fn lr(&self) -> f64 {
        match crate::rates::rate_of(self.entry, &self.canonical()) {
            Ok(Some((lr, _))) if self.build().reevaluates() => lr,
            Ok(Some((lr, _))) => lr.min(0.1),
            _ => 1.0,
        }
    }

    pub(super) fn canonical(&self) -> Spec {
        optimizer::build_entry(self.entry, self.spec)
            .map_or_else(|_| self.spec.clone(), |built| built.spec)
    }

    /// From the start, down the coupled bowl, in f64 on flex.
    pub(super) fn descent(&self) -> Descent<'static> {
        self.descent_on(&flex(), DType::F64)
    }

    pub(super) fn descent_on(&self, device: &Device, dtype: DType) -> Descent<'static> {
        Descent::new(self.build(), start(device, dtype), coupled, 1.0)
    }
}

pub(super) fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}
