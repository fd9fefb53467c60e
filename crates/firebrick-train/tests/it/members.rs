//! A model that learns from several rows for each image.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::data::{Batch, BatchSource, DataError, Targets};
use firebrick_core::length::RunLength;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::penalty::Penalties;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, TrainingScores};
use firebrick_optim::plan;
use firebrick_train::{Outcome, TrainConfig, Training, fit, recount_statistics};

use crate::support::{CLASSES, Net, Run, Source, alone, bytes};

/// The net, which learns from each image twice: first in order, then in reverse.
#[derive(Module, Debug)]
struct Twice {
    net: Net,
}

impl Classifier for Twice {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.net.forward(images)
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingScores {
        let logits = self.net.forward(images);
        let [count, _] = logits.dims();
        TrainingScores {
            logits: Tensor::cat(vec![logits.clone(), logits.flip([0])], 0),
            images: Some((0..count).chain((0..count).rev()).collect()),
        }
    }
}

fn trained<M: Classifier>(
    model: M,
    source: &mut dyn BatchSource,
    config: &TrainConfig,
) -> Outcome<M> {
    let _turn = alone();
    let run = RunLength::new(2, 40, 8, config.accumulate);
    let optimizer = "sgd(momentum=0.9)".parse().unwrap();
    let plan = plan(&optimizer, &"constant(0.05)".parse().unwrap(), None, run).unwrap();
    let training = Training {
        model,
        update: plan.update,
        schedule: plan.schedule,
        loss: &CrossEntropy::default(),
        penalties: &Penalties::default(),
        train: source,
        valid: None,
        hooks: Vec::new(),
        run: None,
        identity: Run::identity(),
        resume: None,
        interrupted: std::sync::Arc::default(),
        notice: Box::new(|_| {}),
    };
    fit(training, config).unwrap()
}

/// Soft targets that are one class each.
struct Soft(Source);

impl BatchSource for Soft {
    fn samples(&self) -> usize {
        self.0.samples()
    }

    fn batches(&self) -> usize {
        self.0.batches()
    }

    fn start(&mut self, epoch: u64, batch: usize) {
        self.0.start(epoch, batch);
    }

    fn next_batch(&mut self) -> Option<Result<Batch, DataError>> {
        let mut batch = self.0.next_batch()?.unwrap();
        if let Targets::Classes(labels) = &batch.targets {
            let mut values = vec![0.0; labels.len() * CLASSES];
            for (row, label) in values.chunks_mut(CLASSES).zip(labels) {
                row[*label] = 1.0;
            }
            batch.targets = Targets::Soft {
                values,
                classes: CLASSES,
            };
        }
        Some(Ok(batch))
    }

    fn classes(&self) -> &[String] {
        self.0.classes()
    }

    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }
}

/// Each row is compared with the target of its own image, and counts for its part.
#[test]
fn learning_from_every_image_twice_is_learning_from_it_once() {
    let device = firebrick_core::device("flex").unwrap().autodiff();
    let net = || Net::new(&device).without_dropout();
    for accumulate in [1, 2] {
        let config = TrainConfig {
            epochs: 2,
            seed: 5,
            accumulate,
            ..TrainConfig::default()
        };
        let sources: [fn() -> Box<dyn BatchSource>; 2] = [
            || Box::new(Source::new(40, 8)),
            || Box::new(Soft(Source::new(40, 8))),
        ];
        for source in sources {
            let once = trained(net(), &mut *source(), &config);
            let twice = trained(Twice { net: net() }, &mut *source(), &config);
            let [once_weights, twice_weights] =
                [StateDict::of(&once.model), StateDict::of(&twice.model.net)];
            for (key, data) in once_weights.tensors {
                let other = twice_weights.tensors[&key].iter::<f32>();
                let apart = data.iter::<f32>().zip(other).map(|(a, b)| (a - b).abs());
                assert!(apart.fold(0.0, f32::max) < 1e-5, "{key}");
            }
            for (one, two) in once.progress.rows.iter().zip(&twice.progress.rows) {
                assert!((one.train_loss - two.train_loss).abs() < 1e-6);
                assert_eq!(one.train_top1, two.train_top1);
                assert!(one.train_top1 > 0.3);
            }
        }
    }
}

#[test]
fn statistics_are_counted_over_what_is_learned_from() {
    let device = firebrick_core::device("flex").unwrap();
    let net = Net::new(&device);
    let counted = recount_statistics(&net, &mut Source::new(20, 8), None).unwrap();
    let twice = Twice { net };
    let twice = recount_statistics(&twice, &mut Source::new(20, 8), None).unwrap();
    assert_eq!(bytes(&counted), bytes(&twice.net));
}
