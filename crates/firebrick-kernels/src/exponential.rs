//! The exponential function, for vectors.

use crate::simd::Simd;

/// Adding and subtracting it rounds to a whole number.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has so few digits that its product with n is exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
/// 1/7!, …, 1/2!.
const SERIES: [f32; 6] = [
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
];

/// n and exp(r) - 1 with x = n · ln 2 + r, n whole and |r| ≤ ln 2 / 2. The series of exp(r) to the
/// seventh power is off by less than 1e-8.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn reduced<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: as of this function.
    unsafe {
        let round = S::splat(ROUND);
        let n = S::mul(x, S::splat(std::f32::consts::LOG2_E));
        let n = S::sub(S::add(n, round), round);
        let r = S::fma(n, S::splat(-LN_2[0]), x);
        let r = S::fma(n, S::splat(-LN_2[1]), r);
        let mut p = S::splat(SERIES[0]);
        for term in &SERIES[1..] {
            p = S::fma(p, r, S::splat(*term));
        }
        (n, S::fma(S::mul(r, r), p, r))
    }
}

/// exp(x) for x up to 88, within 1.5 units in the last place of f32; NaN stays NaN.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as of this function.
    unsafe {
        // Below -104, exp is zero in f32. `max` gives its second argument where one is NaN.
        let (n, p) = reduced::<S>(S::max(S::splat(-104.0), x));
        let e = S::add(p, S::splat(1.0));
        S::times_two_to(e, n)
    }
}

/// exp(x) - 1 for x ≤ 0, accurate near zero too; NaN stays NaN.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn exp_minus_one<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as of this function.
    unsafe {
        // Below -25 it is -1 in f32.
        let (n, p) = reduced::<S>(S::max(S::splat(-25.0), x));
        let scale = S::two_to(n);
        S::fma(scale, p, S::sub(scale, S::splat(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Task, Vectors};

    /// [`exp`] of every element, or [`exp_minus_one`].
    struct Exponentials<'a> {
        minus_one: bool,
        from: &'a [f32],
        to: &'a mut [f32],
    }

    impl Task for Exponentials<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            let to = self.to.chunks_mut(S::LANES);
            for (from, to) in self.from.chunks(S::LANES).zip(to) {
                // SAFETY: both have so many elements.
                unsafe {
                    let x = S::load_first(from.as_ptr(), from.len());
                    let y = if self.minus_one {
                        exp_minus_one::<S>(x)
                    } else {
                        exp::<S>(x)
                    };
                    S::store_first(to.as_mut_ptr(), y, to.len());
                }
            }
        }
    }

    fn exponentials(minus_one: bool, from: &[f32]) -> Vec<f32> {
        let mut found = vec![9.0; from.len()];
        Vectors::in_use().dispatch(Exponentials {
            minus_one,
            from,
            to: &mut found,
        });
        found
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let x: Vec<f32> = (0..2_000_000).map(|i| -87.3 + i as f32 * 8.73e-5).collect();
        let y = exponentials(false, &x);
        let error = |(x, y): (&f32, &f32)| {
            let exact = f64::from(*x).exp();
            ((f64::from(*y) - exact) / exact).abs()
        };
        let worst = x.iter().zip(&y).map(error).fold(0.0, f64::max);
        assert!(worst < 1.5e-7, "{worst}");
    }

    #[test]
    fn exp_at_the_edges() {
        let x = [
            0.0,
            -100.0,
            -103.0,
            -104.0,
            -1e4,
            f32::NEG_INFINITY,
            f32::NAN,
            -0.0,
        ];
        let y = exponentials(false, &x);
        assert_eq!(y[0], 1.0);
        assert!(
            (f64::from(y[1]) / (-100.0_f64).exp() - 1.0).abs() < 0.05,
            "{}",
            y[1]
        );
        assert_eq!(y[2], f32::from_bits(1));
        assert_eq!(y[3..6], [0.0; 3]);
        assert!(y[6].is_nan());
        assert_eq!(y[7], 1.0);
    }

    #[test]
    fn exp_minus_one_keeps_its_digits_near_zero() {
        let far = (0..200_000).map(|i| -30.0 + i as f32 * 1.5e-4);
        let near = (0..2000).map(|i| -(2.0_f32.powf(-(i as f32) / 40.0)));
        let x: Vec<f32> = far.chain(near).collect();
        let y = exponentials(true, &x);
        for (x, y) in x.iter().zip(&y) {
            let exact = f64::from(*x).exp_m1();
            let error = ((f64::from(*y) - exact) / exact).abs();
            assert!(error < 2.5e-7, "{x}: {y} for {exact}");
        }
        let edges = exponentials(true, &[0.0, -1e9, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(edges[..3], [0.0, -1.0, -1.0]);
        assert!(edges[3].is_nan());
    }
}
