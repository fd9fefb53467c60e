//! The optimizer race: its points, its results, and the input that it refuses.

use burn::tensor::DType;
use firebrick_core::spec::Spec;
use firebrick_optim::race::{Race, RaceConfig, RaceError, racers};
use firebrick_optim::{optimizer, surface};

use super::{Now, build, parameters, tensor, values};

fn config(surface: &str, start: [f64; 2], steps: usize, optimizers: &[&str]) -> RaceConfig {
    RaceConfig {
        surface: surface.parse().unwrap(),
        start: Some(start),
        steps,
        optimizers: optimizers.iter().map(|one| one.parse().unwrap()).collect(),
        ..RaceConfig::default()
    }
}

fn run(config: &RaceConfig) -> Race {
    let device = firebrick_core::device("flex").unwrap();
    config.run(&device).unwrap()
}

fn refused(config: &RaceConfig) -> String {
    let device = firebrick_core::device("flex").unwrap();
    config.run(&device).unwrap_err().to_string()
}

#[test]
fn points_are_those_of_the_rule_applied_by_hand() {
    let quadratic = config("quadratic(condition=4)", [2.0, 1.0], 3, &["sgd(lr=0.1)"]);
    let race = run(&quadratic);
    let way = &race.trajectories[0];
    assert_eq!((race.dtype, way.points.len()), ("float64", 4));
    assert_eq!(way.points[0], [2.0, 1.0, 4.0]);
    for (step, [x, y, height]) in way.points.iter().enumerate() {
        let (by_x, by_y) = (2.0 * 0.9f64.powi(step as i32), 0.6f64.powi(step as i32));
        assert!((x - by_x).abs() < 1e-15 && (y - by_y).abs() < 1e-15);
        assert!((height - 0.5 * (by_x * by_x + 4.0 * by_y * by_y)).abs() < 1e-14);
    }
    // Gradient descent moves by its rate times the gradient.
    for ([x, y], length) in way.effective_rate.iter().zip(&way.step_length) {
        assert!((x.unwrap() - 0.1).abs() < 1e-12 && (y.unwrap() - 0.1).abs() < 1e-12);
        assert!(*length > 0.0);
    }
    assert_eq!((way.step_length.len(), way.effective_rate.len()), (3, 3));
    assert!((way.step_length[0] - 0.2f64.hypot(0.4)).abs() < 1e-15);
    assert!(way.averaged.is_none() && way.diverged_at.is_none());
}

#[test]
fn every_optimizer_runs_on_every_surface() {
    let optimizers: Vec<Spec> = optimizer::REGISTRY
        .entries()
        .iter()
        .map(|entry| Spec::new(entry.about.name))
        .collect();
    for entry in surface::REGISTRY.entries() {
        let race = run(&RaceConfig {
            surface: Spec::new(entry.about.name),
            steps: 5,
            optimizers: optimizers.clone(),
            ..RaceConfig::default()
        });
        for way in &race.trajectories {
            assert_eq!(
                way.points.len(),
                6,
                "{} on {}",
                way.optimizer,
                entry.about.name
            );
            let start = [way.points[0][0], way.points[0][1]];
            assert_eq!(start, race.start);
            assert!(way.last().iter().all(|number| number.is_finite()));
        }
        let map = race.map(5, 4, &firebrick_core::device("flex").unwrap());
        let map = map.unwrap();
        assert_eq!((map.heights.len(), map.paths.len()), (20, optimizers.len()));
    }
}

#[test]
fn noise_is_seeded_shared_and_of_its_size() {
    let quiet = config("saddle", [0.0, 0.0], 400, &["sgd(lr=1e-9)", "sgd(lr=2e-9)"]);
    let noisy = |noise: f64, seed: u64| {
        let race = run(&RaceConfig {
            noise,
            seed,
            ..quiet.clone()
        });
        race.trajectories
            .into_iter()
            .map(|way| way.points)
            .collect::<Vec<_>>()
    };
    // On the saddle there is no other gradient, so that a step is the noise times the rate.
    let ways = noisy(0.5, 1);
    let draws = |way: &[[f64; 3]], lr: f64| -> Vec<f64> {
        way.windows(2)
            .flat_map(|pair| [0, 1].map(|axis| (pair[0][axis] - pair[1][axis]) / lr))
            .collect()
    };
    let (first, second) = (draws(&ways[0], 1e-9), draws(&ways[1], 2e-9));
    assert!(first.iter().zip(&second).all(|(a, b)| (a - b).abs() < 1e-5));
    let mean = first.iter().sum::<f64>() / 800.0;
    let deviation = (first.iter().map(|x| x * x).sum::<f64>() / 800.0).sqrt();
    assert!(
        mean.abs() < 0.06 && (deviation - 0.5).abs() < 0.05,
        "{mean} {deviation}"
    );
    assert_eq!(noisy(0.5, 1), ways);
    assert_ne!(noisy(0.5, 2), ways);
    assert_eq!(noisy(0.0, 1), noisy(0.0, 2));
}

#[test]
fn a_path_that_leaves_the_numbers_says_where_and_stays_valid_json() {
    let wild = config(
        "rosenbrock",
        [-1.5, 2.0],
        50,
        &["sgd(lr=10)", "adam(lr=0.1)"],
    );
    let race = run(&wild);
    let at = race.trajectories[0].diverged_at.unwrap();
    assert!((2..50).contains(&at), "{at}");
    let text = serde_json::to_string(&race).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ways = json["trajectories"].as_array().unwrap();
    let points = ways[0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 51);
    assert!(points[at - 1][2].is_number() && points[at][2].is_null());
    assert_eq!(ways[0]["diverged_at"], at);
    assert!(ways[1].get("diverged_at").is_none() && ways[1].get("averaged").is_none());
    let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["surface", "start", "dtype", "trajectories"]);
}

#[test]
fn a_coordinate_without_gradient_has_no_effective_rate() {
    let race = run(&config("quadratic", [0.0, 1.0], 2, &["adam(lr=0.1)"]));
    let rates = &race.trajectories[0].effective_rate;
    assert_eq!(rates[0][0], None);
    // Adam's first step is its rate long, and the gradient is 10.
    assert!((rates[0][1].unwrap() - 0.01).abs() < 1e-9);
}

#[test]
fn what_cannot_be_raced_is_named() {
    let good = config("beale", [1.0, 1.0], 3, &["sgd"]);
    let spec = |text: &str| text.parse::<Spec>().unwrap();
    for (config, needle) in [
        (
            config("beale", [5.0, 1.0], 3, &["sgd"]),
            "race: start x = 5 is out of range: it must be in [-4.5, 4.5]",
        ),
        (
            config("beale", [1.0, f64::NAN], 3, &["sgd"]),
            "race: start y = NaN",
        ),
        (config("beale", [1.0, 1.0], 0, &["sgd"]), "race: steps = 0"),
        (
            config("beal", [1.0, 1.0], 3, &["sgd"]),
            "unknown surface `beal` (did you mean `beale`?)",
        ),
        (
            config("beale", [1.0, 1.0], 3, &["sgd", "adm"]),
            "unknown optimizer `adm` (did you mean `adam`?)",
        ),
        (
            config("beale", [1.0, 1.0], 3, &["adam(beta1=1.0)"]),
            "adam: beta1 = 1",
        ),
        (
            RaceConfig {
                noise: -1.0,
                ..good.clone()
            },
            "race: noise = -1",
        ),
        (
            RaceConfig {
                noise: f64::NAN,
                ..good.clone()
            },
            "race: noise = NaN",
        ),
        (
            RaceConfig {
                optimizers: vec![spec("sgd"); 65],
                ..good
            },
            "race: number of optimizers = 65",
        ),
    ] {
        let error = refused(&config);
        assert!(error.contains(needle), "{error}");
    }
}

/// The gradient of `quadratic(condition=1)` is the point itself, so that a race on it is what the
/// seam gives for these gradients: at the point a rule asks for, and again where it asks again.
#[test]
fn a_race_is_what_the_seam_gives() {
    let device = firebrick_core::device("flex").unwrap();
    for spec in ["sgd(lr=0.1, momentum=0.9, nesterov=true)", "adamw(lr=0.1)"] {
        let race = run(&config("quadratic(condition=1)", [1.0, -2.0], 10, &[spec]));
        let mut update = build(spec);
        let mut now = parameters([tensor(&[1.0, -2.0], &device, DType::F64)]);
        for point in &race.trajectories[0].points[1..] {
            let gradient = now.0[0].value.clone();
            now = Now::at(0.1).step(&mut *update, now, vec![Some(gradient)]);
            let expected = values(&now.0[0].value);
            assert!(
                (point[0] - expected[0]).abs() < 1e-12 && (point[1] - expected[1]).abs() < 1e-12
            );
        }
    }
}

#[test]
fn the_racers_of_the_lecture_take_rates_of_the_surface() {
    let facts = surface::build(&Spec::new("beale")).unwrap().facts();
    let racers = racers(&facts);
    let names: Vec<_> = racers.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam"
        ]
    );
    assert_eq!(racers[0].to_string(), "sgd(lr=0.005)");
    // On every surface the last of them is lower in the end than at the start.
    for entry in surface::REGISTRY.entries() {
        let race = run(&RaceConfig {
            surface: Spec::new(entry.about.name),
            optimizers: vec![
                Spec::new("sgd").with(
                    "lr",
                    surface::build(&Spec::new(entry.about.name))
                        .unwrap()
                        .facts()
                        .lr,
                ),
                Spec::new("adam").with(
                    "lr",
                    surface::build(&Spec::new(entry.about.name))
                        .unwrap()
                        .facts()
                        .pace,
                ),
            ],
            ..RaceConfig::default()
        });
        for way in &race.trajectories {
            assert!(
                way.diverged_at.is_none() && way.last()[2] < way.points[0][2],
                "{}",
                entry.about.name
            );
        }
    }
}

#[test]
fn an_optimizer_that_gives_up_is_named() {
    let error = RaceError::Update {
        optimizer: "sgd".into(),
        surface: "beale".into(),
        update: 3,
        error: firebrick_core::update::UpdateError::Failed {
            name: "sgd".into(),
            reason: "no".into(),
        },
    };
    assert_eq!(
        error.to_string(),
        "sgd on beale, update 3: the optimizer sgd failed: no"
    );
}
