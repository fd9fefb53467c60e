//! Softmax cross-entropy: the loss and its gradient in one pass.
//!
//! Source: the log-sum-exp form of the softmax, as PyTorch's `log_softmax` has it. With z the
//! logits of a row, m their maximum, and q its weights:
//!
//! ```text
//! loss     = -Σ q · log softmax(z) = (Σ q) · ln Σ exp(z - m) - Σ q · (z - m)
//! gradient = (Σ q) · softmax(z) - q
//! ```

use crate::elementwise::flat::{First, PART, Part, Whole, parts_of};
use crate::simd::{Simd, Task, dispatch};
use crate::threads::Shared;

/// The sum over rows of -Σ q · log softmax(logits), and its gradient with respect to the logits.
///
/// `weights` holds q: the target distribution of each row with label smoothing, class weights and
/// soft targets folded in. Dividing by the weight of the batch is left to the caller, for the sum
/// and the gradient alike; so is whatever comes from further back, which only scales the gradient.
///
/// A class without weight adds nothing, even where its logit is -∞, as with class indices in
/// PyTorch. A NaN or +∞ among the logits of a row makes the row NaN, and so does -∞ everywhere.
///
/// # Shapes
/// `logits` and `weights` `[rows, classes]`, to the sum and `[rows, classes]`.
#[must_use]
pub fn forward(logits: &[f32], weights: &[f32], classes: usize) -> (f64, Vec<f32>) {
    assert!(classes > 0, "cross entropy: at least one class");
    assert_eq!(logits.len() % classes, 0, "cross entropy: whole rows");
    assert_eq!(
        logits.len(),
        weights.len(),
        "cross entropy: a weight for each logit"
    );
    let rows = logits.len() / classes;
    let mut losses = vec![0.0; rows];
    let mut gradient = Vec::with_capacity(logits.len());
    let to = Shared::new(gradient.spare_capacity_mut());
    let to_losses = Shared::new(&mut losses);
    // An element costs more than one that is only moved.
    let each = (PART / 4 / classes).max(1);
    parts_of(rows, each, classes * 4, |rows| {
        let range = rows.start * classes..rows.end * classes;
        // SAFETY: the parts are disjoint and lie in both.
        let (to, losses) = unsafe {
            (
                to.pointer().cast::<f32>().add(range.start),
                to_losses.part(rows.start, rows.len()),
            )
        };
        dispatch(Rows {
            logits: &logits[range.clone()],
            weights: &weights[range],
            classes,
            losses,
            to,
        });
    });
    // SAFETY: the parts cover all of it.
    unsafe { gradient.set_len(logits.len()) };
    (losses.iter().sum(), gradient)
}

/// Loss and gradient of some rows; `losses` holds one for each, and `to` has room for all logits.
struct Rows<'a> {
    logits: &'a [f32],
    weights: &'a [f32],
    classes: usize,
    losses: &'a mut [f64],
    to: *mut f32,
}

impl Task for Rows<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (row, loss) in self.losses.iter_mut().enumerate() {
            let at = row * self.classes;
            let range = at..at + self.classes;
            // SAFETY: the row lies in the logits and so in the result.
            *loss = unsafe {
                let (z, q) = (&self.logits[range.clone()], &self.weights[range]);
                one::<S>(z, q, self.to.add(at))
            };
        }
    }
}

/// Visits a row as vectors: `$part` says which lanes of the one at `$at` are meant.
macro_rules! vectors {
    ($len:expr, |$at:ident, $part:ident| $body:block) => {
        let mut $at = 0;
        while $at + S::LANES <= $len {
            let $part = Whole;
            $body
            $at += S::LANES;
        }
        if $at < $len {
            let $part = First($len - $at);
            $body
        }
    };
}

/// Loss of a row; writes its gradient.
///
/// # Safety
/// `to` has room for all of `z`, `q` is as long, and the processor has `S`.
#[inline(always)]
unsafe fn one<S: Simd>(z: &[f32], q: &[f32], to: *mut f32) -> f64 {
    let (len, z, q) = (z.len(), z.as_ptr(), q.as_ptr());
    // SAFETY: all vectors lie inside the row. Lanes behind its end are zeros in `z` and in `q`,
    // which is taken into account where that would matter.
    unsafe {
        let mut top = S::splat(f32::NEG_INFINITY);
        let mut at = 0;
        while at + S::LANES <= len {
            top = S::max(S::load(z.add(at)), top);
            at += S::LANES;
        }
        let mut top = highest::<S>(top);
        for rest in at..len {
            top = top.max(*z.add(rest));
        }
        let top = S::splat(top);
        let mut total = S::splat(0.0);
        let mut mass = S::splat(0.0);
        let mut product = S::splat(0.0);
        vectors!(len, |at, part| {
            let d = S::sub(part.load::<S>(z.add(at)), top);
            let e = exp::<S>(d);
            part.store::<S>(to.add(at), e);
            let lanes = (1_u64 << part.count::<S>()) as u32;
            total = S::add(total, S::keep(e, lanes.wrapping_sub(1)));
            let q = part.load::<S>(q.add(at));
            mass = S::add(mass, q);
            // Without weight, an infinite distance must not count.
            product = S::fma(q, S::gate(d, S::mul(q, q)), product);
        });
        let total = f64::from(S::sum(total));
        let mass = f64::from(S::sum(mass));
        let scale = S::splat((mass / total) as f32);
        let minus = S::splat(-1.0);
        vectors!(len, |at, part| {
            let minus_q = S::mul(part.load::<S>(q.add(at)), minus);
            let e = part.load::<S>(to.add(at));
            part.store::<S>(to.add(at), S::fma(e, scale, minus_q));
        });
        mass * total.ln() - f64::from(S::sum(product))
    }
}

/// The largest lane that is not NaN.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn highest<S: Simd>(v: S::V) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe { S::store(lanes.as_mut_ptr(), v) };
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// exp(x) for x up to 88, within 1.5 units in the last place of f32; NaN stays NaN.
///
/// x = n · ln 2 + r with whole n and |r| ≤ ln 2 / 2. The series of exp(r) to the seventh power is
/// off by less than 1e-8; 2ⁿ is multiplied in two steps, so that results below the normal numbers
/// lose digits but do not jump to zero.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
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
    // SAFETY: as of this function.
    unsafe {
        // Below -104, exp is zero in f32. `max` gives its second argument where one is NaN.
        let x = S::max(S::splat(-104.0), x);
        let round = S::splat(ROUND);
        let n = S::mul(x, S::splat(std::f32::consts::LOG2_E));
        let n = S::sub(S::add(n, round), round);
        let r = S::fma(n, S::splat(-LN_2[0]), x);
        let r = S::fma(n, S::splat(-LN_2[1]), r);
        let mut p = S::splat(SERIES[0]);
        for term in &SERIES[1..] {
            p = S::fma(p, r, S::splat(*term));
        }
        let one = S::splat(1.0);
        let e = S::add(S::fma(S::mul(r, r), p, r), one);
        let half = S::sub(S::fma(n, S::splat(0.5), round), round);
        S::mul(S::mul(e, S::two_to(half)), S::two_to(S::sub(n, half)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Exp<'a>(&'a [f32], &'a mut [f32]);

    impl Task for Exp<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            for (from, to) in self.0.chunks(S::LANES).zip(self.1.chunks_mut(S::LANES)) {
                // SAFETY: both have so many elements.
                unsafe {
                    let v = exp::<S>(S::load_first(from.as_ptr(), from.len()));
                    S::store_first(to.as_mut_ptr(), v, to.len());
                }
            }
        }
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let x: Vec<f32> = (0..2_000_000).map(|i| -87.3 + i as f32 * 8.73e-5).collect();
        let mut y = vec![0.0; x.len()];
        dispatch(Exp(&x, &mut y));
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
        let mut y = [9.0; 8];
        dispatch(Exp(&x, &mut y));
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
}
