//! A displacement for each pixel.

use std::sync::LazyLock;

use firebrick_core::image::Size;
use firebrick_core::kernels::wide;

/// How far each pixel reads to the right and further down, computed when it is first asked for; linear in between.
pub(super) struct Displacements {
    size: Size,
    axes: LazyLock<Axes, Box<dyn FnOnce() -> Axes + Send>>,
}

/// Displacements along x and along y, row by row.
type Axes = [Vec<f64>; 2];

impl Displacements {
    pub(super) fn new(size: Size, axes: impl FnOnce() -> Axes + Send + 'static) -> Self {
        Self {
            size,
            axes: LazyLock::new(Box::new(axes)),
        }
    }

    /// A point and its displacement.
    pub(super) fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [right, down] = &*self.axes;
        [
            x + between(right, self.size, [x, y]),
            y + between(down, self.size, [x, y]),
        ]
    }

    /// Displaces points that lie in a row.
    pub(super) fn follow(&self, xs: &mut [f64], ys: &mut [f64]) {
        if let Some(row) = self.row_of(xs, ys) {
            // At the centres of pixels, nothing lies in between.
            for (axis, values) in self.axes.iter().zip([xs, ys]) {
                add(values, &axis[row * self.size.width..][..self.size.width]);
            }
            return;
        }
        for (x, y) in xs.iter_mut().zip(ys) {
            [*x, *y] = self.at([*x, *y]);
        }
    }

    /// The row of which these are the centres of all pixels.
    fn row_of(&self, xs: &[f64], ys: &[f64]) -> Option<usize> {
        let y = *ys.first()?;
        let row = (y - 0.5) as usize;
        let whole = xs.len() == self.size.width && row < self.size.height;
        (whole && y == row as f64 + 0.5 && are_centres(xs, ys)).then_some(row)
    }
}

wide! {
    /// Whether these are the centres of pixels side by side, from the first of a row on.
    fn are_centres(xs: &[f64], ys: &[f64]) -> bool {
        let mut wrong = 0;
        for (column, (x, y)) in (0_i32..).zip(xs.iter().zip(ys)) {
            wrong |= i32::from((*x != f64::from(column) + 0.5) | (*y != ys[0]));
        }
        wrong == 0
    }
}

wide! {
    fn add(values: &mut [f64], shifts: &[f64]) {
        for (value, shift) in values.iter_mut().zip(shifts) {
            *value += shift;
        }
    }
}

/// A field of values at the centres of pixels, at any point.
fn between(field: &[f64], size: Size, [x, y]: [f64; 2]) -> f64 {
    let axis = |at: f64, length: usize| {
        let at = (at - 0.5).clamp(0.0, length.saturating_sub(1) as f64);
        let first = at.floor();
        (
            first as usize,
            ((first as usize) + 1).min(length - 1),
            at - first,
        )
    };
    if field.is_empty() {
        return 0.0;
    }
    let ((left, right, dx), (top, bottom, dy)) = (axis(x, size.width), axis(y, size.height));
    let value = |x: usize, y: usize| field[y * size.width + x];
    let row = |y: usize| value(left, y) + (value(right, y) - value(left, y)) * dx;
    row(top) + (row(bottom) - row(top)) * dy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centres_of_a_row_move_as_each_by_itself() {
        let size = Size::new(7, 5);
        let field = |scale: f64| (0..35).map(|at| (scale * f64::from(at)).sin()).collect();
        let moves = Displacements::new(size, move || [field(0.7), field(1.3)]);
        for (shift, row) in [(0.0, 0), (0.0, 4), (0.25, 3), (0.0, 5)] {
            let (mut xs, mut ys): (Vec<_>, Vec<_>) = (0..7)
                .map(|x| (f64::from(x) + 0.5 + shift, f64::from(row) + 0.5))
                .unzip();
            let expected: Vec<_> = xs
                .iter()
                .zip(&ys)
                .map(|(x, y)| moves.at([*x, *y]))
                .collect();
            assert_eq!(moves.row_of(&xs, &ys).is_some(), shift == 0.0 && row < 5);
            moves.follow(&mut xs, &mut ys);
            let found: Vec<_> = xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect();
            assert_eq!(found, expected);
        }
    }
}
