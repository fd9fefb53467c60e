//! `soap`: Adam in the eigenbasis of Shampoo's preconditioner.
//!
//! ```text
//! Gᵢ ← β · Gᵢ + (1 - β) · M Mᵀ      for each dimension i of the tensor; M is the gradient, unfolded along i
//! at the first step: Qᵢ ← the eigenvectors of Gᵢ, by falling eigenvalue, and nothing else
//! later, with t counted from the second step:
//! m ← beta1 · m + (1 - beta1) · g
//! v ← beta2 · v + (1 - beta2) · (g in the bases Q)²
//! θ ← θ - lr · √(1 - beta2ᵗ) / (1 - beta1ᵗ) · (m in the bases / (√v + eps)) back from the bases
//! θ ← θ - lr · weight_decay · θ
//! every precondition_frequency steps: Qᵢ ← the orthogonal factor of Gᵢ · Qᵢ, its columns and v ordered
//! by falling eigenvalue
//! ```
//!
//! β is `shampoo_beta`. A dimension of more than `max_precondition_dim` keeps no matrices and is not
//! turned, which bounds the memory to 2 · d² for each dimension beside Adam's; so does a vector,
//! unless `precondition_1d`. Signs of eigenvectors are arbitrary and do not show in the values.
//!
//! Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", ICLR 2025, algorithm 3.
//! Reference: pytorch_optimizer's `SOAP` with its default `merge_dims=False`; as there, the first
//! step moves nothing, weight decay comes after the step and corrections leave `eps` alone.
//!
//! Differs from the reference: decompositions are in f64 on the host (there the QR is in f32), which
//! waits for the device, so `max_precondition_dim` is 256 by default (there 10000); without a
//! `shampoo_beta` it is `beta2`, as there; `eps = 0` is refused, since a zero gradient would give
//! 0 / 0. Where gradients span fewer than d - 1 directions at first, their complement has no basis of
//! its own, and implementations differ. Burn has none.

use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::linear_algebra::{columns, eigenvectors, falling, orthogonal, product};
use crate::rule::{Rule, StateNames, Stepping};

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";
/// For as many dimensions as a parameter has.
const OUTER: [&str; 5] = ["gg0", "gg1", "gg2", "gg3", "gg4"];
const BASES: [&str; 5] = ["q0", "q1", "q2", "q3", "q4"];

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Soap {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the mean gradient that is kept at each step.
    pub beta1: f64,
    /// Share of the mean square that is kept at each step.
    pub beta2: f64,
    /// Share of the preconditioners that is kept at each step; without it, `beta2`.
    pub shampoo_beta: Option<f64>,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Steps from one basis to the next.
    pub precondition_frequency: u64,
    /// The largest dimension with a basis.
    pub max_precondition_dim: u64,
    /// Whether vectors have a basis.
    pub precondition_1d: bool,
    /// Corrects the moments for their start.
    pub correct_bias: bool,
    /// Scales each tensor's direction to a root mean square of 1.
    pub normalize_gradient: bool,
}

impl Default for Soap {
    fn default() -> Self {
        Self {
            lr: 3e-3,
            beta1: 0.95,
            beta2: 0.95,
            shampoo_beta: None,
            eps: 1e-8,
            weight_decay: 1e-2,
            precondition_frequency: 10,
            max_precondition_dim: 256,
            precondition_1d: false,
            correct_bias: true,
            normalize_gradient: false,
        }
    }
}

impl Configure for Soap {
    const ABOUT: About = About {
        name: "soap",
        aliases: &[],
        summary: "Adam in the eigenbasis of Shampoo's preconditioner",
        source: "Vyas et al. 2025, arXiv:2409.11321, algorithm 3",
        fields: &[
            Field::LR,
            Field::new("beta1", Range::Share),
            Field::new("beta2", Range::Share),
            Field::new("shampoo_beta", Range::Share),
            Field::EPS,
            Field::WEIGHT_DECAY,
            Field::new("precondition_frequency", Range::Count(1)),
            Field::new("max_precondition_dim", Range::Count(1)),
            Field::new("precondition_1d", Range::Flag),
            Field::new("correct_bias", Range::Flag),
            Field::new("normalize_gradient", Range::Flag),
        ],
        cost: "for each dimension d four products with a d × d matrix; now and then a QR on the host",
    };
}

/// A tensor unfolded along one dimension: `[dim, all others]`.
fn unfold(tensor: Tensor<1>, shape: &[usize], axis: usize) -> Tensor<2> {
    let [before, dim, after] = around(shape, axis);
    let tensor = tensor.reshape([before, dim, after]).swap_dims(0, 1);
    tensor.reshape([dim, before * after])
}

fn fold(matrix: Tensor<2>, shape: &[usize], axis: usize) -> Tensor<1> {
    let [before, dim, after] = around(shape, axis);
    let tensor = matrix.reshape([dim, before, after]).swap_dims(0, 1);
    tensor.reshape([before * dim * after])
}

/// Elements before the dimension, in it, and behind it.
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    let [before, after] = [&shape[..axis], &shape[axis + 1..]].map(|part| part.iter().product());
    [before, shape[axis], after]
}

/// A matrix on the host.
fn host(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

impl Soap {
    /// Whether a dimension has a basis.
    fn turns(&self, shape: &[usize], axis: usize) -> bool {
        axis < BASES.len()
            && shape[axis] as u64 <= self.max_precondition_dim
            && (shape.len() > 1 || self.precondition_1d)
    }

    fn turned<'a>(&self, shape: &'a [usize]) -> impl Iterator<Item = usize> + use<'a, '_> {
        (0..shape.len()).filter(|&axis| self.turns(shape, axis))
    }

    /// Into the bases, or back.
    fn project(&self, tensor: Tensor<1>, one: &Stepping<'_>, back: bool) -> Tensor<1> {
        self.turned(one.shape).fold(tensor, |tensor, axis| {
            let dim = one.shape[axis];
            let basis = one.state.tensors[BASES[axis]].clone().reshape([dim, dim]);
            let basis = if back { basis } else { basis.transpose() };
            fold(
                basis.matmul(unfold(tensor, one.shape, axis)),
                one.shape,
                axis,
            )
        })
    }

    fn observe(&self, one: &mut Stepping<'_>) {
        let keep = self.shampoo_beta.unwrap_or(self.beta2);
        for axis in self.turned(one.shape) {
            let dim = one.shape[axis];
            let matrix = unfold(one.gradient.clone(), one.shape, axis);
            let outer = matrix
                .clone()
                .matmul(matrix.transpose())
                .reshape([dim * dim]);
            let before = one.state.take_or_zeros(OUTER[axis], &outer);
            let mean = before * keep + outer * (1.0 - keep);
            one.state.tensors.insert(OUTER[axis].into(), mean);
        }
    }

    /// The bases of the first step.
    fn begin(&self, one: &mut Stepping<'_>) {
        for axis in self.turned(one.shape) {
            let outer = &one.state.tensors[OUTER[axis]];
            let basis = eigenvectors(&host(outer), one.shape[axis]);
            Self::set_basis(one, axis, basis);
        }
    }

    /// The next bases, by a step of power iteration.
    fn turn(&self, one: &mut Stepping<'_>) {
        for axis in self.turned(one.shape) {
            let dim = one.shape[axis];
            let [outer, basis] = [OUTER, BASES].map(|names| host(&one.state.tensors[names[axis]]));
            let moved = product(&outer, &basis, dim);
            let value = |j| {
                (0..dim)
                    .map(|i| basis[i * dim + j] * moved[i * dim + j])
                    .sum()
            };
            let values: Vec<f64> = (0..dim).map(value).collect();
            let order = falling(&values);
            Self::set_basis(one, axis, orthogonal(&columns(&moved, dim, &order), dim));
            let order: Vec<_> = order.into_iter().map(|at| at as i64).collect();
            let order = TensorData::new(order, [dim]);
            let order = Tensor::<1, Int>::from_data(order, &one.value.device());
            let square = one.state.take_or_zeros(SQUARE, &one.value);
            let square = unfold(square, one.shape, axis).select(0, order);
            let square = fold(square, one.shape, axis);
            one.state.tensors.insert(SQUARE.into(), square);
        }
    }

    fn set_basis(one: &mut Stepping<'_>, axis: usize, basis: Vec<f64>) {
        let (device, dtype) = (one.value.device(), one.value.dtype());
        let len = basis.len();
        let basis = Tensor::from_data(TensorData::new(basis, [len]), (&device, dtype));
        one.state.tensors.insert(BASES[axis].into(), basis);
    }

    fn updated(&self, mut one: Stepping<'_>) -> Tensor<1> {
        let now = one.now;
        if now.step == 1 {
            for name in [MEAN, SQUARE] {
                let zeros = one.value.zeros_like();
                one.state.tensors.insert(name.into(), zeros);
            }
            self.observe(&mut one);
            self.begin(&mut one);
            return one.value;
        }
        let step = now.step - 1;
        let (beta1, beta2) = (now.momentum(self.beta1), self.beta2);
        let projected = self.project(one.gradient.clone(), &one, false);
        let mean = one.state.take_or_zeros(MEAN, &one.value) * beta1
            + one.gradient.clone() * (1.0 - beta1);
        let square = one.state.take_or_zeros(SQUARE, &one.value) * beta2
            + projected.clone() * projected * (1.0 - beta2);
        let divisor = square.clone().sqrt() + self.eps;
        let state = [(MEAN.to_string(), mean.clone()), (SQUARE.into(), square)];
        one.state.tensors.extend(state);
        let direction = self.project(mean, &one, false) / divisor;
        let direction = self.project(direction, &one, true);
        let direction = if self.normalize_gradient {
            let size = (direction.clone() * direction.clone()).mean().sqrt();
            direction / (size + self.eps)
        } else {
            direction
        };
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let rate = if self.correct_bias {
            now.lr * correction(beta2).sqrt() / correction(beta1)
        } else {
            now.lr
        };
        let value = one.value.clone() - direction * rate;
        let value = now.decoupled(self.weight_decay).shrink(value);
        self.observe(&mut one);
        if step.is_multiple_of(self.precondition_frequency) {
            self.turn(&mut one);
        }
        value
    }
}

impl Rule for Soap {
    fn state(&self) -> StateNames {
        StateNames {
            tensors: &[MEAN, SQUARE],
            other: &[
                "gg0", "gg1", "gg2", "gg3", "gg4", "q0", "q1", "q2", "q3", "q4",
            ],
            ..StateNames::NONE
        }
    }

    fn state_size(&self, shape: &[usize]) -> usize {
        let turned = shape
            .iter()
            .enumerate()
            .filter(|at| self.turns(shape, at.0));
        let bases: usize = turned.map(|(_, dim)| 2 * dim * dim).sum();
        2 * shape.iter().product::<usize>() + bases
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        tensors.into_iter().map(|one| self.updated(one)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend};

    #[test]
    fn two_steps_of_a_vector_by_hand() {
        let soap = Soap {
            beta1: 0.5,
            beta2: 0.75,
            eps: 0.5,
            weight_decay: 1.0,
            ..Soap::default()
        };
        // Nothing; then m = 1, v = 1: 0.1 · √0.25 / 0.5 · 1 / (1 + 0.5), and a tenth goes.
        let (values, _) = descend(soap.build().unwrap(), 0.1, &[3.0, 2.0]);
        assert_near(&values, &[1.0, (1.0 - 0.1 / 1.5) * 0.9]);
    }

    #[test]
    fn large_dimensions_keep_no_matrices() {
        let soap = Soap {
            max_precondition_dim: 8,
            ..Soap::default()
        };
        assert_eq!(soap.state_size(&[16, 4]), 128 + 32);
        assert_eq!(soap.state_size(&[5]), 10);
        let vectors = Soap {
            precondition_1d: true,
            ..soap
        };
        assert_eq!(vectors.state_size(&[5]), 10 + 50);
        assert_eq!(vectors.state_size(&[9]), 18);
    }
}
