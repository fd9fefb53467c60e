//! Products with a matrix of features that is centred and scaled on the fly, in f64.
//!
//! Rows are divided into pieces by their number alone, and the sums of the pieces are added in order, so the result does
//! not depend on the number of threads.

use firebrick_kernels::wide;
use rayon::prelude::*;

/// Rows that are converted together.
const TILE: usize = 8;
/// The most pieces of the rows.
const PIECES: usize = 16;
/// The most numbers that the sums of all pieces may have: 64 MiB.
const SUMS: usize = 8 << 20;

/// Some rows of features, `(x - mean) · scale` column by column.
#[derive(Debug)]
pub(crate) struct Design<'a> {
    values: &'a [f32],
    width: usize,
    /// The rows that count, with the weight of each; the weights sum to 1.
    rows: Vec<(usize, f64)>,
    pub(crate) mean: Vec<f64>,
    pub(crate) scale: Vec<f64>,
    /// The variance of each column, after scaling.
    pub(crate) variance: Vec<f64>,
}

impl<'a> Design<'a> {
    /// Rows with weights of any sum, centred and, if asked, scaled to a variance of 1. A column that is constant is only
    /// centred.
    pub(crate) fn new(
        values: &'a [f32],
        width: usize,
        rows: Vec<(usize, f64)>,
        standardize: bool,
    ) -> Self {
        let total: f64 = rows.iter().map(|(_, weight)| weight).sum();
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|(_, weight)| *weight > 0.0)
            .map(|(row, weight)| (row, weight / total))
            .collect();
        let mut design = Self {
            values,
            width,
            rows,
            mean: vec![0.0; width],
            scale: vec![1.0; width],
            variance: Vec::new(),
        };
        design.mean = design.moment(|value, _| value);
        let mut variance = design.moment(|value, mean| (value - mean) * (value - mean));
        if standardize {
            let inverse = |(variance, mean): (&f64, &f64)| {
                // Rounding leaves this of a constant column.
                let constant = *variance <= 1e-14 * mean * mean || *variance <= 0.0;
                if constant {
                    1.0
                } else {
                    variance.sqrt().recip()
                }
            };
            design.scale = variance.iter().zip(&design.mean).map(inverse).collect();
            for (variance, scale) in variance.iter_mut().zip(&design.scale) {
                *variance *= scale * scale;
            }
        }
        design.variance = variance;
        design
    }

    /// The weighted mean of a function of each value and the mean of its column.
    fn moment(&self, of: impl Fn(f64, f64) -> f64 + Sync) -> Vec<f64> {
        let sums = self.pieces(self.width).map(|rows| {
            let mut sum = vec![0.0; self.width];
            for (row, weight) in rows {
                let values = self.row(*row).iter().zip(&self.mean);
                for (sum, (value, mean)) in sum.iter_mut().zip(values) {
                    *sum += weight * of(f64::from(*value), *mean);
                }
            }
            sum
        });
        added(&sums.collect::<Vec<_>>())
    }

    fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// The number of columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The rows that count.
    pub(crate) fn rows(&self) -> &[(usize, f64)] {
        &self.rows
    }

    /// The rows in pieces, of each of which a sum of so many numbers is made.
    fn pieces(&self, sums: usize) -> rayon::slice::Chunks<'_, (usize, f64)> {
        let pieces = (SUMS / sums.max(1)).clamp(2, PIECES);
        let rows = self.rows.len().div_ceil(pieces).next_multiple_of(TILE);
        self.rows.par_chunks(rows.max(4 * TILE))
    }

    /// Multiplies each row with the parameters of all outputs (for each its weights, then its intercept), lets `turn` make
    /// of its outputs what is multiplied back, and adds that up: `turn` is given the place of the row among
    /// [`rows`](Self::rows), and what it gives is added up too.
    ///
    /// ```text
    /// outputs = X W + b,   coefficients = turn(outputs),   sums = Xᵀ coefficients, Σ coefficients
    /// ```
    ///
    /// What `turn` adds to the list is kept, row by row.
    pub(crate) fn there_and_back(
        &self,
        parameters: &[f64],
        turn: impl Fn(usize, &mut [f64], &mut Vec<f64>) -> f64 + Sync,
    ) -> Turned {
        let outputs = parameters.len() / (self.width + 1);
        let first = self.pieces(parameters.len());
        let length = first.clone().map(<[_]>::len).max().unwrap_or(1);
        let pieces: Vec<(f64, Vec<f64>, Vec<f64>)> = first
            .enumerate()
            .map(|(piece, rows)| {
                let mut sums = vec![0.0; parameters.len()];
                let mut tile = vec![0.0; TILE * self.width];
                let mut coefficients = vec![0.0; TILE * outputs];
                let (mut value, mut kept) = (0.0, Vec::new());
                for (at, rows) in rows.chunks(TILE).enumerate() {
                    self.fill(rows, &mut tile);
                    multiply(&tile, parameters, &mut coefficients);
                    for (within, row) in coefficients.chunks_exact_mut(outputs).enumerate() {
                        if within < rows.len() {
                            let place = piece * length + at * TILE + within;
                            value += turn(place, row, &mut kept);
                        } else {
                            row.fill(0.0);
                        }
                    }
                    multiply_back(&tile, &coefficients, &mut sums);
                }
                (value, sums, kept)
            })
            .collect();
        let sums: Vec<&[f64]> = pieces.iter().map(|(_, sums, _)| &sums[..]).collect();
        Turned {
            sums: added(&sums),
            value: pieces.iter().map(|(value, _, _)| value).sum(),
            kept: pieces.into_iter().flat_map(|(_, _, kept)| kept).collect(),
        }
    }

    /// The rows of a tile; those that it has no more of are 0.
    fn fill(&self, rows: &[(usize, f64)], tile: &mut [f64]) {
        for (within, tile) in tile.chunks_exact_mut(self.width).enumerate() {
            match rows.get(within) {
                Some((row, _)) => convert(self.row(*row), &self.mean, &self.scale, tile),
                None => tile.fill(0.0),
            }
        }
    }
}

/// What [`Design::there_and_back`] gives.
pub(crate) struct Turned {
    /// For each output the sums of all columns, then that of the coefficients.
    pub(crate) sums: Vec<f64>,
    /// What `turn` gave.
    pub(crate) value: f64,
    /// What `turn` kept.
    pub(crate) kept: Vec<f64>,
}

/// The sum of vectors, in order.
fn added<V: AsRef<[f64]>>(vectors: &[V]) -> Vec<f64> {
    let (first, others) = match vectors.split_first() {
        Some((first, others)) => (first.as_ref().to_vec(), others),
        None => return Vec::new(),
    };
    others.iter().fold(first, |mut sum, other| {
        for (sum, other) in sum.iter_mut().zip(other.as_ref()) {
            *sum += other;
        }
        sum
    })
}

wide! {
    fn convert(row: &[f32], mean: &[f64], scale: &[f64], tile: &mut [f64]) {
        for (((tile, value), mean), scale) in tile.iter_mut().zip(row).zip(mean).zip(scale) {
            *tile = (f64::from(*value) - mean) * scale;
        }
    }
}

wide! {
    fn multiply(tile: &[f64], parameters: &[f64], outputs: &mut [f64]) {
        let width = tile.len() / TILE;
        let count = outputs.len() / TILE;
        for (output, parameters) in parameters.chunks_exact(width + 1).enumerate() {
            let (weights, intercept) = parameters.split_at(width);
            for (row, x) in tile.chunks_exact(width).enumerate() {
                outputs[row * count + output] = product(x, weights) + intercept[0];
            }
        }
    }
}

wide! {
    fn multiply_back(tile: &[f64], coefficients: &[f64], sums: &mut [f64]) {
        let width = tile.len() / TILE;
        let count = coefficients.len() / TILE;
        let mut rows = tile.chunks_exact(width);
        let rows: [&[f64]; TILE] = std::array::from_fn(|_| rows.next().unwrap_or(&[]));
        for (output, sums) in sums.chunks_exact_mut(width + 1).enumerate() {
            let by: [f64; TILE] = std::array::from_fn(|row| coefficients[row * count + output]);
            let (sums, total) = sums.split_at_mut(width);
            for (column, sum) in sums.iter_mut().enumerate() {
                let mut added = 0.0;
                for (row, by) in rows.iter().zip(by) {
                    added += by * row[column];
                }
                *sum += added;
            }
            total[0] += by.iter().sum::<f64>();
        }
    }
}

/// The sum of the products of two vectors, in eight sums.
#[inline(always)]
pub(crate) fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 rows of 3 columns.
    fn values() -> Vec<f32> {
        let value = |at: usize| ((at * 37 + 11) % 101) as f32 / 10.0 + (at % 3) as f32 * 4.0;
        (0..300).map(value).collect()
    }

    #[test]
    fn products_are_those_of_plain_loops() {
        let values = values();
        // Every third row does not count.
        let rows: Vec<_> = (0..100)
            .filter(|row| row % 3 > 0)
            .map(|row| (row, 1.0 + (row % 5) as f64))
            .collect();
        let total: f64 = rows.iter().map(|(_, weight)| weight).sum();
        let design = Design::new(&values, 3, rows.clone(), true);
        let x = |row: usize, column: usize| f64::from(values[3 * row + column]);
        let mut standardized = vec![[0.0; 3]; 100];
        for column in 0..3 {
            let mean = rows.iter().map(|(row, w)| w * x(*row, column)).sum::<f64>() / total;
            let square = |(row, w): &(usize, f64)| w * (x(*row, column) - mean).powi(2);
            let deviation = (rows.iter().map(square).sum::<f64>() / total).sqrt();
            for (row, to) in standardized.iter_mut().enumerate() {
                to[column] = (x(row, column) - mean) / deviation;
            }
        }
        let parameters = [0.5, -1.0, 2.0, 0.25, 1.5, 0.0, -0.5, -2.0];
        let turned = design.there_and_back(&parameters, |place, outputs, kept| {
            kept.extend(&*outputs);
            outputs[1] *= design.rows()[place].1;
            outputs[0]
        });
        let (mut sums, mut kept, mut value) = ([0.0; 8], Vec::new(), 0.0);
        for (row, weight) in &rows {
            let x = standardized[*row];
            let mut outputs = [0.0; 2];
            for (output, p) in outputs.iter_mut().zip(parameters.chunks_exact(4)) {
                *output = x.iter().zip(p).map(|(x, p)| x * p).sum::<f64>() + p[3];
            }
            kept.extend(outputs);
            value += outputs[0];
            outputs[1] *= weight / total;
            for (sums, output) in sums.chunks_exact_mut(4).zip(outputs) {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += output * x;
                }
                sums[3] += output;
            }
        }
        let near = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            assert!(
                a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-10),
                "{a:?} {b:?}"
            );
        };
        near(&turned.sums, &sums);
        near(&turned.kept, &kept);
        near(&[turned.value], &[value]);
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let values = values();
        let result = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let design = Design::new(&values, 3, (0..100).map(|r| (r, 1.0)).collect(), true);
                design
                    .there_and_back(&[0.1, 0.2, 0.3, 0.4], |_, outputs, _| outputs[0])
                    .sums
            })
        };
        assert_eq!(result(1), result(3));
    }

    #[test]
    fn a_constant_column_is_not_scaled() {
        let design = Design::new(
            &[0.1, 0.1, 0.1, 3.0],
            1,
            vec![(0, 1.0), (1, 1.0), (2, 1.0)],
            true,
        );
        assert_eq!(design.scale, [1.0]);
    }
}
