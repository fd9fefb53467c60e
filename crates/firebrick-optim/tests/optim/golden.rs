//! PyTorch's values, in float64, from `python3 xtask/golden/schedules.py`.

use firebrick_core::length::RunLength;
use serde::Deserialize;

#[derive(Deserialize)]
struct Schedules {
    cases: Vec<ScheduleCase>,
}

#[derive(Deserialize)]
struct ScheduleCase {
    spec: String,
    updates: u64,
    lr: Vec<f64>,
    momentum: Option<Vec<f64>>,
}

#[test]
fn schedules_follow_pytorch() {
    let golden: Schedules = serde_json::from_str(include_str!("../golden/schedules.json")).unwrap();
    for entry in firebrick_optim::schedule::REGISTRY.entries {
        let name = |case: &ScheduleCase| case.spec.contains(entry.name);
        assert!(
            golden.cases.iter().any(name),
            "no golden case for {}",
            entry.name
        );
    }
    for case in &golden.cases {
        let run = RunLength {
            updates: case.updates,
            updates_per_epoch: 10,
        };
        let sgd = "sgd".parse().unwrap();
        let plan = firebrick_optim::plan(&sgd, &case.spec.parse().unwrap(), None, run).unwrap();
        for (step, expected) in case.lr.iter().enumerate() {
            let found = plan.schedule.lr(step as u64);
            let error = (found - expected).abs() / plan.lr;
            assert!(
                error <= 1e-12,
                "{} at {step}: {found} is not {expected}",
                case.spec
            );
        }
        for step in 0..case.updates {
            let found = plan.schedule.momentum(step);
            let expected = case
                .momentum
                .as_ref()
                .map(|momentum| momentum[step as usize]);
            assert_eq!(found.is_some(), expected.is_some(), "{}", case.spec);
            let error = found.unwrap_or_default() - expected.unwrap_or_default();
            assert!(error.abs() <= 1e-12, "{} at {step}: {found:?}", case.spec);
        }
    }
}
