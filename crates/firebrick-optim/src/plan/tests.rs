use super::*;

const RUN: RunLength = RunLength {
    updates: 1000,
    updates_per_epoch: 100,
};

fn make(optimizer: &str, schedule: &str, lr: Option<f64>) -> Result<Plan, ConfigError> {
    plan(&optimizer.parse()?, &schedule.parse()?, lr, RUN)
}

fn rate(optimizer: &str, schedule: &str, lr: Option<f64>) -> f64 {
    make(optimizer, schedule, lr).unwrap().lr
}

#[test]
fn the_rate_comes_from_the_first_that_gives_one() {
    assert_eq!(rate("sgd", "cosine", None), 1e-3);
    assert_eq!(rate("sgd(0.1)", "cosine", None), 0.1);
    assert_eq!(rate("sgd(lr=0.1)", "one_cycle", None), 0.1);
    assert_eq!(rate("sgd", "cosine(0.2)", None), 0.2);
    assert_eq!(rate("sgd", "one_cycle(max_lr=0.3)", None), 0.3);
    assert_eq!(rate("adam", "warmup(1ep, then=cosine(lr=0.4))", None), 0.4);
    assert_eq!(rate("adam", "warmup(1ep, 0.1, constant(1))", None), 1.0);
    assert_eq!(rate("adam", "warmup(then=\"constant(2)\")", None), 2.0);
    assert_eq!(rate("adam", "linear(from=0.6, to=1)", None), 0.6);
    assert_eq!(rate("adam", "cyclic(base_lr=0.1, max_lr=0.7)", None), 0.7);
    assert_eq!(rate("sgd(0.1)", "cyclic(base_lr=0.05)", None), 0.1);
    let row = "sequence([linear(from=0.1, to=0.8), constant, constant(0.8)], [10, 20])";
    assert_eq!(rate("sgd(0.8)", row, None), 0.8);
    let row = "warmup(then=batch_scaled(then=sequence(schedules=[\"cosine(0.3)\"])))";
    let plan = Request {
        batch: Some(64),
        ..Request::new(Spec::new("adam"), row.parse().unwrap(), RUN)
    }
    .plan();
    assert_eq!(plan.unwrap().lr, 0.3);
    assert_eq!(rate("adam", "cosine", Some(0.5)), 0.5);
    assert_eq!(rate("adam", "cosine", Some(0.0)), 0.0);
    assert_eq!(rate("sgd(0.1)", "cosine(0.1)", Some(0.1)), 0.1);
}

#[test]
fn a_rate_of_its_own_wins_over_those_in_the_specs() {
    for (optimizer, schedule) in [
        ("adam(lr=0.01)", "constant"),
        ("adam(0.01)", "constant(0.2)"),
        ("lookahead(base=sgd(0.2))", "warmup(then=cosine(0.3))"),
        ("sgd", "one_cycle(max_lr=2)"),
        ("sgd", "linear(from=0.2, to=0.001)"),
        ("sgd(0.7)", "sequence([constant(0.2), cosine(0.2)], [10])"),
    ] {
        let plan = make(optimizer, schedule, Some(0.05)).unwrap();
        assert_eq!(plan.lr, 0.05, "{optimizer}, {schedule}");
        let (optimizer, schedule) = (plan.optimizer.to_string(), plan.schedule_spec.to_string());
        assert!(optimizer.contains("lr=0.05"), "{optimizer}");
        assert!(
            !schedule.contains("0.2") && schedule.contains("=0.05"),
            "{schedule}"
        );
        let highest = (0..RUN.updates).map(|step| plan.schedule.lr(step));
        assert_eq!(highest.fold(0.0, f64::max), 0.05, "{schedule}");
    }
    // What is wrong in a spec stays wrong, though its rate is not used.
    for (optimizer, schedule, needle) in [
        ("adam(lr=-1)", "constant", "lr = -1"),
        ("adam", "cosine(lr=-1)", "lr = -1"),
        ("adam", "cosine(0.1, steps=0)", "steps = 0"),
        (
            "adam",
            "sequence([constant(0.1), constant(0.2)], [10])",
            "lr = 0.05 cannot replace the rates in sequence",
        ),
    ] {
        let error = make(optimizer, schedule, Some(0.05))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(needle), "{optimizer}, {schedule}: {error}");
    }
}

#[test]
fn the_rate_reaches_both_specs_and_the_schedule() {
    let plan = make("sgd(momentum=0.9)", "cosine", Some(0.25)).unwrap();
    assert_eq!(plan.schedule.lr(0), 0.25);
    assert_eq!(
        plan.optimizer.to_string(),
        "sgd(lr=0.25, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=false)"
    );
    assert_eq!(
        plan.schedule_spec.to_string(),
        "cosine(lr=0.25, steps=1000, min_lr=0.0)"
    );
}

#[test]
fn planning_again_gives_the_same_plan() {
    for optimizer in ["sgd(0.1, 0.9, nesterov=true)", "adam", "adamw(eps=1e-6)"] {
        for schedule in [
            "constant",
            "cosine(steps=75%, min_lr=1e-5)",
            "one_cycle(steps=2.5ep, anneal=linear, three_phase=true)",
            "warmup",
            "warmup(steps=3ep, start_factor=0.1, then=cosine)",
            "warmup(then=one_cycle(steps=33%, cycle_momentum=false))",
            "step(step_size=2ep)",
            "multistep(milestones=[50%, 8ep, 900])",
            "exponential(k=0.1, every=1ep)",
            "exponential(gamma=0.9, every=1ep, staircase=true)",
            "inverse_time(k=0.1, every=1ep)",
            "polynomial(power=2)",
            "linear",
            "linear(from=0.1, to=0.2)",
            "cosine_restarts(cycle=1ep, mult=2, decay=0.5, limit=3)",
            "cyclic(step_size_up=1ep, step_size_down=10%, mode=exp_range, gamma=0.99)",
            "snapshot_cosine(cycles=7)",
            "noam(warmup=10%)",
            "wsd(warmup=5%, decay=20%, anneal=sqrt)",
            "flat_cosine",
            "plateau(mode=max, threshold_mode=abs)",
            "sequence([linear(from=0.01, to=0.2), constant, cosine(0.1)], [1ep, 50%])",
        ] {
            let first = make(optimizer, schedule, None).unwrap();
            let texts = (first.optimizer.to_string(), first.schedule_spec.to_string());
            let again = make(&texts.0, &texts.1, None).unwrap();
            assert_eq!(again.optimizer, first.optimizer);
            assert_eq!(again.schedule_spec, first.schedule_spec, "{}", texts.1);
            assert_eq!(again.lr, first.lr);
            assert_eq!(again.update.name(), first.update.name());
            for step in 0..1100 {
                let at = |plan: &Plan| {
                    let schedule = &plan.schedule;
                    (
                        schedule.lr(step),
                        schedule.momentum(step),
                        schedule.ends_cycle(step),
                    )
                };
                assert_eq!(at(&first), at(&again), "{schedule} {step}");
            }
        }
    }
}

#[test]
fn mistakes_are_named() {
    for (optimizer, schedule, lr, needles) in [
        (
            "sgd(0.1)",
            "cosine(0.2)",
            None,
            ["cosine(lr = 0.2)", "sgd(lr = 0.1)"],
        ),
        (
            "sgd(0.1)",
            "warmup(then=cosine(0.3))",
            None,
            ["cosine(lr = 0.3)", "--lr, which overrides"],
        ),
        (
            "adam(lr=1)",
            "warmup(then=one_cycle(2))",
            None,
            ["one_cycle(max_lr = 2)", "adam(lr = 1)"],
        ),
        (
            "adam",
            "cosine",
            Some(f64::NAN),
            ["learning rate: lr = NaN", "finite"],
        ),
        ("adam", "cosine", Some(-0.1), ["lr = -0.1", "at least 0"]),
        (
            "adam(lr=nan)",
            "cosine(0.1)",
            None,
            ["adam: lr = NaN", "finite"],
        ),
        (
            "adam",
            "cosine(lr=inf)",
            None,
            ["cosine: lr = inf", "finite"],
        ),
        (
            "adam",
            "cosine(lr=\"fast\")",
            None,
            ["cosine: lr", "expected a number"],
        ),
        (
            "adam(lr=true)",
            "cosine",
            None,
            ["adam: lr", "expected a number"],
        ),
        (
            "adma",
            "cosine",
            None,
            ["unknown optimizer `adma`", "`adam`"],
        ),
        (
            "adam",
            "cosin",
            None,
            ["unknown schedule `cosin`", "`cosine`"],
        ),
        (
            "adam",
            "warmup(then=cosin)",
            None,
            ["unknown schedule `cosin`", "`cosine`"],
        ),
        (
            "adam",
            "cosine(len=3)",
            None,
            ["cosine has no key `len`", "steps"],
        ),
        (
            "adam",
            "cosine(steps=0)",
            None,
            ["cosine: steps = 0", "at least 1"],
        ),
        (
            "adam",
            "cosine(steps=0.001ep)",
            None,
            ["cosine: steps = 0", "`0.001ep`"],
        ),
        (
            "adam",
            "cosine(lr=0.1, min_lr=0.2)",
            None,
            ["min_lr = 0.2", "[0, 0.1]"],
        ),
        (
            "adam",
            "one_cycle(steps=11ep)",
            None,
            ["one_cycle: steps = 11ep", "at most 1000"],
        ),
        (
            "adam",
            "warmup(1001)",
            None,
            ["warmup: steps = 1001", "at most 1000"],
        ),
        (
            "adam",
            "warmup(0)",
            None,
            ["warmup: steps = 0", "at least 1"],
        ),
        (
            "adam",
            "warmup(100%, then=cosine)",
            None,
            ["cosine: steps = 0", "no updates of the run are left"],
        ),
        (
            "adam",
            "warmup(1ep, then=one_cycle(steps=950))",
            None,
            ["one_cycle: steps = 950", "at most 900"],
        ),
        (
            "adam",
            "warmup(then=warmup)",
            None,
            ["warms up twice", "warmup"],
        ),
        (
            "adam",
            "warmup(start_factor=2)",
            None,
            ["start_factor = 2", "[0, 1]"],
        ),
        (
            "adam",
            "one_cycle(pct_start=1.5)",
            None,
            ["pct_start = 1.5", "[0, 1]"],
        ),
        (
            "adam",
            "one_cycle(pct_start=0.6, three_phase=true)",
            None,
            ["pct_start = 0.6", "[0, 0.5]"],
        ),
        (
            "adam",
            "one_cycle(div_factor=0)",
            None,
            ["div_factor = 0", "at least 1"],
        ),
        (
            "adam",
            "one_cycle(final_div_factor=0)",
            None,
            ["final_div_factor = 0", "greater than 0"],
        ),
        (
            "adam",
            "one_cycle(max_momentum=1)",
            None,
            ["max_momentum = 1", "[0, 1)"],
        ),
        (
            "adam",
            "one_cycle(base_momentum=nan)",
            None,
            ["base_momentum = NaN", "[0, 1)"],
        ),
        ("adam", "one_cycle(anneal=exp)", None, ["anneal", "exp"]),
        (
            "adam",
            "warmup(200, then=cosine(steps=100))",
            None,
            [
                "warmup: steps = 200",
                "at most 100, the number of updates of the cosine",
            ],
        ),
        (
            "sgd(0.2)",
            "sequence([constant(0.1), constant(0.05)], [10])",
            None,
            ["sgd(lr = 0.2)", "constant(lr = 0.1)"],
        ),
        (
            "adam",
            "sequence([warmup(600, then=linear), constant], [50%])",
            None,
            ["warmup: steps = 600", "at most 500"],
        ),
        (
            "adam",
            "exponential(gamma=0.9, k=0.1)",
            None,
            ["gamma = 0.9 and k = 0.1", "remove one of them"],
        ),
        (
            "adam",
            "exponential",
            None,
            ["gamma is missing", "gamma=0.95"],
        ),
        (
            "adam",
            "step",
            None,
            ["step: step_size is left out", "30ep"],
        ),
        (
            "adam",
            "step(step_size=0.001ep)",
            None,
            ["step: step_size = 0", "`0.001ep`"],
        ),
        (
            "adam",
            "batch_scaled(then=cosine)",
            None,
            ["batch_scaled needs the batch size", "--batch-size"],
        ),
        (
            "adam",
            "cyclic(base_lr=0.2, max_lr=0.1)",
            None,
            ["cyclic: base_lr = 0.2", "[0, 0.1]"],
        ),
        (
            "adam",
            "snapshot_cosine(cycles=0)",
            None,
            ["snapshot_cosine: cycles = 0", "at least 1"],
        ),
    ] {
        let error = make(optimizer, schedule, lr).err().unwrap().to_string();
        for needle in needles {
            assert!(error.contains(needle), "{optimizer} {schedule}: {error}");
        }
    }
}

#[test]
fn an_empty_run_is_refused_by_schedules_that_need_one() {
    let empty = RunLength {
        updates: 0,
        updates_per_epoch: 0,
    };
    let error = plan(&Spec::new("sgd"), &Spec::new("cosine"), None, empty).err();
    assert!(error.unwrap().to_string().contains("cosine: steps = 0"));
}
