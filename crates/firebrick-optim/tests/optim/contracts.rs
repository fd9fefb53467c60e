//! Further tests of the first optimizers: weight decay by group, cycled momentum, and messages about states that do
//! not fit.

use burn::tensor::{DType, Device};
use firebrick_core::spec::Spec;
use firebrick_core::update::{GroupFactors, ParameterState, Update, UpdateState};
use firebrick_optim::optimizer;

use super::{Now, build, parameters, tensor, values};

/// Plain and with options.
const OPTIMIZERS: [&str; 8] = [
    "sgd",
    "sgd(momentum=0.9, dampening=0.1, weight_decay=0.1)",
    "sgd(momentum=0.9, nesterov=true)",
    "adam",
    "adam(amsgrad=true, weight_decay=0.1)",
    "adamw",
    "adamw(amsgrad=true)",
    "adamw(beta1=0)",
];

/// Gradients that change from step to step, for parameters of 5 and 3 elements.
fn gradients(step: usize) -> [Vec<f64>; 2] {
    let entry = |index: usize| ((step * 7 + index * 3) as f64).sin() / (1 + step) as f64;
    [(0..5).map(entry).collect(), (5..8).map(entry).collect()]
}

/// Steps two parameters from step `from` to `to` and gives their values.
fn train(
    update: &mut dyn Update,
    start: [Vec<f64>; 2],
    steps: std::ops::Range<usize>,
    device: &Device,
    now: Now<'_>,
) -> [Vec<f64>; 2] {
    let mut state = parameters(start.map(|values| tensor(&values, device, DType::F32)));
    for step in steps {
        let gradients = gradients(step).map(|values| Some(tensor(&values, device, DType::F32)));
        state = now.step(update, state, gradients.to_vec());
    }
    [values(&state.0[0].value), values(&state.0[1].value)]
}

fn start() -> [Vec<f64>; 2] {
    [vec![1.0, -0.5, 0.25, 0.0, 2.0], vec![0.125, -1.0, 0.5]]
}

fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}

fn paths() -> Vec<String> {
    vec!["p0".into(), "p1".into()]
}

#[test]
fn groups_scale_the_rate_and_the_decay() {
    let groups = |lr, weight_decay| [GroupFactors { lr, weight_decay }; 2];
    for spec in OPTIMIZERS {
        let with = |lr, groups: &[GroupFactors]| {
            let now = Now {
                groups,
                ..Now::at(lr)
            };
            train(&mut *build(spec), start(), 0..4, &flex(), now)
        };
        assert_eq!(with(0.02, &groups(0.5, 1.0)), with(0.01, &[]), "{spec}");
        let plain = with(0.01, &groups(1.0, 0.0));
        let name = spec.split('(').next().unwrap();
        let decays = spec.contains("weight_decay") || name == "adamw";
        assert_eq!(plain != with(0.01, &[]), decays, "{spec}");
    }
    let still = [
        GroupFactors {
            lr: 0.0,
            weight_decay: 1.0,
        },
        GroupFactors::default(),
    ];
    for spec in OPTIMIZERS {
        let mut update = build(spec);
        let now = Now {
            groups: &still,
            ..Now::at(0.01)
        };
        let [first, second] = train(&mut *update, start(), 0..3, &flex(), now);
        assert_eq!(first, start()[0], "{spec}");
        assert_ne!(second, start()[1], "{spec}");
        let state = update.state();
        assert!(
            state.parameters["p0"].tensors.is_empty() && state.parameters["p0"].numbers.is_empty()
        );
        assert_eq!(state.parameters["p1"].numbers["step"], 3.0);
        // A parameter that was never stepped resumes as such.
        build(spec).load_state(state, &paths(), &flex()).unwrap();
    }
}

#[test]
fn a_cycled_momentum_stands_in_for_the_optimizers_own() {
    for (spec, same) in [
        ("sgd", "sgd(momentum=0.5)"),
        ("sgd(momentum=0.9)", "sgd(momentum=0.5)"),
        ("adam", "adam(beta1=0.5)"),
        ("adamw", "adamw(beta1=0.5)"),
    ] {
        let now = Now {
            momentum: Some(0.5),
            ..Now::at(0.01)
        };
        let cycled = train(&mut *build(spec), start(), 0..4, &flex(), now);
        let own = |spec| train(&mut *build(spec), start(), 0..4, &flex(), Now::at(0.01));
        assert_eq!(cycled, own(same), "{spec}");
        assert_ne!(cycled, own(spec), "{spec}");
    }
}

#[test]
fn states_that_do_not_fit_are_refused_by_name() {
    let stepped = |spec: &str| {
        let mut update = build(spec);
        train(&mut *update, start(), 0..2, &flex(), Now::at(0.01));
        update.state()
    };
    let edit = |change: &dyn Fn(&mut UpdateState)| {
        let mut state = stepped("adam");
        change(&mut state);
        state
    };
    let first = |change: &dyn Fn(&mut ParameterState)| {
        edit(&|state| change(state.parameters.get_mut("p0").unwrap()))
    };
    let short = tensor(&[1.0], &flex(), DType::F32);
    for (state, needles) in [
        (stepped("adamw"), ["written by adamw", "is adam"]),
        (
            edit(&|state| {
                drop(
                    state
                        .parameters
                        .insert("head".into(), ParameterState::default()),
                );
            }),
            ["`head`", "not a parameter"],
        ),
        (
            first(&|state| drop(state.tensors.remove("exp_avg"))),
            ["`p0` has no", "exp_avg"],
        ),
        (
            first(&|state| {
                state.numbers.remove("step");
            }),
            ["`p0` has no", "step"],
        ),
        (
            first(&|state| state.tensors.clear()),
            ["`p0` has no", "exp_avg"],
        ),
        (
            first(&|state| drop(state.tensors.insert("max_exp_avg_sq".into(), short.clone()))),
            ["`p0` has max_exp_avg_sq", "does not use"],
        ),
        (
            first(&|state| {
                state.numbers.insert("mu".into(), 1.0);
            }),
            ["`p0` has mu", "does not use"],
        ),
        (
            first(&|state| {
                state.numbers.insert("step".into(), f64::NAN);
            }),
            ["`p0` has step", "NaN"],
        ),
        (
            first(&|state| drop(state.tensors.insert("exp_avg".into(), short.clone()))),
            ["`p0` has 1 elements in exp_avg", "5 in exp_avg_sq"],
        ),
    ] {
        let mut update = build("adam");
        let end = train(&mut *update, start(), 0..2, &flex(), Now::at(0.01));
        let error = update
            .load_state(state, &paths(), &flex())
            .unwrap_err()
            .to_string();
        for needle in needles {
            assert!(error.contains(needle), "{error}");
        }
        // Nothing has changed.
        let mut untouched = build("adam");
        let whole = train(&mut *untouched, start(), 0..4, &flex(), Now::at(0.01));
        assert_eq!(
            train(&mut *update, end, 2..4, &flex(), Now::at(0.01)),
            whole
        );
    }
}

#[test]
fn a_parameter_without_state_begins_afresh() {
    for spec in ["adam", "lookahead(base=adam)", "schedule_free_adamw"] {
        let mut first = build(spec);
        let end = train(&mut *first, start(), 0..2, &flex(), Now::at(0.01));
        // It was frozen so far, and is trained from here on.
        let mut state = first.state();
        state.parameters.remove("p1").unwrap();
        let mut update = build(spec);
        update.load_state(state, &paths(), &flex()).unwrap();
        train(&mut *update, end, 2..3, &flex(), Now::at(0.01));
        let state = update.state();
        let steps = ["p0", "p1"].map(|path| state.parameters[path].numbers["step"]);
        assert_eq!(steps, [3.0, 1.0], "{spec}");
    }
}

#[test]
fn a_state_of_another_length_fails_at_the_next_step_by_name() {
    let mut update = build("adam");
    train(&mut *update, start(), 0..2, &flex(), Now::at(0.01));
    let [_, short] = start();
    let swapped = parameters([tensor(&short, &flex(), DType::F32)]);
    let gradients = firebrick_core::parameters::Gradients(vec![Some(swapped.0[0].value.clone())]);
    let step = firebrick_core::update::Step::new(2, 0.1);
    let error = update
        .step(&step, swapped, gradients, &mut |_| panic!("no search"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`p0` has 3 elements, but its exp_avg has 5"),
        "{error}"
    );
}

#[test]
fn fields_out_of_range_are_named() {
    for spec in [
        "adam(beta1=1)",
        "adam(beta2=1)",
        "adamw(eps=0)",
        "sgd(momentum=1)",
    ] {
        let spec: Spec = spec.parse().unwrap();
        assert!(optimizer::build(&spec).is_err(), "{spec}");
    }
}

/// Optimizers with a planted fault each.
mod careless {
    use burn::tensor::Tensor;
    use firebrick_optim::{
        About, Configure, Field, Formula, Range, Real, Rule, StateNames, Stepping, elementwise,
    };
    use serde::{Deserialize, Serialize};

    /// Gradient descent with momentum, `lr` and `momentum` of a step as the closures have it.
    macro_rules! careless {
        ($name:ident, $lr:expr, $momentum:expr) => {
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub(crate) struct $name {
                lr: f64,
                momentum: f64,
                beta2: f64,
            }

            impl Default for $name {
                fn default() -> Self {
                    Self {
                        lr: 0.01,
                        momentum: 0.9,
                        beta2: 0.99,
                    }
                }
            }

            impl Configure for $name {
                const ABOUT: About = About {
                    name: "careless",
                    aliases: &[],
                    summary: "momentum",
                    source: "none",
                    fields: &[
                        Field::LR,
                        Field::new("momentum", Range::Share),
                        Field::new("beta2", Range::Share),
                    ],
                    cost: "one pass",
                };
            }

            impl Rule for $name {
                fn state(&self) -> StateNames {
                    StateNames::tensors(&["buffer"])
                }

                fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
                    let lr: fn(&Self, &Stepping<'_>) -> f64 = $lr;
                    let momentum: fn(&Self, &Stepping<'_>) -> f64 = $momentum;
                    elementwise(tensors, &["buffer"], |one| Move {
                        lr: lr(self, one),
                        momentum: momentum(self, one),
                    })
                }
            }
        };
    }

    careless!(Sound, |own, one| one.now.lr * own.beta2, |own, one| one
        .now
        .momentum(own.momentum));
    // Its `beta2` is read by nothing.
    careless!(Idle, |_, one| one.now.lr, |own, one| one
        .now
        .momentum(own.momentum));
    // It keeps to its own momentum, whatever the schedule says.
    careless!(Deaf, |own, one| one.now.lr * own.beta2, |own, _| own
        .momentum);

    #[derive(Debug, Clone, Copy)]
    struct Move {
        lr: f64,
        momentum: f64,
    }

    impl Formula<2, 1> for Move {
        #[inline(always)]
        fn apply<R: Real>(&self, [value, kept]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
            let kept = kept * self.momentum + gradient;
            [value - kept.clone() * self.lr, kept]
        }
    }
}

#[test]
fn contracts_find_an_idle_field_and_a_rule_that_follows_no_schedule() {
    use firebrick_optim::testkit::contracts;

    contracts::<careless::Sound>();
    let message = |contracts: fn()| {
        let panic = std::panic::catch_unwind(contracts).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let idle = message(contracts::<careless::Idle>);
    assert!(idle.contains("careless: beta2 changes nothing"), "{idle}");
    let deaf = message(contracts::<careless::Deaf>);
    assert!(
        deaf.contains("careless: a momentum_schedule has no effect"),
        "{deaf}"
    );
}
