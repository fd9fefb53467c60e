//! Eigenvalues and eigenvectors of a symmetric matrix of three rows, by Jacobi's rotations. Written by hand: a crate for
//! linear algebra would be larger than what it is for.

/// The eigenvalues, the largest first, and their eigenvectors, of length 1 and with a sum that is not negative.
pub(super) fn symmetric(mut matrix: [[f64; 3]; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    // Its rows become the eigenvectors.
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    // Each sweep squares what is left beside the diagonal; a few are enough for every digit.
    for _ in 0..16 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if matrix[p][q] == 0.0 {
                continue;
            }
            let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
            let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let sine = tangent * cosine;
            for row in &mut matrix {
                (row[p], row[q]) = (
                    cosine * row[p] - sine * row[q],
                    sine * row[p] + cosine * row[q],
                );
            }
            for rows in [&mut matrix, &mut vectors] {
                for column in 0..3 {
                    let (one, other) = (rows[p][column], rows[q][column]);
                    rows[p][column] = cosine * one - sine * other;
                    rows[q][column] = sine * one + cosine * other;
                }
            }
        }
    }
    let mut pairs: Vec<_> = (0..3).map(|at| (matrix[at][at], vectors[at])).collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (_, vector) in &mut pairs {
        if vector.iter().sum::<f64>() < 0.0 {
            *vector = vector.map(|part| -part);
        }
    }
    (
        [0, 1, 2].map(|at| pairs[at].0),
        [0, 1, 2].map(|at| pairs[at].1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_put_together_again_from_its_parts() {
        let matrix = [[4.0, 1.5, -2.0], [1.5, 3.0, 0.25], [-2.0, 0.25, 0.5]];
        let (values, vectors) = symmetric(matrix);
        assert!(values[0] > values[1] && values[1] > values[2]);
        for one in 0..3 {
            for other in 0..3 {
                let product: f64 = (0..3)
                    .map(|k| values[k] * vectors[k][one] * vectors[k][other])
                    .sum();
                assert!((product - matrix[one][other]).abs() < 1e-12, "{product}");
                let dot: f64 = (0..3).map(|k| vectors[one][k] * vectors[other][k]).sum();
                assert!(
                    (dot - f64::from(u8::from(one == other))).abs() < 1e-12,
                    "{dot}"
                );
            }
        }
        // numpy.linalg.eigvalsh
        for (found, expected) in values
            .iter()
            .zip([5.560_802_99, 2.562_116_57, -0.622_919_56])
        {
            assert!((found - expected).abs() < 1e-7, "{found}");
        }
    }

    #[test]
    fn equal_and_vanishing_values_are_no_trouble() {
        let (values, vectors) = symmetric([[0.0; 3]; 3]);
        assert_eq!((values, vectors[1]), ([0.0; 3], [0.0, 1.0, 0.0]));
        let (values, _) = symmetric([[1.0, 1.0, 1.0]; 3]);
        assert!((values[0] - 3.0).abs() < 1e-12 && values[2].abs() < 1e-12);
    }
}
