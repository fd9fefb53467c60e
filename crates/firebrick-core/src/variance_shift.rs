//! Finds dropout before batch norm.
//!
//! Source: Li et al., "Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift", CVPR 2019: dropout changes
//! the variance of what a later batch norm sees in training but not in evaluation, where its running variance is then wrong. Dropout after
//! the last batch norm does no harm.

use firebrick_types::run::Observation;

/// A sentence for each dropout that runs before a batch norm, from what the layers of a model put out in training, in order
/// ([`probe::observe`](crate::probe::observe)). Dropout that is off, or that drops nothing, does not appear there.
///
/// Order is all that is looked at: where a model has branches, the batch norm may lie in another one.
#[must_use]
pub fn notes(layers: &[Observation]) -> Vec<String> {
    let dropouts = layers
        .iter()
        .enumerate()
        .filter(|(_, layer)| layer.kind == "Dropout");
    let notes = dropouts.filter_map(|(at, dropout)| {
        let after = layers[at..].iter().find(|layer| layer.kind == "BatchNorm")?;
        let place = match dropout.path.as_str() {
            "" => String::new(),
            path => format!(" after {path}"),
        };
        Some(format!(
            "dropout{place} comes before batch norm {}, whose inputs vary more in training than in evaluation because of it; put dropout after the last batch norm",
            after.path
        ))
    });
    notes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(kind: &str, path: &str) -> Observation {
        Observation {
            path: path.into(),
            kind: kind.into(),
            shape: vec![1],
            parameters: 0,
            multiply_adds: 0,
            mean: 0.0,
            std: 1.0,
            zeros: 0.0,
        }
    }

    #[test]
    fn only_dropout_with_a_batch_norm_after_it_is_named() {
        let bad = [
            layer("Conv2d", "conv1"),
            layer("Dropout", "conv1"),
            layer("Conv2d", "conv2"),
            layer("BatchNorm", "bn2"),
            layer("Dropout", "bn2"),
            layer("Linear", "fc"),
        ];
        let notes = notes(&bad);
        assert_eq!(notes.len(), 1);
        assert!(
            notes[0].starts_with("dropout after conv1 comes before batch norm bn2,"),
            "{notes:?}"
        );
        assert!(super::notes(&bad[2..]).is_empty());
        assert!(super::notes(&[]).is_empty());
    }
}
