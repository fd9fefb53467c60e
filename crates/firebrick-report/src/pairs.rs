//! Compares runs in pairs: which differ by more than chance, and which can be compared at all.

use firebrick_types::run::RunRecord;

use crate::interval::{Difference, independent, paired};
use crate::recipes::dataset;
use crate::scores::{right_answers, valid};
use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{count, escape, plural, points};

/// More pairs than this are folded away.
const MOST_IN_VIEW: usize = 15;

/// Runs by data set, in the order of the runs: runs of different ones are not ranked.
///
/// Two runs are of one data set when they name the same one or were scored on the same images.
pub(crate) fn by_data_set(runs: &[(&str, &RunRecord)]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, (_, run)) in runs.iter().enumerate() {
        let same = |group: &&mut Vec<usize>| {
            group.iter().any(|other| {
                let other = runs[*other].1;
                let name = dataset(run);
                !name.is_empty() && name == dataset(other)
                    || same_images(run, other).is_some_and(|[_, _, images]| images > 0)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// Images that each of two runs alone had right, and all images, where both were scored on the same.
fn same_images(one: &RunRecord, other: &RunRecord) -> Option<[usize; 3]> {
    // The answers are those of the test split where there is one.
    if one.test.is_some() != other.test.is_some() {
        return None;
    }
    let [a, b] = [one, other].map(|run| run.answers.as_ref());
    let [alone_a, alone_b] = a?.against(b?)?;
    Some([alone_a, alone_b, a?.images])
}

/// Two runs on one split.
struct Pair {
    split: &'static str,
    difference: Difference,
    /// On what the interval stands.
    basis: String,
}

fn pair(one: &RunRecord, other: &RunRecord) -> Option<Pair> {
    let (split, a, b) = match (&one.test, &other.test) {
        (Some(a), Some(b)) => ("test", a, b),
        _ => ("validation", valid(one)?, valid(other)?),
    };
    if let Some([alone_a, alone_b, images]) = same_images(one, other) {
        return Some(Pair {
            split,
            difference: paired([alone_a as f64, alone_b as f64], images as f64),
            basis: format!(
                "the same {}: {} that only the first run classified correctly, {} that only the second did",
                plural(images, "image"),
                count(alone_a as u64),
                count(alone_b as u64)
            ),
        });
    }
    let (a, b) = (right_answers(a)?, right_answers(b)?);
    Some(Pair {
        split,
        difference: independent(a, b),
        basis: if a[1] == b[1] {
            format!("{} in each run, treated as different images", images(a[1]))
        } else {
            format!("{} and {}", images(a[1]), images(b[1]))
        },
    })
}

fn images(number: f64) -> String {
    plural(number as usize, "image")
}

/// The differences in accuracy of all pairs of each data set, with their intervals; empty where no two
/// runs can be compared.
pub(crate) fn section(runs: &[(&str, &RunRecord)]) -> String {
    let mut table = Table::new(
        "Differences in accuracy, in points, with 95 % intervals",
        &[
            ("Runs", Words),
            ("Split", Words),
            ("Difference", Number),
            ("Interval", Number),
            ("Verdict", Words),
            ("On", Words),
        ],
    );
    let groups = by_data_set(runs);
    let mut left_out = groups.len() > 1;
    for group in &groups {
        for (position, first) in group.iter().enumerate() {
            for second in &group[position + 1..] {
                let [(one, a), (other, b)] = [runs[*first], runs[*second]];
                let Some(pair) = pair(a, b) else {
                    left_out = true;
                    continue;
                };
                let Difference {
                    estimate,
                    low,
                    high,
                } = pair.difference;
                let verdict = if !pair.difference.is_clear() {
                    "may be chance".into()
                } else {
                    let better = if low > 0.0 { one } else { other };
                    format!("<b>{}</b> is better", escape(better))
                };
                table.row(&[
                    format!("{} − {}", escape(one), escape(other)),
                    pair.split.into(),
                    points(estimate),
                    format!("{} to {}", points(low), points(high)),
                    verdict,
                    pair.basis,
                ]);
            }
        }
    }
    let mut note = String::new();
    if table.len() > 0 {
        note += "An interval that contains 0 means that the difference may be chance. About one in 20 intervals misses \
                 the true difference, so among many pairs some differences look clear by chance. The intervals account \
                 for the choice of images only: training with another seed adds variation of its own. ";
    }
    if left_out {
        note +=
            "Runs of different data sets, or without a score on the same split, are not compared. ";
    }
    let note = match note.trim_end() {
        "" => String::new(),
        note => format!("<p class=\"note\">{note}</p>\n"),
    };
    match table.len() {
        0 => note,
        few if few <= MOST_IN_VIEW => table.html() + &note,
        many => table.folded(&format!("Differences of all {many} pairs")) + &note,
    }
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::{Answers, EpochRow, Scores};

    use super::*;

    fn scores(right: usize, count: usize) -> Scores {
        Scores {
            loss: 0.1,
            top1: right as f64 / count as f64,
            top5: 1.0,
            nll: 0.1,
            ece: 0.0,
            brier: 0.0,
            count,
        }
    }

    fn run(data: &str, test: Option<Scores>) -> RunRecord {
        RunRecord {
            recipe: format!("dataset = \"{data}\""),
            test,
            ..crate::empty_record()
        }
    }

    fn answered(data: &str, fingerprint: &str, right: &[bool]) -> RunRecord {
        let count = right.iter().filter(|right| **right).count();
        RunRecord {
            answers: Some(Answers::new(fingerprint.into(), right)),
            ..run(data, Some(scores(count, right.len())))
        }
    }

    #[test]
    fn the_same_images_give_a_narrow_interval_and_others_a_wide_one() {
        // 1000 images; the second run is wrong where the first is, and on twelve more.
        let one: Vec<bool> = (0..1000).map(|image| image >= 100).collect();
        let other: Vec<bool> = (0..1000).map(|image| image >= 112).collect();
        let [a, b] = [&one, &other].map(|right| answered("mnist", "test", right));
        let same = pair(&a, &b).unwrap();
        assert!(same.difference.is_clear() && same.difference.low > 0.0);
        assert!((same.difference.estimate - 0.012).abs() < 1e-12);
        let different = pair(&a, &answered("mnist", "other", &other)).unwrap();
        assert!(!different.difference.is_clear());
        assert_eq!(
            different.difference,
            independent([900.0, 1000.0], [888.0, 1000.0])
        );
        // A record of an earlier version has scores alone.
        let plain = pair(&a, &run("mnist", Some(scores(888, 1000)))).unwrap();
        assert_eq!(plain.difference, different.difference);
    }

    #[test]
    fn each_pair_has_its_own_images_and_a_perfect_run_has_an_interval() {
        let perfect = run("mnist", Some(scores(50, 50)));
        let large = run("mnist", Some(scores(9000, 10_000)));
        let found = pair(&perfect, &large).unwrap().difference;
        assert!(found.high - found.low > 0.03, "{found:?}");
        let table = section(&[("small", &perfect), ("large", &large)]);
        assert!(
            table.contains("50 images and 10\u{202f}000 images"),
            "{table}"
        );
        assert!(table.contains("<b>small</b> is better"), "{table}");
    }

    #[test]
    fn runs_of_different_data_sets_are_not_compared() {
        let mnist = run("mnist", Some(scores(99, 100)));
        let cifar = run("cifar10", Some(scores(50, 100)));
        let moved = answered("folder:here", "photos", &[true; 40]);
        let again = answered("folder:there", "photos", &[false; 40]);
        let runs = [("a", &mnist), ("b", &moved), ("c", &cifar), ("d", &again)];
        assert_eq!(by_data_set(&runs), [vec![0], vec![1, 3], vec![2]]);
        let table = section(&runs);
        assert_eq!(
            table.matches("<tr>").count(),
            2,
            "a head and one pair: {table}"
        );
        assert!(
            table.contains("b − d") && table.contains("not compared"),
            "{table}"
        );
    }

    #[test]
    fn many_pairs_are_folded_away() {
        let run = run("mnist", Some(scores(99, 100)));
        let folded = |runs: usize| section(&vec![("a", &run); runs]).contains("<details>");
        assert!(!folded(6) && folded(7), "15 pairs, and 21");
    }

    #[test]
    fn a_run_without_test_is_compared_on_validation() {
        let row = |valid: Scores| EpochRow {
            epoch: 1,
            step: 10,
            lr: 0.1,
            train_loss: 1.0,
            train_top1: 0.5,
            penalties: Vec::new(),
            valid: Some(valid),
            seconds: 1.0,
            images_per_second: 1.0,
        };
        let mut tested = run("mnist", Some(scores(99, 100)));
        tested.epochs = vec![row(scores(60, 100))];
        let mut untested = run("mnist", None);
        untested.epochs = vec![row(scores(30, 100))];
        let found = pair(&tested, &untested).unwrap();
        assert_eq!(found.split, "validation");
        assert!((found.difference.estimate - 0.3).abs() < 1e-12);
        assert!(pair(&tested, &run("mnist", None)).is_none());
    }
}
