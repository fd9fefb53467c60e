//! The all-stage probe: a linear classifier on the features of every stage of a backbone, of which only those are kept that
//! help.
//!
//! Source: Evci et al., "Head2Toe: utilizing intermediate representations for better transfer learning", ICML 2022. Each stage's
//! features are scaled to length 1 for each image and joined; a group lasso scores every feature by the length of its weights;
//! a share of them with the highest scores is kept, and the classifier is fitted to these alone.

use firebrick_types::ConfigError;
use firebrick_types::error::check;
use serde::{Deserialize, Serialize};

use crate::error::TransferError;
use crate::features::Features;
use crate::group_lasso::GroupLasso;
use crate::linear::Linear;
use crate::logistic::{CrossValidated, Path, cross_validate};
use crate::unit_rows::unit_rows;

/// How features are selected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Head2Toe {
    /// The share of all features that is kept at most, in (0, 1]; those that the group lasso removes are not kept.
    pub keep: f64,
    /// The strength of the group lasso, as a share of that which removes every feature, in (0, 1].
    pub lasso: f64,
    /// How the classifier is fitted to what is kept.
    pub path: Path,
}

impl Default for Head2Toe {
    fn default() -> Self {
        Self {
            keep: 0.1,
            lasso: 0.05,
            path: Path::default(),
        }
    }
}

/// Which features of the joined stages are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The names of the stages with their numbers of features, in the order in which they are joined.
    pub stages: Vec<(String, usize)>,
    /// The features that are kept, as columns of the joined features, in order.
    pub columns: Vec<usize>,
    /// The score of every column.
    pub scores: Vec<f64>,
}

impl Selection {
    /// How many features of each stage are kept.
    #[must_use]
    pub fn kept(&self) -> Vec<usize> {
        let mut first = 0;
        let count = |(_, width): &(String, usize)| {
            let stage = first..first + width;
            first += width;
            self.columns.iter().filter(|at| stage.contains(at)).count()
        };
        self.stages.iter().map(count).collect()
    }

    /// The selected features of other images.
    ///
    /// # Errors
    /// [`TransferError`] for other stages, or rows that do not go together.
    pub fn apply(&self, stages: &[(&str, &Features)]) -> Result<Features, TransferError> {
        let same = stages.len() == self.stages.len()
            && stages
                .iter()
                .zip(&self.stages)
                .all(|(given, own)| given.0 == own.0 && given.1.width() == own.1);
        if !same {
            let names: Vec<_> = self.stages.iter().map(|(name, _)| name.as_str()).collect();
            return Err(TransferError::Features(format!(
                "the features were selected from the stages {}: give those, in this order and of the same model",
                names.join(", ")
            )));
        }
        joined(stages)?.columns(&self.columns)
    }
}

/// The all-stage probe.
#[derive(Debug, Clone, PartialEq)]
pub struct AllStages {
    /// Which features it is made of.
    pub selection: Selection,
    /// The classifier on these features, and how it was found.
    pub head: CrossValidated,
}

impl AllStages {
    /// The classifier on the selected features.
    #[must_use]
    pub fn model(&self) -> &Linear {
        &self.head.fitted.model
    }
}

/// The features of all stages side by side, those of each scaled to length 1 for each image.
///
/// # Errors
/// [`TransferError::Features`] for no stage, and where rows do not go together.
pub fn joined(stages: &[(&str, &Features)]) -> Result<Features, TransferError> {
    let Some(((first, whole), others)) = stages.split_first() else {
        return Err(TransferError::Features(
            "there are no stages: give the features of at least one".into(),
        ));
    };
    for (name, other) in others {
        if other.labels() != whole.labels() || other.images() != whole.images() {
            return Err(TransferError::Features(format!(
                "the features of `{name}` are not of the same images as those of `{first}`"
            )));
        }
    }
    let parts: Vec<(Vec<f32>, usize)> = stages
        .iter()
        .map(|(_, stage)| (unit_rows(stage), stage.width()))
        .collect();
    let width = parts.iter().map(|(_, width)| width).sum();
    let mut values = Vec::with_capacity(whole.rows() * width);
    for row in 0..whole.rows() {
        for (part, width) in &parts {
            values.extend(&part[row * width..(row + 1) * width]);
        }
    }
    Ok(whole.with_values(values, width))
}

impl Head2Toe {
    /// Selects features of the stages of a backbone, given with their names, and fits the classifier to them.
    ///
    /// # Errors
    /// [`TransferError`] for settings out of range, rows that do not go together, a class without images, and features
    /// none of which helps.
    pub fn fit(&self, stages: &[(&str, &Features)]) -> Result<AllStages, TransferError> {
        self.fit_best(stages, &[self.keep])
    }

    /// The same with each of these shares in place of [`Self::keep`]; the one whose classifier has the least NLL in the cross-validation is
    /// returned, the first of equal ones.
    ///
    /// # Errors
    /// As [`Self::fit`], and for no share.
    pub fn fit_best(
        &self,
        stages: &[(&str, &Features)],
        keep: &[f64],
    ) -> Result<AllStages, TransferError> {
        for share in keep {
            let shares = (
                std::ops::Bound::Excluded(0.0),
                std::ops::Bound::Included(1.0),
            );
            check("head2toe", "keep", *share, shares)?;
        }
        let all = joined(stages)?;
        let lasso = GroupLasso {
            share: self.lasso,
            ..GroupLasso::default()
        };
        let scores = lasso.fit(&all)?.scores;
        let mut selections: Vec<Vec<usize>> =
            keep.iter().map(|share| best(&scores, *share)).collect();
        selections.dedup();
        selections.retain(|columns| !columns.is_empty());
        let mut found: Option<(Vec<usize>, CrossValidated)> = None;
        for columns in selections {
            let head = cross_validate(&all.columns(&columns)?, &self.path)?;
            let least = found.as_ref().map(|(_, other)| other.score().nll);
            if least.is_none_or(|least| head.score().nll < least) {
                found = Some((columns, head));
            }
        }
        let Some((columns, head)) = found else {
            return Err(ConfigError::Conflict(
                "head2toe: the group lasso removes every feature: give a smaller `lasso`".into(),
            )
            .into());
        };
        Ok(AllStages {
            head,
            selection: Selection {
                stages: stages
                    .iter()
                    .map(|(name, stage)| ((*name).to_string(), stage.width()))
                    .collect(),
                columns,
                scores,
            },
        })
    }
}

/// The columns with the highest scores greater than 0, at most this share of all, in order.
fn best(scores: &[f64], keep: f64) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] > 0.0).collect();
    columns.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let most = (keep * scores.len() as f64).ceil() as usize;
    columns.truncate(most.max(1));
    columns.sort_unstable();
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stage `early` tells class 2 from the others in its column 1, `late` tells 0 from 1 in its column 0.
    fn stages(offset: usize) -> [Features; 2] {
        let rows = 60;
        let noise = |row: usize, column: usize| {
            let at = row + offset;
            ((at * 71 + column * 37 + at * at * (column + 1)) % 43) as f32 / 21.0 - 1.0
        };
        let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
        let make = |width: usize, add: &dyn Fn(usize, usize) -> f32| {
            let values = (0..rows * width).map(|at| {
                let (row, column) = (at / width, at % width);
                1.0 + 0.3 * noise(row, column) + add(row % 3, column)
            });
            let classes = ["a", "b", "c"].map(ToString::to_string).to_vec();
            Features::new(values.collect(), width, labels.clone(), classes).unwrap()
        };
        [
            make(10, &|class, column| {
                if class == 2 && column == 1 { 3.0 } else { 0.0 }
            }),
            make(20, &|class, column| {
                if class == 1 && column == 0 { 3.0 } else { 0.0 }
            }),
        ]
    }

    #[test]
    fn features_that_help_are_found_in_every_stage() {
        let [early, late] = stages(0);
        let named = [("early", &early), ("late", &late)];
        let probe = |keep, lasso| Head2Toe {
            keep,
            lasso,
            ..Head2Toe::default()
        };
        let all = probe(0.1, 0.3).fit(&named).unwrap();
        assert_eq!(all.selection.columns, [1, 10]);
        assert_eq!(all.selection.kept(), [1, 1]);
        // Only a share of what the penalty leaves is kept, the best of it.
        let fewer = probe(0.03, 0.3).fit(&named).unwrap().selection;
        assert_eq!(fewer.columns.len(), 1);
        // Of several shares, the best in the cross-validation: one feature does not tell three classes apart.
        let chosen = probe(1.0, 0.3).fit_best(&named, &[0.03, 0.1]).unwrap();
        assert_eq!(chosen, all);
        let score = |column: usize| fewer.scores[column];
        assert_eq!(fewer.columns[0] == 1, score(1) > score(10));
        // On other images, and better than either stage alone.
        let [early, late] = stages(500);
        let other = all
            .selection
            .apply(&[("early", &early), ("late", &late)])
            .unwrap();
        assert!(all.model().score(&other).unwrap().top1 > 0.95);
        let error = all.selection.apply(&[("late", &late)]).unwrap_err();
        assert!(error.to_string().contains("stages early, late"), "{error}");
    }

    #[test]
    fn each_stage_has_rows_of_length_1() {
        let [early, late] = stages(0);
        let all = joined(&[("early", &early), ("late", &late)]).unwrap();
        for row in 0..all.rows() {
            let (a, b) = all.row(row).split_at(10);
            for part in [a, b] {
                let square: f32 = part.iter().map(|x| x * x).sum();
                assert!((square - 1.0).abs() < 1e-5);
            }
        }
        let fewer = late.select(&[0, 1]).unwrap();
        let error = joined(&[("early", &early), ("late", &fewer)]).unwrap_err();
        assert!(
            error.to_string().contains("not of the same images"),
            "{error}"
        );
        assert!(joined(&[]).is_err());
    }

    #[test]
    fn the_highest_scores_are_kept() {
        assert_eq!(best(&[0.0, 3.0, 1.0, 2.0, 0.0], 0.4), [1, 3]);
        assert_eq!(best(&[0.0, 3.0, 1.0, 2.0, 0.0], 1.0), [1, 2, 3]);
        assert!(best(&[0.0; 3], 1.0).is_empty());
    }
}
