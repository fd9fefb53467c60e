//! The nearest class mean: each class is the mean of its features, and an image belongs to the nearest one.
//!
//! Source: Mensink et al., "Distance-based image classification", PAMI 2013. It is a linear classifier with
//! `w = 2 m, b = -‖m‖²`, so it can begin a head.

use crate::error::TransferError;
use crate::features::Features;
use crate::linear::Linear;

/// The classifier whose logits are minus the squared distances to the means of the classes, but for a part that is equal for
/// all of them.
///
/// # Errors
/// [`TransferError`] for a class without images, or only one class.
pub fn fit(features: &Features) -> Result<Linear, TransferError> {
    features.check_classes("a classifier by the nearest class mean")?;
    let (width, counts) = (features.width(), features.class_counts());
    let mut means = vec![0.0; counts.len() * width];
    let rows = features.values().chunks_exact(width).zip(features.labels());
    for (row, label) in rows {
        let mean = &mut means[label * width..(label + 1) * width];
        for (mean, x) in mean.iter_mut().zip(row) {
            *mean += f64::from(*x) / counts[*label] as f64;
        }
    }
    let bias = means
        .chunks_exact(width)
        .map(|mean| -mean.iter().map(|m| m * m).sum::<f64>())
        .collect();
    Ok(Linear {
        width,
        weight: means.iter().map(|m| 2.0 * m).collect(),
        bias,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_belongs_to_the_nearest_mean() {
        let classes = vec!["a".into(), "b".into()];
        let values = vec![0.0, 0.0, 2.0, 2.0, 10.0, 0.0, 12.0, 0.0];
        let train = Features::new(values, 2, vec![0, 0, 1, 1], classes.clone()).unwrap();
        let model = fit(&train).unwrap();
        // The means are (1, 1) and (11, 0).
        let logits = model.of(&[5.0, 0.0]);
        let distance = |x: f64, y: f64| (5.0 - x).powi(2) + y.powi(2);
        assert!((logits[0] - logits[1] - (distance(11.0, 0.0) - distance(1.0, 1.0))).abs() < 1e-12);
        let query = Features::new(vec![5.9, 0.0, 6.1, 0.5], 2, vec![0, 1], classes).unwrap();
        assert_eq!(model.score(&query).unwrap().top1, 1.0);
    }
}
