//! `muon`: momentum made orthogonal for matrices and convolution kernels, AdamW for the rest.
//!
//! ```text
//! b ← momentum · b + (1 - momentum) · g
//! u ← momentum · b + (1 - momentum) · g   if nesterov,   else b
//! X ← u as a matrix [out, in], or [out, in · h · w] for a kernel;   X ← X / max(|X|, eps)
//! A ← X · Xᵀ,   X ← c₀ · X + (c₁ · A + c₂ · A²) · X           ns_steps times: Newton-Schulz
//! θ ← θ - lr · weight_decay · θ - lr · scale · X
//! ```
//!
//! `scale` is √max(1, out / columns) for `adjust_lr_fn = original` (Jordan's), 0.2 · √max(out, columns)
//! for `match_rms_adamw` (Moonshot's: rates and decays of AdamW fit), √(out / columns) for
//! `spectral_unclamped` (Bernstein's). With the default coefficients the singular values of X come
//! to lie between 0.7 and 1.2, not at 1.
//!
//! Everything of less than two dimensions takes a step of `adamw` at `lr · adam_lr_ratio`, with the
//! `adam_` fields. Muon is made for hidden layers: a model's first and last layer often do better
//! with AdamW, which a group can give them.
//!
//! Sources: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; scales
//! from Liu et al., "Muon is Scalable for LLM Training", 2025. Reference: PyTorch's
//! `torch.optim.Muon`, and Jordan's flattening of kernels.
//!
//! Differs from PyTorch's: kernels and vectors are taken; the iteration runs in the parameter's own
//! type (there in bfloat16, so their results differ by about 1e-2). Differs from burn's: kernels
//! and vectors are taken, scalars are f64.

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::adamw::AdamW;
use crate::about::{About, Configure, Field, Range};
use crate::rule::{Rule, StateNames, Stepping};

const BUFFER: &str = "momentum_buffer";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Muon {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the value that goes at each step, times the learning rate.
    pub weight_decay: f64,
    /// Share of the buffer that is kept at each step.
    pub momentum: f64,
    /// Looks ahead along the buffer.
    pub nesterov: bool,
    /// Weights of the matrix, its third and its fifth power in the iteration.
    pub ns_coefficients: [f64; 3],
    /// What the norm of a matrix counts at least.
    pub eps: f64,
    /// Iterations.
    pub ns_steps: u64,
    /// How the rate follows the shape of the matrix.
    pub adjust_lr_fn: AdjustLr,
    /// AdamW's learning rate over this one, for what is no matrix.
    pub adam_lr_ratio: f64,
    /// AdamW's `beta1`.
    pub adam_beta1: f64,
    /// AdamW's `beta2`.
    pub adam_beta2: f64,
    /// AdamW's `eps`.
    pub adam_eps: f64,
    /// AdamW's weight decay.
    pub adam_weight_decay: f64,
}

/// How the rate follows the shape of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustLr {
    /// √max(1, rows / columns).
    Original,
    /// 0.2 · √max(rows, columns).
    MatchRmsAdamw,
    /// √(rows / columns).
    SpectralUnclamped,
}

impl AdjustLr {
    fn scale(self, rows: usize, columns: usize) -> f64 {
        let (rows, columns) = (rows as f64, columns as f64);
        match self {
            Self::Original => (rows / columns).max(1.0).sqrt(),
            Self::MatchRmsAdamw => 0.2 * rows.max(columns).sqrt(),
            Self::SpectralUnclamped => (rows / columns).sqrt(),
        }
    }
}

impl Default for Muon {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            weight_decay: 0.1,
            momentum: 0.95,
            nesterov: true,
            ns_coefficients: [3.4445, -4.775, 2.0315],
            eps: 1e-7,
            ns_steps: 5,
            adjust_lr_fn: AdjustLr::Original,
            adam_lr_ratio: 1.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_eps: 1e-8,
            adam_weight_decay: 0.01,
        }
    }
}

impl Configure for Muon {
    const ABOUT: About = About {
        name: "muon",
        aliases: &[],
        summary: "orthogonalized momentum for matrices and convolution kernels, AdamW for all other parameters",
        source: "Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982",
        fields: &[
            Field::LR,
            Field::WEIGHT_DECAY,
            Field::new("momentum", Range::Share),
            Field::new("nesterov", Range::Flag),
            Field::new("ns_coefficients", Range::Finite),
            Field::EPS,
            Field::new("ns_steps", Range::Count(1)),
            Field::new(
                "adjust_lr_fn",
                Range::Choice(&["original", "match_rms_adamw", "spectral_unclamped"]),
            ),
            Field::new("adam_lr_ratio", Range::NotNegative),
            Field::new("adam_beta1", Range::Share),
            Field::new("adam_beta2", Range::Share),
            Field::new("adam_eps", Range::Positive),
            Field::new("adam_weight_decay", Range::NotNegative),
        ],
        cost: "one pass; for a matrix m × n, m ≤ n, five times 4m²n + 2m³ operations",
    };

    fn check(&self) -> Result<(), ConfigError> {
        if !self.ns_coefficients.iter().all(|one| one.is_finite()) {
            return Err(ConfigError::out_of_range(
                "muon",
                "ns_coefficients",
                format!("{:?}", self.ns_coefficients),
                Range::Finite.to_string(),
            ));
        }
        Ok(())
    }
}

/// The iteration that brings all singular values near 1. It multiplies on the shorter side.
fn newton_schulz(matrix: Tensor<2>, coefficients: [f64; 3], steps: u64, eps: f64) -> Tensor<2> {
    let [rows, columns] = matrix.dims();
    if rows > columns {
        return newton_schulz(matrix.transpose(), coefficients, steps, eps).transpose();
    }
    let norm = (matrix.clone() * matrix.clone()).sum().sqrt();
    let mut matrix = matrix / norm.clamp_min(eps).reshape([1, 1]);
    let [first, third, fifth] = coefficients;
    for _ in 0..steps {
        let gram = matrix.clone().matmul(matrix.clone().transpose());
        let powers = gram.clone() * third + gram.clone().matmul(gram) * fifth;
        matrix = matrix.clone() * first + powers.matmul(matrix);
    }
    matrix
}

impl Muon {
    fn adamw(&self) -> AdamW {
        AdamW {
            lr: self.lr,
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            eps: self.adam_eps,
            weight_decay: self.adam_weight_decay,
            ..AdamW::default()
        }
    }

    fn orthogonal(&self, one: Stepping<'_>) -> Tensor<1> {
        let (now, momentum) = (one.now, one.now.momentum(self.momentum));
        let gradient = one.gradient * (1.0 - momentum);
        let buffer = one.state.take_or_zeros(BUFFER, &one.value) * momentum + gradient.clone();
        one.state.tensors.insert(BUFFER.into(), buffer.clone());
        let update = if self.nesterov {
            gradient + buffer * momentum
        } else {
            buffer
        };
        // Burn's linear weight is [in, out]; its transpose has the transpose of the result.
        let (shape, [out, other]) = match *one.shape {
            [input, output] => ([input, output], [output, input]),
            [out, ref rest @ ..] => {
                let rest = rest.iter().product();
                ([out, rest], [out, rest])
            }
            [] => ([1, 1], [1, 1]),
        };
        let matrix = update.reshape(shape);
        let matrix = newton_schulz(matrix, self.ns_coefficients, self.ns_steps, self.eps);
        let rate = now.lr * self.adjust_lr_fn.scale(out, other);
        let value = now.decoupled(self.weight_decay).shrink(one.value);
        value - matrix.reshape([shape[0] * shape[1]]) * rate
    }
}

impl Rule for Muon {
    fn state(&self) -> StateNames {
        StateNames {
            optional: &[BUFFER, "exp_avg", "exp_avg_sq"],
            ..StateNames::NONE
        }
    }

    fn state_size(&self, shape: &[usize]) -> usize {
        let elements: usize = shape.iter().product();
        if shape.len() < 2 {
            self.adamw().state_size(shape)
        } else {
            elements
        }
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let (mut vectors, mut values) = (Vec::new(), Vec::new());
        for mut one in tensors {
            values.push(if one.shape.len() < 2 {
                one.now.lr *= self.adam_lr_ratio;
                vectors.push(one);
                None
            } else {
                Some(self.orthogonal(one))
            });
        }
        let mut stepped = self.adamw().step(vectors).into_iter();
        let all = values.into_iter().map(|one| one.or_else(|| stepped.next()));
        all.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend};
    use burn::tensor::{DType, TensorData};

    fn matrix(values: [[f64; 2]; 3]) -> Tensor<2> {
        let device = firebrick_core::device("flex").unwrap();
        Tensor::from_data(TensorData::from(values), (&device, DType::F64))
    }

    #[test]
    fn the_iteration_maps_singular_values_by_its_polynomial() {
        // Columns of lengths 3 and 4 that are orthogonal: the norm is 5.
        let found = newton_schulz(
            matrix([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]),
            [3.4445, -4.775, 2.0315],
            2,
            1e-7,
        );
        let polynomial = |s: f64| 3.4445 * s - 4.775 * s.powi(3) + 2.0315 * s.powi(5);
        let expected = [0.6, 0.8].map(|s| polynomial(polynomial(s)));
        let found: Vec<_> = found.to_data().iter::<f64>().collect();
        assert_near(&found, &[expected[0], 0.0, 0.0, expected[1], 0.0, 0.0]);
    }

    #[test]
    fn rows_are_outputs_in_the_scale_of_the_rate() {
        assert_near(
            &[
                AdjustLr::Original,
                AdjustLr::MatchRmsAdamw,
                AdjustLr::SpectralUnclamped,
            ]
            .map(|one| one.scale(4, 16)),
            &[1.0, 0.8, 0.5],
        );
        assert_near(&[AdjustLr::Original.scale(16, 4)], &[2.0]);
    }

    #[test]
    fn vectors_take_adamws_step() {
        let muon = Muon {
            adam_lr_ratio: 0.5,
            ..Muon::default()
        };
        let adamw = crate::optimizer::adamw::AdamW::default();
        let (found, _) = descend(muon.build().unwrap(), 0.2, &[2.0, -1.0]);
        let (expected, _) = descend(adamw.build().unwrap(), 0.1, &[2.0, -1.0]);
        assert_near(&found, &expected);
    }

    #[test]
    fn coefficients_that_are_not_finite_are_named() {
        let muon = Muon {
            ns_coefficients: [1.0, f64::NAN, 0.0],
            ..Muon::default()
        };
        let error = muon.build().err().unwrap().to_string();
        assert!(error.contains("muon: ns_coefficients"), "{error}");
    }
}
