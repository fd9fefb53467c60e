//! What is frozen stays as it is, in every model of the zoo.

use std::collections::BTreeMap;

use firebrick::core::state_dict::StateDict;
use firebrick::core::{GroupRule, Groups, freeze};
use firebrick::prelude::*;

/// The side of images where the model is not made for larger ones.
const SIDE: usize = 12;
const CLASSES: usize = 3;

/// Ten batches of two images each.
struct Stripes {
    classes: Vec<String>,
    side: usize,
    batch: usize,
}

impl BatchSource for Stripes {
    fn samples(&self) -> usize {
        2 * self.batches()
    }
    fn batches(&self) -> usize {
        10
    }
    fn start(&mut self, _epoch: u64, batch: usize) {
        self.batch = batch;
    }
    fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
        let batch = self.batch;
        if batch == self.batches() {
            return None;
        }
        self.batch += 1;
        let labels = [batch % CLASSES, (batch + 1) % CLASSES];
        let pixel = |label: usize, place: usize| ((place * (label + 1) + batch) % 7) as f32 - 3.0;
        let values = 0..3 * self.side * self.side;
        let images = labels.map(|label| values.clone().map(move |place| pixel(label, place)));
        Some(Ok(Batch {
            images: images.into_iter().flatten().collect(),
            shape: [2, 3, self.side, self.side],
            targets: Targets::Classes(labels.to_vec()),
            classes: CLASSES,
            indices: vec![2 * batch, 2 * batch + 1],
        }))
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn fingerprint(&self) -> String {
        "stripes".into()
    }
}

/// Trains only the head.
struct HeadAlone(String);

impl<M: Module> Hook<M> for HeadAlone {
    fn name(&self) -> &str {
        "head_alone"
    }

    fn begin(
        &mut self,
        model: M,
        _context: &mut HookContext<'_>,
        _kept: Option<HookState>,
    ) -> Result<M, TrainError> {
        Ok(freeze(model, |path| !path.starts_with(&self.0)))
    }
}

enum Way {
    Groups,
    Hook,
}

/// The weights and statistics before and after ten updates with momentum and decay of the head alone, and
/// what begins the names of those of the head.
fn train(spec: &Spec, way: &Way, optimizer: &str, seed: u64) -> ([StateDict; 2], String) {
    let device = device("flex").unwrap().autodiff();
    let side = if spec.name.starts_with("test_") {
        firebrick::zoo::default_input(spec).unwrap().height
    } else {
        SIDE
    };
    let input = Input {
        channels: 3,
        height: side,
        width: side,
        classes: CLASSES,
    };
    let model = firebrick::zoo::build(spec, &input, 1, &device).unwrap();
    let before = StateDict::of(&model);
    let architecture = firebrick::zoo::architecture(spec).unwrap();
    let head = format!("{}.", architecture.head().unwrap());
    let rule = |path: &str, lr: f64| GroupRule {
        lr,
        ..GroupRule::new(path)
    };
    let rules = match way {
        Way::Groups => vec![rule("*", 0.0), rule(&format!("{head}*"), 1.0)],
        Way::Hook => Vec::new(),
    };
    let config = TrainConfig {
        epochs: 1,
        seed,
        groups: Groups {
            rules,
            ..Groups::default()
        },
        ..TrainConfig::default()
    };
    let run = RunLength::new(1, 20, 2, 1);
    let plan = plan(
        &optimizer.parse().unwrap(),
        &Spec::new("constant"),
        None,
        run,
    )
    .unwrap();
    let mut source = Stripes {
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        side,
        batch: 0,
    };
    let loss = CrossEntropy::default();
    let mut training = Training::new(model, plan.update, plan.schedule, &loss, &mut source);
    if let Way::Hook = way {
        training.hooks.push(Box::new(HeadAlone(head.clone())));
    }
    let outcome = fit(training, &config).unwrap();
    assert_eq!(outcome.progress.step, 10);
    ([before, StateDict::of(&outcome.model)], head)
}

fn changed(before: &StateDict, after: &StateDict) -> BTreeMap<String, bool> {
    let tensors = before.tensors.iter();
    let changed = tensors.map(|(key, data)| (key.clone(), after.tensors[key] != *data));
    changed.collect()
}

#[test]
fn not_one_bit_of_a_frozen_parameter_or_statistic_moves() {
    for (at, entry) in firebrick::zoo::TINY.entries().into_iter().enumerate() {
        let spec = Spec::new(entry.about.name);
        // Both ways are one function; the models take turns.
        let (way, optimizer) = if at.is_multiple_of(2) {
            (Way::Groups, "sgd(0.1, momentum=0.9, weight_decay=0.1)")
        } else {
            (Way::Hook, "adamw(0.01, weight_decay=0.1)")
        };
        let ([before, after], head) = train(&spec, &way, optimizer, 0);
        for (key, moved) in changed(&before, &after) {
            assert_eq!(moved, key.starts_with(&head), "{spec}: {key}");
        }
    }
}

#[test]
fn frozen_dropout_is_off() {
    for spec in ["lenet5(dropout=0.5)", "small_cnn(dropout=0.5)"] {
        let spec: Spec = spec.parse().unwrap();
        let trained = |seed| train(&spec, &Way::Groups, "sgd(0.1)", seed).0;
        assert_eq!(trained(0), trained(1), "{spec}: nothing is drawn");
    }
}
