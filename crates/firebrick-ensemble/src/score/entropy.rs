//! How uncertain an ensemble is, and why.

pub use firebrick_types::run::ensemble::Entropy;

use crate::error::EnsembleError;
use crate::members::Members;

/// The uncertainty of an ensemble whose members count the same (Depeweg et al. 2018), as a mean over images.
///
/// # Errors
/// [`EnsembleError::NonFinite`].
pub fn entropy(members: &Members<'_>) -> Result<Entropy, EnsembleError> {
    let images = members.images() as f64;
    let mut mean = Entropy::default();
    for image in entropy_of_each(members)? {
        mean.total += image.total / images;
        mean.expected += image.expected / images;
        mean.mutual_information += image.mutual_information / images;
    }
    Ok(mean)
}

/// The uncertainty about each image.
///
/// # Errors
/// [`EnsembleError::NonFinite`].
pub fn entropy_of_each(members: &Members<'_>) -> Result<Vec<Entropy>, EnsembleError> {
    members.check_finite()?;
    let mut each = Vec::with_capacity(members.images());
    members.each_image(|_, rows| {
        let count = rows.len() as f64;
        let mean = (0..members.classes())
            .map(|class| rows.iter().map(|row| row[class].exp()).sum::<f64>() / count);
        let total = mean.map(|p| term(p, p.ln())).sum::<f64>();
        let own = |row: &&[f64]| row.iter().map(|log| term(log.exp(), *log)).sum::<f64>();
        let expected = rows.iter().map(own).sum::<f64>() / count;
        each.push(Entropy {
            total,
            expected,
            // Rounding alone could make it less.
            mutual_information: (total - expected).max(0.0),
        });
    });
    Ok(each)
}

/// -p ln p, which is 0 at 0.
fn term(p: f64, log: f64) -> f64 {
    if p > 0.0 { -p * log } else { 0.0 }
}
