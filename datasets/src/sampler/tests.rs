use super::*;

fn balanced() -> Sampling {
    Sampling::new(Balanced {})
}

fn weighted(weights: Vec<f64>) -> Sampling {
    Sampling::new(Weighted { weights })
}

/// 900 images of class 0, 90 of class 1, none of class 2, 10 of class 3.
fn labels() -> Vec<usize> {
    let mut labels = vec![0; 900];
    labels.extend([1; 90]);
    labels.extend([3; 10]);
    labels
}

fn counts(sampling: &Sampling, epochs: u64) -> Vec<f64> {
    let labels = labels();
    let mut counts = vec![0.0; 4];
    for epoch in 0..epochs {
        for index in sampling.order(&labels, 4, 7, epoch) {
            counts[labels[index]] += 1.0 / (epochs as f64 * labels.len() as f64);
        }
    }
    counts
}

fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    let close = found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() < tolerance);
    assert!(close, "{found:?} is not {expected:?}");
}

#[test]
fn a_bootstrap_sample_is_one_for_the_run_and_another_for_each_seed() {
    let labels = vec![0; 2000];
    let sampling: Sampling = "bootstrap".parse().unwrap();
    let sorted = |seed, epoch| {
        let mut order = sampling.order(&labels, 1, seed, epoch);
        order.sort_unstable();
        order
    };
    assert_ne!(
        sampling.order(&labels, 1, 3, 0),
        sampling.order(&labels, 1, 3, 1)
    );
    assert_eq!(sorted(3, 0), sorted(3, 7));
    assert_ne!(sorted(3, 0), sorted(4, 0));
    let mut distinct = sorted(3, 0);
    assert_eq!(distinct.len(), 2000);
    distinct.dedup();
    // A share of 1 - 1/e, within five standard deviations.
    assert!((1215..1315).contains(&distinct.len()), "{}", distinct.len());
}

#[test]
fn a_shuffle_visits_every_image_once_and_is_pinned() {
    let labels = labels();
    let order = Sampling::shuffle().order(&labels, 4, 0, 0);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, Sampling::sequential().order(&labels, 4, 0, 0));
    assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    assert_eq!(order[..6], [240, 443, 251, 123, 48, 806]);
    assert_ne!(order, Sampling::shuffle().order(&labels, 4, 0, 1), "epoch");
    assert_ne!(order, Sampling::shuffle().order(&labels, 4, 1, 0), "seed");
}

#[test]
fn balanced_draws_show_present_classes_equally_often() {
    // Standard deviation of a count over 20 000 draws: 0.0033.
    near(
        &counts(&balanced(), 20),
        &[1.0 / 3.0, 1.0 / 3.0, 0.0, 1.0 / 3.0],
        0.014,
    );
    let order = balanced().order(&labels(), 4, 0, 0);
    assert_eq!(order.len(), 1000);
    // Ten images fill a third of the epoch, each about 33 times: none is forgotten.
    for image in 990..1000 {
        let times = order.iter().filter(|index| **index == image).count();
        assert!((10..60).contains(&times), "{image}: {times}");
    }
    assert_eq!(order, balanced().order(&labels(), 4, 0, 0));
    assert_ne!(order, balanced().order(&labels(), 4, 0, 1));
}

#[test]
fn weights_are_probabilities_of_classes() {
    let weighted = weighted(vec![1.0, 3.0, 5.0, 0.0]);
    weighted.validate(&labels(), 4).unwrap();
    near(&counts(&weighted, 20), &[0.25, 0.75, 0.0, 0.0], 0.014);
}

#[test]
fn bad_weights_are_named() {
    for (weights, needle) in [
        (
            vec![1.0, 1.0],
            "2 weights are given, but the data set has 4 classes",
        ),
        (vec![1.0, -1.0, 1.0, 1.0], "weights[1] = -1"),
        (vec![1.0, 1.0, f64::NAN, 1.0], "weights[2] = NaN"),
        (vec![f64::INFINITY, 1.0, 1.0, 1.0], "weights[0] = inf"),
        (vec![0.0; 4], "greater than 0"),
        (vec![0.0, 0.0, 1.0, 0.0], "greater than 0"),
    ] {
        let sampling = weighted(weights);
        let error = sampling.validate(&labels(), 4).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
    assert!(weighted(vec![0.0; 4]).order(&labels(), 4, 0, 0).is_empty());
}

#[test]
fn specs_read_back() {
    for text in [
        "sequential",
        "shuffle",
        "balanced",
        "weighted(weights=[1.0, 0.5, 0.0])",
    ] {
        assert_eq!(text.parse::<Sampling>().unwrap().to_string(), text);
    }
    let whole: Sampling = "weighted(weights=[1, 2])".parse().unwrap();
    assert_eq!(whole, weighted(vec![1.0, 2.0]));
    for (text, needle) in [
        ("shufle", "did you mean `shuffle`?"),
        ("balanced(3)", "balanced takes at most 0"),
        ("weighted(1)", "weights = 1 is not valid: expected a list"),
    ] {
        let error = text.parse::<Sampling>().unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}
