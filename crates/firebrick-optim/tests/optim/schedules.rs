//! Contract tests of every schedule, and golden values from PyTorch, timm and closed formulas,
//! from `python3 xtask/golden/schedules.py`.

use firebrick_core::length::RunLength;
use firebrick_core::schedule::{Delayed, Observation};
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Schedule};
use firebrick_optim::schedule::{BuiltSchedule, Outlook, REGISTRY, build};
use firebrick_optim::{Plan, Request};
use serde::Deserialize;

const RUN: RunLength = RunLength {
    updates: 100,
    updates_per_epoch: 10,
};

/// Every schedule, plain and with its options, and the updates of 0..120 with which its cycles end.
const SCHEDULES: [(&str, &[u64]); 40] = [
    ("constant", &[]),
    ("step(step_size=2ep)", &[]),
    ("step(step_size=7, gamma=0)", &[]),
    ("multistep(milestones=[50%, 8ep])", &[]),
    ("exponential(gamma=0.9)", &[]),
    ("exponential(k=0.5, every=1ep, staircase=true)", &[]),
    ("exponential(k=1e300)", &[]),
    ("inverse_time(k=0.1)", &[]),
    ("inverse_time(k=1e300)", &[]),
    ("polynomial", &[99]),
    ("polynomial(steps=30, power=0.5, min_lr=0.01)", &[29]),
    ("linear", &[99]),
    ("linear(from=0.01, to=0.1, steps=40)", &[39]),
    ("cosine", &[99]),
    ("cosine(steps=30, min_lr=1e-5)", &[29]),
    ("cosine_restarts(cycle=3ep)", &[29, 59, 89, 119]),
    (
        "cosine_restarts(cycle=1ep, mult=2, decay=0.5)",
        &[9, 29, 69],
    ),
    (
        "cosine_restarts(cycle=1, mult=3, limit=3, min_lr=0.01)",
        &[0, 3, 12],
    ),
    ("cosine_restarts(cycle=20, decay=0.5, limit=2)", &[19, 39]),
    ("cyclic(step_size_up=25)", &[49, 99]),
    (
        "cyclic(step_size_up=3ep, step_size_down=10, mode=triangular2)",
        &[39, 79, 119],
    ),
    ("cyclic(step_size_up=50, mode=exp_range, gamma=0.9)", &[99]),
    ("one_cycle", &[99]),
    (
        "one_cycle(steps=50%, three_phase=true, anneal=linear)",
        &[49],
    ),
    ("snapshot_cosine", &[19, 39, 59, 79, 99]),
    ("snapshot_cosine(cycles=3, steps=50)", &[16, 33, 49]),
    ("noam(warmup=10)", &[]),
    ("noam(warmup=10%, d_model=64)", &[]),
    ("wsd", &[99]),
    ("wsd(warmup=5, decay=20%, steps=60, anneal=sqrt)", &[59]),
    (
        "wsd(warmup=5, decay=20%, min_lr=0.01, anneal=linear)",
        &[99],
    ),
    ("flat_cosine", &[99]),
    ("flat_cosine(pct_start=0, steps=30)", &[29]),
    ("plateau(patience=1)", &[]),
    ("warmup", &[]),
    ("warmup(1ep, then=cosine)", &[99]),
    (
        "warmup(5, then=cosine_restarts(cycle=20, limit=2))",
        &[24, 44],
    ),
    (
        "sequence([cosine, linear(0.05), constant], milestones=[20, 50%])",
        &[19, 49],
    ),
    (
        "sequence([warmup(5, then=one_cycle), plateau], milestones=[3ep])",
        &[29],
    ),
    ("batch_scaled(128, rule=sqrt, then=cosine)", &[99]),
];

fn outlook() -> Outlook {
    Outlook {
        batch: Some(64),
        ..Outlook::new(RUN, 0.1)
    }
}

fn planned(text: &str) -> BuiltSchedule {
    build(&text.parse().unwrap(), &outlook()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Shows a schedule nine epochs of a loss that never improves.
fn observe(schedule: &mut dyn Schedule) {
    for epoch in 1..10 {
        schedule.observe(Observation {
            step: 10 * epoch,
            value: 1.0,
            higher_is_better: false,
        });
    }
}

/// Updates at the beginning, at the ends of what integers and floating point can count, and between.
fn far() -> impl Iterator<Item = u64> {
    let powers = (8..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
    (0..300).chain(powers).chain([u64::MAX - 1, u64::MAX])
}

#[test]
fn every_schedule_is_tried_here() {
    for entry in REGISTRY.entries() {
        let its = |(spec, _): &(&str, _)| spec.split('(').next() == Some(entry.about.name);
        assert!(SCHEDULES.iter().any(its), "{}", entry.about.name);
    }
}

#[test]
fn every_update_has_a_value() {
    for (text, _) in SCHEDULES {
        let mut schedule = planned(text).schedule;
        for _ in 0..2 {
            for step in far() {
                let lr = schedule.lr(step);
                let range = 0.0..=0.1 * (1.0 + 1e-12);
                assert!(range.contains(&lr), "{text} {step}: {lr}");
                if let Some(momentum) = schedule.momentum(step) {
                    assert!((0.0..1.0).contains(&momentum), "{text} {step}: {momentum}");
                }
                schedule.ends_cycle(step);
            }
            observe(&mut *schedule);
        }
    }
}

#[test]
fn rates_no_longer_change_after_the_length() {
    let mut ended = 0;
    for (text, _) in SCHEDULES {
        let planned = planned(text);
        let schedule = planned.schedule;
        let Some(length) = schedule.length() else {
            continue;
        };
        ended += 1;
        assert!(length <= RUN.updates, "{text}: {length}");
        let at = |step: u64| (schedule.lr(step), schedule.momentum(step));
        for step in far().filter(|step| *step >= length) {
            assert_eq!(at(step), at(length), "{text} {step}");
            assert!(!schedule.ends_cycle(step), "{text} {step}");
        }
        // The length is no longer than it need be, but for one update.
        let moves = (0..length).any(|step| step + 2 >= length && at(step) != at(u64::MAX));
        assert!(length == 0 || moves, "{text}: it ends before {length}");
        if let Some(lasts) = planned.lasts {
            assert_eq!(lasts, length, "{text}");
        }
    }
    assert!(ended > 15, "{ended}");
}

#[test]
fn schedules_without_a_length_go_on_changing() {
    for (text, _) in SCHEDULES {
        let mut schedule = planned(text).schedule;
        if schedule.length().is_some() {
            continue;
        }
        let before = schedule.lr(120);
        observe(&mut *schedule);
        let moved = (120..400).any(|step| schedule.lr(step) != before);
        let vanished = before == 0.0;
        let waits = text.contains("plateau]");
        assert!(moved || vanished || waits, "{text}");
    }
}

#[test]
fn cycles_end_where_the_documentation_says() {
    for (text, ends) in SCHEDULES {
        let schedule = planned(text).schedule;
        let found: Vec<_> = (0..120).filter(|step| schedule.ends_cycle(*step)).collect();
        assert_eq!(found, ends, "{text}");
    }
}

#[test]
fn canonical_specs_build_the_same_schedule_again() {
    // Another run, another rate: a canonical spec depends on neither.
    let other = Outlook {
        batch: Some(64),
        ..Outlook::new(RunLength::new(30, 100, 10, 1), 0.7)
    };
    for (text, _) in SCHEDULES {
        let mut first = planned(text);
        let reread: Spec = first.spec.to_string().parse().unwrap();
        assert_eq!(reread, first.spec, "{text}");
        let mut again = build(&reread, &other).unwrap();
        // A sequence bounds the last of its schedules by the run; their lengths are written out.
        assert_eq!(again.spec, first.spec, "{text}");
        assert_eq!(again.lasts, first.lasts, "{text}");
        for _ in 0..2 {
            for step in far() {
                let at = |schedule: &dyn Schedule| {
                    let (lr, momentum) = (schedule.lr(step), schedule.momentum(step));
                    (lr, momentum, schedule.ends_cycle(step), schedule.length())
                };
                assert_eq!(at(&*first.schedule), at(&*again.schedule), "{text} {step}");
            }
            observe(&mut *first.schedule);
            observe(&mut *again.schedule);
        }
    }
}

#[test]
fn fields_out_of_range_are_named() {
    for entry in REGISTRY.entries() {
        firebrick_core::testkit::fields_out_of_range_are_named(&entry, |spec| {
            build(spec, &outlook()).map(drop)
        });
    }
    for (text, place) in [
        ("step(step_size=0)", "step: step_size = 0"),
        ("step(step_size=1, gamma=1.1)", "step: gamma = 1.1"),
        (
            "multistep(milestones=[20, 10])",
            "multistep: milestones = [20, 10]",
        ),
        ("exponential(gamma=1.1)", "exponential: gamma = 1.1"),
        ("exponential(gamma=1, every=0)", "exponential: every = 0"),
        ("inverse_time(k=1, every=0%)", "inverse_time: every = 0"),
        ("polynomial(power=0)", "polynomial: power = 0"),
        ("polynomial(steps=0)", "polynomial: steps = 0"),
        ("polynomial(min_lr=0.2)", "polynomial: min_lr = 0.2"),
        ("linear(steps=0)", "linear: steps = 0"),
        ("linear(min_lr=0.2)", "linear: min_lr = 0.2"),
        ("cosine(steps=0)", "cosine: steps = 0"),
        ("cosine_restarts(cycle=0)", "cosine_restarts: cycle = 0"),
        (
            "cosine_restarts(cycle=1, mult=0)",
            "cosine_restarts: mult = 0",
        ),
        (
            "cosine_restarts(cycle=1, mult=1.5)",
            "cosine_restarts: mult = 1.5",
        ),
        (
            "cosine_restarts(cycle=1, decay=0)",
            "cosine_restarts: decay = 0",
        ),
        (
            "cosine_restarts(cycle=1, decay=2)",
            "cosine_restarts: decay = 2",
        ),
        (
            "cosine_restarts(cycle=1, limit=0)",
            "cosine_restarts: limit = 0",
        ),
        (
            "cosine_restarts(cycle=1, min_lr=1)",
            "cosine_restarts: min_lr = 1",
        ),
        ("cyclic(step_size_up=0)", "cyclic: step_size_up = 0"),
        ("cyclic(step_size_down=0)", "cyclic: step_size_down = 0"),
        ("cyclic(base_lr=0.2)", "cyclic: base_lr = 0.2"),
        ("cyclic(gamma=1.1)", "cyclic: gamma = 1.1"),
        ("cyclic(max_momentum=1)", "cyclic: max_momentum = 1"),
        ("cyclic(base_momentum=0.95)", "cyclic: base_momentum = 0.95"),
        ("cyclic(mode=square)", "cyclic: mode"),
        ("one_cycle(steps=0)", "one_cycle: steps = 0"),
        ("one_cycle(steps=101)", "one_cycle: steps = 101"),
        ("snapshot_cosine(cycles=0)", "snapshot_cosine: cycles = 0"),
        (
            "snapshot_cosine(cycles=101)",
            "snapshot_cosine: cycles = 101",
        ),
        ("snapshot_cosine(steps=0)", "snapshot_cosine: steps = 0"),
        ("noam(warmup=0)", "noam: warmup = 0"),
        ("noam(warmup=101)", "noam: warmup = 101"),
        ("noam(warmup=1, d_model=0)", "noam: d_model = 0"),
        ("wsd(decay=0)", "wsd: decay = 0"),
        ("wsd(warmup=101)", "wsd: warmup = 101"),
        ("wsd(min_lr=0.2)", "wsd: min_lr = 0.2"),
        ("wsd(steps=0)", "wsd: steps = 0"),
        ("flat_cosine(pct_start=1)", "flat_cosine: pct_start = 1"),
        ("flat_cosine(min_lr=0.2)", "flat_cosine: min_lr = 0.2"),
        ("flat_cosine(steps=0)", "flat_cosine: steps = 0"),
        ("plateau(factor=1)", "plateau: factor = 1"),
        ("plateau(threshold=1)", "plateau: threshold = 1"),
        ("plateau(min_lr=0.2)", "plateau: min_lr = 0.2"),
        ("plateau(mode=median)", "plateau: mode"),
        ("warmup(0)", "warmup: steps = 0"),
        ("warmup(101)", "warmup: steps = 101"),
        ("warmup(start_factor=1.1)", "warmup: start_factor = 1.1"),
        (
            "sequence([cosine, linear], [0])",
            "sequence: milestones = [0]",
        ),
        (
            "sequence([cosine, linear], [100])",
            "sequence: milestones = 100",
        ),
        ("batch_scaled(base_batch=0)", "batch_scaled: base_batch = 0"),
        ("batch_scaled(rule=cubic)", "batch_scaled: rule"),
    ] {
        let error = text
            .parse::<Spec>()
            .and_then(|spec| build(&spec, &outlook()));
        let error = error.err().unwrap_or_else(|| panic!("{text} was taken"));
        assert!(error.to_string().contains(place), "{text}: {error}");
    }
}

#[test]
fn wrappers_forward_everything() {
    for schedule in [
        "one_cycle(steps=90)",
        "warmup(10, then=one_cycle)",
        "sequence([constant, one_cycle], [10])",
        "batch_scaled(128, then=sequence([constant, one_cycle], [10]))",
    ] {
        let inner = planned("one_cycle(steps=90)").schedule;
        let shift = if schedule.starts_with("one_cycle") {
            0
        } else {
            10
        };
        let outer = Request {
            lr: Some(0.1),
            batch: Some(64),
            weight_decay_schedule: Some("linear(0.2)".parse().unwrap()),
            ..Request::new(Spec::new("sgd"), schedule.parse().unwrap(), RUN)
        };
        let delayed = Delayed {
            schedule: outer.plan().unwrap().schedule,
            start: 7,
        };
        for step in 0..90 {
            let at = step + shift + 7;
            assert_eq!(delayed.momentum(at), inner.momentum(step), "{schedule}");
            assert_eq!(delayed.ends_cycle(at), inner.ends_cycle(step), "{schedule}");
            let decay = 0.2 * (1.0 - (step + shift) as f64 / 100.0);
            assert!((delayed.weight_decay(at).unwrap() - decay).abs() < 1e-15);
        }
        assert_eq!(delayed.length(), Some(107), "the decay takes the whole run");
    }
    for schedule in [
        "plateau(patience=0)",
        "warmup(5, then=plateau(patience=0))",
        "sequence([constant, plateau(patience=0)], [5])",
        "batch_scaled(64, then=plateau(patience=0))",
    ] {
        let mut delayed = Delayed {
            schedule: planned(schedule).schedule,
            start: 7,
        };
        let before = delayed.lr(90);
        observe(&mut delayed);
        assert!(delayed.lr(90) < before, "{schedule}");
        assert_eq!(
            delayed.lr(12),
            before,
            "{schedule}: made updates keep their rate"
        );
    }
}

#[derive(Deserialize)]
struct Golden {
    epoch: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: String,
    source: String,
    updates: u64,
    batch: Option<u64>,
    #[serde(default)]
    metrics: Vec<f64>,
    #[serde(default)]
    higher_is_better: bool,
    lr: Vec<f64>,
    momentum: Option<Vec<f64>>,
}

impl Case {
    fn plan(&self, epoch: u64) -> Result<Plan, ConfigError> {
        let run = RunLength {
            updates: self.updates,
            updates_per_epoch: epoch,
        };
        let mut plan = Request {
            batch: self.batch,
            ..Request::new(Spec::new("sgd"), self.spec.parse()?, run)
        }
        .plan()?;
        for (index, value) in self.metrics.iter().enumerate() {
            plan.schedule.observe(Observation {
                step: epoch * (index as u64 + 1),
                value: *value,
                higher_is_better: self.higher_is_better,
            });
        }
        Ok(plan)
    }
}

#[test]
fn schedules_follow_their_sources() {
    const TOLERANCE: f64 = 1e-12;
    let golden: Golden = serde_json::from_str(include_str!("../golden/schedules.json")).unwrap();
    for entry in REGISTRY.entries() {
        let its = |case: &Case| case.spec.split('(').next() == Some(entry.about.name);
        assert!(
            golden.cases.iter().any(its),
            "no golden case for {}",
            entry.about.name
        );
    }
    for case in &golden.cases {
        let place = format!("{}, {}", case.spec, case.source);
        let plan = case
            .plan(golden.epoch)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(case.lr.len() as u64 >= case.updates, "{place}");
        for (step, expected) in case.lr.iter().enumerate() {
            let found = plan.schedule.lr(step as u64);
            // Next to zero, where a cosine is a difference of two ones, the step of floating point at 1.
            let most = TOLERANCE * expected + f64::EPSILON * plan.lr;
            let error = (found - expected).abs();
            assert!(
                error <= most,
                "{place} at {step}: {found} is not {expected}"
            );
        }
        for step in 0..case.updates {
            let found = plan.schedule.momentum(step);
            let expected = case
                .momentum
                .as_ref()
                .map(|momentum| momentum[step as usize]);
            assert_eq!(found.is_some(), expected.is_some(), "{place}");
            let error = found.unwrap_or_default() - expected.unwrap_or_default();
            assert!(error.abs() <= TOLERANCE, "{place} at {step}: {found:?}");
        }
    }
}
