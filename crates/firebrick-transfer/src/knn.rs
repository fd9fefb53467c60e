//! The k nearest neighbours by cosine, as a classifier and as an explanation.
//!
//! The vote is that of DINO (Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021) and, before
//! it, of Wu et al. 2018: a neighbour counts exp(cosine / temperature).

use firebrick_types::ConfigError;
use firebrick_types::error::{check, check_positive};
use serde::{Deserialize, Serialize};

use crate::error::TransferError;
use crate::features::Features;
use crate::linear::HeadScore;
use crate::unit_rows::{each_products, unit_rows};

/// A vote of the nearest neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knn {
    /// How many neighbours vote, at least 1; all, where there are fewer.
    pub k: usize,
    /// A neighbour counts exp(cosine / temperature); greater than 0. The smaller, the more do the nearest count.
    pub temperature: f64,
}

impl Default for Knn {
    fn default() -> Self {
        Self {
            k: 20,
            temperature: 0.07,
        }
    }
}

/// A row that is near.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The row in the features that it was looked for in.
    pub row: usize,
    /// The cosine of the angle between the two.
    pub cosine: f32,
}

/// The `k` nearest rows of `among` for each row of `of`, the nearest first; of equally near ones, the first.
///
/// # Errors
/// [`TransferError::Features`] for features of other widths.
pub fn nearest(
    of: &Features,
    among: &Features,
    k: usize,
) -> Result<Vec<Vec<Neighbour>>, TransferError> {
    of.check_like(among.width(), of.classes().len())?;
    Ok(neighbours(of, among, k, |_, _| true))
}

/// The nearest rows that `may` be neighbours.
fn neighbours(
    of: &Features,
    among: &Features,
    k: usize,
    may: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<Neighbour>> {
    let (a, b) = (unit_rows(of), unit_rows(among));
    let mut all = Vec::with_capacity(of.rows());
    each_products(&a, &b, of.width(), |row, cosines| {
        let candidates = cosines.iter().enumerate();
        let mut found: Vec<Neighbour> = candidates
            .filter(|(other, _)| may(row, *other))
            .map(|(row, cosine)| Neighbour {
                row,
                cosine: *cosine,
            })
            .collect();
        let order =
            |a: &Neighbour, b: &Neighbour| b.cosine.total_cmp(&a.cosine).then(a.row.cmp(&b.row));
        if found.len() > k && k > 0 {
            found.select_nth_unstable_by(k - 1, order);
        }
        found.truncate(k);
        found.sort_unstable_by(order);
        all.push(found);
    });
    all
}

impl Knn {
    fn check(&self) -> Result<(), ConfigError> {
        check("knn", "k", self.k, 1..)?;
        check_positive("knn", "temperature", self.temperature)
    }

    /// The share of the vote that each class has, `[rows × classes]`.
    fn votes(&self, neighbours: &[Vec<Neighbour>], labels: &[usize], classes: usize) -> Vec<f64> {
        let mut votes = Vec::with_capacity(neighbours.len() * classes);
        for neighbours in neighbours {
            let mut row = vec![0.0; classes];
            // Relative to the nearest, so that nothing is too large for a number.
            let most = neighbours.first().map_or(0.0, |n| f64::from(n.cosine));
            for neighbour in neighbours {
                let away = f64::from(neighbour.cosine) - most;
                row[labels[neighbour.row]] += (away / self.temperature).exp();
            }
            let total: f64 = row.iter().sum();
            votes.extend(row.iter().map(|vote| vote / total.max(f64::MIN_POSITIVE)));
        }
        votes
    }

    /// The share of the vote that each class has for each row of `of`, `[rows × classes]`.
    ///
    /// # Errors
    /// [`TransferError`] for settings out of range, and features of another width or other classes.
    pub fn predict(&self, of: &Features, among: &Features) -> Result<Vec<f64>, TransferError> {
        self.check()?;
        of.check_like(among.width(), among.classes().len())?;
        let found = neighbours(of, among, self.k, |_, _| true);
        Ok(self.votes(&found, among.labels(), among.classes().len()))
    }

    /// How well it classifies rows by others.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn score(&self, of: &Features, among: &Features) -> Result<HeadScore, TransferError> {
        let votes = self.predict(of, among)?;
        Ok(share_of_right(&votes, of))
    }

    /// How well it classifies each row by all others, those of the same image left out.
    ///
    /// # Errors
    /// [`TransferError`] for settings out of range, and where there is only one image.
    pub fn leave_one_out(&self, features: &Features) -> Result<HeadScore, TransferError> {
        self.check()?;
        let images = features.images();
        if images.iter().all(|image| *image == images[0]) {
            return Err(TransferError::fit("knn", "there is only one image"));
        }
        let others = |row: usize, other: usize| images[row] != images[other];
        let found = neighbours(features, features, self.k, others);
        let votes = self.votes(&found, features.labels(), features.classes().len());
        Ok(share_of_right(&votes, features))
    }
}

fn share_of_right(votes: &[f64], of: &Features) -> HeadScore {
    let rows = votes.chunks_exact(of.classes().len()).zip(of.labels());
    let right = rows
        .filter(|(row, label)| firebrick_types::metrics::highest(row) == **label)
        .count();
    HeadScore {
        top1: right as f64 / of.rows() as f64,
        nll: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(values: &[f32], labels: &[usize]) -> Features {
        let classes = vec!["a".into(), "b".into()];
        Features::new(values.to_vec(), 2, labels.to_vec(), classes).unwrap()
    }

    #[test]
    fn the_nearest_count_most() {
        // One neighbour of class 0 is near, two of class 1 are farther.
        let train = features(&[2.0, 0.0, 1.0, 1.0, 3.0, 3.1], &[0, 1, 1]);
        let query = features(&[1.0, 0.1], &[0]);
        let found = nearest(&query, &train, 2).unwrap();
        assert_eq!(found[0].iter().map(|n| n.row).collect::<Vec<_>>(), [0, 1]);
        let knn = |k, temperature| Knn { k, temperature };
        assert_eq!(knn(3, 0.07).score(&query, &train).unwrap().top1, 1.0);
        // Nearly equal votes: the two win.
        assert_eq!(knn(3, 100.0).score(&query, &train).unwrap().top1, 0.0);
        assert_eq!(knn(1, 100.0).predict(&query, &train).unwrap(), [1.0, 0.0]);
        assert!(knn(0, 1.0).predict(&query, &train).is_err());
        assert!(knn(1, 0.0).predict(&query, &train).is_err());
    }

    #[test]
    fn an_image_is_not_its_own_neighbour() {
        let all = features(&[1.0, 0.0, 1.0, 0.01, 0.0, 1.0, 0.01, 1.0], &[0, 1, 1, 0]);
        let knn = Knn {
            k: 1,
            ..Knn::default()
        };
        assert_eq!(knn.leave_one_out(&all).unwrap().top1, 0.0);
        assert_eq!(knn.score(&all, &all).unwrap().top1, 1.0);
        // Rows 0 and 1 are views of one image, and so are 2 and 3.
        let views = all.with_images(vec![0, 0, 1, 1]).unwrap();
        assert_eq!(knn.leave_one_out(&views).unwrap().top1, 0.5);
        let one = views.select(&[0, 1]).unwrap();
        assert!(knn.leave_one_out(&one).is_err());
    }
}
