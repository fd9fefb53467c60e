//! Formulas over several tensors at once: optimizer steps, and operations on all gradients.
//!
//! f32 tensors on a CPU backend go through [`firebrick_kernels::optimizer`] in one parallel pass,
//! in place where no other tensor shares the memory. All others, and all when the kernels are off,
//! go through burn's operations, one by one: the same formula over whole tensors.

mod composed;
mod memory;
mod tensors;

use burn::tensor::Tensor;
use firebrick_kernels::optimizer as kernel;
pub use firebrick_kernels::optimizer::{Formula, Number, Real};

use memory::Memory;
pub use tensors::Tensors;

/// An entry on its way.
enum Entry<F, const WRITTEN: usize, const READ: usize> {
    Held {
        formula: F,
        written: [Memory; WRITTEN],
        read: [Memory; READ],
    },
    Done([Tensor<1>; WRITTEN]),
}

/// The changed tensors of every entry, in order.
///
/// # Panics
/// When the tensors of one entry differ in length, dtype or device.
#[must_use]
pub fn apply<F, const WRITTEN: usize, const READ: usize>(
    tensors: Vec<Tensors<F, WRITTEN, READ>>,
) -> Vec<[Tensor<1>; WRITTEN]>
where
    F: Formula<WRITTEN, READ>,
{
    let mut entries: Vec<_> = tensors.into_iter().map(Entry::new).collect();
    let mut passes: Vec<_> = entries.iter_mut().filter_map(Entry::pass).collect();
    kernel::apply(&mut passes);
    entries.into_iter().map(Entry::done).collect()
}

impl<F: Formula<WRITTEN, READ>, const WRITTEN: usize, const READ: usize> Entry<F, WRITTEN, READ> {
    fn new(tensors: Tensors<F, WRITTEN, READ>) -> Self {
        let mut all = tensors.written.iter().chain(&tensors.read);
        if !all.all(Memory::can_hold) {
            return Self::Done(composed::apply(tensors));
        }
        Self::Held {
            formula: tensors.formula,
            read: tensors.read.map(Memory::new),
            written: tensors.written.map(Memory::new_unique),
        }
    }

    fn pass(&mut self) -> Option<kernel::Tensors<'_, F, WRITTEN, READ>> {
        match self {
            Self::Held {
                formula,
                written,
                read,
            } => Some(kernel::Tensors {
                formula: *formula,
                written: written.each_mut().map(Memory::values_mut),
                read: read.each_ref().map(Memory::values),
            }),
            Self::Done(_) => None,
        }
    }

    fn done(self) -> [Tensor<1>; WRITTEN] {
        match self {
            Self::Held { written, .. } => written.map(Memory::into_tensor),
            Self::Done(tensors) => tensors,
        }
    }
}

/// The sum of squares of each tensor, see [`kernel::sums_of_squares`]; none where one of them is
/// not for the kernels.
pub(crate) fn sums_of_squares(tensors: &[&Tensor<1>]) -> Option<Vec<f64>> {
    let can_hold = tensors.iter().all(|tensor| Memory::can_hold(tensor));
    can_hold.then(|| {
        let memories = tensors.iter().map(|tensor| Memory::new((*tensor).clone()));
        let memories: Vec<_> = memories.collect();
        kernel::sums_of_squares(&memories.iter().map(Memory::values).collect::<Vec<_>>())
    })
}
