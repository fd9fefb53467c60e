//! What follows a convolution in the same pass.

use super::tile;
use crate::Image;
use crate::activation::function::{Function, Hardswish, Relu, Relu6};
use crate::activation::{Activation, AtHand};
use crate::simd::Simd;

/// What happens to each element of the result before it is stored, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added, one for each output channel.
    pub bias: Option<&'a [f32]>,
    /// Added, of the shape of the result.
    pub residual: Option<&'a [f32]>,
    /// Then the function of every element.
    pub activation: Option<Activation>,
}

impl Epilogue<'_> {
    /// # Panics
    /// When bias or residual do not fit the output.
    pub(super) fn check(&self, output: Image) {
        if let Some(bias) = self.bias {
            assert_eq!(
                bias.len(),
                output.c,
                "convolution: one bias for each output channel"
            );
        }
        if let Some(residual) = self.residual {
            assert_eq!(
                residual.len(),
                output.len(),
                "convolution: the residual must have the shape of the output"
            );
        }
    }
}

/// Applies it to a tile of the result: `there` channels from `channel` on of `M` pixels, which begin at
/// `pixel(0)`, … in the result.
///
/// # Safety
/// Bias and residual have the channels and pixels named, and the processor has `S`.
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, const M: usize, const V: usize>(
    epilogue: &Epilogue<'_>,
    pixel: impl Fn(usize) -> usize,
    channel: usize,
    there: usize,
    sums: &mut [[S::V; V]; M],
) {
    // SAFETY: as of this function.
    unsafe {
        if let Some(bias) = epilogue.bias {
            let mut terms = [S::splat(0.0); V];
            tile::load_some::<S, V>(bias.as_ptr().add(channel), there, &mut terms);
            for m in 0..M {
                for v in 0..V {
                    sums[m][v] = S::add(sums[m][v], terms[v]);
                }
            }
        }
        if let Some(residual) = epilogue.residual {
            for m in 0..M {
                let mut terms = [S::splat(0.0); V];
                let from = residual.as_ptr().add(pixel(m) + channel);
                tile::load_some::<S, V>(from, there, &mut terms);
                for v in 0..V {
                    sums[m][v] = S::add(sums[m][v], terms[v]);
                }
            }
        }
        match epilogue.activation {
            None => {}
            Some(Activation::Relu) => each::<S, _, M, V>(Relu, sums),
            Some(Activation::Relu6) => each::<S, _, M, V>(Relu6, sums),
            Some(Activation::Hardswish) => each::<S, _, M, V>(Hardswish, sums),
            // What takes more instructions is not written out in every kernel. The sums are copied, because what
            // has an address does not stay in registers.
            Some(activation) => {
                let mut copy = *sums;
                S::apart(AtHand {
                    activation,
                    first: copy.as_mut_ptr().cast(),
                    vectors: M * V,
                });
                *sums = copy;
            }
        }
    }
}

/// The function of every element.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn each<S: Simd, F: Function, const M: usize, const V: usize>(
    function: F,
    sums: &mut [[S::V; V]; M],
) {
    for m in 0..M {
        for v in 0..V {
            // SAFETY: as of this function.
            sums[m][v] = unsafe { function.value::<S>(sums[m][v]) };
        }
    }
}
