//! Averages of the weights, which are evaluated and saved in place of the model.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use firebrick_core::loss::CrossEntropy;
use firebrick_core::parameters::Parameters;
use firebrick_core::run::Scores;
use firebrick_core::state_dict::StateDict;
use firebrick_train::{
    Checkpoint, Flow, Hook, HookContext, HookState, RunDir, TrainError, evaluate,
    recount_statistics,
};

use super::{config, killed, net, temporary};
use crate::support::{Average, Net, Run, Source, alone, bytes};

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
