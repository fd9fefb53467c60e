//! NaN or infinite losses and gradients: finds the layer, and undoes the step.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use firebrick_core::parameters::{Gradients, Parameters};

use crate::error::TrainError;

/// The error for an update whose loss or gradient norm is not finite.
pub(crate) fn error<M: Module>(
    model: &M,
    gradients: &Gradients,
    step: u64,
    loss: f64,
) -> TrainError {
    let layer = gradients
        .first_not_finite()
        .and_then(|at| Parameters::list(model).into_iter().nth(at))
        .map(|(path, _)| path);
    let what = if loss.is_finite() {
        "the gradient norm".to_string()
    } else {
        format!("the loss ({loss})")
    };
    TrainError::NonFinite { step, what, layer }
}

/// The same, for the batch of an update evaluated again at other parameters.
pub(crate) fn again<M: Module>(
    model: &M,
    gradients: &Gradients,
    step: u64,
    loss: f64,
) -> TrainError {
    let mut error = error(model, gradients, step, loss);
    if let TrainError::NonFinite { what, .. } = &mut error {
        *what += ", where the optimizer evaluates the batch again,";
    }
    error
}

/// The tensors that a forward pass changes without gradients: running statistics.
///
/// A batch that is left out must leave no trace in them either.
pub(crate) struct Buffers(Vec<Box<dyn std::any::Any>>);

impl Buffers {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        struct Collect(Vec<Box<dyn std::any::Any>>);
        impl ModuleVisitor for Collect {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if !param.is_require_grad() {
                    self.0.push(Box::new(param.val()));
                }
            }
        }
        let mut collect = Collect(Vec::new());
        model.visit(&mut collect);
        Self(collect.0)
    }

    pub(crate) fn restore<M: Module>(self, model: M) -> M {
        struct Restore(std::vec::IntoIter<Box<dyn std::any::Any>>);
        impl ModuleMapper for Restore {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if param.is_require_grad() {
                    return param;
                }
                match self
                    .0
                    .next()
                    .and_then(|kept| kept.downcast::<Tensor<D>>().ok())
                {
                    Some(kept) => param.map(|_| *kept),
                    None => param,
                }
            }
        }
        model.map(&mut Restore(self.0.into_iter()))
    }
}
