//! Solves a small dense linear system in f64 on the host.

/// The solution of A · x = b by elimination with row pivoting; A is `[n · n]`, row by row. `None`
/// where A is singular to rounding: a pivot below n · ε times A's largest entry, or NaN.
pub(crate) fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    let largest = a
        .iter()
        .fold(0.0_f64, |worst, entry| worst.max(entry.abs()));
    let least = largest * n as f64 * f64::EPSILON;
    for column in 0..n {
        let size = |row: &usize| a[row * n + column].abs();
        let pivot = (column..n).max_by(|i, j| size(i).total_cmp(&size(j)))?;
        let found = size(&pivot);
        if found.is_nan() || found <= least {
            return None;
        }
        if pivot != column {
            for k in column..n {
                a.swap(pivot * n + k, column * n + k);
            }
            b.swap(pivot, column);
        }
        let (above, below) = a.split_at_mut((column + 1) * n);
        let top = &above[column * n..];
        for (row, entries) in below.chunks_exact_mut(n).enumerate() {
            let factor = entries[column] / top[column];
            if factor != 0.0 {
                for (entry, top) in entries[column..].iter_mut().zip(&top[column..]) {
                    *entry -= factor * top;
                }
                b[column + 1 + row] -= factor * b[column];
            }
        }
    }
    for row in (0..n).rev() {
        let entries = &a[row * n..(row + 1) * n];
        let known: f64 = (row + 1..n).map(|k| entries[k] * b[k]).sum();
        b[row] = (b[row] - known) / entries[row];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pivoting_solves_what_plain_elimination_cannot() {
        // A zero on the diagonal; det = -2.
        let a = vec![0.0, 2.0, 1.0, 1.0];
        let x = solve(a, vec![4.0, 5.0]).unwrap();
        assert!(
            (x[0] - 3.0).abs() < 1e-15 && (x[1] - 2.0).abs() < 1e-15,
            "{x:?}"
        );
    }

    #[test]
    fn a_larger_system_gives_back_what_made_it() {
        let n = 30;
        let entry = |at: usize| ((at * at + 3 * at) as f64).sin();
        let a: Vec<_> = (0..n * n).map(entry).collect();
        let x: Vec<_> = (0..n).map(|at| (at as f64).cos()).collect();
        let b = a
            .chunks_exact(n)
            .map(|row| row.iter().zip(&x).map(|(a, x)| a * x).sum());
        let found = solve(a.clone(), b.collect()).unwrap();
        assert!(found.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-10));
    }

    #[test]
    fn singular_and_unfinite_systems_have_no_solution() {
        assert_eq!(solve(vec![1.0, 2.0, 2.0, 4.0], vec![1.0, 1.0]), None);
        assert_eq!(solve(vec![f64::NAN], vec![1.0]), None);
        assert_eq!(solve(vec![0.0], vec![1.0]), None);
    }
}
