//! A tensor as a view of stored values: where its elements lie, before any of them is read.

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

    /// Whether the elements lie in order, so that they can be read in one piece.
    pub(super) fn is_in_order(&self) -> bool {
        let expected = in_order(&self.shape);
        let mut sides = self.shape.iter().zip(&self.strides).zip(&expected);
        // Along a side of one element no step is ever taken.
        sides.all(|((side, stride), expected)| *side == 1 || stride == expected)
    }

    /// Calls `row` with the first element, counted from [`Self::offset`], of each run along the last
    /// dimension, in the tensor's order.
    pub(super) fn rows(
        &self,
        mut row: impl FnMut(usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let outer = self.shape.len().saturating_sub(1);
        let (sides, strides) = (&self.shape[..outer], &self.strides[..outer]);
        let mut index = vec![0usize; outer];
        let mut at = 0;
        loop {
            row(at)?;
            // The next index, the last dimension first.
            let Some(turns) = (0..outer)
                .rev()
                .find(|side| index[*side] + 1 < sides[*side])
            else {
                return Ok(());
            };
            for side in turns + 1..outer {
                at -= index[side] * strides[side];
                index[side] = 0;
            }
            index[turns] += 1;
            at += strides[turns];
        }
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
    fn extents_and_rows() {
        let transposed = view(&[3, 2], &[1, 3]);
        assert_eq!(
            (transposed.elements(), transposed.extent()),
            (Some(6), Some(6))
        );
        assert!(!transposed.is_in_order() && view(&[3, 2], &[2, 1]).is_in_order());
        assert!(view(&[3, 1], &[1, 7]).is_in_order());
        assert_eq!(view(&[4, 4], &[0, 0]).extent(), Some(1));
        assert_eq!(view(&[0, 4], &[4, 1]).extent(), Some(0));
        assert_eq!(view(&[2], &[1, 1]).extent(), None);
        assert_eq!(view(&[usize::MAX, 2], &[0, 0]).elements(), None);
        assert_eq!(view(&[3, 2], &[usize::MAX, 1]).extent(), None);
        let rows = |view: &View| {
            let mut rows = Vec::new();
            view.rows(|row| {
                rows.push(row);
                Ok(())
            })
            .unwrap();
            rows
        };
        assert_eq!(rows(&transposed), [0, 1, 2]);
        assert_eq!(
            rows(&view(&[2, 3, 2], &[100, 10, 1])),
            [0, 10, 20, 100, 110, 120]
        );
        assert_eq!(rows(&view(&[5], &[2])), [0]);
        assert_eq!(rows(&view(&[], &[])), [0]);
    }
}
