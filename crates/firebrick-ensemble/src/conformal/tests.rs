use firebrick_types::testkit::fields_out_of_range_are_named;

use super::*;

/// Images with random probabilities of five classes, and labels that are drawn from these: a model that is right about
/// how sure it is.
fn draw(seed: u64, images: usize) -> (LogProbabilities, Vec<usize>) {
    let mut all = LogProbabilities::none(5);
    let labels = (0..images).map(|image| {
        let mut rng = rng(seed, "test", image as u64, 0);
        let scores: [f64; 5] = std::array::from_fn(|_| 4.0 * rng.random::<f64>());
        all.push(&scores);
        let mut left: f64 = rng.random();
        let mut class = 0;
        while class < 4 && left >= all.row(image)[class].exp() {
            left -= all.row(image)[class].exp();
            class += 1;
        }
        class
    });
    let labels = labels.collect();
    (all, labels)
}

fn calibrated(rule: &str, coverage: f64) -> PredictionSets {
    let (predicted, labels) = draw(1, 1000);
    calibrate(&rule.parse().unwrap(), &predicted, &labels, coverage).unwrap()
}

const RULES: [&str; 5] = [
    "lac",
    "aps",
    "raps(lambda=0.05, k_reg=2)",
    "aps(randomized=true)",
    "raps(randomized=true, seed=3)",
];

#[test]
fn every_score_keeps_its_promises_about_specs() {
    for entry in REGISTRY.entries() {
        fields_out_of_range_are_named(&entry, |spec| build(spec).map(drop));
        let built = build(&Spec::new(entry.about.name)).unwrap().spec;
        assert_eq!(build(&built).unwrap().spec, built);
    }
}

#[test]
fn new_images_are_covered_as_promised() {
    // The coverage of new images has two sources of chance: which images calibrate (a Beta distribution, whose variance
    // is about c (1 - c) / n), and which are tested (binomial).
    const TESTED: usize = 4000;
    let (predicted, labels) = draw(2, TESTED);
    for rule in RULES {
        for coverage in [0.5, 0.8, 0.9, 0.97] {
            let sets = calibrated(rule, coverage).of(&predicted).unwrap();
            let found = figures(&sets, &labels).unwrap();
            let sd = (coverage * (1.0 - coverage) * (1.0 / 1000.0 + 1.0 / TESTED as f64)).sqrt();
            assert!(
                found.coverage > coverage - 3.0 * sd,
                "{rule} {coverage}: {found:?}"
            );
            // Sets that always contain the most probable class may cover more.
            let more = if rule.starts_with("lac") {
                3.0 * sd
            } else {
                0.15
            };
            let alone = predicted
                .predicted()
                .iter()
                .zip(&labels)
                .filter(|(p, l)| p == l)
                .count();
            let most = (coverage + more).max(alone as f64 / TESTED as f64 + 0.05);
            assert!(found.coverage < most, "{rule} {coverage}: {found:?}");
        }
    }
}

#[test]
fn the_least_ambiguous_sets_are_the_smallest_and_draws_make_sets_smaller() {
    let (predicted, labels) = draw(2, 4000);
    let size = |rule| {
        figures(&calibrated(rule, 0.9).of(&predicted).unwrap(), &labels)
            .unwrap()
            .size
    };
    let [lac, aps, _, random, _] = RULES.map(size);
    assert!(lac < random && random < aps, "{lac} {random} {aps}");
}

#[test]
fn scores_by_hand() {
    let predicted = LogProbabilities::from_probabilities(&[0.2, 0.5, 0.3], 3).unwrap();
    let scores = |rule: &str| {
        let mut found = Vec::new();
        let rule = build(&rule.parse().unwrap()).unwrap();
        each_image(&*rule.conform, "test", &predicted, |_, ranked, scores| {
            assert_eq!(ranked, [1, 2, 0]);
            found = scores.to_vec();
        });
        found
    };
    let near = |found: Vec<f64>, expected: [f64; 3]| {
        let off = found.iter().zip(expected).map(|(f, e)| (f - e).abs());
        assert!(off.fold(0.0, f64::max) < 1e-12, "{found:?}");
    };
    near(scores("lac"), [0.8, 0.5, 0.7]);
    near(scores("aps"), [1.0, 0.5, 0.8]);
    near(scores("raps(lambda=0.1, k_reg=1)"), [1.2, 0.5, 0.9]);
    let draw: f64 = rng(0, "test", 0, 0).random();
    near(
        scores("aps(randomized=true)"),
        [1.0 - 0.2 * draw, 0.5 - 0.5 * draw, 0.8 - 0.3 * draw],
    );
}

#[test]
fn the_threshold_is_the_score_at_its_place() {
    // Scores 0.1, 0.2 … 0.9 of the right class; of 9 images, coverage 0.8 takes the 8th.
    let values: Vec<f64> = (1..=9)
        .flat_map(|at| [1.0 - 0.1 * f64::from(at), 0.1 * f64::from(at)])
        .collect();
    let predicted = LogProbabilities::from_probabilities(&values, 2).unwrap();
    let threshold = |coverage| {
        calibrate(&"lac".parse().unwrap(), &predicted, &[0; 9], coverage)
            .unwrap()
            .threshold
    };
    assert!((threshold(0.8) - 0.8).abs() < 1e-12 && (threshold(0.9) - 0.9).abs() < 1e-12);
    assert!((threshold(0.81) - 0.9).abs() < 1e-12 && (threshold(0.01) - 0.1).abs() < 1e-12);
}

#[test]
fn what_cannot_be_promised_is_refused() {
    let (predicted, labels) = draw(1, 8);
    let refused = |rule: &str, coverage| {
        let spec = rule.parse().unwrap();
        calibrate(&spec, &predicted, &labels, coverage)
            .unwrap_err()
            .to_string()
    };
    for coverage in [1.2, 1.0, 0.0, -0.1, f64::NAN] {
        let message = refused("lac", coverage);
        assert!(message.contains("in (0, 1), such as 0.9"), "{message}");
    }
    assert_eq!(
        refused("aps", 0.9),
        "`aps` cannot be fitted: a coverage of 0.9 needs at least 9 images to calibrate, and there are 8"
    );
    assert!(refused("rapps", 0.5).contains("did you mean `raps`"));
    let other = LogProbabilities::none(3);
    let message = calibrated("lac", 0.9).of(&other).unwrap_err().to_string();
    assert!(
        message.contains("fitted to 5 classes, but is used with 3"),
        "{message}"
    );
    let edited = PredictionSets {
        threshold: f64::NAN,
        ..calibrated("lac", 0.9)
    };
    assert!(
        edited
            .of(&predicted)
            .unwrap_err()
            .to_string()
            .contains("not finite")
    );
}

#[test]
fn sets_keep_in_a_file_and_are_the_same_again() {
    let (predicted, _) = draw(5, 50);
    for rule in RULES {
        let sets = calibrated(rule, 0.9);
        let back: PredictionSets =
            serde_json::from_str(&serde_json::to_string(&sets).unwrap()).unwrap();
        assert_eq!(back, sets);
        assert_eq!(back.of(&predicted), sets.of(&predicted));
        let first: Vec<usize> = sets
            .of(&predicted)
            .unwrap()
            .iter()
            .map(|set| set[0])
            .collect();
        assert_eq!(first, predicted.predicted());
    }
}

#[test]
fn draws_are_pinned() {
    let draws =
        |seed| -> [f64; 2] { [0, 1].map(|image| rng(seed, "conformal sets", image, 0).random()) };
    let near = |found: [f64; 2], expected: [f64; 2]| {
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 1e-12),
            "{found:?}"
        );
    };
    near(draws(0), [0.619355177182428, 0.991588343987361]);
    near(draws(3), [0.19909760416863143, 0.8159028473682989]);
}
