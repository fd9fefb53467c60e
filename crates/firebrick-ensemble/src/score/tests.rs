use proptest::prelude::*;

use super::*;
use crate::calibrate;
use crate::combine::tests::{logits, members};
use crate::log_probabilities::LogProbabilities;
use crate::members::{Member, Members};

fn probabilities(values: &[f64], classes: usize) -> LogProbabilities {
    LogProbabilities::from_probabilities(values, classes).unwrap()
}

/// Images of two classes, of which the first is said with this confidence, and whether it is right.
fn sure(images: &[(f64, bool)]) -> (LogProbabilities, Vec<usize>) {
    let values: Vec<f64> = images.iter().flat_map(|(p, _)| [*p, 1.0 - p]).collect();
    let labels = images
        .iter()
        .map(|(_, right)| usize::from(!right))
        .collect();
    (probabilities(&values, 2), labels)
}

#[test]
fn the_json_has_the_names_of_the_interface() {
    let logits = logits(3, 10, 6);
    let members = members(&logits, 6);
    let labels: Vec<usize> = (0..10).map(|image| image % 6).collect();
    let mean = crate::combine::fit(&"mean".parse().unwrap(), &members, None).unwrap();
    let pooled = mean.combine(&members).unwrap();
    let right = pooled.predicted();
    let labels: Vec<usize> = right
        .iter()
        .zip(&labels)
        .map(|(r, l)| if l % 2 == 0 { *r } else { *l })
        .collect();
    let temperature = calibrate::fit(&"temperature".parse().unwrap(), &pooled, &labels).unwrap();
    let report = report(&members, &mean, &labels, Some(&temperature), 10, 0).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        keys(&json),
        ["members", "ensemble", "growth", "disagreement", "entropy"]
    );
    assert_eq!(
        keys(&json["members"][0]),
        ["name", "top1", "nll", "brier", "ece"]
    );
    assert_eq!(
        keys(&json["ensemble"]),
        [
            "top1",
            "top5",
            "nll",
            "brier",
            "ece",
            "ece_adaptive",
            "aurc",
            "temperature",
            "nll_at_temperature",
            "ece_at_temperature"
        ]
    );
    assert_eq!(
        keys(&json["growth"][0]),
        ["members", "top1_mean", "top1_sd", "nll_mean"]
    );
    assert_eq!(
        keys(&json["entropy"]),
        ["total", "expected", "mutual_information"]
    );
    assert_eq!(
        (
            json["growth"].as_array().unwrap().len(),
            json["disagreement"][2].as_array().unwrap().len()
        ),
        (3, 3)
    );
    assert_eq!(
        serde_json::from_value::<EnsembleReport>(json).unwrap(),
        report
    );
    // What is largest in the growth is the ensemble, what is smallest the mean of its members.
    assert_eq!(report.growth[2].top1_mean, report.ensemble.top1);
    assert!((report.growth[2].nll_mean - report.ensemble.nll).abs() < 1e-12);
    let mean = |of: fn(&MemberFigures) -> f64| report.members.iter().map(of).sum::<f64>() / 3.0;
    assert!((report.growth[0].top1_mean - mean(|member| member.top1)).abs() < 1e-12);
    assert!((report.growth[0].nll_mean - mean(|member| member.nll)).abs() < 1e-12);
}

#[test]
fn growth_by_hand() {
    // Two members right on 3 and 1 of 4 images; their mean on 2.
    let a = [2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 1.0];
    let b = [1.0, 0.0, 0.0, 3.0, 0.0, 3.0, 0.0, 1.0];
    let members = Members::new(vec![Member::new("a", &a, 2), Member::new("b", &b, 2)]).unwrap();
    let grown = growth(&members, &"mean".parse().unwrap(), &[0, 0, 0, 0], 5, 0).unwrap();
    assert_eq!(
        (grown[0].top1_mean, grown[1].top1_mean, grown[1].top1_sd),
        (0.5, 0.25, 0.0)
    );
    assert!((grown[0].top1_sd - 0.125_f64.sqrt()).abs() < 1e-12);
    let refused = |rule: &str, orders| {
        growth(&members, &rule.parse().unwrap(), &[0; 4], orders, 0)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("weighted", 5).contains("use `mean` for the growth"));
    assert!(refused("mean", 0).contains("growth: orders = 0 is out of range"));
}

#[test]
fn one_member_is_an_ensemble() {
    let logits = logits(1, 8, 3);
    let members = members(&logits, 3);
    let mean = crate::combine::fit(&"mean".parse().unwrap(), &members, None).unwrap();
    let report = report(&members, &mean, &[0, 1, 2, 0, 1, 2, 0, 1], None, 4, 0).unwrap();
    assert_eq!(
        (report.growth.len(), &report.disagreement),
        (1, &vec![vec![0.0]])
    );
    assert!(report.entropy.mutual_information < 1e-15 && report.entropy.total > 0.0);
    assert!((report.members[0].nll - report.ensemble.nll).abs() < 1e-12);
    assert_eq!(report.ensemble.temperature, None);
}

#[test]
fn adaptive_bins_have_equal_mass() {
    // 30 images in 15 bins of two. Each bin has the confidences c and c + 0.001, one right and one wrong.
    let images: Vec<(f64, bool)> = (0..30)
        .map(|at| {
            (
                0.55 + 0.01 * f64::from(at / 2) + 0.001 * f64::from(at % 2),
                at % 2 == 0,
            )
        })
        .collect();
    let (predicted, labels) = sure(&images);
    let expected: f64 = (0..15)
        .map(|bin| 0.55 + 0.01 * f64::from(bin) + 0.0005 - 0.5)
        .sum::<f64>()
        / 15.0;
    assert!((ece_adaptive(&predicted, &labels).unwrap() - expected).abs() < 1e-12);
    // Fewer images than bins: each has its own.
    let (predicted, labels) = sure(&[(0.9, true), (0.6, false)]);
    assert!((ece_adaptive(&predicted, &labels).unwrap() - (0.1 + 0.6) / 2.0).abs() < 1e-12);
}

#[test]
fn each_class_has_its_own_calibration() {
    // Class 0 is always said with 0.6 and right in half of the images: both classes are off by 0.1.
    let (predicted, labels) = sure(&[(0.6, true), (0.6, false)]);
    assert!((ece_classwise(&predicted, &labels).unwrap() - 0.1).abs() < 1e-12);
}

#[test]
fn the_risk_of_the_surest() {
    let (predicted, labels) = sure(&[(0.7, false), (0.9, true), (0.8, true), (0.6, true)]);
    let curve = risk_coverage(&predicted, &labels).unwrap();
    assert_eq!(curve.risks, [0.0, 0.0, 1.0 / 3.0, 0.25]);
    assert!((curve.aurc - (1.0 / 3.0 + 0.125) / 3.0).abs() < 1e-12);
    let (one, label) = sure(&[(0.7, false)]);
    assert_eq!(risk_coverage(&one, &label).unwrap().aurc, 1.0);
}

#[test]
fn equally_sure_images_have_no_order() {
    let images = [(0.8, true), (0.8, false), (0.8, false), (0.9, true)];
    let (predicted, labels) = sure(&images);
    let curve = risk_coverage(&predicted, &labels).unwrap();
    for (risk, expected) in curve.risks.iter().zip([0.0, 1.0 / 3.0, 4.0 / 9.0, 0.5]) {
        assert!((risk - expected).abs() < 1e-12);
    }
}

proptest! {
    #[test]
    fn no_figure_depends_on_the_order_of_the_images(
        order in Just((0..40).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        // Some are equally sure.
        let images: Vec<(f64, bool)> = (0..40).map(|at| (0.55 + 0.01 * f64::from(at % 17), at % 3 != 0)).collect();
        let shuffled: Vec<(f64, bool)> = order.iter().map(|at| images[*at]).collect();
        let figures = |images: &[(f64, bool)]| {
            let (predicted, labels) = sure(images);
            let figures = ensemble_figures(&predicted, &labels).unwrap();
            let classwise = ece_classwise(&predicted, &labels).unwrap();
            [figures.top1, figures.top5, figures.nll, figures.brier, figures.ece, figures.ece_adaptive, figures.aurc, classwise]
        };
        for (one, other) in figures(&images).into_iter().zip(figures(&shuffled)) {
            prop_assert!((one - other).abs() < 1e-12);
        }
    }
}

#[test]
fn members_that_differ() {
    // Wrong: a on images 0 and 1, b on 1 and 2, c never.
    let a = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    let b = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];
    let c = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    let named = [("a", &a), ("b", &b), ("c", &c)];
    let members = named.map(|(name, logits)| Member::new(name, logits, 2));
    let members = Members::new(members.to_vec()).unwrap();
    assert_eq!(
        disagreement(&members).unwrap(),
        [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    );
    let correlation = error_correlation(&members, &[0; 4]).unwrap();
    assert_eq!(correlation[0], [Some(1.0), Some(0.0), None]);
    // Wrong with these labels: a on images 0, 2 and 3, b on 3, c on 1, 2 and 3.
    let row = &error_correlation(&members, &[0, 1, 1, 1]).unwrap()[0];
    assert!((row[1].unwrap() - 1.0 / 3.0).abs() < 1e-12, "{row:?}");
    assert!((row[2].unwrap() + 1.0 / 3.0).abs() < 1e-12, "{row:?}");
}

#[test]
fn disagreement_is_what_the_entropy_of_the_mean_has_more() {
    // Two members, each sure of another class: all uncertainty is disagreement.
    let (a, b) = ([60.0, 0.0], [0.0, 60.0]);
    let members = Members::new(vec![Member::new("a", &a, 2), Member::new("b", &b, 2)]).unwrap();
    let found = entropy(&members).unwrap();
    assert!((found.total - 2.0_f64.ln()).abs() < 1e-12 && found.expected < 1e-12);
    assert!((found.mutual_information - 2.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn a_class_with_probability_0_has_an_infinite_nll() {
    let predicted = probabilities(&[1.0, 0.0, 0.5, 0.5], 2);
    let figures = ensemble_figures(&predicted, &[1, 0]).unwrap();
    assert_eq!(figures.nll, f64::INFINITY);
    let json = serde_json::to_value(&figures).unwrap();
    assert_eq!(
        (&json["nll"], &json["temperature"]),
        (&"inf".into(), &serde_json::Value::Null)
    );
    assert!(figures.brier.is_finite() && figures.ece.is_finite());
}

#[test]
fn labels_that_do_not_go_with_the_images_are_named() {
    let predicted = probabilities(&[0.5, 0.5], 2);
    let message = |labels: &[usize]| {
        ensemble_figures(&predicted, labels)
            .unwrap_err()
            .to_string()
    };
    assert!(message(&[]).contains("0 labels for 1 images"));
    assert!(message(&[2]).contains("image 0: the label 2 is none of the 2 classes"));
}
