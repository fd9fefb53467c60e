//! `adafactor`: Adam with little memory: it keeps one number of the second moment for each row and each column.
//!
//! ```text
//! t ← t + 1,   β ← 1 - t^beta2_decay
//! θ ← θ - lr · weight_decay · θ
//! R ← β · R + (1 - β) · mean of g² along each row
//! C ← β · C + (1 - β) · mean of g² along each column
//! V ← R · C / max(mean of R, eps1)             a vector's V is the mean of g² itself
//! U ← g / √max(V, eps1²)
//! U ← U / max(1, rms(U) / d)
//! θ ← θ - min(lr, 1/√t) · max(eps2, rms(θ before decay)) · U
//! ```
//!
//! Rows and columns are the last two dimensions, so a linear weight keeps in + out numbers, and a
//! convolution kernel `[out, in, h, w]` an R of `[out, in, h]` and a C of `[out, in, w]`: PyTorch's
//! way, which saves a third for 3×3 and costs twice for 1×1. With `flatten` a kernel is a matrix
//! `[out, in · h · w]`, as its gradient is in a matrix product, and keeps out + in · h · w numbers.
//! Which of the two dimensions is the output does not matter.
//!
//! Source: Shazeer & Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018,
//! algorithms 4 and 5. Reference: PyTorch's `torch.optim.Adafactor`, with its deviations from the
//! paper: `lr` bounds the relative step (1e-2 in the paper) and scales a decoupled weight decay, and
//! `eps1` bounds V from below (there it joins g²).
//!
//! Differs from PyTorch's: `flatten`; R is divided before it is multiplied by C, so that huge
//! gradients do not overflow. Differs from burn's: rows and columns there are the last two
//! dimensions too, but its fields and defaults are the paper's.

use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Rule, StateNames, Stepping};

const ROWS: &str = "row_var";
const COLUMNS: &str = "col_var";
const SQUARE: &str = "variance";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adafactor {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule. The relative step is at most
    /// this.
    pub lr: f64,
    /// Power of the step by which the mean square forgets; the later, the less. At -1 it is the mean
    /// of all steps.
    pub beta2_decay: f64,
    /// What the mean square's root is at least. Without it, the machine epsilon of the parameter's
    /// type.
    pub eps1: Option<f64>,
    /// What the root mean square of a parameter counts at least.
    pub eps2: f64,
    /// Threshold of the update's root mean square.
    pub d: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Takes a convolution kernel as a matrix `[out, in · h · w]`.
    pub flatten: bool,
}

impl Default for Adafactor {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            beta2_decay: -0.8,
            eps1: None,
            eps2: 1e-3,
            d: 1.0,
            weight_decay: 0.0,
            flatten: false,
        }
    }
}

impl Configure for Adafactor {
    const ABOUT: About = About {
        name: "adafactor",
        aliases: &[],
        summary: "Adam that keeps the second moment by rows and columns, to save memory",
        source: "Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5",
        fields: &[
            Field::LR,
            Field::new("beta2_decay", Range::Within(-1.0, 0.0)),
            Field::new("eps1", Range::Positive),
            Field::new("eps2", Range::NotNegative),
            Field::new("d", Range::Positive),
            Field::WEIGHT_DECAY,
            Field::new("flatten", Range::Flag),
        ],
        cost: "several passes, three means of squares and two norms",
    };
}

/// The root of the mean square, `[1]`.
fn rms(tensor: &Tensor<1>) -> Tensor<1> {
    (tensor.clone() * tensor.clone()).mean().sqrt()
}

impl Adafactor {
    /// How many matrices of how many rows and columns a tensor is; none for a vector.
    fn matrices(&self, shape: &[usize]) -> Option<[usize; 3]> {
        match shape {
            [out, rest @ ..] if self.flatten && rest.len() > 1 => {
                Some([1, *out, rest.iter().product()])
            }
            [many @ .., rows, columns] => Some([many.iter().product(), *rows, *columns]),
            _ => None,
        }
    }

    fn eps1(&self, dtype: DType) -> f64 {
        let machine = dtype.finfo().map_or(f64::EPSILON, |info| info.epsilon);
        self.eps1.unwrap_or(machine)
    }

    /// The estimate of the mean square.
    fn square(&self, one: &mut Stepping<'_>, eps1: f64) -> Tensor<1> {
        let take = (one.now.step as f64).powf(self.beta2_decay);
        let mut mean = |name: &str, square: Tensor<1>| {
            let before = one.state.take_or_zeros(name, &square);
            let mean = before * (1.0 - take) + square * take;
            one.state.tensors.insert(name.into(), mean.clone());
            mean
        };
        let square = one.gradient.clone() * one.gradient.clone();
        let Some([many, rows, columns]) = self.matrices(one.shape) else {
            return mean(SQUARE, square);
        };
        let square = square.reshape([many, rows, columns]);
        let of_rows = square.clone().mean_dim(2).reshape([many * rows]);
        let of_columns = square.mean_dim(1).reshape([many * columns]);
        let of_rows = mean(ROWS, of_rows).reshape([many, rows, 1]);
        let of_columns = mean(COLUMNS, of_columns).reshape([many, 1, columns]);
        let share = of_rows.clone() / of_rows.mean_dim(1).clamp_min(eps1);
        (share * of_columns).reshape([many * rows * columns])
    }

    fn updated(&self, mut one: Stepping<'_>) -> Tensor<1> {
        let (now, eps1) = (one.now, self.eps1(one.value.dtype()));
        let root = self.square(&mut one, eps1).sqrt().clamp_min(eps1);
        let update = one.gradient / root;
        let excess = (rms(&update) / self.d).clamp_min(1.0);
        let relative = now.lr.min(1.0 / (now.step as f64).sqrt());
        let length = rms(&one.value).clamp_min(self.eps2) * relative;
        let value = now.decoupled(self.weight_decay).shrink(one.value);
        value - update * (length / excess)
    }
}

impl Rule for Adafactor {
    fn state(&self) -> StateNames {
        StateNames {
            optional: &[SQUARE],
            other: &[ROWS, COLUMNS],
            ..StateNames::NONE
        }
    }

    fn state_size(&self, shape: &[usize]) -> usize {
        match self.matrices(shape) {
            Some([many, rows, columns]) => many * (rows + columns),
            None => shape.iter().product(),
        }
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        tensors.into_iter().map(|one| self.updated(one)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, kept};

    #[test]
    fn two_steps_of_a_vector_by_hand() {
        let adafactor = Adafactor {
            beta2_decay: -1.0,
            d: 0.5,
            weight_decay: 1.0,
            ..Adafactor::default()
        };
        // v = 4, U = 1, halved by d; θ = 0.9 - 0.1 · 1 · 0.5. Then v = (4 + 16) / 2 and
        // U = 4 / √10, halved by d until its size is 0.5: 0.765 - 0.1 · 0.85 · 0.5.
        let (values, state) = descend(adafactor.build().unwrap(), 0.1, &[2.0, 4.0]);
        assert_near(&values, &[0.85, 0.85 * 0.9 - 0.1 * 0.85 * 0.5]);
        assert_near(&[kept(&state, SQUARE)], &[10.0]);
    }

    #[test]
    fn kernels_are_factored_by_their_last_dimensions_or_as_matrices() {
        let plain = Adafactor::default();
        assert_eq!(plain.matrices(&[8, 4, 3, 3]), Some([32, 3, 3]));
        assert_eq!(plain.state_size(&[8, 4, 3, 3]), 32 * 6);
        let flat = Adafactor {
            flatten: true,
            ..plain
        };
        assert_eq!(flat.state_size(&[8, 4, 3, 3]), 8 + 36);
        assert_eq!(flat.state_size(&[5, 7]), 12);
        assert_eq!(flat.state_size(&[5]), 5);
    }
}
