//! Eigenvalues of symmetric matrices, all of them or the largest of a covariance.
//!
//! Source: Golub and Van Loan, "Matrix Computations", 4th edition, algorithms 8.3.1 (Householder tridiagonalization) and 8.3.3
//! (implicit QR steps with Wilkinson's shift); Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM
//! Review 2011, algorithm 4.4, for the largest of a covariance.

use firebrick_kernels::wide;
use firebrick_types::random::rng;
use rand_distr::{Distribution, StandardNormal};

use crate::design::{Design, product};

/// The eigenvalues of a symmetric matrix, the largest first, and the products of its eigenvectors with some vectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    /// For each of the vectors that were given, its products with the eigenvectors in the order of the values.
    pub(crate) products: Vec<Vec<f64>>,
}

/// Of a symmetric matrix, row by row. With the unit vectors as `vectors`, the products are the eigenvectors, transposed:
/// `products[i][j]` is element i of eigenvector j.
pub(crate) fn symmetric(mut matrix: Vec<f64>, size: usize, vectors: Vec<Vec<f64>>) -> Eigen {
    debug_assert_eq!(matrix.len(), size * size);
    let mut products = vectors;
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, size, &mut products);
    diagonalize(&mut diagonal, &mut beside, &mut products);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|a, b| diagonal[*b].total_cmp(&diagonal[*a]));
    let sorted = |list: &[f64]| order.iter().map(|at| list[*at]).collect();
    Eigen {
        values: sorted(&diagonal),
        products: products.iter().map(|product| sorted(product)).collect(),
    }
}

/// The unit vectors.
pub(crate) fn units(size: usize) -> Vec<Vec<f64>> {
    let unit = |at: usize| {
        let mut unit = vec![0.0; size];
        unit[at] = 1.0;
        unit
    };
    (0..size).map(unit).collect()
}

/// The diagonal, and what is beside it, after reflections that are applied to the vectors too.
fn tridiagonal(matrix: &mut [f64], size: usize, vectors: &mut [Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; size.saturating_sub(1)];
    for k in 0..size.saturating_sub(2) {
        let below = k + 1;
        let mut v: Vec<f64> = matrix[k * size + below..(k + 1) * size].to_vec();
        let norm = product(&v, &v).sqrt();
        let sign = if v[0] > 0.0 { -1.0 } else { 1.0 };
        beside[k] = sign * norm;
        v[0] -= beside[k];
        let square = product(&v, &v);
        if square == 0.0 {
            continue;
        }
        let factor = 2.0 / square;
        // A ← H A H with H = 1 - factor v vᵀ, of which the lower right part is symmetric.
        let mut p = vec![0.0; v.len()];
        symmetric_product(&matrix[below * size..], size, below, &v, &mut p);
        p.iter_mut().for_each(|p| *p *= factor);
        let half = 0.5 * factor * product(&p, &v);
        for (p, v) in p.iter_mut().zip(&v) {
            *p -= half * v;
        }
        subtract_outer(&mut matrix[below * size..], size, below, &v, &p);
        for vector in vectors.iter_mut() {
            let along = factor * product(&vector[below..], &v);
            for (value, v) in vector[below..].iter_mut().zip(&v) {
                *value -= along * v;
            }
        }
    }
    if size >= 2 {
        beside[size - 2] = matrix[(size - 2) * size + size - 1];
    }
    let diagonal = (0..size).map(|at| matrix[at * size + at]).collect();
    (diagonal, beside)
}

wide! {
    /// The product of a vector with the rows, from a column on.
    fn symmetric_product(rows: &[f64], size: usize, from: usize, v: &[f64], to: &mut [f64]) {
        for (row, to) in rows.chunks_exact(size).zip(to) {
            *to = product(&row[from..], v);
        }
    }
}

wide! {
    /// Subtracts v pᵀ + p vᵀ from the rows, from a column on.
    fn subtract_outer(rows: &mut [f64], size: usize, from: usize, v: &[f64], p: &[f64]) {
        for (row, (v_row, p_row)) in rows.chunks_exact_mut(size).zip(v.iter().zip(p)) {
            for (value, (v, p)) in row[from..].iter_mut().zip(v.iter().zip(p)) {
                *value -= v_row * p + p_row * v;
            }
        }
    }
}

/// Makes the tridiagonal matrix diagonal by rotations, which are applied to the vectors too.
fn diagonalize(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [Vec<f64>]) {
    let mut end = diagonal.len();
    // Each eigenvalue takes two or three steps.
    let mut steps = 60 * diagonal.len();
    while end > 1 && steps > 0 {
        steps -= 1;
        let negligible = |at: usize| {
            beside[at].abs() <= f64::EPSILON * (diagonal[at].abs() + diagonal[at + 1].abs())
        };
        if beside[end - 2] == 0.0 || negligible(end - 2) {
            beside[end - 2] = 0.0;
            end -= 1;
            continue;
        }
        let mut start = end - 2;
        while start > 0 && beside[start - 1] != 0.0 && !negligible(start - 1) {
            start -= 1;
        }
        step(diagonal, beside, vectors, start, end);
    }
}

/// One QR step with Wilkinson's shift on a part that does not fall apart.
fn step(
    diagonal: &mut [f64],
    beside: &mut [f64],
    vectors: &mut [Vec<f64>],
    start: usize,
    end: usize,
) {
    let last = end - 1;
    let difference = 0.5 * (diagonal[last - 1] - diagonal[last]);
    let corner = beside[last - 1];
    let root = difference.hypot(corner);
    let away = difference + if difference < 0.0 { -root } else { root };
    let shift = diagonal[last] - corner * (corner / away);
    let (mut x, mut z) = (diagonal[start] - shift, beside[start]);
    for k in start..last {
        let radius = x.hypot(z);
        let (c, s) = if radius == 0.0 {
            (1.0, 0.0)
        } else {
            (x / radius, z / radius)
        };
        if k > start {
            beside[k - 1] = radius;
        }
        let (a, b, d) = (diagonal[k], beside[k], diagonal[k + 1]);
        diagonal[k] = c * c * a + 2.0 * c * s * b + s * s * d;
        diagonal[k + 1] = s * s * a - 2.0 * c * s * b + c * c * d;
        beside[k] = c * s * (d - a) + (c * c - s * s) * b;
        if k + 1 < last {
            x = beside[k];
            z = s * beside[k + 1];
            beside[k + 1] *= c;
        }
        for vector in vectors.iter_mut() {
            let (u, w) = (vector[k], vector[k + 1]);
            vector[k] = c * u + s * w;
            vector[k + 1] = c * w - s * u;
        }
    }
}

/// The largest eigenvalues of a covariance, with their eigenvectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Spectrum {
    /// The largest first.
    pub(crate) values: Vec<f64>,
    /// One after the other, each of the width of the features.
    pub(crate) vectors: Vec<Vec<f64>>,
    /// The sum of all variances.
    pub(crate) total: f64,
}

/// The `count` largest of the weighted covariance of a design, by subspace iterations from random directions, until no
/// value changes by more than `tolerance` of itself, or after `most` iterations.
pub(crate) fn largest_of_covariance(
    design: &Design<'_>,
    count: usize,
    seed: u64,
    tolerance: f64,
    most: usize,
) -> Spectrum {
    let width = design.width();
    let rank = design.rows().len().min(width);
    let count = count.min(rank).max(1);
    // Some more, so that the last ones that are wanted converge too.
    let tried = (count + 8).min(width);
    let mut random = rng(seed, "directions", width as u64, tried as u64);
    let mut directions: Vec<Vec<f64>> = (0..tried)
        .map(|_| {
            let draw = |_| StandardNormal.sample(&mut random);
            (0..width).map(draw).collect()
        })
        .collect();
    let mut values: Vec<f64> = vec![0.0; count];
    for _ in 0..most.max(1) {
        orthonormalize(&mut directions);
        let images = covariance_times(design, &directions);
        // The eigenvectors within the span of the directions.
        let small: Vec<f64> = directions
            .iter()
            .flat_map(|a| images.iter().map(|b| product(a, b)))
            .collect();
        let small = symmetrized(&small, tried);
        let eigen = symmetric(small, tried, units(tried));
        let before = std::mem::replace(&mut values, eigen.values[..count].to_vec());
        directions = combined(&directions, &eigen.products);
        let still = values
            .iter()
            .zip(&before)
            .all(|(now, before)| (now - before).abs() <= tolerance * now.abs());
        if still {
            break;
        }
        directions = combined(&images, &eigen.products);
    }
    // After the last iteration, they may be images that are not orthonormal.
    orthonormalize(&mut directions);
    directions.truncate(count);
    let total = design.variance.iter().sum();
    Spectrum {
        values,
        vectors: directions,
        total,
    }
}

/// The covariance times each direction.
pub(crate) fn covariance_times(design: &Design<'_>, directions: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = design.width();
    let mut parameters = Vec::with_capacity(directions.len() * (width + 1));
    for direction in directions {
        parameters.extend(direction);
        parameters.push(0.0);
    }
    let turned = design.there_and_back(&parameters, |place, outputs, _| {
        let weight = design.rows()[place].1;
        outputs.iter_mut().for_each(|output| *output *= weight);
        0.0
    });
    let rows = turned.sums.chunks_exact(width + 1);
    rows.map(|row| row[..width].to_vec()).collect()
}

/// Linear combinations of vectors, with the coefficients of each result in a column.
fn combined(vectors: &[Vec<f64>], columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = vectors.first().map_or(0, Vec::len);
    (0..columns.len())
        .map(|column| {
            let mut sum = vec![0.0; width];
            for (vector, row) in vectors.iter().zip(columns) {
                for (sum, value) in sum.iter_mut().zip(vector) {
                    *sum += row[column] * value;
                }
            }
            sum
        })
        .collect()
}

fn symmetrized(matrix: &[f64], size: usize) -> Vec<f64> {
    let at = |row: usize, column: usize| matrix[row * size + column];
    (0..size * size)
        .map(|i| 0.5 * (at(i / size, i % size) + at(i % size, i / size)))
        .collect()
}

/// Gram and Schmidt's method, twice, so that rounding leaves nothing. A direction that depends on those before it becomes 0.
fn orthonormalize(directions: &mut [Vec<f64>]) {
    for at in 0..directions.len() {
        let (before, rest) = directions.split_at_mut(at);
        let Some(direction) = rest.first_mut() else {
            continue;
        };
        let length = product(direction, direction).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let along = product(direction, other);
                for (value, other) in direction.iter_mut().zip(other) {
                    *value -= along * other;
                }
            }
        }
        let left = product(direction, direction).sqrt();
        let factor = if left > 1e-12 * length && left > 0.0 {
            left.recip()
        } else {
            0.0
        };
        direction.iter_mut().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(size: usize) -> Vec<f64> {
        let value = |row: usize, column: usize| {
            let (a, b) = (row.min(column), row.max(column));
            ((a * 31 + b * 17 + a * b) % 23) as f64 - 11.0
        };
        (0..size * size)
            .map(|at| value(at / size, at % size))
            .collect()
    }

    #[test]
    fn eigenvectors_make_the_matrix() {
        for size in [1, 2, 3, 8, 30] {
            let matrix = matrix(size);
            let eigen = symmetric(matrix.clone(), size, units(size));
            assert!(eigen.values.is_sorted_by(|a, b| a >= b));
            for row in 0..size {
                for column in 0..size {
                    let (a, b) = (&eigen.products[row], &eigen.products[column]);
                    let made: f64 = (0..size).map(|k| a[k] * eigen.values[k] * b[k]).sum();
                    assert!(
                        (made - matrix[row * size + column]).abs() < 1e-11 * 12.0 * size as f64
                    );
                    let unit = if row == column { 1.0 } else { 0.0 };
                    assert!((product(a, b) - unit).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn matrices_that_fall_apart() {
        // Equal eigenvalues, zeros, and a block.
        let eigen = symmetric(
            vec![2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0],
            3,
            units(3),
        );
        assert_eq!(eigen.values, [2.0, 2.0, 0.0]);
        let block = vec![1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 5.0];
        let eigen = symmetric(block, 3, units(3));
        for (value, expected) in eigen.values.iter().zip([5.0, 2.0, 0.0]) {
            assert!((value - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn the_largest_of_a_covariance_are_those_of_the_whole() {
        let values: Vec<f32> = (0..60 * 20)
            .map(|at| {
                let (row, column) = (at / 20, at % 20);
                ((row * 7 + column * column * 3) % 13) as f32 / (1.0 + column as f32)
            })
            .collect();
        let rows = (0..60).map(|row| (row, 1.0)).collect();
        let design = Design::new(&values, 20, rows, false);
        let found = largest_of_covariance(&design, 4, 0, 1e-13, 300);
        let whole = covariance_times(&design, &units(20)).concat();
        let eigen = symmetric(symmetrized(&whole, 20), 20, units(20));
        for (at, (value, expected)) in found.values.iter().zip(&eigen.values).enumerate() {
            assert!((value / expected - 1.0).abs() < 1e-10, "{value} {expected}");
            let column: Vec<f64> = eigen.products.iter().map(|row| row[at]).collect();
            assert!(product(&column, &found.vectors[at]).abs() > 1.0 - 1e-9);
        }
        assert!((found.total - eigen.values.iter().sum::<f64>()).abs() < 1e-10);
    }

    #[test]
    fn more_directions_than_there_are() {
        let design = Design::new(&[1.0, 2.0, 3.0, 5.0], 2, vec![(0, 1.0), (1, 1.0)], false);
        let found = largest_of_covariance(&design, 5, 1, 1e-12, 50);
        assert_eq!(found.values.len(), 2);
        assert!((found.values[0] - 3.25).abs() < 1e-12 && found.values[1].abs() < 1e-12);
    }
}
