use firebrick_types::testkit::fields_out_of_range_are_named;
use proptest::prelude::*;

use super::*;

fn fitted(rule: &str, predicted: &LogProbabilities, labels: &[usize]) -> Calibration {
    fit(&rule.parse().unwrap(), predicted, labels).unwrap()
}

fn nll(predicted: &LogProbabilities, labels: &[usize]) -> f64 {
    let own = predicted
        .rows()
        .zip(labels)
        .map(|(row, label)| -row[*label]);
    own.sum::<f64>() / labels.len() as f64
}

/// Images with these scores.
fn scores(rows: &[&[f64]]) -> LogProbabilities {
    let mut all = LogProbabilities::none(rows[0].len());
    rows.iter().for_each(|row| all.push(row));
    all
}

#[test]
fn every_calibration_keeps_its_promises_about_specs() {
    for entry in REGISTRY.entries() {
        fields_out_of_range_are_named(&entry, |spec| build(spec).map(drop));
        let built = build(&Spec::new(entry.about.name)).unwrap().spec;
        assert_eq!(build(&built).unwrap().spec, built);
    }
}

#[test]
fn the_temperature_of_equal_margins_by_a_closed_form() {
    // A margin of 4, right in 3 of 4 images: the best probability is 3/4, so 4 / T = ln 3.
    let row: &[f64] = &[4.0, 0.0];
    let predicted = scores(&[row; 4]);
    let calibration = fitted("temperature", &predicted, &[0, 0, 1, 0]);
    assert!((calibration.parameters[0] - 4.0 / 3.0_f64.ln()).abs() < 1e-10);
    let probability = calibration.apply(&predicted).unwrap().row(0)[0].exp();
    assert!((probability - 0.75).abs() < 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_other_temperature_is_better(seed in 0..1000_u32, factor in 0.2..5.0_f64) {
        let row = |image: u32| {
            let angle = f64::from(image * 7 + seed);
            [0, 1, 2].map(|class| 3.0 * (angle * (1.1 + 0.37 * f64::from(class))).sin())
        };
        let rows: Vec<[f64; 3]> = (0..40).map(row).collect();
        let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
        let predicted = scores(&rows);
        // Mostly right.
        let labels: Vec<usize> = predicted.predicted().iter().enumerate()
            .map(|(image, class)| if image % 4 == 0 { (class + 1) % 3 } else { *class }).collect();
        let best = fitted("temperature", &predicted, &labels);
        let other = Calibration { parameters: vec![best.parameters[0] * factor], ..best.clone() };
        let nll_of = |calibration: &Calibration| nll(&calibration.apply(&predicted).unwrap(), &labels);
        prop_assert!(nll_of(&best) <= nll_of(&other) + 1e-12);
        // Scores of another scale are calibrated to the same prediction.
        let scaled = Calibration { parameters: vec![factor], ..best.clone() }.apply(&predicted).unwrap();
        let again = fitted("temperature", &scaled, &labels);
        prop_assert!((again.parameters[0] * factor / best.parameters[0] - 1.0).abs() < 1e-9);
        // More freedom is never worse.
        let vector = fitted("vector", &predicted, &labels);
        prop_assert!(nll_of(&vector) <= nll_of(&best) + 1e-10);
    }
}

#[test]
fn fits_without_an_answer_say_why() {
    let message = |rule: &str, predicted: &LogProbabilities, labels: &[usize]| {
        fit(&rule.parse().unwrap(), predicted, labels)
            .unwrap_err()
            .to_string()
    };
    let predicted = scores(&[&[2.0, 0.0], &[0.0, 1.0]]);
    let never_wrong = message("temperature", &predicted, &[0, 1]);
    assert!(
        never_wrong.contains("the best temperature is 0"),
        "{never_wrong}"
    );
    let always_wrong = message("temperature", &predicted, &[1, 0]);
    assert!(
        always_wrong.contains("in the same order?"),
        "{always_wrong}"
    );
    let impossible = LogProbabilities::from_probabilities(&[0.4, 0.6, 0.0, 1.0], 2).unwrap();
    let zero = message("temperature", &impossible, &[0, 0]);
    assert!(
        zero.contains("image 1 gives its own class the probability 0"),
        "{zero}"
    );
    let missing = message("vector", &predicted, &[0, 0]);
    assert!(
        missing.contains("class 1 has no validation image"),
        "{missing}"
    );
    assert!(message("temperature", &predicted, &[0]).contains("1 labels for 2 images"));
    // Nothing to gain: the temperature stays.
    assert_eq!(
        fitted("temperature", &scores(&[&[0.0, 0.0]]), &[1]).parameters,
        [1.0]
    );
}

#[test]
fn a_class_that_cannot_be_stays_so() {
    let predicted =
        LogProbabilities::from_probabilities(&[0.9, 0.1, 0.0, 0.8, 0.1, 0.1, 0.7, 0.2, 0.1], 3)
            .unwrap();
    let calibration = fitted("temperature", &predicted, &[0, 0, 1]);
    assert!(calibration.parameters[0].is_finite());
    assert_eq!(
        calibration.apply(&predicted).unwrap().row(0)[2],
        f64::NEG_INFINITY
    );
}

#[test]
fn edited_parameters_are_refused() {
    let predicted = scores(&[&[2.0, 0.0, 1.0]]);
    let says = |json: &str, needle: &str| {
        let calibration: Calibration = serde_json::from_str(json).unwrap();
        let message = calibration.apply(&predicted).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    };
    says(
        r#"{"rule": "temperature", "classes": 3, "parameters": [0.0]}"#,
        "temperature = 0",
    );
    says(
        r#"{"rule": "temperature", "classes": 2, "parameters": [1.0]}"#,
        "fitted to 2 classes",
    );
    says(
        r#"{"rule": "vector", "classes": 3, "parameters": [1.0]}"#,
        "needs 6 parameters",
    );
    says(
        r#"{"rule": "heat", "classes": 3, "parameters": [1.0]}"#,
        "unknown calibration `heat`",
    );
}
