//! How members differ.

use firebrick_types::metrics::highest;

use crate::error::{EnsembleError, check_labels};
use crate::members::Members;

/// For each two members, the share of images whose most probable class is not the same: 0 on the diagonal.
///
/// # Errors
/// [`EnsembleError::NonFinite`].
pub fn disagreement(members: &Members<'_>) -> Result<Vec<Vec<f64>>, EnsembleError> {
    members.check_finite()?;
    let predicted = predictions(members);
    let differ = |a: &[usize], b: &[usize]| {
        let different = a.iter().zip(b).filter(|(a, b)| a != b).count();
        different as f64 / members.images() as f64
    };
    Ok(matrix(&predicted, differ))
}

/// For each two members, the correlation of their errors: 1 where both are wrong on the same images, 0 where one's errors
/// say nothing about the other's. `None` for a member that is always right or always wrong.
///
/// # Errors
/// [`EnsembleError::NonFinite`]; labels that do not go with the images.
pub fn error_correlation(
    members: &Members<'_>,
    labels: &[usize],
) -> Result<Vec<Vec<Option<f64>>>, EnsembleError> {
    members.check_finite()?;
    check_labels(labels, members.images(), members.classes())?;
    let wrong = |predicted: Vec<usize>| -> Vec<bool> {
        predicted.iter().zip(labels).map(|(p, l)| p != l).collect()
    };
    let errors: Vec<Vec<bool>> = predictions(members).into_iter().map(wrong).collect();
    let images = members.images() as f64;
    let share =
        |wrong: &mut dyn Iterator<Item = bool>| wrong.filter(|w| *w).count() as f64 / images;
    let correlation = |a: &[bool], b: &[bool]| {
        let [one, other] = [a, b].map(|errors| share(&mut errors.iter().copied()));
        let both = share(&mut a.iter().zip(b).map(|(a, b)| *a && *b));
        let variance = one * (1.0 - one) * other * (1.0 - other);
        (variance > 0.0).then(|| (both - one * other) / variance.sqrt())
    };
    Ok(matrix(&errors, correlation))
}

/// The class that each member predicts for each image.
fn predictions(members: &Members<'_>) -> Vec<Vec<usize>> {
    let all = members.all().iter();
    all.map(|member| {
        member
            .logits
            .chunks_exact(member.classes)
            .map(highest)
            .collect()
    })
    .collect()
}

/// What is found for each two.
fn matrix<T, R>(all: &[Vec<T>], of: impl Fn(&[T], &[T]) -> R) -> Vec<Vec<R>> {
    let row = |a: &Vec<T>| all.iter().map(|b| of(a, b)).collect();
    all.iter().map(row).collect()
}
