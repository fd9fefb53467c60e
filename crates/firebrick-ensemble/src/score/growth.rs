//! How an ensemble grows with the number of its members.

use firebrick_types::metrics::{highest, log_sum_exp};
use firebrick_types::random::rng;
pub use firebrick_types::run::ensemble::Growth;
use firebrick_types::spec::Spec;
use rand::seq::SliceRandom;

use crate::combine::build;
use crate::error::{EnsembleError, check_labels};
use crate::members::Members;

/// Ensembles of 1, 2, … members, combined by a rule that fits nothing.
///
/// For each size they are all ensembles that there are, where these are at most `orders`; else the members are put in
/// `orders` random orders, and the first ones of each are taken.
///
/// # Errors
/// [`EnsembleError::Config`] for a rule that is fitted, and for no order; [`EnsembleError::NonFinite`]; labels that do not
/// go with the images.
pub fn growth(
    members: &Members<'_>,
    rule: &Spec,
    labels: &[usize],
    orders: usize,
    seed: u64,
) -> Result<Vec<Growth>, EnsembleError> {
    let rule = build(rule)?;
    if rule.combine.parameters(members.len(), members.classes()) > 0 {
        return Err(EnsembleError::conflict(format!(
            "`{}` is fitted to all members, so it has no ensembles of fewer: use `mean` for the growth",
            rule.spec.name
        )));
    }
    firebrick_types::error::check("growth", "orders", orders, 1..)?;
    members.check_finite()?;
    check_labels(labels, members.images(), members.classes())?;
    let sizes: Vec<Vec<Vec<usize>>> = (1..=members.len())
        .map(|size| ensembles(members.len(), size, orders, seed))
        .collect();
    let mut sums: Vec<Vec<(usize, f64)>> = sizes
        .iter()
        .map(|ensembles| vec![(0, 0.0); ensembles.len()])
        .collect();
    let mut out = vec![0.0; members.classes()];
    members.each_image(|image, rows| {
        let label = labels[image];
        for (ensembles, sums) in sizes.iter().zip(&mut sums) {
            for (ensemble, (right, nll)) in ensembles.iter().zip(sums) {
                let rows: Vec<&[f64]> = ensemble.iter().map(|place| rows[*place]).collect();
                rule.combine.image(&rows, &[], &mut out);
                *right += usize::from(highest(&out) == label);
                *nll += log_sum_exp(&out) - out[label];
            }
        }
    });
    let images = members.images() as f64;
    let grown = |(size, sums): (usize, Vec<(usize, f64)>)| {
        let count = sums.len() as f64;
        let top1: Vec<f64> = sums
            .iter()
            .map(|(right, _)| *right as f64 / images)
            .collect();
        let mean = top1.iter().sum::<f64>() / count;
        let squares: f64 = top1.iter().map(|top1| (top1 - mean).powi(2)).sum();
        Growth {
            members: size + 1,
            top1_mean: mean,
            top1_sd: (squares / (count - 1.0).max(1.0)).sqrt(),
            nll_mean: sums.iter().map(|(_, nll)| nll / images).sum::<f64>() / count,
        }
    };
    Ok(sums.into_iter().enumerate().map(grown).collect())
}

/// Ensembles of `size` of `members`, each in ascending order: all of them, or those of random orders.
fn ensembles(members: usize, size: usize, orders: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    // Every prefix of an ensemble is one that can still grow to the size, so there are never more of them.
    for chosen in 0..size {
        let last_start = members - (size - chosen);
        all = all
            .iter()
            .flat_map(|ensemble| {
                let from = ensemble.last().map_or(0, |last| last + 1);
                (from..=last_start).map(|next| [ensemble.as_slice(), &[next]].concat())
            })
            .take(orders.saturating_add(1))
            .collect();
        if all.len() > orders {
            return (0..orders)
                .map(|order| {
                    let mut places: Vec<usize> = (0..members).collect();
                    places.shuffle(&mut rng(seed, "growth", order as u64, 0));
                    places.truncate(size);
                    places.sort_unstable();
                    places
                })
                .collect();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ensembles_are_all_there_are() {
        assert_eq!(
            ensembles(4, 2, 6, 0),
            [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
        );
        assert_eq!(ensembles(4, 4, 1, 0), [[0, 1, 2, 3]]);
        assert_eq!(ensembles(3, 1, 3, 0), [[0], [1], [2]]);
    }

    #[test]
    fn many_are_drawn_and_the_draws_are_pinned() {
        let drawn = ensembles(10, 4, 3, 7);
        assert_eq!(drawn, ensembles(10, 4, 3, 7));
        assert_ne!(drawn, ensembles(10, 4, 3, 8));
        assert_eq!(drawn, [[2, 4, 6, 9], [3, 4, 6, 9], [0, 5, 7, 8]]);
        // The orders of one size are those of the others.
        let smaller = ensembles(10, 3, 3, 7);
        for (small, large) in smaller.iter().zip(&drawn) {
            assert!(small.iter().all(|place| large.contains(place)));
        }
        // Each member is drawn as often as the others.
        let mut counts = [0; 10];
        for place in ensembles(10, 4, 200, 0).into_iter().flatten() {
            counts[place] += 1;
        }
        assert!(
            counts.iter().all(|count| (55..=105).contains(count)),
            "{counts:?}"
        );
    }
}
