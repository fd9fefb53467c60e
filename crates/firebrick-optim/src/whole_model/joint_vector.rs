//! The parameters that a step changes, as one vector.

use std::collections::BTreeSet;

use burn::tensor::{DType, Tensor};
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::update::{Reevaluate, Step, UpdateError};

/// An update that cannot be made.
pub(crate) fn failed(name: &str, reason: String) -> UpdateError {
    UpdateError::Failed {
        name: name.into(),
        reason,
    }
}

/// The inner product.
pub(crate) fn dot(a: &Tensor<1>, b: &Tensor<1>) -> f64 {
    (a.clone() * b.clone()).sum().into_scalar::<f64>()
}

/// The largest magnitude.
pub(crate) fn largest(a: &Tensor<1>) -> f64 {
    a.clone().abs().max().into_scalar::<f64>()
}

/// The parameters that a step changes: those with a gradient in groups whose rate is not 0. Values
/// and gradients are one vector over them, in order.
pub(crate) struct JointVector {
    name: &'static str,
    /// Their positions, paths and lengths.
    pub(crate) which: Vec<usize>,
    pub(crate) paths: Vec<String>,
    pub(crate) lens: Vec<usize>,
}

impl JointVector {
    /// Fails unless there is a gradient entry for each parameter, no two parameters share a path,
    /// and those that are stepped share device and dtype.
    pub(crate) fn new(
        name: &'static str,
        step: &Step<'_>,
        parameters: &Parameters,
        gradients: &Gradients,
    ) -> Result<Self, UpdateError> {
        let counted = gradients.check_count(parameters.0.len());
        counted.map_err(|reason| failed(name, reason))?;
        let (Parameters(parameters), Gradients(gradients)) = (parameters, gradients);
        let mut seen = BTreeSet::new();
        if let Some(twice) = parameters.iter().find(|one| !seen.insert(&one.path)) {
            let path = &twice.path;
            return Err(failed(name, format!("two parameters are called `{path}`")));
        }
        let stepped = |index: &usize| gradients[*index].is_some() && step.group(*index).lr != 0.0;
        let which: Vec<_> = (0..parameters.len()).filter(stepped).collect();
        let kind = |one: &Parameter| (one.value.dtype(), one.value.device());
        if let Some((first, rest)) = which.split_first()
            && let Some(other) = rest
                .iter()
                .find(|other| kind(&parameters[**other]) != kind(&parameters[*first]))
        {
            return Err(failed(
                name,
                format!(
                    "`{}` and `{}` differ in data type or device, but this optimizer treats all parameters as one vector",
                    parameters[*first].path, parameters[*other].path
                ),
            ));
        }
        Ok(Self {
            name,
            paths: which
                .iter()
                .map(|at| parameters[*at].path.clone())
                .collect(),
            lens: which
                .iter()
                .map(|at| parameters[*at].value.dims()[0])
                .collect(),
            which,
        })
    }

    /// The learning rate that all of them share. Groups with other rates are refused: there is one
    /// step for all.
    pub(crate) fn rate(&self, step: &Step<'_>) -> Result<f64, UpdateError> {
        let mut factors = self.which.iter().map(|index| step.group(*index).lr);
        let first = factors.next().unwrap_or(1.0);
        if let Some((factor, path)) = factors
            .zip(&self.paths[1..])
            .find(|(factor, _)| *factor != first)
        {
            return Err(failed(
                self.name,
                format!(
                    "the groups multiply the learning rate of `{}` by {first} and that of `{path}` by {factor}, but this optimizer takes one step for all parameters together; give their groups the same factor, or freeze parameters with 0",
                    self.paths[0]
                ),
            ));
        }
        let lr = step.lr * first;
        if lr.is_finite() {
            Ok(lr)
        } else {
            Err(failed(self.name, format!("the learning rate is {lr}")))
        }
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.lens.iter().sum()
    }

    /// The values.
    pub(crate) fn values(&self, parameters: &Parameters) -> Tensor<1> {
        join(self.which.iter().map(|at| parameters.0[*at].value.clone()))
    }

    /// The gradient, zero where there is none.
    pub(crate) fn gradient(&self, parameters: &Parameters, gradients: Gradients) -> Tensor<1> {
        let mut gradients = gradients.0;
        join(self.which.iter().map(|at| {
            let gradient = gradients.get_mut(*at).and_then(Option::take);
            gradient.unwrap_or_else(|| parameters.0[*at].value.zeros_like())
        }))
    }

    /// The parameters with other values.
    pub(crate) fn with(&self, parameters: &Parameters, values: &Tensor<1>) -> Parameters {
        let mut changed = parameters.clone();
        for (at, value) in self.which.iter().zip(self.split(values)) {
            changed.0[*at].value = value;
        }
        changed
    }

    /// A vector, parameter by parameter.
    pub(crate) fn split(&self, vector: &Tensor<1>) -> Vec<Tensor<1>> {
        split(vector, &self.lens)
    }

    /// The loss and its gradient at other values.
    pub(crate) fn evaluate(
        &self,
        parameters: &Parameters,
        values: &Tensor<1>,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<(f64, Tensor<1>), UpdateError> {
        let there = self.with(parameters, values);
        let (loss, gradients) = reevaluate(&there)?;
        Ok((loss, self.gradient(parameters, gradients)))
    }

    /// H · v, where H is the Hessian at `values`, as the central difference of two gradients:
    /// `(g(θ + h·v) - g(θ - h·v)) / 2h` with `h = ∛ε · (1 + ‖θ‖) / ‖v‖`, ε that of the dtype.
    pub(crate) fn hessian_product(
        &self,
        parameters: &Parameters,
        values: &Tensor<1>,
        v: &Tensor<1>,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Tensor<1>, UpdateError> {
        let long = dot(v, v).sqrt();
        if long == 0.0 {
            return Ok(v.zeros_like());
        }
        let h = difference_width(values.dtype()) * (1.0 + dot(values, values).sqrt()) / long;
        let along = v.clone() * h;
        let (_, ahead) =
            self.evaluate(parameters, &(values.clone() + along.clone()), reevaluate)?;
        let (_, behind) = self.evaluate(parameters, &(values.clone() - along), reevaluate)?;
        Ok((ahead - behind) * (0.5 / h))
    }
}

/// ∛ε: the relative width of a central difference whose rounding and truncation are of one size,
/// about ε^⅔ (4e-11 in f64, 2e-5 in f32).
pub(crate) fn difference_width(dtype: DType) -> f64 {
    let epsilon: f64 = match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 1.0 / 1024.0,
        DType::BF16 => 1.0 / 128.0,
        _ => f64::from(f32::EPSILON),
    };
    epsilon.cbrt()
}

/// Several vectors as one.
pub(crate) fn join(vectors: impl Iterator<Item = Tensor<1>>) -> Tensor<1> {
    Tensor::cat(vectors.collect(), 0)
}

/// One vector as several.
pub(crate) fn split(vector: &Tensor<1>, lens: &[usize]) -> Vec<Tensor<1>> {
    let mut start = 0;
    let part = |len: &usize| {
        let range = start..start + len;
        start += len;
        vector.clone().slice([range])
    };
    lens.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_over_all_parameters_take_one_rate() {
        let device = firebrick_core::device("flex").unwrap();
        let one = |path: &str| Parameter {
            path: path.into(),
            shape: vec![1],
            value: Tensor::ones([1], &device),
        };
        let parameters = Parameters(vec![one("a"), one("b"), one("c")]);
        let gradient = || Some(Tensor::<1>::ones([1], &device));
        let gradients = Gradients(vec![gradient(), gradient(), gradient()]);
        let rate = |factors: [f64; 3]| {
            let groups = factors.map(|lr| firebrick_core::update::GroupFactors {
                lr,
                weight_decay: 1.0,
            });
            let step = Step {
                groups: &groups,
                ..Step::new(0, 0.5)
            };
            let joint = JointVector::new("rule", &step, &parameters, &gradients).unwrap();
            joint.rate(&step).map_err(|error| error.to_string())
        };
        assert_eq!(rate([0.5, 0.0, 0.5]), Ok(0.25));
        let error = rate([0.5, 0.0, 1.0]).unwrap_err();
        assert!(
            error.contains("`a`") && error.contains("`c`") && error.contains("0.5"),
            "{error}"
        );
    }
}
