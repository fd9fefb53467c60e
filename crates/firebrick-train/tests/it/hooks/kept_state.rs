//! What hooks keep in checkpoints, under which names.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::{BoolStore, DType, TensorData};
use firebrick_train::{Hook, HookContext, HookState, TrainError};

use super::{error, temporary};
use crate::support::{Net, Run, newest};

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
