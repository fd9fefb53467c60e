//! Rows of length 1, whose products are cosines.

use firebrick_kernels::linear;

use crate::features::Features;

/// Each row divided by its length; a row of zeros stays as it is.
pub(crate) fn unit_rows(features: &Features) -> Vec<f32> {
    let mut values = features.values().to_vec();
    for row in values.chunks_exact_mut(features.width()) {
        let square: f64 = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        if square > 0.0 {
            let by = square.sqrt().recip();
            for x in row {
                *x = (f64::from(*x) * by) as f32;
            }
        }
    }
    values
}

/// Calls `each` with every row of `a` and its products with all rows of `b`.
pub(crate) fn each_products(
    a: &[f32],
    b: &[f32],
    width: usize,
    mut each: impl FnMut(usize, &[f32]),
) {
    const ROWS: usize = 256;
    let others = b.len() / width;
    for (block, rows) in a.chunks(ROWS * width).enumerate() {
        let count = rows.len() / width;
        // The gradient of a layer by its inputs is the product with the transposed weights.
        let products = linear::input_grad(rows, b, [count, others, width]);
        for (row, products) in products.chunks_exact(others).enumerate() {
            each(block * ROWS + row, products);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_pairs() {
        let a: Vec<f32> = (0..300 * 3).map(|at| (at % 7) as f32).collect();
        let b: Vec<f32> = (0..5 * 3).map(|at| (at % 4) as f32).collect();
        let mut rows = 0;
        each_products(&a, &b, 3, |row, products| {
            assert_eq!(row, rows);
            rows += 1;
            for (other, found) in products.iter().enumerate() {
                let pairs = a[row * 3..].iter().zip(&b[other * 3..other * 3 + 3]);
                assert_eq!(*found, pairs.map(|(a, b)| a * b).sum::<f32>());
            }
        });
        assert_eq!(rows, 300);
    }
}
