//! LogME: how well features fit labels, as the evidence of a linear model.
//!
//! Source: You et al., "LogME: practical assessment of pre-trained models for transfer learning", ICML 2021, with the fixed-point
//! iteration of "Ranking and tuning pre-trained models" (2021), as their published code computes it. Two things are of the code and not
//! of the paper: 1e-5 is added to both denominators, and with fewer images than features the sum over ln(α + β σ) goes over the
//! singular values that there are.

use rayon::prelude::*;

use crate::eigen::symmetric;
use crate::error::TransferError;
use crate::features::Features;

/// The largest side of the smaller one of images and features: its eigenvalues take seconds.
const MOST: usize = 4096;

/// The mean, over the classes, of the logarithm of the evidence for each image: larger is better. It compares features of
/// one data set with each other, such as those of several stages or models; of different data it says nothing.
///
/// # Errors
/// [`TransferError`] for more than 4096 images and features, and a class without images.
pub fn logme(features: &Features) -> Result<f64, TransferError> {
    features.check_classes("LogME")?;
    let (rows, width) = (features.rows(), features.width());
    let classes = features.classes().len();
    if rows.min(width) > MOST {
        return Err(TransferError::fit(
            "LogME",
            format!("{rows} images and {width} features are too many: give at most {MOST} images"),
        ));
    }
    // The squares of the singular values, and those of the products of the left singular vectors with the labels.
    let (mut squares, products) = if rows > width {
        by_columns(features)
    } else {
        by_rows(features)
    };
    // Those of directions that no image has: the code leaves them out only where there are more images than features.
    let known = if rows > width {
        squares.iter().filter(|s| s.max(0.0).sqrt() > 1e-10).count()
    } else {
        squares.len()
    };
    squares.truncate(known);
    squares.iter_mut().for_each(|s| *s = s.max(0.0));
    let counts = features.class_counts();
    let evidences = (0..classes).map(|class| {
        let along: Vec<f64> = products[class][..known].iter().map(|x| x * x).collect();
        evidence(&squares, &along, counts[class] as f64, rows, width)
    });
    Ok(evidences.sum::<f64>() / classes as f64)
}

/// Of the matrix of the features' products.
fn by_columns(features: &Features) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (width, classes) = (features.width(), features.classes().len());
    let mut to = vec![vec![0.0; width]; classes];
    for (row, label) in features.values().chunks_exact(width).zip(features.labels()) {
        for (to, x) in to[*label].iter_mut().zip(row) {
            *to += f64::from(*x);
        }
    }
    let columns: Vec<Vec<f64>> = (0..width)
        .into_par_iter()
        .map(|column| {
            let of_column = features.values().iter().skip(column).step_by(width);
            of_column.map(|x| f64::from(*x)).collect()
        })
        .collect();
    let eigen = symmetric(gram(&columns), width, to);
    // u = X v / σ, so uᵀ y = vᵀ (Xᵀ y) / σ.
    let scaled = |row: &Vec<f64>| {
        let pairs = row.iter().zip(&eigen.values);
        pairs.map(|(x, s)| x / s.max(1e-300).sqrt()).collect()
    };
    let products = eigen.products.iter().map(scaled).collect();
    (eigen.values, products)
}

/// Of the matrix of the images' products.
fn by_rows(features: &Features) -> (Vec<f64>, Vec<Vec<f64>>) {
    let rows = features.values().chunks_exact(features.width());
    let rows: Vec<Vec<f64>> = rows
        .map(|row| row.iter().map(|x| f64::from(*x)).collect())
        .collect();
    let labels = (0..features.classes().len()).map(|class| {
        let of = |label: &usize| f64::from(u8::from(*label == class));
        features.labels().iter().map(of).collect()
    });
    let eigen = symmetric(gram(&rows), rows.len(), labels.collect());
    (eigen.values, eigen.products)
}

/// The products of all pairs of vectors.
fn gram(vectors: &[Vec<f64>]) -> Vec<f64> {
    let size = vectors.len();
    let half: Vec<Vec<f64>> = (0..size)
        .into_par_iter()
        .map(|row| products_from(vectors, row))
        .collect();
    let mut gram = vec![0.0; size * size];
    for (row, half) in half.iter().enumerate() {
        for (column, value) in (row..size).zip(half) {
            gram[row * size + column] = *value;
            gram[column * size + row] = *value;
        }
    }
    gram
}

firebrick_kernels::wide! {
    fn products_from(vectors: &[Vec<f64>], row: usize) -> Vec<f64> {
        let others = vectors[row..].iter();
        others.map(|other| crate::design::product(&vectors[row], other)).collect()
    }
}

/// The evidence of one class against all others, for each image.
fn evidence(squares: &[f64], along: &[f64], ones: f64, rows: usize, width: usize) -> f64 {
    let (n, d) = (rows as f64, width as f64);
    let outside = ones - along.iter().sum::<f64>();
    let (mut alpha, mut beta) = (1.0, 1.0);
    let (mut m2, mut residual) = (0.0, 0.0);
    for _ in 0..11 {
        let t: f64 = alpha / beta;
        let pairs = || squares.iter().zip(along);
        let gamma: f64 = squares.iter().map(|s| s / (s + t)).sum();
        m2 = pairs().map(|(s, x)| s * x / (t + s).powi(2)).sum();
        let inside: f64 = pairs().map(|(s, x)| x / (1.0 + s / t).powi(2)).sum();
        residual = inside + outside;
        alpha = gamma / (m2 + 1e-5);
        beta = (n - gamma) / (residual + 1e-5);
        if (alpha / beta - t).abs() / t <= 1e-3 {
            break;
        }
    }
    let volumes: f64 = squares.iter().map(|s| (alpha + beta * s).ln()).sum();
    let evidence = d / 2.0 * alpha.ln() + n / 2.0 * beta.ln()
        - 0.5 * volumes
        - beta / 2.0 * residual
        - alpha / 2.0 * m2
        - n / 2.0 * (2.0 * std::f64::consts::PI).ln();
    evidence / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_fit_the_labels_have_more() {
        let make = |informative: f32| {
            let mut values = Vec::new();
            for row in 0..40_usize {
                for column in 0..6_usize {
                    let noise = ((row * 59 + column * 23 + row * row) % 37) as f32 / 18.0 - 1.0;
                    let class = if row % 2 == column % 2 { 1.0 } else { 0.0 };
                    values.push(noise + informative * class);
                }
            }
            let labels = (0..40).map(|row| row % 2).collect();
            Features::new(values, 6, labels, vec!["a".into(), "b".into()]).unwrap()
        };
        let [none, some, much] = [0.0, 0.5, 2.0].map(|by| logme(&make(by)).unwrap());
        assert!(none < some && some < much, "{none} {some} {much}");
    }

    #[test]
    fn too_many_are_refused() {
        let side = MOST + 1;
        let labels = (0..side).map(|row| row % 2).collect();
        let classes = vec!["a".into(), "b".into()];
        // Few columns are no obstacle, whatever the number of images.
        let features = Features::new(vec![0.5; side], 1, labels, classes).unwrap();
        assert!(logme(&features).unwrap().is_finite());
    }
}
