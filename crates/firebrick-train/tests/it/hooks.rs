//! Hooks that do the work: what they begin with, what is evaluated in place of the model, what they keep.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{BoolStore, DType, TensorData};
use firebrick_core::loss::CrossEntropy;
use firebrick_core::parameters::Parameters;
use firebrick_core::run::Scores;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{freeze, unfreeze};
use firebrick_train::{
    Checkpoint, Ended, EvaluationModel, Flow, Hook, HookContext, HookState, Monitor, Outcome,
    RunDir, TrainConfig, TrainError, evaluate, recount_statistics,
};

use crate::support::{Average, Kill, Net, Run, Source, alone, bytes, epochs, newest};

fn config() -> TrainConfig {
    TrainConfig {
        monitor: Monitor::ValidLoss,
        checkpoint_every: Some(2),
        keep: 3,
        ..Run::new("flex").config
    }
}

fn net() -> Net {
    Net::new(&firebrick_core::device("flex").unwrap().autodiff())
}

fn temporary() -> (tempfile::TempDir, RunDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    (temp, dir)
}

fn scores(weights: &StateDict) -> Scores {
    let _turn = alone();
    let net = weights.clone().load_into(net()).unwrap();
    let loss = CrossEntropy::default();
    let evaluation = evaluate(&net, &mut Source::new(20, 8), &loss, &mut |_| {});
    evaluation.unwrap().scores
}

fn at(dir: &RunDir, step: u64) -> Checkpoint {
    let path = dir.path().join(format!("checkpoints/step-{step:09}"));
    Checkpoint::load(&path, &firebrick_core::device("flex").unwrap()).unwrap()
}

/// Averages the weights on the host, in f64.
#[derive(Clone, Default)]
struct ByHand(Rc<RefCell<BTreeMap<String, Vec<f64>>>>);

impl Hook<Net> for ByHand {
    fn name(&self) -> &str {
        "by_hand"
    }

    fn begin(
        &mut self,
        model: Net,
        _: &mut HookContext<'_>,
        _: Option<HookState>,
    ) -> Result<Net, TrainError> {
        let begun = Parameters::of(&model).to_data().into_iter();
        *self.0.borrow_mut() = begun
            .map(|(path, data)| (path, data.iter::<f64>().collect()))
            .collect();
        Ok(model)
    }

    fn after_step(
        &mut self,
        model: &Net,
        _: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        for (path, data) in Parameters::of(model).to_data() {
            let mut all = self.0.borrow_mut();
            let average = all.get_mut(&path).unwrap();
            for (average, value) in average.iter_mut().zip(data.iter::<f64>()) {
                *average += 0.2 * (value - *average);
            }
        }
        Ok(Flow::Continue)
    }
}

#[test]
fn an_average_is_evaluated_and_saved_while_training_goes_on_as_without_it() {
    let plain = Run {
        config: config(),
        ..Run::new("flex")
    };
    let plain = plain.go().unwrap();
    for recount_batches in [0, 3] {
        let (_temp, dir) = temporary();
        let average = Average::new(recount_batches);
        let (asked, by_hand) = (average.asked.clone(), ByHand::default());
        let run = Run {
            config: config(),
            dir: Some(&dir),
            hooks: vec![Box::new(average), Box::new(by_hand.clone())],
            ..Run::new("flex")
        };
        let outcome = run.go().unwrap();
        assert_eq!(asked.get(), 3, "built once in each of three evaluations");
        let last = at(&dir, 15);
        // Neither its running statistics nor the order of batches were touched.
        assert_eq!(last.model.to_safetensors().unwrap(), bytes(&plain.model));

        let evaluated = last.evaluated.clone().unwrap();
        let averaged = Parameters::of(&evaluated.clone().load_into(net()).unwrap()).to_data();
        assert_eq!(averaged, last.hooks["average"].tensors);
        for (path, expected) in by_hand.0.borrow().iter() {
            for (found, expected) in averaged[path].iter::<f64>().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{path}: {found} {expected}"
                );
            }
        }
        let statistics = |dict: &StateDict| {
            ["bn.running_mean", "bn.running_var"].map(|key| dict.tensors[key].clone())
        };
        if recount_batches == 0 {
            assert_eq!(statistics(&evaluated), statistics(&last.model));
        } else {
            let net = evaluated.clone().load_into(net()).unwrap();
            let recounted = recount_statistics(&net, &mut Source::new(40, 8), Some(3)).unwrap();
            assert_eq!(StateDict::of(&recounted), evaluated);
            assert_ne!(statistics(&evaluated), statistics(&last.model));
        }

        for row in &outcome.progress.rows {
            let here = at(&dir, row.step);
            assert_eq!(row.valid, Some(scores(&here.evaluated.unwrap())));
            assert_ne!(row.valid, Some(scores(&here.model)));
        }
        let best = at(&dir, outcome.progress.best.unwrap().step);
        assert_eq!(Some(outcome.best), best.evaluated);
        // The hook's last word: the average with statistics of all images.
        let finished = Parameters::of(&outcome.model).to_data();
        assert_eq!(finished, averaged);
        // Where nothing was evaluated, there is no other model to save.
        let cut = Run {
            config: config(),
            dir: Some(&dir),
            hooks: vec![Box::new(Average::new(recount_batches))],
            ..Run::new("flex")
        };
        cut.until(2).go().unwrap();
        assert_eq!(at(&dir, 2).evaluated, None);
    }
}

/// Kills a run after each of these updates and resumes it from its last checkpoint.
fn killed(after: &[u64], run: impl Fn() -> Run<'static>) {
    let whole = run().go().unwrap();
    for at in after.iter().copied() {
        let (_temp, dir) = temporary();
        let mut first = Run {
            dir: Some(&dir),
            ..run()
        };
        first.hooks.push(Box::new(Kill { at }));
        let error = first.go().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("killed"), "{error}");
        let checkpoint = newest(&dir, "flex").unwrap();
        assert!(checkpoint.progress.step < at);
        let resumed = Run {
            dir: Some(&dir),
            resume: Some(checkpoint),
            ..run()
        };
        let resumed = resumed.go().unwrap();
        assert_eq!(bytes(&resumed.model), bytes(&whole.model), "killed at {at}");
        assert_eq!(resumed.best, whole.best, "killed at {at}");
        assert_eq!(epochs(&resumed.progress), epochs(&whole.progress));
    }
}

#[test]
fn an_average_goes_on_after_a_kill_bit_for_bit() {
    killed(&[1, 8, 14], || Run {
        config: config(),
        hooks: vec![Box::new(Average::new(3))],
        ..Run::new("flex")
    });
}

#[test]
fn an_average_of_the_optimizer_is_evaluated_with_statistics_of_its_own() {
    let run = || Run {
        config: config(),
        optimizer: "schedule_free_adamw(lr=0.02)",
        schedule: "constant",
        ..Run::new("flex")
    };
    let (_temp, dir) = temporary();
    let outcome = Run {
        dir: Some(&dir),
        ..run()
    };
    let outcome = outcome.go().unwrap();
    for row in &outcome.progress.rows {
        let here = at(&dir, row.step);
        let view = here.evaluated.unwrap();
        assert_eq!(row.valid, Some(scores(&view)));
        assert_ne!(row.valid, Some(scores(&here.model)));
        let net = view.clone().load_into(net()).unwrap();
        let recounted = recount_statistics(&net, &mut Source::new(40, 8), None).unwrap();
        assert_eq!(StateDict::of(&recounted), view);
        assert_ne!(
            view.tensors["bn.running_mean"],
            here.model.tensors["bn.running_mean"]
        );
    }
    killed(&[8], run);
}

/// Says which parameters are trained in which update.
#[derive(Clone, Copy)]
struct Stages(fn(u64, &str) -> bool);

impl Stages {
    fn apply(self, model: Net, step: u64) -> Net {
        let model = unfreeze(model, |_| true);
        freeze(model, |path| !self.0(step, path))
    }
}

impl Hook<Net> for Stages {
    fn name(&self) -> &str {
        "stages"
    }

    fn begin(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
        _: Option<HookState>,
    ) -> Result<Net, TrainError> {
        Ok(self.apply(model, context.step))
    }

    fn before_step(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
    ) -> Result<Net, TrainError> {
        Ok(self.apply(model, context.step))
    }
}

/// The head, from update 4 on batch norm too, from update 9 on everything.
fn gradually(step: u64, path: &str) -> bool {
    let from = match path.split('.').next() {
        Some("fc") => 0,
        Some("bn") => 4,
        _ => 9,
    };
    step >= from
}

/// Everything, but batch norm and convolution rest in the middle, and the head for a while.
fn on_and_off(step: u64, path: &str) -> bool {
    match path.split('.').next() {
        Some("fc") => !(10..12).contains(&step),
        _ => !(3..9).contains(&step),
    }
}

#[test]
fn stages_that_freeze_and_unfreeze_go_on_after_a_kill_bit_for_bit() {
    // Checkpoints after updates 4 and 10 lie where something is frozen that was trained before.
    let config = TrainConfig {
        checkpoint_every: Some(4),
        ..config()
    };
    for (optimizer, stages) in [
        ("adamw(lr=0.01)", Stages(gradually)),
        ("adamw(lr=0.01)", Stages(on_and_off)),
        (
            "lookahead(2, base=sgd(lr=0.05, momentum=0.9))",
            Stages(on_and_off),
        ),
        ("schedule_free_adamw(lr=0.02)", Stages(on_and_off)),
        ("lbfgs(lr=0.1, max_iter=2)", Stages(on_and_off)),
    ] {
        killed(&[5, 11], || Run {
            config: config.clone(),
            optimizer,
            schedule: "constant",
            hooks: vec![Box::new(stages)],
            ..Run::new("flex")
        });
    }
}

#[test]
fn what_a_stage_freezes_does_not_move_and_what_it_unfreezes_does() {
    let run = Run {
        optimizer: "sgd(lr=0.1, momentum=0.9, weight_decay=0.1)",
        schedule: "constant",
        hooks: vec![
            Box::new(Stages(gradually)),
            Box::new(Watch(StateDict::of(&net()))),
        ],
        ..Run::new("flex")
    };
    run.go().unwrap();
}

/// Compares the model of each update with the one before.
struct Watch(StateDict);

impl Hook<Net> for Watch {
    fn name(&self) -> &str {
        "watch"
    }

    fn after_step(
        &mut self,
        model: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        let now = StateDict::of(model);
        for (key, before) in &self.0.tensors {
            let moved = now.tensors[key] != *before;
            assert_eq!(
                moved,
                gradually(context.step - 1, key),
                "{key} in {}",
                context.step
            );
        }
        self.0 = now;
        Ok(Flow::Continue)
    }
}

/// Keeps what it is given, and notes with what it began.
struct Keeper {
    name: &'static str,
    kept: Option<HookState>,
    began: Rc<RefCell<Vec<Option<HookState>>>>,
}

impl Keeper {
    fn new(name: &'static str, kept: Option<HookState>) -> Self {
        Self {
            name,
            kept,
            began: Rc::default(),
        }
    }
}

impl Hook<Net> for Keeper {
    fn name(&self) -> &str {
        self.name
    }

    fn begin(
        &mut self,
        model: Net,
        _: &mut HookContext<'_>,
        kept: Option<HookState>,
    ) -> Result<Net, TrainError> {
        self.began.borrow_mut().push(kept);
        Ok(model)
    }

    fn save(&self) -> Option<HookState> {
        self.kept.clone()
    }
}

fn error(outcome: Result<Outcome<Net>, TrainError>) -> String {
    outcome.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_a_hook_keeps_comes_back_as_it_was_whatever_its_type() {
    let of =
        |bytes: Vec<u8>, count: usize, dtype| TensorData::from_bytes_vec(bytes, [count], dtype);
    let tensors = [
        ("f64", TensorData::from([0.1_f64, f64::NAN, -0.0])),
        ("f32", TensorData::from([[0.1_f32, 2.0], [3.0, 4.0]])),
        ("i64", TensorData::from([i64::MAX, 2])),
        ("u8", TensorData::from([7_u8])),
        ("bf16", of(vec![1, 2, 3, 4], 2, DType::BF16)),
        ("bool", of(vec![1, 0], 2, DType::Bool(BoolStore::Native))),
    ];
    let kept = HookState {
        tensors: tensors.map(|(name, data)| (name.to_string(), data)).into(),
        data: serde_json::json!({ "count": 3 }),
    };
    let (_temp, dir) = temporary();
    let first = Run {
        dir: Some(&dir),
        hooks: vec![Box::new(Keeper::new("keeper", Some(kept.clone())))],
        ..Run::new("flex")
    };
    first.until(2).go().unwrap();
    let keeper = Keeper::new("keeper", Some(kept.clone()));
    let began = keeper.began.clone();
    let second = Run {
        dir: Some(&dir),
        resume: newest(&dir, "flex"),
        hooks: vec![Box::new(keeper)],
        ..Run::new("flex")
    };
    second.until(3).go().unwrap();
    let began = began.take().pop().unwrap().unwrap();
    assert_eq!(began.data, kept.data);
    let raw = |state: &HookState| -> Vec<_> {
        let tensors = state.tensors.iter();
        tensors
            .map(|(name, data)| {
                let shape = data.shape().to_vec();
                (name.clone(), data.dtype(), shape, data.as_bytes().to_vec())
            })
            .collect()
    };
    assert_eq!(raw(&began), raw(&kept));
}

#[test]
fn state_that_nobody_claims_or_that_is_missing_is_an_error() {
    let state = || Some(HookState::default());
    let (_temp, dir) = temporary();
    let run = |hooks: Vec<Keeper>, resume: bool| {
        let boxed = |hook| Box::new(hook) as Box<dyn Hook<Net>>;
        let run = Run {
            dir: Some(&dir),
            resume: if resume { newest(&dir, "flex") } else { None },
            hooks: hooks.into_iter().map(boxed).collect(),
            ..Run::new("flex")
        };
        run.until(3).go()
    };
    let hooks = || vec![Keeper::new("one", state()), Keeper::new("two", None)];
    run(hooks(), false).unwrap();
    // A hook that keeps nothing may come and go.
    run(vec![Keeper::new("one", state())], true).unwrap();
    run(hooks(), true).unwrap();
    let unclaimed = error(run(vec![Keeper::new("two", None)], true));
    assert!(
        unclaimed.contains("hook `one`") && unclaimed.contains("no hook of that name"),
        "{unclaimed}"
    );
    let both = vec![Keeper::new("one", state()), Keeper::new("two", state())];
    let missing = error(run(both, true));
    assert!(
        missing.contains("hook `two`") && missing.contains("trained without the hook"),
        "{missing}"
    );
}

#[test]
fn names_are_those_of_files_and_no_two_are_the_same() {
    let run = |names: &[&'static str]| {
        let hooks = names.iter().map(|name| Keeper::new(name, None));
        let run = Run {
            hooks: hooks
                .map(|hook| Box::new(hook) as Box<dyn Hook<Net>>)
                .collect(),
            ..Run::new("flex")
        };
        run.until(1).go()
    };
    run(&["a", "b-2", "C_3"]).unwrap();
    for names in [["ema", "ema"], ["EMA", "ema"]] {
        let error = error(run(&names));
        assert!(
            error.contains("two hooks of this run have this name"),
            "{error}"
        );
    }
    for name in ["", "a b", "../up", "a/b", "a\\b", "é", ".hidden", "a\0"] {
        let error = error(run(&[name]));
        assert!(error.contains("letters, digits"), "{name}: {error}");
    }
    // Nor does a checkpoint that something else made name a file elsewhere.
    let (temp, dir) = temporary();
    let plain = Run {
        dir: Some(&dir),
        ..Run::new("flex")
    };
    plain.until(1).go().unwrap();
    let mut checkpoint = newest(&dir, "flex").unwrap();
    checkpoint
        .hooks
        .insert("../../up".into(), HookState::default());
    let refused = checkpoint.save(&dir).unwrap_err().to_string();
    assert!(refused.contains("../../up"), "{refused}");
    assert!(!temp.path().join("run/up.safetensors").exists());
}

/// Uses all that a hook is given.
struct Busy {
    files: Rc<Cell<usize>>,
    finished: Rc<Cell<usize>>,
    interrupt: Option<Arc<AtomicBool>>,
}

impl Hook<Net> for Busy {
    fn name(&self) -> &str {
        "busy"
    }

    fn before_step(
        &mut self,
        model: Net,
        context: &mut HookContext<'_>,
    ) -> Result<Net, TrainError> {
        assert_eq!((context.seed, context.classes), (5, 3));
        assert!(context.device.is_autodiff());
        // Other images than those of the step, and more of them.
        let source = context.train_source();
        source.start(7, 1);
        while let Some(batch) = source.next_batch() {
            batch?;
        }
        Ok(model)
    }

    fn after_step(
        &mut self,
        model: &Net,
        context: &mut HookContext<'_>,
        _: f64,
    ) -> Result<Flow, TrainError> {
        context.train_source().start(0, 4);
        if let (Some(run), 4) = (context.run, context.step) {
            let bytes = StateDict::of(model).to_safetensors().unwrap();
            run.write("step-4.safetensors", &bytes)?;
            self.files.set(self.files.get() + 1);
        }
        if let (Some(flag), 6) = (&self.interrupt, context.step) {
            flag.store(true, Ordering::Relaxed);
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, model: Net, _: &mut HookContext<'_>) -> Result<Net, TrainError> {
        self.finished.set(self.finished.get() + 1);
        Ok(model)
    }
}

#[test]
fn a_hook_may_read_the_training_images_and_keep_files_and_the_run_is_the_same() {
    let whole = Run::new("flex").go().unwrap();
    let (_temp, dir) = temporary();
    let (files, finished) = (Rc::<Cell<usize>>::default(), Rc::<Cell<usize>>::default());
    let busy = |interrupt| Busy {
        files: files.clone(),
        finished: finished.clone(),
        interrupt,
    };
    let flag = Arc::new(AtomicBool::new(false));
    let first = Run {
        dir: Some(&dir),
        hooks: vec![Box::new(busy(Some(flag.clone())))],
        interrupted: flag,
        ..Run::new("flex")
    };
    let first = first.go().unwrap();
    assert_eq!((first.ended, first.progress.step), (Ended::Interrupted, 6));
    assert_eq!(finished.get(), 0, "an interrupted run is not over");
    let second = Run {
        dir: Some(&dir),
        resume: newest(&dir, "flex"),
        hooks: vec![Box::new(busy(None))],
        ..Run::new("flex")
    };
    let second = second.go().unwrap();
    assert_eq!(bytes(&second.model), bytes(&whole.model));
    assert_eq!(second.best, whole.best);
    assert_eq!((files.get(), finished.get()), (1, 1));
    let kept = std::fs::read(dir.path().join("step-4.safetensors")).unwrap();
    assert_eq!(StateDict::from_safetensors(&kept).unwrap().tensors.len(), 8);
}

/// Fails to give a model.
struct Failing;

impl Hook<Net> for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn evaluated(&mut self, _: &Net) -> Result<Option<EvaluationModel<Net>>, TrainError> {
        Err(TrainError::hook("failing", "there is no average yet"))
    }
}

#[test]
fn a_hook_that_cannot_give_the_model_says_why() {
    let run = Run {
        hooks: vec![Box::new(Failing)],
        ..Run::new("flex")
    };
    let error = error(run.go());
    assert_eq!(error, "hook `failing`: there is no average yet");
}

#[test]
fn a_directory_without_a_recipe_can_be_opened_again() {
    let whole = Run::new("flex").go().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let missing = RunDir::open(&path).unwrap_err().to_string();
    assert!(missing.contains("no such run directory"), "{missing}");
    let first = RunDir::create(&path).unwrap();
    let run = Run {
        dir: Some(&first),
        ..Run::new("flex")
    };
    run.until(7).go().unwrap();
    drop(first);
    let again = RunDir::open(&path).unwrap();
    let resumed = Run {
        dir: Some(&again),
        resume: newest(&again, "flex"),
        ..Run::new("flex")
    };
    assert_eq!(bytes(&resumed.go().unwrap().model), bytes(&whole.model));
    let other = RunDir::open(temp.path()).unwrap_err().to_string();
    assert!(other.contains("not a run directory"), "{other}");
}
