//! A formula over whole tensors with Burn's operations: the reference for the kernels.

use std::ops::{Add, Div, Mul, Neg, Sub};

use burn::tensor::Tensor;
use firebrick_kernels::optimizer::{Formula, Real};

use super::tensors::Tensors;

/// The changed tensors.
pub(super) fn apply<F, const WRITTEN: usize, const READ: usize>(
    tensors: Tensors<F, WRITTEN, READ>,
) -> [Tensor<1>; WRITTEN]
where
    F: Formula<WRITTEN, READ>,
{
    let Tensors {
        formula,
        written,
        read,
    } = tensors;
    formula
        .apply(written.map(Whole), read.map(Whole))
        .map(|Whole(tensor)| tensor)
}

/// All elements at once.
#[derive(Clone)]
struct Whole(Tensor<1>);

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl $trait for Whole {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                Self(self.0.$method(other.0))
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl Neg for Whole {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.neg())
    }
}

impl Sub<f64> for Whole {
    type Output = Self;

    fn sub(self, scalar: f64) -> Self {
        Self(self.0 - scalar)
    }
}

impl Add<f64> for Whole {
    type Output = Self;

    fn add(self, scalar: f64) -> Self {
        Self(self.0 + scalar)
    }
}

impl Mul<f64> for Whole {
    type Output = Self;

    fn mul(self, scalar: f64) -> Self {
        Self(self.0 * scalar)
    }
}

impl Real for Whole {
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }

    fn cbrt(self) -> Self {
        let sign = self.0.clone().sign();
        Self(self.0.abs().powf_scalar(1.0 / 3.0) * sign)
    }

    fn abs(self) -> Self {
        Self(self.0.abs())
    }

    fn sign(self) -> Self {
        // Burn's own gives 0 for NaN.
        let nan = self.0.clone().is_nan();
        Self(self.0.clone().sign().mask_where(nan, self.0))
    }

    fn max(self, other: Self) -> Self {
        // Burn's own keeps a NaN of the first tensor only.
        let nan = other.0.clone().is_nan();
        Self(self.0.max_pair(other.0.clone()).mask_where(nan, other.0))
    }

    fn clamp(self, low: f64, high: f64) -> Self {
        Self(self.0.clamp(low, high))
    }
}
