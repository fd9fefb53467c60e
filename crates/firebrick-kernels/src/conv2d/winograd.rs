//! Winograd's minimal filtering for 3×3 kernels with stride 1: F(4×4, 3×3), 36 products where the
//! plain sum takes 144.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), with the
//! interpolation points 0, ±2/3, ±3/2, ∞ in place of theirs, 0, ±1, ±2, ∞. Ours amplify the rounding
//! of the products almost as little as the best points do (they lie within 0.3 % of those). For points
//! ±a, ±b
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A       d: 6×6 pixels, g: 3×3 weights, Y: 4×4 pixels
//! ```
//!
//! where rows of Bᵀ hold the coefficients of Π (x - q) over the other points q, rows of G the
//! powers of a point over its product of differences, and columns of A the powers of a point.
//! The weight gradient is F(3×3, 4×4) on the same points: the gradient's 4×4 tile is the filter.
//!
//! The transforms amplify the rounding of the products five times. Products are therefore summed in
//! parts: sixteen channels, then four such parts, then all. The table shows the root-mean-square error
//! relative to the size of the result, for normally distributed images (in brackets: rectified ones).
//! PyTorch 2.15 in f32 is the yardstick; its errors are those of `xtask/golden/conv2d_error.py`. The test
//! `convolutions_err_at_most_three_times_as_much_as_pytorchs` prints ours and holds them to three times
//! PyTorch's. The last column, one running sum in f32, was measured once, for comparison:
//!
//! | channels | PyTorch | this | ratio | one running sum |
//! |---|---|---|---|---|
//! | 16 | 2.1e-7 (1.5e-7) | 4.9e-7 (4.0e-7) | 2.3 (2.7) | 2.1e-7 (1.5e-7) |
//! | 32 | 2.1e-7 (1.5e-7) | 5.0e-7 (4.2e-7) | 2.4 (2.8) | 3.0e-7 (2.1e-7) |
//! | 64 | 2.1e-7 (1.6e-7) | 5.2e-7 (4.4e-7) | 2.4 (2.8) | 4.2e-7 (3.0e-7) |
//! | 128 | 2.2e-7 (1.6e-7) | 5.4e-7 (4.5e-7) | 2.5 (2.8) | 6.0e-7 (4.2e-7) |
//! | 256 | 2.2e-7 (1.7e-7) | 5.6e-7 (4.7e-7) | 2.5 (2.8) | 8.3e-7 (5.7e-7) |
//!
//! Errors of the input gradient are like those of the result; those of the weight gradient are 1.0 to
//! 1.6 times PyTorch's. Figures from when the parts were introduced: without them the ratio was 2.5 at
//! 16 channels and 6.9 at 256 (rectified: 2.9 and 7.6). They cost about 12 % of the time of result and
//! input gradient at 64 and 128 channels, 5 to 10 % at 256 and nothing at 16; 5 to 8 % of a whole layer
//! with its weight gradient. Parts of 32 channels cost half of that, at ratios of 2.9 (3.2).
//!
//! A NaN or an infinity spoils every tile that reads it, not only the pixels whose window holds it.

pub(super) mod gather;
mod transform;
pub(super) mod weight_grad;
