//! The members that are worth keeping: greedy forward selection.

use firebrick_types::error::check;
use firebrick_types::metrics::highest;
use serde::{Deserialize, Serialize};

use crate::error::{EnsembleError, check_labels};
use crate::members::Members;

/// What a selection looks for on validation images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// The least negative log-likelihood.
    #[default]
    Nll,
    /// The greatest top-1 accuracy; between equals the least negative log-likelihood.
    Accuracy,
}

/// How members are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Greedy {
    /// How many picks, at least 1.
    pub picks: usize,
    /// What they look for.
    pub criterion: Criterion,
    /// Whether a member can be picked again, which gives it more weight in the mean.
    pub replacement: bool,
}

impl Default for Greedy {
    fn default() -> Self {
        Self {
            picks: 5,
            criterion: Criterion::Nll,
            replacement: false,
        }
    }
}

/// One pick of a selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// The member.
    pub name: String,
    /// The top-1 accuracy of the mean of all picks so far.
    pub top1: f64,
    /// Its negative log-likelihood.
    pub nll: f64,
}

/// Greedy forward selection (Caruana et al. 2004): each pick is the member that makes the mean of the probabilities of
/// all picks best on these images. The first is the best member alone.
///
/// It goes on to the last pick even where more members make the ensemble worse; the figures of each pick tell. Between
/// equals, the first by name is picked.
///
/// # Errors
/// [`EnsembleError::Config`] for no picks, and without replacement for more picks than members;
/// [`EnsembleError::NonFinite`]; labels that do not go with the images.
pub fn greedy(
    members: &Members<'_>,
    labels: &[usize],
    how: &Greedy,
) -> Result<Vec<Pick>, EnsembleError> {
    let most = if how.replacement {
        usize::MAX
    } else {
        members.len()
    };
    check("selection", "picks", how.picks, 1..=most.min(10_000))?;
    members.check_finite()?;
    check_labels(labels, members.images(), members.classes())?;
    let members = members.by_name();
    let mut times = vec![0_usize; members.len()];
    let mut picks = Vec::with_capacity(how.picks);
    while picks.len() < how.picks {
        let mut figures = with_each(&members, labels, &times);
        let order = |(top1, nll): (f64, f64)| match how.criterion {
            Criterion::Nll => (nll, 0.0),
            Criterion::Accuracy => (-top1, nll),
        };
        let free = |place: &usize| how.replacement || times[*place] == 0;
        let better = |best: usize, place: usize| {
            let [(a, b), (c, d)] = [best, place].map(|place| order(figures[place]));
            if c.total_cmp(&a).then(d.total_cmp(&b)).is_lt() {
                place
            } else {
                best
            }
        };
        let Some(place) = (0..members.len()).filter(free).reduce(better) else {
            break;
        };
        times[place] += 1;
        let (top1, nll) = figures.swap_remove(place);
        picks.push(Pick {
            name: members.all()[place].name.into(),
            top1,
            nll,
        });
    }
    Ok(picks)
}

/// Accuracy and NLL of the mean of what was picked so far and each member in turn.
fn with_each(members: &Members<'_>, labels: &[usize], times: &[usize]) -> Vec<(f64, f64)> {
    let mut sums = vec![(0_usize, 0.0); members.len()];
    let count = (times.iter().sum::<usize>() + 1) as f64;
    members.each_image(|image, rows| {
        let probabilities = |row: &&[f64]| row.iter().map(|value| value.exp()).collect();
        let rows: Vec<Vec<f64>> = rows.iter().map(probabilities).collect();
        let mut picked = vec![0.0; members.classes()];
        for (row, times) in rows.iter().zip(times).filter(|(_, times)| **times > 0) {
            for (sum, p) in picked.iter_mut().zip(row) {
                *sum += *times as f64 * p;
            }
        }
        for (row, (right, nll)) in rows.iter().zip(&mut sums) {
            let sum: Vec<f64> = picked.iter().zip(row).map(|(a, b)| a + b).collect();
            *right += usize::from(highest(&sum) == labels[image]);
            *nll -= (sum[labels[image]] / count).ln();
        }
    });
    let images = members.images() as f64;
    sums.into_iter()
        .map(|(right, nll)| (right as f64 / images, nll / images))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::combine::tests::{logits, members};
    use crate::score::{ensemble_figures, member_figures};

    fn names(picks: &[Pick]) -> Vec<&str> {
        picks.iter().map(|pick| pick.name.as_str()).collect()
    }

    fn labels() -> Vec<usize> {
        (0..30).map(|image| image * image % 3).collect()
    }

    #[test]
    fn each_pick_is_the_best_one_there_is() {
        let logits = logits(6, 30, 3);
        let (all, labels) = (members(&logits, 3), labels());
        let pooled = |picks: &[&str]| {
            // A member that was picked twice counts twice.
            let again: Vec<String> = picks
                .iter()
                .enumerate()
                .map(|(at, name)| format!("{name}{at}"))
                .collect();
            let of = |name: &str| *all.all().iter().find(|member| member.name == name).unwrap();
            let chosen = picks.iter().zip(&again);
            let chosen = chosen.map(|(name, again)| crate::Member {
                name: again,
                ..of(name)
            });
            let chosen = Members::new(chosen.collect()).unwrap();
            let mean = crate::combine::fit(&"mean".parse().unwrap(), &chosen, None).unwrap();
            ensemble_figures(&mean.combine(&chosen).unwrap(), &labels).unwrap()
        };
        for (criterion, replacement) in [
            (Criterion::Nll, false),
            (Criterion::Nll, true),
            (Criterion::Accuracy, false),
            (Criterion::Accuracy, true),
        ] {
            let how = Greedy {
                picks: 4,
                criterion,
                replacement,
            };
            let picks = greedy(&all, &labels, &how).unwrap();
            for at in 0..4 {
                let before = &names(&picks)[..at];
                let figures = pooled(&names(&picks)[..=at]);
                assert!((figures.nll - picks[at].nll).abs() < 1e-12);
                assert_eq!(figures.top1, picks[at].top1);
                for other in crate::combine::tests::NAMES {
                    if before.contains(&other) && !replacement {
                        continue;
                    }
                    let other = pooled(&[before, &[other]].concat());
                    match criterion {
                        Criterion::Nll => assert!(other.nll >= figures.nll - 1e-12),
                        Criterion::Accuracy => assert!(other.top1 <= figures.top1),
                    }
                }
            }
        }
    }

    #[test]
    fn a_member_is_picked_again_only_with_replacement() {
        // One good member and one that knows nothing.
        let labels = labels();
        let good: Vec<f32> = labels
            .iter()
            .flat_map(|label| (0..3).map(move |c| if c == *label { 3.0 } else { 0.0 }))
            .collect();
        let logits = [good, vec![0.0; 90]];
        let all = members(&logits, 3);
        let picked = |replacement| {
            let how = Greedy {
                picks: 2,
                replacement,
                ..Greedy::default()
            };
            greedy(&all, &labels, &how).unwrap()
        };
        assert_eq!(names(&picked(true)), ["a", "a"]);
        assert_eq!(names(&picked(false)), ["a", "b"]);
        assert!(picked(false)[1].nll > picked(false)[0].nll);
        let alone = member_figures(&all, &labels).unwrap();
        assert!((picked(true)[1].nll - alone[0].nll).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_the_members_does_not_matter_and_mistakes_are_named() {
        let logits = logits(5, 30, 3);
        let (all, labels) = (members(&logits, 3), labels());
        let how = Greedy {
            picks: 3,
            ..Greedy::default()
        };
        let other = all.only(&[4, 2, 0, 1, 3]).unwrap();
        assert_eq!(greedy(&all, &labels, &how), greedy(&other, &labels, &how));
        let refused = |picks| {
            let how = Greedy { picks, ..how };
            greedy(&all, &labels, &how).unwrap_err().to_string()
        };
        assert!(refused(6).contains("selection: picks = 6 is out of range: it must be in [1, 5]"));
        assert!(refused(0).contains("picks = 0"));
        assert!(
            greedy(&all, &labels[1..], &how)
                .unwrap_err()
                .to_string()
                .contains("29 labels")
        );
    }
}
