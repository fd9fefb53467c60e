//! Contour lines of heights on a grid, by marching squares.

use std::collections::BTreeMap;

/// Heights on a grid, row by row.
pub(crate) struct Heights<'a> {
    values: &'a [f64],
    columns: usize,
    rows: usize,
}

/// The edge of a cell: its lower or left end, and whether it goes up.
type Edge = (usize, bool);

impl<'a> Heights<'a> {
    pub(crate) fn new(values: &'a [f64], columns: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        Self {
            values,
            columns,
            rows,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// `count` heights for lines: each a constant factor farther above the lowest height than the one
    /// before, over four decades, or else at even distances.
    pub(crate) fn levels(&self, count: usize, logarithmic: bool) -> Vec<f64> {
        let finite = || {
            self.values
                .iter()
                .copied()
                .filter(|value| value.is_finite())
        };
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        if !(low < high && (high - low).is_finite()) {
            return Vec::new();
        }
        let share = |index: usize| {
            let even = (index + 1) as f64 / (count + 1) as f64;
            if logarithmic {
                10f64.powf(4.0 * (even - 1.0))
            } else {
                even
            }
        };
        (0..count)
            .map(|index| low + (high - low) * share(index))
            .collect()
    }

    /// The lines at a height, each a chain of points in columns and rows; a closed one ends where it
    /// begins. Cells with a height that is not finite are left out.
    pub(crate) fn lines(&self, level: f64) -> Vec<Vec<[f64; 2]>> {
        let mut next: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
        for row in 1..self.rows {
            for column in 1..self.columns {
                for [a, b] in self.cell(column - 1, row - 1, level) {
                    next.entry(a).or_default().push(b);
                    next.entry(b).or_default().push(a);
                }
            }
        }
        // Lines that end begin at an end; what is left over then is closed.
        let ends = next.iter().filter(|(_, others)| others.len() == 1);
        let starts: Vec<Edge> = ends.map(|(edge, _)| *edge).collect();
        let all: Vec<Edge> = next.keys().copied().collect();
        let mut chains = Vec::new();
        for start in starts.into_iter().chain(all) {
            let mut chain = vec![self.crossing(start, level)];
            let mut at = start;
            while let Some(to) = next.get_mut(&at).and_then(Vec::pop) {
                if let Some(back) = next.get_mut(&to)
                    && let Some(position) = back.iter().position(|edge| *edge == at)
                {
                    back.swap_remove(position);
                }
                chain.push(self.crossing(to, level));
                at = to;
            }
            if chain.len() > 1 {
                chains.push(chain);
            }
        }
        chains
    }

    /// The pieces of line in a cell, from edge to edge.
    fn cell(&self, column: usize, row: usize, level: f64) -> Vec<[Edge; 2]> {
        let origin = row * self.columns + column;
        let corners = [
            origin,
            origin + 1,
            origin + self.columns + 1,
            origin + self.columns,
        ];
        let heights = corners.map(|corner| self.values[corner]);
        if !heights.iter().all(|height| height.is_finite()) {
            return Vec::new();
        }
        let [bottom, right, top, left]: [Edge; 4] = [
            (corners[0], false),
            (corners[1], true),
            (corners[3], false),
            (corners[0], true),
        ];
        let above = heights.map(|height| height >= level);
        match above {
            [a, b, c, d] if a == b && b == c && c == d => vec![],
            [a, b, c, d] if b == c && c == d && a != b => vec![[left, bottom]],
            [a, b, c, d] if a == c && c == d && b != a => vec![[bottom, right]],
            [a, b, c, d] if a == b && b == d && c != a => vec![[right, top]],
            [a, b, c, d] if a == b && b == c && d != a => vec![[top, left]],
            [a, b, _, _] if a == b => vec![[left, right]],
            [a, _, _, d] if a == d => vec![[bottom, top]],
            // Opposite corners: the mean says which of them are joined.
            [a, ..] => {
                let middle = heights.iter().map(|height| height / 4.0).sum::<f64>() >= level;
                if middle == a {
                    vec![[bottom, right], [top, left]]
                } else {
                    vec![[left, bottom], [right, top]]
                }
            }
        }
    }

    /// Where a line crosses an edge.
    fn crossing(&self, (from, up): Edge, level: f64) -> [f64; 2] {
        let to = from + if up { self.columns } else { 1 };
        let (low, high) = (self.values[from], self.values[to]);
        let share = ((level - low) / (high - low)).clamp(0.0, 1.0);
        let [x, y] = [(from % self.columns) as f64, (from / self.columns) as f64];
        if up { [x, y + share] } else { [x + share, y] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(side: usize, height: fn(f64, f64) -> f64) -> Vec<f64> {
        let at = |index: usize| 2.0 * index as f64 / (side - 1) as f64 - 1.0;
        let rows = (0..side).flat_map(|row| (0..side).map(move |column| (column, row)));
        rows.map(|(column, row)| height(at(column), at(row)))
            .collect()
    }

    #[test]
    fn the_line_of_a_bowl_is_one_closed_circle() {
        let values = grid(41, |x, y| x * x + y * y);
        let lines = Heights::new(&values, 41).lines(0.25);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].first(), lines[0].last());
        for [column, row] in &lines[0] {
            let radius = (column / 20.0 - 1.0).hypot(row / 20.0 - 1.0);
            assert!((radius - 0.5).abs() < 2e-3, "{radius}");
        }
    }

    #[test]
    fn lines_of_a_saddle_are_two_and_open() {
        for (level, cut) in [(0.25, 0), (-0.25, 1)] {
            let values = grid(40, |x, y| x * x - y * y);
            let lines = Heights::new(&values, 40).lines(level);
            assert_eq!(lines.len(), 2);
            // Each branch stays on its side.
            for line in lines {
                assert_ne!(line.first(), line.last());
                let side = line[0][cut] > 19.5;
                assert!(line.iter().all(|point| (point[cut] > 19.5) == side));
            }
        }
    }

    #[test]
    fn a_slope_gives_one_line_across_and_odd_heights_none() {
        let values = grid(5, |x, _| x);
        assert_eq!(Heights::new(&values, 5).lines(0.25).len(), 1);
        let odd = vec![f64::NAN; 25];
        assert!(Heights::new(&odd, 5).lines(0.25).is_empty());
        assert!(Heights::new(&odd, 5).levels(3, true).is_empty());
        assert!(Heights::new(&[], 0).lines(0.0).is_empty());
    }

    #[test]
    fn levels_are_evenly_apart_or_by_a_factor() {
        let values = [1.0, 5.0];
        let heights = Heights::new(&values, 2);
        assert_eq!(heights.levels(3, false), [2.0, 3.0, 4.0]);
        let levels = heights.levels(3, true);
        for (level, share) in levels.iter().zip([1e-3, 1e-2, 1e-1]) {
            assert!((level - 1.0 - 4.0 * share).abs() < 1e-12);
        }
    }
}
