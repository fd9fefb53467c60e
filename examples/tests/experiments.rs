//! The experiments of the examples 12 and 13: their runs go on after a kill, and their tables say what the numbers say.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../examples/12_ensembles/table.rs"]
mod ensembles_table;
// The tests do not use all of these.
#[allow(dead_code)]
#[path = "../examples/13_regularization/lecture.rs"]
mod lecture;
#[allow(dead_code)]
#[path = "../examples/13_regularization/network.rs"]
mod network;
#[allow(dead_code)]
#[path = "../examples/13_regularization/results.rs"]
mod results;

use std::sync::Arc;

use firebrick::core::parameters::Parameters;
use firebrick::core::run::{RunRecord, Scores};
use firebrick::ensemble::score::EnsembleFigures;
use firebrick::prelude::*;
use firebrick::zoo::Architecture;
use firebrick_examples::{End, Experiment, Flags, Spread};

use ensembles_table::{Row, Table};
use lecture::{CLAIMS, Claim, Grid, grid_verdicts};
use network::{NetworkConfig, Norm};
use results::{Measure, Outcome, Results};

fn recipe() -> Recipe {
    Recipe {
        dataset: "glyphs(train=60, test=27)".into(),
        model: "small_cnn(width=2)".parse().unwrap(),
        optimizer: "sgd(lr=0.05)".parse().unwrap(),
        epochs: 2,
        batch_size: 16,
        ..Recipe::default()
    }
}

#[test]
fn a_run_goes_on_after_an_interruption_and_is_trained_once() {
    let temp = tempfile::tempdir().unwrap();
    let begin = |name: &str| Experiment::begin(temp.path().join(name), recipe()).unwrap();
    let (whole, cut) = (begin("whole"), begin("cut"));
    let finished = |experiment: &Experiment, recipe: Recipe| match experiment
        .train("a-1", recipe, Sources::default())
        .unwrap()
    {
        End::Finished(record) => record.test.unwrap(),
        End::Diverged(why) => panic!("{why}"),
    };
    let expected = finished(&whole, recipe());

    firebrick::train(Job {
        interrupted: Arc::new(true.into()),
        ..Job::new(recipe(), cut.run("a-1"))
    })
    .unwrap();
    assert!(cut.ended("a-1").unwrap().is_none());
    assert_eq!(finished(&cut, recipe()), expected);
    assert_eq!(cut.seconds().unwrap().1, 1);
    // It is not trained again: this recipe cannot be.
    let broken = Recipe {
        dataset: "nothing".into(),
        ..recipe()
    };
    assert_eq!(finished(&cut, broken.clone()), expected);
    let error = cut.train("a-2", broken, Sources::default()).unwrap_err();
    assert!(format!("{error:#}").starts_with("a-2: "), "{error:#}");
}

#[test]
fn a_run_that_diverges_is_noted_and_not_tried_again() {
    let temp = tempfile::tempdir().unwrap();
    let experiment = Experiment::begin(temp.path(), recipe()).unwrap();
    let wild = Recipe {
        optimizer: "sgd(lr=1e30)".parse().unwrap(),
        ..recipe()
    };
    for recipe in [wild, recipe()] {
        let end = experiment.train("a-1", recipe, Sources::default()).unwrap();
        assert!(matches!(&end, End::Diverged(why) if why.contains("NaN or infinite")));
    }
}

#[test]
fn an_experiment_keeps_its_settings() {
    let temp = tempfile::tempdir().unwrap();
    let missing = Experiment::read(temp.path()).unwrap_err().to_string();
    assert!(missing.contains("holds no experiment"), "{missing}");
    Experiment::begin(temp.path(), recipe()).unwrap();
    // Where it runs may change.
    let elsewhere = Recipe {
        data_dir: Some("moved".into()),
        workers: 1,
        ..recipe()
    };
    Experiment::begin(temp.path(), elsewhere).unwrap();
    let longer = Recipe {
        epochs: 3,
        ..recipe()
    };
    let error = Experiment::begin(temp.path(), longer)
        .unwrap_err()
        .to_string();
    assert!(error.contains("begun with epochs = 2, not 3;"), "{error}");
    let read = Experiment::read(temp.path()).unwrap();
    assert_eq!(read.recipe, recipe());
    read.note("scores", &[1.5, 2.0]).unwrap();
    assert_eq!(
        read.noted::<Vec<f64>>("scores").unwrap(),
        Some(vec![1.5, 2.0])
    );
    assert_eq!(read.noted::<Vec<f64>>("others").unwrap(), None);
    assert!(read.noted::<String>("scores").is_err());
}

#[test]
fn flags_that_are_not_known_are_refused() {
    let parse = |text: &str| {
        let arguments = text.split_whitespace().map(String::from);
        Flags::parse(arguments, &["--epochs", "--out"], &["--table"])
    };
    let flags = parse("--epochs 7 --table").unwrap();
    assert_eq!(flags.count("--epochs", 40).unwrap(), 7);
    assert_eq!((flags.has("--table"), flags.text("--out")), (true, None));
    for (text, needle) in [
        (
            "--epoch 7",
            "there is no flag --epoch; the flags are --epochs, --out, --table",
        ),
        ("--epochs", "--epochs needs a value"),
        ("--out a --out b", "--out is given twice"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), needle);
    }
    for text in ["--epochs many", "--epochs 0", "--epochs -1"] {
        let error = parse(text).unwrap().count("--epochs", 1).unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn a_spread_has_mean_and_deviation() {
    let spread = Spread::of(&[1.0, 2.0, 6.0]).unwrap();
    assert_eq!((spread.mean, spread.sd), (3.0, 7f64.sqrt()));
    assert!((spread.error() - (7f64 / 3.0).sqrt()).abs() < 1e-12);
    assert_eq!(spread.text(1), "3.0 ± 2.6");
    assert_eq!(Spread::of(&[0.5]).unwrap().text(2), "0.50");
    assert_eq!(Spread::of(&[]), None);
}

/// Outcomes of an arm: training and test errors in percent, of 1000 and 10 000 images.
fn outcomes(key: &str, errors: &[[f64; 2]]) -> Vec<Outcome> {
    let scores = |error: f64, count| Scores {
        loss: 0.0,
        top1: 1.0 - error / 100.0,
        top5: 1.0,
        nll: 0.0,
        ece: 0.0,
        brier: 0.0,
        count,
    };
    let outcome = |(seed, [train, test]): (u64, &[f64; 2])| {
        let record = RunRecord {
            train_sample: Some(scores(*train, 1000)),
            test: Some(scores(*test, 10_000)),
            classes: vec!["class".into(); 10],
            ..RunRecord::default()
        };
        Outcome::new(key.into(), seed, End::Finished(Box::new(record)))
    };
    (1..).zip(errors).map(outcome).collect()
}

fn claim(measure: Measure) -> Claim {
    Claim {
        says: "less",
        measure,
        less: "less",
        more: "more",
    }
}

/// Whether it was seen that `less` has less than `more`, and the numbers.
fn verdict(measure: Measure, less: &[[f64; 2]], more: &[[f64; 2]]) -> (bool, String) {
    let outcomes = [outcomes("less", less), outcomes("more", more)].concat();
    let verdict = claim(measure).verdict(&Results { outcomes }).unwrap();
    (verdict.seen, verdict.numbers)
}

#[test]
fn a_sentence_is_seen_where_the_difference_exceeds_both_standard_errors() {
    // One seed: the error of 10 000 images at 20 % is 0.4 points, at 21 % 0.407.
    let [more, less] = [[0.0, 21.0], [0.0, 20.0]];
    let (seen, numbers) = verdict(Measure::Test, &[less], &[more]);
    assert_eq!(
        (seen, &*numbers),
        (true, "test error 20.0 against 21.0, 0.8 needed")
    );
    assert!(!verdict(Measure::Test, &[[0.0, 20.3]], &[more]).0);
    let (seen, numbers) = verdict(Measure::Test, &[more], &[less]);
    assert!(
        !seen && numbers.ends_with("; the opposite was seen"),
        "{numbers}"
    );
    // Seeds that differ much: standard errors of 2 points each.
    let wide = |mean: f64| [mean - 2.0, mean + 2.0].map(|test| [0.0, test]);
    let (seen, numbers) = verdict(Measure::Test, &wide(20.0), &wide(23.9));
    assert_eq!(
        (seen, &*numbers),
        (false, "test error 20.0 against 23.9, 4.0 needed")
    );
    assert!(verdict(Measure::Test, &wide(20.0), &wide(24.1)).0);
    // The gap has the errors of both samples: 2.55 points are more than 1.20 + 1.26, but not than 1.28 + 1.35.
    let (low, high) = ([17.45, 30.0], [20.0, 30.0]);
    assert!(verdict(Measure::Train, &[low], &[high]).0);
    assert!(!verdict(Measure::Gap, &[high], &[low]).0);
    assert!(verdict(Measure::Gap, &[[20.0, 27.0]], &[low]).0);
}

#[test]
fn a_run_that_diverged_counts_for_nothing_but_is_told() {
    let mut outcomes = outcomes("less", &[[1.0, 20.0]]);
    let end = End::Diverged("NaN".into());
    outcomes.push(Outcome::new("less".into(), 2, end));
    let results = Results { outcomes };
    assert_eq!(results.diverged("less"), 1);
    let estimate = results.estimate("less", Measure::Gap).unwrap();
    assert_eq!(
        (estimate.spread.mean.round(), estimate.spread.count),
        (19.0, 1)
    );
    assert!(claim(Measure::Test).verdict(&results).is_none());
    assert!(
        results
            .csv()
            .contains("\nless,1,0,1.000,20.000,19.000,0.0,false\n")
    );
    assert!(results.csv().ends_with("\nless,2,0,,,,0.0,true\n"));
    // Every sentence is about arms that differ.
    assert!(CLAIMS.iter().all(|claim| claim.less != claim.more));
}

#[test]
fn what_is_known_of_runs_is_enough_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let known = |key: &str, seed: u64| {
        let results = Results::read(directory.path()).unwrap();
        results.know(key, seed)
    };
    assert!(!known("l2", 2));
    let results = Results {
        outcomes: outcomes("l2", &[[1.0, 9.0], [2.0, 10.0]]),
    };
    let file = directory.path().join(results::FILE);
    std::fs::write(&file, serde_json::to_vec(&results).unwrap()).unwrap();
    assert!(known("l2", 1) && known("l2", 2));
    assert!(!known("l2", 3) && !known("none", 1));
    let read = Results::read(directory.path()).unwrap();
    assert_eq!(read.csv(), results.csv());
    std::fs::write(&file, "{").unwrap();
    let error = Results::read(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("runs.json cannot be read; remove it"),
        "{error}"
    );
}

#[test]
fn the_grids_tell_rates_and_factors() {
    let grid = |errors: [[Option<f64>; 3]; 2]| Grid {
        rates: vec![0.01, 0.1, 1.0],
        scales: vec![0.1, 1.0],
        errors: errors.map(Vec::from).into(),
    };
    // Best is 40 %, a guess is wrong in 90 %: a network trains below 65 %.
    let with = grid([
        [Some(60.0), Some(50.0), Some(55.0)],
        [Some(45.0), Some(40.0), Some(64.0)],
    ]);
    let without = grid([
        [Some(89.0), Some(70.0), Some(50.0)],
        [Some(45.0), Some(66.0), None],
    ]);
    let verdicts = grid_verdicts(&with, &without, 10);
    let texts: Vec<(bool, &str)> = verdicts
        .iter()
        .map(|(_, verdict)| (verdict.seen, &*verdict.numbers))
        .collect();
    assert_eq!(
        texts,
        [
            (true, "trains up to 1 with it, 0.01 without"),
            (
                true,
                "of 2 factors, it trains with 2 with it, 1 without, each at its best rate"
            ),
        ]
    );
    assert!(
        grid_verdicts(&without, &with, 10)
            .iter()
            .all(|(_, verdict)| !verdict.seen)
    );
}

fn network(config: &NetworkConfig) -> network::Network {
    let device = firebrick::core::device("flex").unwrap().autodiff();
    config.model(&config.native_input(), 3, &device).unwrap()
}

/// The values of each parameter.
fn values(network: &network::Network) -> Vec<(String, Vec<f32>)> {
    let (_, parameters) = Parameters::take(network.clone());
    let values = parameters.0.into_iter().map(|one| {
        let values = one.value.into_data().iter::<f32>().collect();
        (one.path, values)
    });
    values.collect()
}

#[test]
fn the_network_is_resnet_20_and_can_do_without_batch_norm() {
    let with = NetworkConfig::default();
    let device = firebrick::core::device("flex").unwrap().autodiff();
    let zoo = firebrick::zoo::build(
        &"resnet20".parse().unwrap(),
        &with.native_input(),
        0,
        &device,
    );
    assert_eq!(network(&with).num_params(), zoo.unwrap().num_params());
    assert_eq!(with.spec().resolve::<NetworkConfig>().unwrap(), with);

    // Fixup begins with every branch and the output at 0; the shortcut is there from the start.
    let without = |norm, scale| {
        network(&NetworkConfig {
            norm,
            scale,
            ..NetworkConfig::default()
        })
    };
    let images = Tensor::<4>::ones([2, 3, 32, 32], &device);
    let logits = |network: &network::Network| {
        let logits = network.forward(images.clone()).into_data();
        logits.iter::<f32>().collect::<Vec<_>>()
    };
    assert!(
        logits(&without(Norm::Fixup, 1.0))
            .iter()
            .all(|logit| *logit == 0.0)
    );
    assert!(
        logits(&without(Norm::Plain, 1.0))
            .iter()
            .any(|logit| logit.abs() > 1e-3)
    );
    let [plain, twice, fixup] = [(Norm::Plain, 1.0), (Norm::Plain, 2.0), (Norm::Fixup, 1.0)]
        .map(|(norm, scale)| values(&without(norm, scale)));
    for ((path, plain), ((_, twice), (_, fixup))) in plain.iter().zip(twice.iter().zip(&fixup)) {
        let factor = match path.as_str() {
            path if path.contains("second") || path == "linear.weight" => 0.0,
            path if path.contains("blocks") => 1.0 / 3.0,
            _ => 1.0,
        };
        for ((plain, twice), fixup) in plain.iter().zip(twice).zip(fixup) {
            assert_eq!(*twice, 2.0 * plain, "{path}");
            assert!((fixup - factor * plain).abs() < 1e-6, "{path}");
        }
    }
}

#[test]
fn shares_of_the_gain_and_goals_are_those_of_the_means() {
    let row = |title, runs, scores: &[[f64; 2]]| Row {
        title,
        runs,
        figures: scores
            .iter()
            .map(|[top1, nll]| EnsembleFigures {
                top1: *top1,
                nll: *nll,
                ..EnsembleFigures::default()
            })
            .collect(),
    };
    let table = |last: [f64; 2]| Table {
        rows: vec![
            row("(a) single run", 1, &[[0.79, 0.62], [0.81, 0.58]]),
            row("(b) independent runs", 5, &[[0.84, 0.4]]),
            row("(c) snapshots", 1, &[last]),
            row("(d) SWA", 1, &[]),
        ],
    };
    let text = table([0.83, 0.42]).text(&recipe(), (7200.0, 9));
    assert!(text.contains("up to 2 seeds. 9 runs, 2.0 hours"), "{text}");
    let cells = "| (a) single run | 1 | 2 | 80.00 ± 1.41 | 0.6000 ± 0.0283 |";
    assert!(text.contains(cells), "{text}");
    let line = |needle: &str| text.lines().find(|line| line.contains(needle)).unwrap();
    assert!(line("| (c)").ends_with("| 75 % | 90 % |"), "{text}");
    assert!(line("| (b)").ends_with("| 100 % | 100 % |"), "{text}");
    assert!(!text.contains("(d) SWA"), "{text}");
    assert!(
        line("points above").contains("yes, +4.00 points, NLL lower by 0.2000"),
        "{text}"
    );
    assert!(
        line("(b) in accuracy").contains(": no, the best is (c) snapshots with 75 %"),
        "{text}"
    );
    assert!(
        line("(b) in NLL").contains(": yes, the best is (c) snapshots with 90 %"),
        "{text}"
    );
    assert!(line("NLL of every").ends_with("yes."), "{text}");
    let text = table([0.83, 0.61]).text(&recipe(), (0.0, 0));
    assert!(
        text.contains("than that of (a): no, except (c) snapshots."),
        "{text}"
    );
}
