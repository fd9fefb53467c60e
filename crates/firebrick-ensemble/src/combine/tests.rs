use firebrick_types::testkit::fields_out_of_range_are_named;
use proptest::prelude::*;

use super::*;
use crate::members::Member;

/// Logits of so many members, images and classes, by a formula.
pub(crate) fn logits(members: usize, images: usize, classes: usize) -> Vec<Vec<f32>> {
    let value = |member: usize, at: usize| {
        let angle = (at as f32 + 1.0) * (0.7 + 0.31 * member as f32);
        3.0 * (angle * angle * 0.13).sin()
    };
    (0..members)
        .map(|member| (0..images * classes).map(|at| value(member, at)).collect())
        .collect()
}

pub(crate) const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Members called a, b, c …
pub(crate) fn members(logits: &[Vec<f32>], classes: usize) -> Members<'_> {
    let named = NAMES.iter().zip(logits);
    Members::new(
        named
            .map(|(name, logits)| Member::new(name, logits, classes))
            .collect(),
    )
    .unwrap()
}

fn combined(rule: &str, members: &Members<'_>, labels: &[usize]) -> LogProbabilities {
    let combiner = fit(&rule.parse().unwrap(), members, Some(labels)).unwrap();
    combiner.combine(members).unwrap()
}

fn assert_near(a: &LogProbabilities, b: &LogProbabilities, tolerance: f64) {
    for (a, b) in a.rows().flatten().zip(b.rows().flatten()) {
        assert!((a.exp() - b.exp()).abs() <= tolerance, "{a} {b}");
    }
}

const RULES: [&str; 6] = ["mean", "logits", "vote", "weighted", "stacking", "rank"];

#[test]
fn every_rule_keeps_its_promises_about_specs() {
    for entry in REGISTRY.entries() {
        fields_out_of_range_are_named(&entry, |spec| build(spec).map(drop));
        assert!(RULES.contains(&entry.about.name));
        let built = build(&Spec::new(entry.about.name)).unwrap().spec;
        assert_eq!(build(&built).unwrap().spec, built);
    }
    let geometric = build(&"geometric".parse().unwrap()).unwrap();
    assert_eq!(geometric.spec.to_string(), "logits");
    let error = build(&"maen".parse().unwrap()).err().unwrap().to_string();
    assert!(error.contains("did you mean `mean`"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_rule_depends_on_the_order_of_the_members(
        shuffled in Just((0..5).collect::<Vec<usize>>()).prop_shuffle(),
        images in 6..12_usize,
        shift in 0..50_usize,
    ) {
        let logits = logits(5, images + shift, 3);
        let logits: Vec<Vec<f32>> = logits.into_iter().map(|l| l[shift * 3..].to_vec()).collect();
        let labels: Vec<usize> = (0..images).map(|image| (image + shift) % 3).collect();
        let members = members(&logits, 3);
        let other = members.only(&shuffled).unwrap();
        for rule in RULES {
            prop_assert_eq!(combined(rule, &members, &labels), combined(rule, &other, &labels));
        }
        // Even where the names change places.
        let renamed = NAMES.iter().zip(&shuffled);
        let renamed = renamed.map(|(name, place)| Member::new(name, &logits[*place], 3)).collect();
        let renamed = Members::new(renamed).unwrap();
        for rule in RULES {
            let tolerance = if rule == "stacking" || rule == "weighted" { 1e-7 } else { 1e-12 };
            assert_near(&combined(rule, &members, &labels), &combined(rule, &renamed, &labels), tolerance);
        }
    }
}

#[test]
fn combining_equal_members_returns_them() {
    let one = logits(1, 20, 4);
    let labels: Vec<usize> = (0..20).map(|image| image * 7 % 4).collect();
    let many: Vec<Vec<f32>> = vec![one[0].clone(); 5];
    let (alone, many) = (members(&one, 4), members(&many, 4));
    for rule in ["mean", "logits", "weighted"] {
        for members in [&alone, &many] {
            assert_near(
                &combined(rule, members, &labels),
                &alone.prediction(0),
                1e-13,
            );
        }
    }
    for rule in ["vote", "rank"] {
        let same = combined(rule, &many, &labels).predicted();
        assert_eq!(same, alone.prediction(0).predicted(), "{rule}");
    }
}

#[test]
fn a_tiny_probability_does_not_underflow() {
    let logits = [vec![2000.0, 0.0], vec![1800.0, 0.0]];
    let members = members(&logits, 2);
    let mean = combined("mean", &members, &[0]);
    assert!((mean.row(0)[1] - (-1800.0 - 2.0_f64.ln())).abs() < 1e-9);
}

#[test]
fn votes_decide_and_probabilities_break_ties() {
    let row = |p: [f32; 3]| p.map(f32::ln).to_vec();
    // Two votes for class 0 against one very sure one for class 2.
    let votes = [
        row([0.4, 0.3, 0.3]),
        row([0.4, 0.3, 0.3]),
        row([0.01, 0.01, 0.98]),
    ];
    let pooled = combined("vote", &members(&votes, 3), &[0]);
    let expected = (2.0 + 0.81 / 3.0) / 4.0;
    assert!((pooled.row(0)[0].exp() - expected).abs() < 1e-7);
    assert_eq!(combined("mean", &members(&votes, 3), &[0]).predicted(), [2]);
    assert_eq!(pooled.predicted(), [0]);
    // One vote each: the higher mean probability.
    let tie = [row([0.5, 0.3, 0.2]), row([0.05, 0.15, 0.8])];
    assert_eq!(combined("vote", &members(&tie, 3), &[0]).predicted(), [2]);
}

#[test]
fn equal_scores_share_their_ranks() {
    let rows = [vec![1.0, 1.0, 0.0, 3.0], vec![0.0, 2.0, 1.0, 3.0]];
    let pooled = combined("rank", &members(&rows, 4), &[0]);
    let ranks = [2.5 + 1.0, 2.5 + 3.0, 1.0 + 2.0, 8.0];
    for (found, rank) in pooled.row(0).iter().zip(ranks) {
        assert!((found.exp() - rank / 20.0).abs() < 1e-12);
    }
}

#[test]
fn stacking_learns_what_members_confuse() {
    let labels: Vec<usize> = (0..60).map(|image| image % 3).collect();
    // Each member takes every class for another one.
    let confused = |by: usize| {
        let rows = labels.iter().map(move |label| {
            let mut row = [0.0, 0.1, 0.2];
            row[(label + by) % 3] = 2.0;
            row
        });
        rows.flatten().collect::<Vec<f32>>()
    };
    let logits = [confused(1), confused(1)];
    let members = members(&logits, 3);
    let right = |rule| {
        let predicted = combined(rule, &members, &labels).predicted();
        predicted
            .iter()
            .zip(&labels)
            .filter(|(p, l)| p == l)
            .count()
    };
    assert_eq!((right("stacking"), right("mean")), (60, 0));
}

#[test]
fn what_was_fitted_belongs_to_its_members() {
    let logits = logits(3, 12, 3);
    let labels: Vec<usize> = (0..12).map(|image| image % 3).collect();
    let all = members(&logits, 3);
    let weighted = fit(&"weighted".parse().unwrap(), &all, Some(&labels)).unwrap();
    let json = serde_json::to_string(&weighted).unwrap();
    let back: Combiner = serde_json::from_str(&json).unwrap();
    assert_eq!(back, weighted);
    assert_eq!(back.combine(&all), weighted.combine(&all));

    let says = |combiner: &Combiner, members: &Members<'_>, needle: &str| {
        let message = combiner.combine(members).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    };
    let two = all.only(&[0, 2]).unwrap();
    says(
        &weighted,
        &two,
        "fitted to the members a, b, c, but is used with the members a, c",
    );
    let short = Combiner {
        parameters: vec![1.0],
        ..weighted.clone()
    };
    says(
        &short,
        &all,
        "needs 3 finite parameters for these members, but has 1",
    );
    let nan = Combiner {
        parameters: vec![f64::NAN; 3],
        ..weighted
    };
    says(&nan, &all, "some of them not finite");
    let fitted = |rule: &str, labels: Option<&[usize]>| {
        fit(&rule.parse().unwrap(), &all, labels)
            .unwrap_err()
            .to_string()
    };
    assert!(fitted("weighted", None).contains("give the labels of the validation images"));
    assert!(fitted("stacking", Some(&labels[1..])).contains("11 labels for 12 images"));
    assert!(fitted("weighted", Some(&[3; 12])).contains("the label 3 is none of the 3 classes"));
    let bad = [vec![f32::NAN; 36], logits[0].clone()];
    let bad = members(&bad, 3);
    let mean = fit(&"mean".parse().unwrap(), &bad, None).unwrap();
    says(
        &mean,
        &bad,
        "36 of the 36 logits of member `a` are NaN or infinite",
    );
}
