//! Activation functions by name.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::kernels::{self, Curve};
use crate::{ConfigError, probe, spec::Spec};

/// Of the leaky rectifier.
const NEGATIVE_SLOPE: f64 = 0.01;

/// An elementwise activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x).
    #[default]
    Relu,
    /// x where positive, else 0.01 x.
    LeakyRelu,
    /// x where positive, else eˣ - 1.
    Elu,
    /// x · Φ(x), the exact form.
    Gelu,
    /// x · sigmoid(x).
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// x between 0 and 6: min(max(0, x), 6).
    Relu6,
    /// The piecewise linear sigmoid: relu6(x + 3) / 6.
    Hardsigmoid,
    /// x · hardsigmoid(x).
    Hardswish,
    /// x: a net of these is one linear map.
    Identity,
}

impl Activation {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 11] = [
        ("relu", Self::Relu),
        ("leaky_relu", Self::LeakyRelu),
        ("elu", Self::Elu),
        ("gelu", Self::Gelu),
        ("silu", Self::Silu),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("relu6", Self::Relu6),
        ("hardsigmoid", Self::Hardsigmoid),
        ("hardswish", Self::Hardswish),
        ("identity", Self::Identity),
    ];

    /// The activation that a spec names.
    ///
    /// # Errors
    /// [`ConfigError::UnknownName`] with the nearest name, or [`ConfigError::Conflict`] for a spec
    /// with arguments, since none takes any.
    pub fn from_spec(spec: &Spec) -> Result<Self, ConfigError> {
        let found = Self::ALL.iter().find(|(name, _)| *name == spec.name);
        let Some((_, activation)) = found else {
            let names = Self::ALL.map(|(name, _)| name);
            return Err(ConfigError::unknown_name("activation", &spec.name, names));
        };
        if spec.positional.is_empty() && spec.named.is_empty() {
            return Ok(*activation);
        }
        Err(ConfigError::Conflict(format!(
            "activation `{spec}`: `{}` takes no arguments",
            spec.name
        )))
    }

    /// Applies it to every element.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let output = match self {
            Self::Relu => kernels::relu(input),
            Self::LeakyRelu => kernels::leaky_relu(input, NEGATIVE_SLOPE),
            Self::Elu => kernels::elu(input),
            Self::Gelu => kernels::gelu(input),
            Self::Silu => kernels::silu(input),
            Self::Tanh => kernels::tanh(input),
            Self::Sigmoid => kernels::sigmoid(input),
            Self::Relu6 => kernels::relu6(input),
            Self::Hardsigmoid => kernels::hardsigmoid(input),
            Self::Hardswish => kernels::hardswish(input),
            Self::Identity => return input,
        };
        let name = Self::ALL
            .iter()
            .find(|(_, activation)| activation == self)
            .map_or("", |(name, _)| *name);
        probe::record(name, None, &output, 0);
        output
    }

    /// What the kernels fuse into the pass before it; none for the identity.
    pub(crate) fn curve(self) -> Option<Curve> {
        match self {
            Self::Relu => Some(Curve::Relu),
            Self::LeakyRelu => Some(Curve::LeakyRelu(NEGATIVE_SLOPE)),
            Self::Elu => Some(Curve::Elu),
            Self::Gelu => Some(Curve::Gelu),
            Self::Silu => Some(Curve::Silu),
            Self::Tanh => Some(Curve::Tanh),
            Self::Sigmoid => Some(Curve::Sigmoid),
            Self::Relu6 => Some(Curve::Relu6),
            Self::Hardsigmoid => Some(Curve::Hardsigmoid),
            Self::Hardswish => Some(Curve::Hardswish),
            Self::Identity => None,
        }
    }
}
