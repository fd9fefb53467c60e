//! Ensembles against torchmetrics, TorchUncertainty, scikit-learn and SciPy: `xtask/golden/ensemble.py`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use firebrick_ensemble::score::{self, EnsembleFigures, Growth};
use firebrick_ensemble::select::{Criterion, Greedy, greedy};
use firebrick_ensemble::{LogProbabilities, Member, Members, calibrate, combine, conformal, table};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    classes: usize,
    labels: Vec<usize>,
    logits: Vec<Vec<f32>>,
    members: Vec<Figures>,
    pooled: Figures,
    combined: BTreeMap<String, Vec<f64>>,
    combined_nll: BTreeMap<String, f64>,
    winners: Vec<Option<usize>>,
    weights: Vec<f64>,
    temperatures: Vec<f64>,
    vector: Vec<f64>,
    entropy: score::Entropy,
    disagreement: Vec<Vec<f64>>,
    error_correlation: Vec<Vec<f64>>,
    growth: Vec<Growth>,
    sets: BTreeMap<String, Sets>,
    selection: Vec<Selection>,
}

#[derive(Deserialize)]
struct Figures {
    top1: f64,
    top5: f64,
    nll: f64,
    brier: f64,
    ece: f64,
    ece_adaptive: f64,
    ece_classwise: f64,
    aurc: f64,
    #[serde(default)]
    risks: Vec<f64>,
    at_temperature: Option<AtTemperature>,
}

#[derive(Deserialize)]
struct AtTemperature {
    temperature: f64,
    nll: f64,
    ece: f64,
}

#[derive(Deserialize)]
struct Sets {
    threshold: f64,
    sets: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Selection {
    criterion: Criterion,
    replacement: bool,
    picks: Vec<usize>,
}

/// The tolerance of what torchmetrics computes in f32.
const F32: f64 = 1e-7;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("golden/ensemble.json")).unwrap()
    }

    fn members(&self) -> Members<'_> {
        let named = NAMES.iter().zip(&self.logits);
        let members = named.map(|(name, logits)| Member::new(name, logits, self.classes));
        Members::new(members.collect()).unwrap()
    }

    fn combined(&self, rule: &str) -> LogProbabilities {
        let (rule, members) = (rule.parse().unwrap(), self.members());
        let combiner = combine::fit(&rule, &members, Some(&self.labels)).unwrap();
        combiner.combine(&members).unwrap()
    }
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: {found}, not {expected}: off by {:e}",
        found - expected
    );
}

#[track_caller]
fn all_near(found: impl IntoIterator<Item = f64>, expected: &[f64], tolerance: f64, what: &str) {
    let found: Vec<f64> = found.into_iter().take(expected.len()).collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.into_iter().zip(expected) {
        near(found, *expected, tolerance, what);
    }
}

fn probabilities(predicted: &LogProbabilities) -> impl Iterator<Item = f64> {
    predicted.rows().flatten().map(|value| value.exp())
}

#[test]
fn figures_of_one_prediction() {
    let golden = Golden::read();
    let members = golden.members();
    let check = |predicted: &LogProbabilities, expected: &Figures, what: &str| {
        let found = score::ensemble_figures(predicted, &golden.labels).unwrap();
        near(found.top1, expected.top1, F32, what);
        near(found.top5, expected.top5, F32, what);
        near(found.nll, expected.nll, 1e-12, what);
        near(found.brier, expected.brier, 1e-12, what);
        near(found.ece, expected.ece, F32, what);
        near(found.ece_adaptive, expected.ece_adaptive, F32, what);
        near(found.aurc, expected.aurc, 1e-12, what);
        let classwise = score::ece_classwise(predicted, &golden.labels).unwrap();
        near(classwise, expected.ece_classwise, F32, what);
    };
    for (place, expected) in golden.members.iter().enumerate() {
        check(&members.prediction(place), expected, NAMES[place]);
    }
    let pooled = golden.combined("mean");
    check(&pooled, &golden.pooled, "pooled");
    let curve = score::risk_coverage(&pooled, &golden.labels).unwrap();
    all_near(curve.risks, &golden.pooled.risks, 1e-12, "risks");
    let alone = score::member_figures(&members, &golden.labels).unwrap();
    for (found, expected) in alone.iter().zip(&golden.members) {
        near(found.top1, expected.top1, F32, &found.name);
        near(found.nll, expected.nll, 1e-12, &found.name);
        near(found.brier, expected.brier, 1e-12, &found.name);
        near(found.ece, expected.ece, F32, &found.name);
    }
}

#[test]
fn the_bins_of_the_reliability_diagram_are_those_of_the_calibration_error() {
    let golden = Golden::read();
    let bins = score::reliability(&golden.combined("mean"), &golden.labels).unwrap();
    let gap = |bin: &firebrick_types::run::ConfidenceBin| {
        bin.count as f64 / golden.labels.len() as f64 * (bin.accuracy - bin.confidence).abs()
    };
    near(bins.iter().map(gap).sum(), golden.pooled.ece, F32, "bins");
}

#[test]
fn every_way_to_combine() {
    let golden = Golden::read();
    for (rule, expected) in &golden.combined {
        let tolerance = match rule.split('(').next() {
            Some("weighted" | "stacking") => 1e-7,
            _ => 1e-11,
        };
        let combined = golden.combined(rule);
        all_near(probabilities(&combined), expected, tolerance, rule);
        let nll = score::ensemble_figures(&combined, &golden.labels)
            .unwrap()
            .nll;
        near(nll, golden.combined_nll[rule], tolerance, rule);
    }
    let names: Vec<&str> = golden
        .combined
        .keys()
        .map(|rule| rule.split('(').next().unwrap())
        .collect();
    for name in combine::REGISTRY.names() {
        assert!(names.contains(&name), "{name} has no golden value");
    }
    let votes = golden.combined("vote").predicted();
    for (vote, winner) in votes.iter().zip(&golden.winners) {
        assert!(winner.is_none_or(|winner| winner == *vote));
    }
    let rule = "weighted".parse().unwrap();
    let weighted = combine::fit(&rule, &golden.members(), Some(&golden.labels)).unwrap();
    all_near(weighted.parameters, &golden.weights, 1e-7, "weights");
}

#[test]
fn calibration() {
    let golden = Golden::read();
    let members = golden.members();
    let fit = |rule: &str, predicted: &LogProbabilities| {
        calibrate::fit(&rule.parse().unwrap(), predicted, &golden.labels).unwrap()
    };
    let found = (0..4).map(|place| fit("temperature", &members.prediction(place)).parameters[0]);
    all_near(found, &golden.temperatures, 1e-9, "temperatures of members");
    let pooled = golden.combined("mean");
    let expected = golden.pooled.at_temperature.as_ref().unwrap();
    let temperature = fit("temperature", &pooled);
    let found = score::at_temperature(&pooled, &golden.labels, &temperature).unwrap();
    near(
        found.temperature.unwrap(),
        expected.temperature,
        1e-9,
        "temperature",
    );
    near(
        found.nll_at_temperature.unwrap(),
        expected.nll,
        1e-12,
        "NLL",
    );
    near(found.ece_at_temperature.unwrap(), expected.ece, F32, "ECE");
    let vector = fit("vector", &pooled);
    let calibrated = vector.apply(&pooled).unwrap();
    all_near(probabilities(&calibrated), &golden.vector, 1e-8, "vector");
    assert!(score::at_temperature(&pooled, &golden.labels, &vector).is_err());
    // Members at their temperatures.
    let warm = members
        .clone()
        .with_temperatures(&golden.temperatures)
        .unwrap();
    for place in 0..4 {
        assert!((fit("temperature", &warm.prediction(place)).parameters[0] - 1.0).abs() < 1e-9);
    }
}

#[test]
fn how_members_differ_and_what_they_add() {
    let golden = Golden::read();
    let members = golden.members();
    let entropy = score::entropy(&members).unwrap();
    near(entropy.total, golden.entropy.total, 1e-12, "total");
    near(entropy.expected, golden.entropy.expected, 1e-12, "expected");
    let found = entropy.mutual_information;
    near(
        found,
        golden.entropy.mutual_information,
        1e-12,
        "mutual information",
    );
    let disagreement = score::disagreement(&members).unwrap();
    for (found, expected) in disagreement.into_iter().zip(&golden.disagreement) {
        all_near(found, expected, 1e-12, "disagreement");
    }
    let correlation = score::error_correlation(&members, &golden.labels).unwrap();
    for (found, expected) in correlation.into_iter().zip(&golden.error_correlation) {
        all_near(found.into_iter().flatten(), expected, 1e-12, "correlation");
    }
    let mean = "mean".parse().unwrap();
    let grown = score::growth(&members, &mean, &golden.labels, 6, 0).unwrap();
    assert_eq!(grown.len(), golden.growth.len());
    for (found, expected) in grown.iter().zip(&golden.growth) {
        assert_eq!(found.members, expected.members);
        near(
            found.top1_mean,
            expected.top1_mean,
            1e-12,
            "growth of the accuracy",
        );
        near(found.top1_sd, expected.top1_sd, 1e-12, "its spread");
        near(
            found.nll_mean,
            expected.nll_mean,
            1e-12,
            "growth of the NLL",
        );
    }
}

#[test]
fn prediction_sets() {
    let golden = Golden::read();
    let pooled = golden.combined("mean");
    let values: Vec<f64> = probabilities(&pooled).collect();
    let middle = values.len() / 2;
    let part = |values| LogProbabilities::from_probabilities(values, golden.classes).unwrap();
    let (first, second) = (part(&values[..middle]), part(&values[middle..]));
    assert_eq!(golden.sets.len(), conformal::REGISTRY.names().len());
    for (rule, expected) in &golden.sets {
        let labels = &golden.labels[..first.len()];
        let sets = conformal::calibrate(&rule.parse().unwrap(), &first, labels, 0.85).unwrap();
        near(sets.threshold, expected.threshold, 1e-12, rule);
        assert_eq!(sets.of(&second).unwrap(), expected.sets, "{rule}");
    }
}

#[test]
fn selection() {
    let golden = Golden::read();
    for case in &golden.selection {
        let how = Greedy {
            picks: case.picks.len(),
            criterion: case.criterion,
            replacement: case.replacement,
        };
        let picks = greedy(&golden.members(), &golden.labels, &how).unwrap();
        let found: Vec<&str> = picks.iter().map(|pick| pick.name.as_str()).collect();
        let expected: Vec<&str> = case.picks.iter().map(|place| NAMES[*place]).collect();
        assert_eq!(found, expected, "{how:?}");
    }
}

#[test]
fn the_figures_of_a_table_are_those_of_its_probabilities() {
    let golden = Golden::read();
    let pooled = golden.combined("mean");
    let mut text = String::from("label");
    (0..golden.classes).for_each(|class| text += &format!(",class {class}"));
    for (row, label) in pooled.rows().zip(&golden.labels) {
        text += &format!("\n{label}");
        row.iter()
            .for_each(|value| text += &format!(",{:.12}", value.exp()));
    }
    let table = table::read(text.as_bytes()).unwrap();
    assert_eq!(table.labels, golden.labels);
    let found: EnsembleFigures = table.figures().unwrap();
    let expected = &golden.pooled;
    near(found.top1, expected.top1, F32, "top-1");
    near(found.top5, expected.top5, F32, "top-5");
    near(found.nll, expected.nll, 1e-9, "NLL");
    near(found.brier, expected.brier, 1e-9, "Brier score");
    near(found.ece, expected.ece, F32, "ECE");
    near(
        found.ece_adaptive,
        expected.ece_adaptive,
        F32,
        "adaptive ECE",
    );
    near(found.aurc, expected.aurc, 1e-9, "AURC");
    let at = expected.at_temperature.as_ref().unwrap();
    near(
        found.temperature.unwrap(),
        at.temperature,
        1e-8,
        "temperature",
    );
    near(
        found.nll_at_temperature.unwrap(),
        at.nll,
        1e-9,
        "NLL at temperature",
    );
    near(
        found.ece_at_temperature.unwrap(),
        at.ece,
        F32,
        "ECE at temperature",
    );
}
