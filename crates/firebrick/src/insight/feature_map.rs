//! Maps of the features of images: principal components and t-SNE.

use firebrick_core::run::FeatureMap;
use firebrick_transfer::tsne::Tsne;
use firebrick_transfer::{Features, TransferError, pca};

/// Fewer images make no map.
const LEAST: usize = 10;
/// About how many neighbours each image has, where there are enough images.
const PERPLEXITY: f64 = 30.0;
/// Steps of t-SNE: maps of so few images hardly change after them.
const ITERATIONS: usize = 500;

/// The maps of the features of some of the `of` images of a split, without what the model says of them; `None` for very few images, or for features that are all
/// the same.
pub(super) fn of(
    features: &Features,
    split: &str,
    of: usize,
) -> Result<Option<FeatureMap>, TransferError> {
    let rows = features.rows();
    if rows < LEAST {
        return Ok(None);
    }
    let found = pca::pca(features, 2)?;
    if found
        .variances
        .first()
        .is_none_or(|variance| *variance <= 0.0)
    {
        return Ok(None);
    }
    let along = |row: &Vec<f64>, axis: usize| row.get(axis).copied().unwrap_or_default();
    let pca = found.project(features)?;
    let tsne = Tsne {
        perplexity: PERPLEXITY.min((rows - 1) as f64 / 3.0),
        iterations: ITERATIONS,
    };
    let tsne = tsne.fit(features)?.points;
    Ok(Some(FeatureMap {
        split: split.into(),
        of,
        width: features.width(),
        names: (0..rows).map(|row| features.name(row)).collect(),
        labels: features.labels().to_vec(),
        right: Vec::new(),
        pca: pca
            .iter()
            .map(|row| (short(along(row, 0)), short(along(row, 1))))
            .collect(),
        shares: (along(&found.shares, 0), along(&found.shares, 1)),
        tsne: tsne.iter().map(|[x, y]| (short(*x), short(*y))).collect(),
    }))
}

/// As precise as a drawing can show, so that the record stays small.
fn short(value: f64) -> f64 {
    let scale = 10.0_f64.powi(5 - value.abs().max(1e-9).log10().ceil() as i32);
    (value * scale).round() / scale
}
