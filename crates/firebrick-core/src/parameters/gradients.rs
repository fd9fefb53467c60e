//! Gradients of a module's trainable parameters, in order.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients as BurnGradients, Tensor};

use crate::kernels::step::{self, Formula, Real, Tensors};

/// Gradients in the order of [`Parameters`](super::Parameters); `None` where the loss does not depend on one.
#[derive(Debug, Clone)]
pub struct Gradients(pub Vec<Option<Tensor<1>>>);

impl Gradients {
    /// Takes the gradients of the module's trainable parameters out of a finished backward pass.
    pub fn take<M: Module>(module: &M, gradients: &mut BurnGradients) -> Self {
        struct Take<'a>(&'a mut BurnGradients, Vec<Option<Tensor<1>>>);
        impl ModuleVisitor for Take<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    let gradient = param.val().grad_remove(self.0);
                    self.1.push(gradient.map(|gradient| {
                        let count = gradient.shape().num_elements();
                        gradient.reshape([count])
                    }));
                }
            }
        }
        let mut take = Take(gradients, Vec::new());
        module.visit(&mut take);
        Self(take.1)
    }

    /// Refuses gradients that are not one for each of so many parameters.
    ///
    /// # Errors
    /// Both numbers.
    pub fn check_count(&self, parameters: usize) -> Result<(), String> {
        match self.0.len() {
            count if count == parameters => Ok(()),
            count => Err(format!(
                "there are {parameters} parameters, but {count} gradients"
            )),
        }
    }

    /// Adds `weight` times `other`, parameter by parameter.
    #[must_use]
    pub fn add_scaled(self, other: Self, weight: f64) -> Self {
        let mut both = Vec::new();
        let pairs = self.0.into_iter().zip(other.0).map(|pair| match pair {
            (Some(a), Some(b)) => {
                both.push(Tensors {
                    formula: AddScaled(weight),
                    written: [a],
                    read: [b],
                });
                None
            }
            (Some(a), None) => Some(Some(a)),
            (None, b) => Some(b.map(|b| b * weight)),
        });
        let pairs: Vec<_> = pairs.collect();
        let mut sums = step::apply(both).into_iter().map(|[sum]| sum);
        Self(
            pairs
                .into_iter()
                .map(|one| one.unwrap_or_else(|| sums.next()))
                .collect(),
        )
    }

    /// Multiplies every gradient.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        self.each(Scale(factor))
    }

    /// Clamps every entry to [-limit, limit].
    #[must_use]
    pub fn clip_value(self, limit: f64) -> Self {
        self.each(Clamp(limit))
    }

    fn each(self, formula: impl Formula<1, 0>) -> Self {
        let count = self.0.iter().flatten().count();
        self.by_formulas(vec![formula; count])
    }

    /// Multiplies each gradient that is there by a factor of its own; a factor of 1 changes no bit.
    pub(crate) fn scale_each(self, factors: Vec<f64>) -> Self {
        self.by_formulas(factors.into_iter().map(Scale).collect())
    }

    /// A formula for each gradient that is there.
    fn by_formulas(self, formulas: Vec<impl Formula<1, 0>>) -> Self {
        let there: Vec<_> = self.0.iter().map(Option::is_some).collect();
        let gradients = self.0.into_iter().flatten().zip(formulas);
        let tensors = gradients.map(|(gradient, formula)| Tensors {
            formula,
            written: [gradient],
            read: [],
        });
        let mut changed = step::apply(tensors.collect())
            .into_iter()
            .map(|[changed]| changed);
        Self(
            there
                .into_iter()
                .map(|there| if there { changed.next() } else { None })
                .collect(),
        )
    }

    /// Scales all gradients together so that their joint 2-norm `norm` is at most `limit`
    /// (PyTorch's `clip_grad_norm_`: the factor is `limit / (norm + 1e-6)` where that is below 1).
    #[must_use]
    pub fn clip_norm(self, norm: f64, limit: f64) -> Self {
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            self.scale(factor)
        } else {
            self
        }
    }

    /// The joint 2-norm over all parameters: not finite when any gradient is not.
    ///
    /// With the kernels it is summed in f64 and finite whenever the gradients are; by burn's
    /// operations squares beyond the gradients' type overflow.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.squares().into_iter().sum::<f64>().sqrt()
    }

    /// The sum of squares of each gradient that is there, in order.
    pub(crate) fn squares(&self) -> Vec<f64> {
        let gradients: Vec<_> = self.0.iter().flatten().collect();
        if gradients.is_empty() {
            return Vec::new();
        }
        if let Some(sums) = step::sums_of_squares(&gradients) {
            return sums;
        }
        let squares = gradients
            .into_iter()
            .map(|gradient| gradient.clone().powi_scalar(2).sum());
        // One transfer for all: on a GPU each one waits for the queue.
        let squares = Tensor::cat(squares.collect(), 0).into_data();
        squares.iter::<f64>().collect()
    }

    /// The position of the first gradient with an entry that is not finite.
    #[must_use]
    pub fn first_not_finite(&self) -> Option<usize> {
        let finite = |gradient: &Tensor<1>| match step::sums_of_squares(&[gradient]) {
            Some(sums) => sums[0].is_finite(),
            None => {
                let largest = gradient.clone().abs().max().into_scalar::<f32>();
                largest.is_finite() && !gradient.clone().is_nan().any().into_scalar::<bool>()
            }
        };
        self.0
            .iter()
            .position(|gradient| gradient.as_ref().is_some_and(|gradient| !finite(gradient)))
    }
}

/// a + weight · b
#[derive(Debug, Clone, Copy)]
struct AddScaled(f64);

impl Formula<1, 1> for AddScaled {
    #[inline(always)]
    fn apply<R: Real>(&self, [a]: [R; 1], [b]: [R; 1]) -> [R; 1] {
        [a + b * self.0]
    }
}

#[derive(Debug, Clone, Copy)]
struct Scale(f64);

impl Formula<1, 0> for Scale {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], []: [R; 0]) -> [R; 1] {
        [value * self.0]
    }
}

/// Into [-limit, limit].
#[derive(Debug, Clone, Copy)]
struct Clamp(f64);

impl Formula<1, 0> for Clamp {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], []: [R; 0]) -> [R; 1] {
        [value.clamp(-self.0, self.0)]
    }
}
