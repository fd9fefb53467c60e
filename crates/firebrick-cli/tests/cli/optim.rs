//! `firebrick optim`: list, describe and race, and the input that they refuse.

use serde_json::Value;

use crate::shell_blocks::{commands, words};
use crate::support::{run, run_with};

#[test]
fn the_list_and_the_description_say_what_the_registry_says() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let list = run(at, "optim list --json").json();
    let rows = list.as_array().unwrap();
    let adam = rows.iter().find(|row| row["name"] == "adam").unwrap();
    let keys: Vec<_> = adam.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "name",
            "aliases",
            "summary",
            "paper",
            "cost",
            "signature",
            "spec",
            "fields",
            "memory"
        ]
    );
    assert_eq!(&run(at, "optim describe adam --json").json(), adam);
    let beta2 = adam["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == "beta2");
    assert_eq!(beta2.unwrap()["default"], 0.999);
    assert_eq!(beta2.unwrap()["range"], "in [0, 1)");
    assert_eq!(
        adam["memory"][0]["shape"],
        serde_json::json!([64, 64, 3, 3])
    );
    assert_eq!(adam["memory"][0]["elements"], 2 * 64 * 64 * 9);
    assert!(adam["paper"].as_str().unwrap().contains("Kingma"));

    // The memory is that of the options.
    let memory = |spec: &str| {
        let sheet = run_with(at, &["optim", "describe", spec, "--json"]).json();
        sheet["memory"][1]["multiple"].as_f64().unwrap()
    };
    assert_eq!([memory("sgd"), memory("sgd(momentum=0.9)")], [0.0, 1.0]);

    let text = run(at, "optim describe sgd").stdout;
    for needle in [
        "memory for its state: 0 times",
        "Sutskever",
        "0.9 or 0.99",
        "in [0, 1)",
        "weight_decay",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    let text = run(at, "optim list").stdout;
    for row in rows {
        assert!(text.contains(row["signature"].as_str().unwrap()), "{text}");
    }
}

#[test]
fn a_race_gives_points_and_pictures() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let race = run_with(
        at,
        &[
            "optim",
            "race",
            "--surface",
            "rosenbrock",
            "--start",
            "-1.5,2",
            "--steps",
            "30",
            "--optim",
            "sgd(lr=0.0005)",
            "--optim",
            "adam(lr=0.1)",
            "--json",
            "--svg",
            "r.svg",
            "--gif",
            "r.gif",
        ],
    )
    .json();
    assert_eq!(race["surface"], "rosenbrock");
    assert_eq!(race["start"], serde_json::json!([-1.5, 2.0]));
    assert_eq!(race["dtype"], "float64");
    let ways = race["trajectories"].as_array().unwrap();
    let optimizers: Vec<_> = ways.iter().map(|way| &way["optimizer"]).collect();
    assert_eq!(optimizers, ["sgd(lr=0.0005)", "adam(lr=0.1)"]);
    for way in ways {
        let keys: Vec<_> = way.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["optimizer", "points", "step_length", "effective_rate"]
        );
        let points = way["points"].as_array().unwrap();
        assert_eq!(points.len(), 31);
        assert_eq!(points[0], serde_json::json!([-1.5, 2.0, 12.5]));
        assert_eq!(way["effective_rate"].as_array().unwrap().len(), 30);
    }
    // Adam's first step is its rate long in each coordinate.
    let first: Vec<f64> = serde_json::from_value(ways[1]["points"][1].clone()).unwrap();
    assert!(
        (first[0] + 1.4).abs() < 1e-6 && (first[1] - 2.1).abs() < 1e-6,
        "{first:?}"
    );
    let svg = std::fs::read_to_string(at.join("r.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("adam(lr=0.1)"));
    let gif = std::fs::read(at.join("r.gif")).unwrap();
    assert!(gif.starts_with(b"GIF89a") && gif.len() < 2_000_000);
}

#[test]
fn without_optimizers_the_lecture_s_seven_race() {
    let temp = tempfile::tempdir().unwrap();
    let race = run(temp.path(), "optim race --json").json();
    assert_eq!(
        (&race["surface"], &race["trajectories"][0]["points"][0][0]),
        (&Value::from("beale"), &Value::from(1.0))
    );
    let ways = race["trajectories"].as_array().unwrap();
    let names: Vec<_> = ways
        .iter()
        .map(|way| {
            way["optimizer"]
                .as_str()
                .unwrap()
                .split('(')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(
        names,
        [
            "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam"
        ]
    );
    let below = |name: usize| {
        let points: Vec<[f64; 3]> = serde_json::from_value(ways[name]["points"].clone()).unwrap();
        (
            points
                .iter()
                .map(|point| point[1])
                .fold(f64::INFINITY, f64::min),
            points[100][2],
        )
    };
    // The lecture's picture: momentum shoots past the floor and comes back, the rules that scale the
    // gradient turn at once, and all of those come nearer to the minimum than plain descent.
    let sgd = below(0);
    assert!(sgd.0 > 0.0);
    for momentum in [1, 2] {
        assert!(below(momentum).0 < -0.5 && below(momentum).1 < sgd.1);
    }
    for scaled in [3, 5] {
        assert!(below(scaled).0 > 0.0 && below(scaled).1 < sgd.1);
    }
    let text = run(
        temp.path(),
        "optim race --surface saddle --steps 10 --optim sgd(lr=0.1)",
    )
    .stdout;
    assert!(
        text.contains("x² − y²") && text.contains("no minimum"),
        "{text}"
    );
}

#[test]
fn noise_follows_its_seed() {
    let temp = tempfile::tempdir().unwrap();
    let race = |seed: u32| {
        let race = format!("optim race --steps 5 --optim adam --noise 0.3 --seed {seed} --json");
        run(temp.path(), &race).json()
    };
    assert_eq!(race(1), race(1));
    assert_ne!(race(1)["trajectories"], race(2)["trajectories"]);
}

#[test]
fn bad_input_is_one_message_that_names_the_thing() {
    let temp = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], needles: &[&str]| {
        let ran = run_with(temp.path(), arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
        for needle in needles {
            assert!(
                ran.stderr.contains(needle),
                "{arguments:?}: `{needle}` is not in {}",
                ran.stderr
            );
        }
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.matches("error").count() == 1);
    };
    for (spec, needles) in [
        (
            "adm",
            &["unknown optimizer `adm`", "did you mean `adam`?"][..],
        ),
        ("adam(lr=-1)", &["adam: lr = -1", "at least 0"]),
        ("adam(beta1=1.0)", &["adam: beta1 = 1", "in [0, 1)"]),
        (
            "sgd(nesterov=true)",
            &["sgd: nesterov = true needs momentum above 0"],
        ),
        (
            "sgd(nesterov=true, dampening=0.1)",
            &["sgd: nesterov = true needs momentum above 0 and dampening = 0"],
        ),
        (
            "adam(beta=0.9)",
            &["adam has no key `beta`", "did you mean `beta"],
        ),
    ] {
        refused(
            &["optim", "race", "--optim", "sgd", "--optim", spec],
            needles,
        );
        refused(&["optim", "describe", spec], needles);
    }
    for (arguments, needles) in [
        (
            &["--start", "9,0"][..],
            &["start x = 9", "in [-4.5, 4.5]"][..],
        ),
        (&["--start", "0,-9.5"], &["start y = -9.5"]),
        (&["--start", "nan,1"], &["start x = NaN"]),
        (&["--start", "1"], &["`1` is not a point such as -1.5,2"]),
        (&["--steps", "0"], &["steps = 0"]),
        (
            &["--surface", "rosenbrok"],
            &["unknown surface `rosenbrok`", "did you mean `rosenbrock`?"],
        ),
        (
            &["--surface", "quadratic(condition=0)"],
            &["quadratic: condition = 0"],
        ),
        (&["--noise", "-1"], &["noise = -1"]),
        (&["--device", "flx"], &["unknown device `flx`"]),
    ] {
        let all = [&["optim", "race"], arguments].concat();
        refused(&all, needles);
    }
}

#[test]
fn the_guide_s_race_ends_near_the_minimum() {
    let page = include_str!("../../../../docs/optimizers-and-rates.md");
    let race = commands(page)
        .into_iter()
        .find(|line| line.contains("--gif"));
    let words = words(&race.unwrap());
    let arguments = words[1..].iter().map(String::as_str).chain(["--json"]);
    let arguments: Vec<&str> = arguments.collect();
    let temp = tempfile::tempdir().unwrap();
    let race = run_with(temp.path(), &arguments).json();
    assert_eq!(race["surface"], "rosenbrock");
    for way in race["trajectories"].as_array().unwrap() {
        let points: Vec<[f64; 3]> = serde_json::from_value(way["points"].clone()).unwrap();
        let [x, y, _] = points[points.len() - 1];
        let distance = (x - 1.0).hypot(y - 1.0);
        assert!(
            distance < 0.05,
            "{}: {distance} from (1, 1)",
            way["optimizer"]
        );
    }
    let svg = std::fs::read_to_string(temp.path().join("race.svg")).unwrap();
    assert!(
        svg.contains("minimum (1, 1)") && !svg.contains("var("),
        "{svg}"
    );
}
