//! Optimizer steps and what goes with them, over many tensors in one parallel pass.
//!
//! A [`Formula`] says what happens to one element; [`apply`] does it to all elements of several
//! tensors, in place. An optimizer is one formula: it reads the gradient and changes the value and
//! the state, so that each is loaded and stored once.
//!
//! Work is cut into [`PIECE`]s of tensors, whatever the number of threads, and small tensors share
//! a task. Every operation of [`Real`] is rounded by itself, as IEEE 754 has it, so results depend
//! neither on the threads nor on the instruction set.

mod formula;
mod lanes;

use std::ops::Range;

pub use formula::{Formula, Number, Real, Tensors};
use lanes::Pass;

use crate::simd::Vectors;
use crate::threads;

/// Elements that a thread does at once; a larger tensor is cut, in the same places always.
pub const PIECE: usize = 1 << 14;

/// Passes over all the tensors, changing them in place.
///
/// # Panics
/// When the tensors of one entry differ in length.
pub fn apply<F, const WRITTEN: usize, const READ: usize>(
    tensors: &mut [Tensors<'_, F, WRITTEN, READ>],
) where
    F: Formula<WRITTEN, READ>,
{
    let lengths: Vec<_> = tensors.iter().map(Tensors::len).collect();
    let passes: Vec<_> = tensors.iter_mut().map(Pass::new).collect();
    let (plan, vectors) = (Plan::new(&lengths), Vectors::in_use());
    threads::for_each(plan.tasks.len(), |task| {
        for piece in &plan.pieces[plan.tasks[task].clone()] {
            // SAFETY: pieces lie within their tensors and do not overlap, and the tensors are
            // borrowed mutably until this function returns.
            vectors.dispatch(unsafe { passes[piece.tensor].part(piece.start, piece.len) });
        }
    });
}

/// The sum of squares of each tensor, in f64: not finite just when the tensor holds an element that
/// is not.
///
/// A square of an f32 is exact in f64, and neither it nor such a sum overflows.
#[must_use]
pub fn sums_of_squares(tensors: &[&[f32]]) -> Vec<f64> {
    let lengths: Vec<_> = tensors.iter().map(|tensor| tensor.len()).collect();
    let (plan, vectors) = (Plan::new(&lengths), Vectors::in_use());
    let mut parts = vec![0.0; plan.pieces.len()];
    let shared = threads::Shared::new(&mut parts);
    threads::for_each(plan.tasks.len(), |task| {
        for index in plan.tasks[task].clone() {
            let Piece { tensor, start, len } = plan.pieces[index];
            let sum = vectors.dispatch(lanes::SumOfSquares(&tensors[tensor][start..start + len]));
            // SAFETY: each piece belongs to one task, and `parts` has an element for each.
            unsafe { shared.part(index, 1)[0] = sum };
        }
    });
    let mut sums = vec![0.0; tensors.len()];
    for (piece, part) in plan.pieces.iter().zip(parts) {
        sums[piece.tensor] += part;
    }
    sums
}

/// A part of a tensor.
struct Piece {
    tensor: usize,
    start: usize,
    len: usize,
}

/// Pieces of several tensors in order, and the runs of them that are one task.
struct Plan {
    pieces: Vec<Piece>,
    tasks: Vec<Range<usize>>,
}

impl Plan {
    fn new(lengths: &[usize]) -> Self {
        let pieces: Vec<_> = lengths
            .iter()
            .enumerate()
            .flat_map(|(tensor, &length)| {
                (0..length).step_by(PIECE).map(move |start| Piece {
                    tensor,
                    start,
                    len: PIECE.min(length - start),
                })
            })
            .collect();
        let mut tasks: Vec<Range<usize>> = Vec::new();
        let mut elements = PIECE;
        for (index, piece) in pieces.iter().enumerate() {
            match tasks.last_mut() {
                Some(task) if elements + piece.len <= PIECE => {
                    task.end = index + 1;
                    elements += piece.len;
                }
                _ => {
                    tasks.push(index..index + 1);
                    elements = piece.len;
                }
            }
        }
        Self { pieces, tasks }
    }
}
