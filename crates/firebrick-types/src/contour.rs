//! A function of two variables and paths over it, as data: the optimizer race produces it, the report draws it.

use serde::Serialize;

/// A rectangle of the plane, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Window {
    /// From the left to the right end.
    pub x: [f64; 2],
    /// From the lower to the upper end.
    pub y: [f64; 2],
}

impl Window {
    /// The rectangle `[x[0], x[1]] × [y[0], y[1]]`.
    #[must_use]
    pub const fn new(x: [f64; 2], y: [f64; 2]) -> Self {
        Self { x, y }
    }

    /// Whether a point lies in it; NaN never does.
    #[must_use]
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        (self.x[0]..=self.x[1]).contains(&x) && (self.y[0]..=self.y[1]).contains(&y)
    }

    /// The smallest rectangle around it and a point, with a twentieth of its width as a margin
    /// around the point.
    #[must_use]
    pub fn around(self, [x, y]: [f64; 2]) -> Self {
        let widened = |[low, high]: [f64; 2], value: f64| {
            let margin = (high - low) / 20.0;
            [low.min(value - margin), high.max(value + margin)]
        };
        if self.contains([x, y]) {
            return self;
        }
        Self::new(widened(self.x, x), widened(self.y, y))
    }

    /// The coordinates of a grid of `columns` by `rows` points whose outermost lie on the edges, row
    /// by row from the lower left.
    #[must_use]
    pub fn grid(&self, columns: usize, rows: usize) -> Vec<[f64; 2]> {
        let at = |[low, high]: [f64; 2], index: usize, count: usize| {
            low + (high - low) * index as f64 / (count.max(2) - 1) as f64
        };
        let rows = (0..rows).map(|row| at(self.y, row, rows));
        rows.flat_map(|y| (0..columns).map(move |column| [at(self.x, column, columns), y]))
            .collect()
    }
}

/// One path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Its name, such as `sgd(lr=0.1)`.
    pub label: String,
    /// Its points in order; a point that is not finite has no place.
    pub points: Vec<[f64; 2]>,
}

/// Heights on a grid and the paths over them.
#[derive(Debug, Clone, PartialEq)]
pub struct ContourMap {
    /// What it shows.
    pub title: String,
    /// Where the grid lies: see [`Window::grid`].
    pub window: Window,
    /// Columns of the grid.
    pub columns: usize,
    /// The heights of the grid, row by row from the lower left.
    pub heights: Vec<f64>,
    /// Places worth a cross: the minima.
    pub crosses: Vec<[f64; 2]>,
    /// The paths; they begin together, and their points of one index belong together.
    pub paths: Vec<Path>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_runs_from_the_lower_left_to_the_upper_right() {
        let window = Window::new([-1.0, 1.0], [0.0, 3.0]);
        let grid = window.grid(3, 4);
        assert_eq!(grid.len(), 12);
        assert_eq!(
            grid[..4],
            [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [-1.0, 1.0]]
        );
        assert_eq!(grid[11], [1.0, 3.0]);
    }

    #[test]
    fn a_window_grows_to_a_point_outside_it_alone() {
        let window = Window::new([0.0, 2.0], [0.0, 1.0]);
        assert_eq!(window.around([2.0, 0.0]), window);
        assert_eq!(
            window.around([3.0, 0.5]),
            Window::new([0.0, 3.1], [0.0, 1.0])
        );
        assert!(!window.contains([f64::NAN, 0.5]));
    }
}
