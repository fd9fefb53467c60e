//! `firebrick schedule`, and schedules of momentum and weight decay in a run.

use std::fs;

use serde_json::Value;

use crate::support::{SMALL, run, run_with, succeeds};

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap_or_else(|| panic!("{value}"));
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[test]
fn the_json_has_the_rate_of_every_update() {
    let temp = tempfile::tempdir().unwrap();
    let ask = |arguments: &str| run(temp.path(), &format!("schedule {arguments} --json")).json();
    let step = ask("step(0.1,step_size=2ep,gamma=0.5) --steps 5 --steps-per-epoch 2");
    assert_eq!(keys(&step), ["lr", "cycle_ends"]);
    assert_eq!(numbers(&step["lr"]), [0.1, 0.1, 0.1, 0.1, 0.05]);
    assert_eq!(numbers(&step["cycle_ends"]), [0.0; 0]);
    let cycles = ask("cosine_restarts(0.1,cycle=2,mult=2) --steps 6");
    assert_eq!(numbers(&cycles["cycle_ends"]), [1.0, 5.0]);
    let scaled = ask("batch_scaled(64,then=constant(0.1)) --steps 1 --batch-size 128");
    assert_eq!(numbers(&scaled["lr"]), [0.2]);
    let own = ask("one_cycle(0.1) --steps 10");
    assert_eq!(keys(&own), ["lr", "momentum", "cycle_ends"]);
    assert_eq!(numbers(&own["momentum"]).len(), 10);
    let all = ask(
        "constant(0.1) --steps 4 --momentum-schedule linear(from=0.5,to=0.9) --weight-decay-schedule constant(0.01)",
    );
    assert_eq!(keys(&all), ["lr", "momentum", "weight_decay", "cycle_ends"]);
    assert_eq!(numbers(&all["momentum"])[0], 0.5);
    assert_eq!(numbers(&all["weight_decay"]), [0.01; 4]);
    let part = ask("sequence([constant(0.1),one_cycle(0.1)],[2]) --steps 4");
    assert_eq!(part["momentum"][0], Value::Null);
    assert!(part["momentum"][2].is_number());
    let rate = ask("cosine --steps 2 --lr 0.5");
    assert_eq!(numbers(&rate["lr"]), [0.5, 0.25]);
    let seen = ask("plateau(1,patience=0) --steps 6 --steps-per-epoch 2 --losses 1,1");
    assert_eq!(numbers(&seen["lr"]), [1.0, 1.0, 1.0, 1.0, 0.1, 0.1]);
}

#[test]
fn a_table_a_sketch_and_a_picture() {
    let temp = tempfile::tempdir().unwrap();
    let table = run(
        temp.path(),
        "schedule warmup(10,then=cosine(0.1,steps=30)) --steps 100",
    );
    succeeds(&table);
    for needle in [
        "warmup(steps=10, start_factor=0.01, then=cosine(lr=0.1, steps=30, min_lr=0.0))",
        "0.1 at 10",
        "one cycle, which ends with update 39",
        "█",
    ] {
        assert!(table.stdout.contains(needle), "{needle}: {}", table.stdout);
    }
    let note = "note: the schedule warmup ends after 40 of the 100 updates";
    assert_eq!(table.stderr.matches(note).count(), 1, "{}", table.stderr);
    let picture = run(
        temp.path(),
        "schedule one_cycle(0.1) --steps 50 --svg one.svg",
    );
    assert_eq!(picture.stdout.trim(), "one.svg");
    let svg = fs::read_to_string(temp.path().join("one.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("Learning rate") && svg.contains("Momentum"));
    let list = run(temp.path(), "schedule --list").stdout;
    for needle in ["cosine_restarts", "step(lr, step_size, gamma=0.1)"] {
        assert!(list.contains(needle), "{list}");
    }
    assert_eq!(run(temp.path(), "schedule list").stdout, list);
    let list = run(temp.path(), "schedule --list --json").json();
    assert_eq!(list.as_array().unwrap().len(), 19);
    assert_eq!(keys(&list[0]), ["name", "signature", "summary"]);
}

#[test]
fn wrong_schedules() {
    let temp = tempfile::tempdir().unwrap();
    for (arguments, needles) in [
        (
            "cosin --steps 10",
            &["unknown schedule `cosin`", "did you mean `cosine`?"][..],
        ),
        ("cosine(steps=0) --steps 10", &["cosine: steps = 0"]),
        ("cosine(0.1 --steps 10", &["`)`"]),
        (
            "cosine(stp=3) --steps 10",
            &["cosine has no key `stp`", "`steps`"],
        ),
        ("cosine --steps 0", &["--steps = 0"]),
        (
            "cosine --steps 10000001",
            &["--steps = 10000001", "10000000"],
        ),
        (
            "cosine --steps 10 --steps-per-epoch 0",
            &["--steps-per-epoch = 0"],
        ),
        ("cosine --steps 10 --lr -1", &["lr = -1"]),
        (
            "one_cycle(steps=11) --steps 10",
            &["one_cycle: steps = 11", "at most 10"],
        ),
        (
            "warmup(11) --steps 10",
            &["warmup: steps = 11", "at most 10"],
        ),
        (
            "warmup(5,then=cosine(steps=3)) --steps 10",
            &["warmup: steps = 5", "at most 3"],
        ),
        ("wsd(warmup=1ep) --steps 10", &["1ep", "--steps-per-epoch"]),
        ("warmup --steps 10", &["1ep", "--steps-per-epoch"]),
        ("step --steps 10", &["step: step_size is left out"]),
        ("batch_scaled --steps 10", &["--batch-size"]),
        (
            "one_cycle --steps 10 --momentum-schedule constant(0.9)",
            &["set the momentum", "cycle_momentum=false"],
        ),
        (
            "cosine --steps 10 --momentum-schedule linear(from=0.5,to=1.5)",
            &["momentum_schedule: momentum = 1", "[0, 1)"],
        ),
        (
            "cosine --steps 10 --weight-decay-schedule cosine",
            &["has no value to start from"],
        ),
    ] {
        let ran = run(temp.path(), &format!("schedule {arguments}"));
        assert_eq!(ran.status, 2, "{arguments}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
        for needle in needles {
            assert!(ran.stderr.contains(needle), "{arguments}: {}", ran.stderr);
        }
    }
    let ran = run(temp.path(), "schedule cosine");
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("--steps"), "{}", ran.stderr);
    let ran = run(
        temp.path(),
        "schedule cosine --steps 3 --svg no/such/place.svg",
    );
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("no/such/place.svg"));
}

#[test]
fn a_run_schedules_momentum_and_decay_and_says_what_ends_early() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let small: Vec<&str> = SMALL.split_whitespace().collect();
    let train = |more: &[&str]| run_with(at, &[&small[..], more].concat());
    let ran = train(&[
        "--optimizer=sgd(0.05)",
        "--schedule=cosine(steps=1ep)",
        "--momentum-schedule=linear(from=0.5, to=0.99)",
        "--weight-decay-schedule=constant(5e-4)",
        "--out=run",
    ]);
    succeeds(&ran);
    let note = "the schedule cosine ends after 7 of the 14 updates and then stays at 0";
    assert_eq!(ran.stderr.matches(note).count(), 1, "{}", ran.stderr);
    let recipe = fs::read_to_string(at.join("run/recipe.toml")).unwrap();
    for needle in [
        "momentum_schedule = \"linear(steps=14, from=0.5, to=0.99)\"",
        "weight_decay_schedule = \"constant(lr=0.0005)\"",
    ] {
        assert!(recipe.contains(needle), "{recipe}");
    }
    let model = |run: &str| crate::support::model(at, run);
    let again = run(at, "train --recipe run/recipe.toml --out again");
    succeeds(&again);
    assert_eq!(model("run"), model("again"), "the recipe says it all");
    let plain = train(&[
        "--optimizer=sgd(0.05)",
        "--schedule=cosine(steps=1ep)",
        "--out=plain",
    ]);
    succeeds(&plain);
    assert_ne!(model("run"), model("plain"));
    let refused = run(at, "train --resume run --momentum-schedule constant(0.9)");
    assert_eq!(refused.status, 2);
    assert!(
        refused
            .stderr
            .contains("--momentum-schedule cannot be changed")
    );
}

#[test]
fn a_run_with_a_wrong_schedule_does_not_begin() {
    let temp = tempfile::tempdir().unwrap();
    for (flags, needle) in [
        (
            "--schedule one_cycle(steps=99999)",
            "one_cycle: steps = 99999",
        ),
        ("--schedule warmup(99999)", "warmup: steps = 99999"),
        (
            "--schedule sequence([cosine,linear],[99999])",
            "sequence: milestones = 99999",
        ),
        (
            "--schedule exponential(gamma=0.9,k=0.1)",
            "remove one of them",
        ),
        (
            "--momentum-schedule cosine",
            "momentum_schedule: cosine has no value to start from",
        ),
        (
            "--momentum-schedule constant(1)",
            "momentum_schedule: momentum = 1",
        ),
        ("--weight-decay-schedule constant(-1)", "constant: lr = -1"),
        (
            "--schedule one_cycle --momentum-schedule constant(0.9)",
            "set the momentum",
        ),
    ] {
        let ran = run(temp.path(), &format!("train {flags} --out run"));
        assert_eq!(ran.status, 2, "{flags}: {}", ran.stderr);
        assert!(ran.stderr.contains(needle), "{flags}: {}", ran.stderr);
        assert!(!temp.path().join("run").exists(), "{flags}");
    }
}
