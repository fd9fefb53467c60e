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
use crate::exponential::exp;
use crate::simd::{Simd, Task, Vectors};
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
///
/// # Panics
/// When a slice does not have that shape.
#[must_use]
pub fn forward(logits: &[f32], weights: &[f32], classes: usize) -> (f64, Vec<f32>) {
    assert!(classes > 0, "cross entropy: at least one class");
    assert_eq!(logits.len() % classes, 0, "cross entropy: whole rows");
    assert_eq!(
        logits.len(),
        weights.len(),
        "cross entropy: a weight for each logit"
    );
    let (rows, vectors) = (logits.len() / classes, Vectors::in_use());
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
        vectors.dispatch(Rows {
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
