//! Decompositions of small dense matrices on the host, in f64, which Burn lacks. Matrices are square and row-major.

/// The eigenvectors of a symmetric matrix as columns, by falling eigenvalue.
///
/// Jacobi's cyclic rotations (Golub & Van Loan, "Matrix Computations", algorithm 8.5.2). Not finite
/// entries give vectors without meaning, and no loop without end.
pub(crate) fn eigenvectors(matrix: &[f64], n: usize) -> Vec<f64> {
    let (mut a, mut vectors) = (matrix.to_vec(), identity(n));
    for _ in 0..60 {
        let rotated = (0..n)
            .flat_map(|p| (p + 1..n).map(move |q| (p, q)))
            .fold(false, |any, (p, q)| {
                rotate(&mut a, &mut vectors, n, p, q) || any
            });
        if !rotated {
            break;
        }
    }
    let values: Vec<_> = (0..n).map(|i| a[i * n + i]).collect();
    columns(&vectors, n, &falling(&values))
}

/// Turns the entry (p, q) to zero; whether there was one to speak of.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) -> bool {
    let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
    if apq == 0.0 || apq.abs() <= f64::EPSILON * (app.abs() * aqq.abs()).sqrt() * 1e-2 {
        return false;
    }
    let theta = (aqq - app) / (2.0 * apq);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |one: &mut f64, other: &mut f64| {
        (*one, *other) = (cosine * *one - sine * *other, sine * *one + cosine * *other);
    };
    for k in 0..n {
        let [mut one, mut other] = [a[k * n + p], a[k * n + q]];
        turn(&mut one, &mut other);
        [a[k * n + p], a[k * n + q]] = [one, other];
        let [mut one, mut other] = [vectors[k * n + p], vectors[k * n + q]];
        turn(&mut one, &mut other);
        [vectors[k * n + p], vectors[k * n + q]] = [one, other];
    }
    for k in 0..n {
        let [mut one, mut other] = [a[p * n + k], a[q * n + k]];
        turn(&mut one, &mut other);
        [a[p * n + k], a[q * n + k]] = [one, other];
    }
    [a[p * n + q], a[q * n + p]] = [0.0; 2];
    true
}

/// The orthogonal factor of a matrix's QR decomposition, by Householder reflections (algorithm
/// 5.2.1 there); orthogonal whatever the rank.
pub(crate) fn orthogonal(matrix: &[f64], n: usize) -> Vec<f64> {
    let (mut r, mut q) = (matrix.to_vec(), identity(n));
    for k in 0..n {
        let length = (k..n).fold(0.0_f64, |sum, i| sum.hypot(r[i * n + k]));
        if length == 0.0 {
            continue;
        }
        let mut mirror: Vec<_> = (k..n).map(|i| r[i * n + k] / length).collect();
        mirror[0] += 1.0_f64.copysign(mirror[0]);
        let square: f64 = mirror.iter().map(|one| one * one).sum();
        // R ← H R, Q ← Q H, with H = 1 - 2 v vᵀ / vᵀv.
        for j in k..n {
            let along: f64 = (k..n).map(|i| mirror[i - k] * r[i * n + j]).sum();
            (k..n).for_each(|i| r[i * n + j] -= 2.0 * along / square * mirror[i - k]);
        }
        for row in q.chunks_mut(n) {
            let along: f64 = row[k..].iter().zip(&mirror).map(|(a, b)| a * b).sum();
            let step = 2.0 * along / square;
            row[k..]
                .iter_mut()
                .zip(&mirror)
                .for_each(|(one, mirror)| *one -= step * mirror);
        }
    }
    q
}

/// The product of two matrices.
pub(crate) fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut product = vec![0.0; n * n];
    for (row, out) in a.chunks(n).zip(product.chunks_mut(n)) {
        for (factor, other) in row.iter().zip(b.chunks(n)) {
            out.iter_mut()
                .zip(other)
                .for_each(|(out, other)| *out += factor * other);
        }
    }
    product
}

/// The columns in another order.
pub(crate) fn columns(matrix: &[f64], n: usize, order: &[usize]) -> Vec<f64> {
    let row = |row: &[f64]| order.iter().map(|&j| row[j]).collect::<Vec<_>>();
    matrix.chunks(n).flat_map(row).collect()
}

/// The places of the numbers from the largest to the smallest.
pub(crate) fn falling(numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<_> = (0..numbers.len()).collect();
    order.sort_by(|&i, &j| numbers[j].total_cmp(&numbers[i]));
    order
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n)
        .map(|at| f64::from(u8::from(at % (n + 1) == 0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transposed(a: &[f64], n: usize) -> Vec<f64> {
        (0..n * n).map(|at| a[at % n * n + at / n]).collect()
    }

    fn apart(a: &[f64], b: &[f64]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
    }

    fn sample(n: usize) -> Vec<f64> {
        (0..n * n).map(|at| (1.7 * at as f64).sin()).collect()
    }

    #[test]
    fn eigenvectors_make_a_symmetric_matrix_diagonal() {
        for n in [1, 2, 5, 20] {
            // Of rank n - 1 at most, for n above 1.
            let mut half = sample(n);
            if n > 1 {
                half[..n].fill(0.0);
            }
            let matrix = product(&half, &transposed(&half, n), n);
            let vectors = eigenvectors(&matrix, n);
            let turned = product(&transposed(&vectors, n), &vectors, n);
            assert!(apart(&turned, &identity(n)) < 1e-13);
            let diagonal = product(&transposed(&vectors, n), &product(&matrix, &vectors, n), n);
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    assert!(diagonal[i * n + j].abs() < 1e-12);
                }
                assert!(i == 0 || diagonal[i * n + i] <= diagonal[(i - 1) * n + i - 1] + 1e-12);
            }
        }
        assert_eq!(eigenvectors(&[0.0; 9], 3), identity(3));
        assert_eq!(eigenvectors(&[f64::NAN; 4], 2).len(), 4);
    }

    #[test]
    fn the_orthogonal_factor_leaves_a_triangle() {
        let n = 6;
        let mut matrix = sample(n);
        for singular in [false, true] {
            if singular {
                (0..n).for_each(|i| matrix[i * n + 3] = 2.0 * matrix[i * n + 2]);
            }
            let q = orthogonal(&matrix, n);
            assert!(apart(&product(&transposed(&q, n), &q, n), &identity(n)) < 1e-13);
            let triangle = product(&transposed(&q, n), &matrix, n);
            for i in 0..n {
                (0..i).for_each(|j| assert!(triangle[i * n + j].abs() < 1e-13));
            }
        }
        assert_eq!(orthogonal(&[0.0; 4], 2), identity(2));
    }
}
