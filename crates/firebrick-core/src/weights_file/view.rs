//! A tensor as a view of stored values: where its elements lie, before any of them is read.

use std::cmp::Reverse;

use super::element::ElementType;

/// A tensor over one storage of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    /// Which storage.
    pub(super) storage: usize,
    pub(super) element: ElementType,
    /// The first element, counted from the beginning of the storage.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements from one index to the next, for each dimension.
    pub(super) strides: Vec<usize>,
}

impl View {
    /// A view of values that lie in order.
    pub(super) fn in_order(storage: usize, element: ElementType, shape: Vec<usize>) -> Self {
        Self {
            storage,
            element,
            offset: 0,
            strides: in_order(&shape),
            shape,
        }
    }

    /// The number of elements; `None` when that is no number.
    pub(super) fn elements(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |all, side| all.checked_mul(*side))
    }

    /// How many elements of the storage lie from the first to the last that is read.
    pub(super) fn extent(&self) -> Option<usize> {
        if self.strides.len() != self.shape.len() {
            return None;
        }
        if self.elements()? == 0 {
            return Some(0);
        }
        let mut steps = self.shape.iter().zip(&self.strides);
        let last = steps.try_fold(0usize, |at, (side, stride)| {
            at.checked_add((side - 1).checked_mul(*stride)?)
        });
        last?.checked_add(1)
    }

    /// The same tensor with its last two dimensions swapped.
    pub(super) fn transposed(mut self) -> Self {
        if let Some(last) = self.shape.len().checked_sub(1).filter(|last| *last > 0) {
            self.shape.swap(last - 1, last);
            self.strides.swap(last - 1, last);
        }
        self
    }

    /// The dimensions in the order of the storage, the largest steps first; those that lie together in
    /// the storage and in the tensor are one. There are two at least.
    pub(super) fn sides(&self) -> Vec<Side> {
        let steps = in_order(&self.shape);
        let all = self.shape.iter().zip(&self.strides).zip(steps);
        let mut sides: Vec<Side> = all
            .map(|((count, stride), step)| Side {
                count: *count,
                stride: *stride,
                step,
            })
            .filter(|side| side.count != 1)
            .collect();
        sides.sort_by_key(|side| Reverse(side.stride));
        let mut joined: Vec<Side> = Vec::with_capacity(sides.len().max(2));
        for side in sides {
            match joined.last_mut() {
                Some(before) if side.continues(before) => {
                    *before = Side {
                        count: before.count * side.count,
                        ..side
                    }
                }
                _ => joined.push(side),
            }
        }
        while joined.len() < 2 {
            joined.insert(0, Side::ONE);
        }
        joined
    }
}

/// A dimension of a tensor, in elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Side {
    pub(super) count: usize,
    /// From one index to the next in the storage.
    pub(super) stride: usize,
    /// From one index to the next in the tensor.
    pub(super) step: usize,
}

impl Side {
    const ONE: Self = Self {
        count: 1,
        stride: 0,
        step: 0,
    };

    /// Whether it goes on inside the larger steps of another one as if both were one.
    fn continues(&self, larger: &Self) -> bool {
        self.count.checked_mul(self.stride) == Some(larger.stride)
            && self.count.checked_mul(self.step) == Some(larger.step)
    }
}

/// The strides of values that lie in order.
fn in_order(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for side in (0..shape.len().saturating_sub(1)).rev() {
        strides[side] = strides[side + 1].saturating_mul(shape[side + 1]);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(shape: &[usize], strides: &[usize]) -> View {
        View {
            storage: 0,
            element: ElementType::F32,
            offset: 0,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        }
    }

    #[test]
    fn extents() {
        let transposed = view(&[3, 2], &[1, 3]);
        assert_eq!(
            (transposed.elements(), transposed.extent()),
            (Some(6), Some(6))
        );
        assert_eq!(view(&[4, 4], &[0, 0]).extent(), Some(1));
        assert_eq!(view(&[0, 4], &[4, 1]).extent(), Some(0));
        assert_eq!(view(&[2], &[1, 1]).extent(), None);
        assert_eq!(view(&[usize::MAX, 2], &[0, 0]).elements(), None);
        assert_eq!(view(&[3, 2], &[usize::MAX, 1]).extent(), None);
    }

    #[test]
    fn dimensions_in_the_order_of_the_storage() {
        let sides = |shape: &[usize], strides: &[usize]| -> Vec<[usize; 3]> {
            let sides = view(shape, strides).sides().into_iter();
            sides
                .map(|side| [side.count, side.stride, side.step])
                .collect()
        };
        let one = [1, 0, 0];
        assert_eq!(sides(&[2, 3, 4], &[12, 4, 1]), [one, [24, 1, 1]]);
        assert_eq!(sides(&[3, 1], &[1, 7]), [one, [3, 1, 1]]);
        assert_eq!(sides(&[], &[]), [one, one]);
        // A transposed matrix, and one whose rows are apart.
        assert_eq!(sides(&[3, 2], &[1, 3]), [[2, 3, 1], [3, 1, 2]]);
        assert_eq!(sides(&[3, 2], &[5, 1]), [[3, 5, 2], [2, 1, 1]]);
        // Channels last: height and width are one.
        assert_eq!(
            sides(&[2, 5, 3, 3], &[45, 1, 15, 5]),
            [[2, 45, 45], [9, 5, 1], [5, 1, 9]]
        );
        let matrix = view(&[3, 2], &[2, 1]);
        assert_eq!(matrix.clone().transposed(), view(&[2, 3], &[1, 2]));
        assert_eq!(matrix.clone().transposed().transposed(), matrix);
        assert_eq!(view(&[3], &[1]).transposed(), view(&[3], &[1]));
    }
}
