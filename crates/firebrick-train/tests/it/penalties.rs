//! Penalties belong to what is minimized, and constraints move parameters after each update.

use std::collections::BTreeSet;
use std::sync::Arc;

use firebrick_core::parameters::{Parameter, Parameters};
use firebrick_core::penalty::{
    Action, Charge, Constraint, OutputPenalty, Penalties, Penalty, PenaltyRule, StartingPoint,
};
use firebrick_core::spec::Spec;
use firebrick_train::{RunDir, StartWeights, TrainConfig};

use burn::tensor::Tensor;

use crate::reevaluation::{Recorder, shifted, train_with};
use crate::support::{Net, Run, Source, bytes, newest};

/// λ Σ w²
struct Squares(f64);

impl Penalty for Squares {
    fn charge(&self, parameter: &Parameter) -> Charge {
        let value = &parameter.value;
        Charge {
            value: value.clone().square().sum() * self.0,
            gradient: value.clone() * (2.0 * self.0),
        }
    }
}

/// λ times the mean of the squared outputs of an image.
struct Outputs(f64);

impl OutputPenalty for Outputs {
    fn charge(&self, logits: Tensor<2>) -> Tensor<1> {
        let images = logits.dims()[0] as f64;
        logits.square().sum() * (self.0 / images)
    }
}

/// No value above this.
struct Most(f64);

impl Constraint for Most {
    fn project(&self, parameter: Parameter) -> Parameter {
        Parameter {
            value: parameter.value.clamp_max(self.0),
            ..parameter
        }
    }
}

fn rules(rules: Vec<(&str, Action)>) -> Penalties {
    let rules = rules.into_iter().map(|(path, action)| PenaltyRule {
        spec: Spec::new("test"),
        path: path.into(),
        action,
    });
    Penalties(rules.collect())
}

fn squares(path: &'static str, lambda: f64) -> Penalties {
    rules(vec![(path, Action::AddToLoss(Box::new(Squares(lambda))))])
}

fn net() -> Net {
    Net::new(&firebrick_core::device("flex").unwrap().autodiff())
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        ..Run::new("flex").config
    }
}

fn parameters(net: Net) -> Vec<(String, Vec<f32>)> {
    let (_, parameters) = Parameters::take(net);
    let values = parameters.0.into_iter();
    values
        .map(|one| (one.path, one.value.to_data().iter::<f32>().collect()))
        .collect()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| (a - b).abs() <= 1e-6 * (1.0 + b.abs()))
}

#[test]
fn its_gradient_is_added_for_the_parameters_that_match_and_for_no_other() {
    let plain = train_with(&Recorder::default(), net(), config(), Penalties::default());
    let penalized = train_with(&Recorder::default(), net(), config(), squares("fc.*", 0.5));
    let (plain, penalized) = (&plain.1[0], &penalized.1[0]);
    for (at, (path, values)) in parameters(net()).into_iter().enumerate() {
        let lambda = if path.starts_with("fc.") { 0.5 } else { 0.0 };
        let pairs = plain.gradients[at].iter().zip(&values);
        let expected: Vec<f32> = pairs.map(|(g, w)| g + 2.0 * lambda * w).collect();
        assert!(close(&penalized.gradients[at], &expected), "{path}");
        assert_eq!(
            penalized.gradients[at] == plain.gradients[at],
            lambda == 0.0
        );
    }
}

#[test]
fn an_update_that_evaluates_again_sees_the_same_objective() {
    let penalties = || {
        rules(vec![
            ("*", Action::AddToLoss(Box::new(Squares(0.5)))),
            ("*", Action::OfOutputs(Box::new(Outputs(0.5)))),
        ])
    };
    let config = || TrainConfig {
        accumulate: 2,
        ..config()
    };
    let again = |by| Recorder {
        again: Some((1, by)),
        ..Recorder::default()
    };
    let (_, given) = train_with(&again(0.0), net(), config(), penalties());
    assert_eq!(given[0].gradients, given[0].again);
    let (_, plain) = train_with(&again(0.0), net(), config(), Penalties::default());
    let sizes = parameters(net()).into_iter().flat_map(|(_, values)| values);
    let charge: f64 = sizes.map(|w| 0.5 * f64::from(w).powi(2)).sum();
    let more = given[0].loss - plain[0].loss;
    assert!(
        more > charge,
        "{more} {charge}: the outputs are penalized too"
    );
    // Somewhere else, and where an optimizer asks for the gradient somewhere else.
    let (_, elsewhere) = train_with(&again(0.05), net(), config(), penalties());
    let (shell, values) = Parameters::take(net());
    let there = shifted(&values, 0.05).put(shell);
    let (_, expected) = train_with(&Recorder::default(), there, config(), penalties());
    assert_eq!(elsewhere[0].again, expected[0].gradients);
    let ahead = Recorder {
        ahead: Some(0.05),
        ..Recorder::default()
    };
    let (_, ahead) = train_with(&ahead, net(), config(), penalties());
    assert_eq!(ahead[0].gradients, expected[0].gradients);
}

#[test]
fn accumulating_batches_counts_a_penalty_once() {
    let first = |accumulate, penalties| {
        let config = TrainConfig {
            accumulate,
            ..config()
        };
        train_with(&Recorder::default(), net(), config, penalties).1[0]
            .gradients
            .clone()
    };
    for accumulate in [1, 2] {
        let plain = first(accumulate, Penalties::default());
        let penalized = first(accumulate, squares("*", 0.5));
        for (at, (path, values)) in parameters(net()).into_iter().enumerate() {
            let pairs = plain[at].iter().zip(&values);
            let expected: Vec<f32> = pairs.map(|(g, w)| g + w).collect();
            assert!(close(&penalized[at], &expected), "{path}, {accumulate}");
        }
    }
}

#[test]
fn epochs_say_what_penalties_came_to_beside_the_loss() {
    let run = |penalties| Run {
        optimizer: "sgd(lr=0)",
        schedule: "constant",
        config: config(),
        penalties,
        model: Some(net().without_dropout()),
        ..Run::new("flex")
    };
    let plain = run(Penalties::default())
        .go()
        .unwrap()
        .progress
        .rows
        .remove(0);
    let penalties = rules(vec![
        ("fc.weight", Action::AddToLoss(Box::new(Squares(0.5)))),
        ("*", Action::Constrain(Box::new(Most(1e3)))),
        ("*", Action::OfOutputs(Box::new(Outputs(0.5)))),
    ]);
    let row = run(penalties).go().unwrap().progress.rows.remove(0);
    assert_eq!(
        (plain.train_loss, plain.penalties.len()),
        (row.train_loss, 0)
    );
    let of_fc = parameters(net())
        .into_iter()
        .find(|(path, _)| path == "fc.weight");
    let squares: f64 = of_fc.unwrap().1.iter().map(|w| f64::from(*w).powi(2)).sum();
    assert!(
        (row.penalties[0] - 0.5 * squares).abs() < 1e-6,
        "{:?}",
        row.penalties
    );
    assert_eq!(row.penalties[1], 0.0);
    assert!(row.penalties[2] > 0.0);
}

#[test]
fn decay_steps_by_the_rate_of_the_group_and_constraints_hold_after_every_update() {
    let rules = || {
        rules(vec![
            ("*", Action::Decay(Box::new(Squares(0.5)))),
            ("conv.*", Action::Constrain(Box::new(Most(0.1)))),
        ])
    };
    let run = Run {
        // The optimizer does not move anything by itself.
        optimizer: "sgd(lr=0.1)",
        schedule: "constant(lr=0.1)",
        config: TrainConfig {
            max_updates: Some(1),
            groups: firebrick_core::Groups {
                rules: vec!["fc.*:lr=0.5".parse().unwrap()],
                ..Default::default()
            },
            ..config()
        },
        update: Some(Box::new(Still)),
        penalties: rules(),
        ..Run::new("flex")
    };
    let after = parameters(run.go().unwrap().model);
    for ((path, before), (_, after)) in parameters(net()).into_iter().zip(after) {
        let rate = if path.starts_with("fc.") { 0.05 } else { 0.1 };
        // Constraints are for weights of layers: the bias keeps its value.
        let most = if path == "conv.weight" { 0.1 } else { f32::MAX };
        let expected: Vec<f32> = before
            .iter()
            .map(|w| (w * (1.0 - rate)).min(most))
            .collect();
        assert!(close(&after, &expected), "{path}");
        assert!(path != "conv.weight" || before.iter().any(|w| *w > 0.12));
    }
}

#[test]
fn a_run_with_penalties_resumes_bit_for_bit() {
    let run = || Run {
        optimizer: "sam(base=sgd(lr=0.05, momentum=0.9))",
        penalties: rules(vec![
            ("*", Action::AddToLoss(Box::new(Squares(0.01)))),
            ("*", Action::OfOutputs(Box::new(Outputs(0.1)))),
            ("*", Action::Constrain(Box::new(Most(0.3)))),
        ]),
        ..Run::new("flex")
    };
    let whole = run().go().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&scratch.path().join("run")).unwrap();
    let part = Run {
        dir: Some(&dir),
        ..run().until(7)
    };
    part.go().unwrap();
    let resumed = Run {
        dir: Some(&dir),
        resume: newest(&dir, "flex"),
        ..run()
    };
    let resumed = resumed.go().unwrap();
    assert_eq!(bytes(&whole.model), bytes(&resumed.model));
    let penalties = |progress: &firebrick_train::Progress| {
        let rows = progress.rows.iter();
        rows.map(|row| row.penalties.clone()).collect::<Vec<_>>()
    };
    assert_eq!(penalties(&whole.progress), penalties(&resumed.progress));
}

#[test]
fn a_rule_for_no_parameter_is_refused() {
    for (path, action, needle) in [
        (
            "head.*",
            Action::AddToLoss(Box::new(Squares(1.0)) as _),
            "`head.*` matches no parameter",
        ),
        (
            "fc.wieght",
            Action::Decay(Box::new(Squares(1.0)) as _),
            "did you mean `fc.weight`",
        ),
        (
            "*.bias",
            Action::Constrain(Box::new(Most(1.0)) as _),
            "only vectors",
        ),
    ] {
        let run = Run {
            penalties: rules(vec![(path, action)]),
            source: Source::new(8, 8),
            ..Run::new("flex")
        };
        let error = run.go().err().unwrap().to_string();
        assert!(error.contains(needle), "{error}");
    }
}

/// An update that changes nothing.
struct Still;

impl firebrick_core::update::Update for Still {
    fn name(&self) -> &str {
        "still"
    }

    fn step(
        &mut self,
        _step: &firebrick_core::update::Step<'_>,
        parameters: Parameters,
        _gradients: firebrick_core::parameters::Gradients,
        _reevaluate: &mut firebrick_core::update::Reevaluate<'_>,
    ) -> Result<Parameters, firebrick_core::update::UpdateError> {
        Ok(parameters)
    }

    fn state(&self) -> firebrick_core::update::UpdateState {
        firebrick_core::update::UpdateState::default()
    }

    fn load_state(
        &mut self,
        _state: firebrick_core::update::UpdateState,
        _paths: &[String],
        _device: &burn::tensor::Device,
    ) -> Result<(), firebrick_core::update::UpdateError> {
        Ok(())
    }
}

/// λ times the distance of a value from where it began, squared and summed.
struct Moved(f64, Arc<StartingPoint>);

impl Penalty for Moved {
    fn charge(&self, parameter: &Parameter) -> Charge {
        let start = self.1.of(&parameter.path);
        let start = start.unwrap_or_else(|| parameter.value.zeros_like());
        let moved = parameter.value.clone() - start;
        Charge {
            value: moved.clone().square().sum() * self.0,
            gradient: moved * (2.0 * self.0),
        }
    }

    fn starting_point(&self) -> Option<&StartingPoint> {
        Some(&self.1)
    }
}

#[test]
fn a_distance_from_the_start_is_measured_from_there_also_after_a_resume() {
    let penalties = |point: &Arc<StartingPoint>| {
        let moved = Moved(0.5, point.clone());
        rules(vec![("*", Action::AddToLoss(Box::new(moved)))])
    };
    let without = Run {
        penalties: penalties(&Arc::default()),
        ..Run::new("flex")
    };
    let error = without.go().err().unwrap().to_string();
    assert!(error.contains("`StartWeights`"), "{error}");

    let trained = |dir: Option<&RunDir>, until: u64| {
        let point = Arc::default();
        let told = penalties(&point);
        let run = Run {
            dir,
            resume: dir.and_then(|dir| newest(dir, "flex")),
            hooks: vec![Box::new(StartWeights::new(&told, BTreeSet::new()))],
            penalties: penalties(&point),
            ..Run::new("flex")
        };
        bytes(&run.until(until).go().unwrap().model)
    };
    let whole = trained(None, 9);
    assert_ne!(whole, bytes(&Run::new("flex").until(9).go().unwrap().model));
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    trained(Some(&dir), 4);
    assert_eq!(trained(Some(&dir), 9), whole);
}
