//! What a model predicts, and scores of that.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::{BatchSource, Targets};
use firebrick_core::loss::CrossEntropy;
use firebrick_train::{TrainConfig, Training, evaluate, fit, predict, score};

use crate::support::{CLASSES, Net, Source, alone};

fn net() -> Net {
    Net::new(&firebrick_core::device("flex").unwrap().autodiff())
}

#[test]
fn predictions_are_the_logits_of_each_image_and_evaluation_scores_them() {
    let net = net();
    let predictions = predict(&net, &mut Source::new(20, 8)).unwrap();
    assert_eq!((predictions.len(), predictions.classes), (20, CLASSES));
    assert_eq!(predictions.indices, (0..20).collect::<Vec<_>>());
    let mut source = Source::new(20, 8);
    source.start(0, 0);
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    while let Some(batch) = source.next_batch() {
        let batch = batch.unwrap();
        let device = firebrick_core::device("flex").unwrap();
        let images = Tensor::from_data(TensorData::new(batch.images, batch.shape), &device);
        let logits = net.valid().forward(images).into_data();
        rows.extend(logits.iter::<f32>());
        let Targets::Classes(own) = batch.targets else {
            panic!("classes");
        };
        labels.extend(own);
    }
    assert_eq!(
        (&predictions.logits, &predictions.targets),
        (&rows, &Targets::Classes(labels))
    );

    let loss = CrossEntropy::default();
    let mut done = Vec::new();
    let evaluation = evaluate(&net, &mut Source::new(20, 8), &loss, &mut |images| {
        done.push(images);
    });
    let evaluation = evaluation.unwrap();
    assert_eq!(done, [8, 16, 20]);
    let device = firebrick_core::device("flex").unwrap();
    let mut scored = score(&predictions, &loss, &device);
    // The batches of an evaluation are summed one by one.
    let apart = (scored.scores.loss - evaluation.scores.loss).abs();
    assert!(apart < 1e-6 && scored.scores.loss > 0.5, "{apart}");
    scored.scores.loss = evaluation.scores.loss;
    assert_eq!(scored, evaluation);
}

/// A source with one class more than the net.
struct More(Source, Vec<String>);

impl BatchSource for More {
    fn samples(&self) -> usize {
        self.0.samples()
    }
    fn batches(&self) -> usize {
        self.0.batches()
    }
    fn start(&mut self, epoch: u64, batch: usize) {
        self.0.start(epoch, batch);
    }
    fn next_batch(
        &mut self,
    ) -> Option<Result<firebrick_core::data::Batch, firebrick_core::data::DataError>> {
        self.0.next_batch()
    }
    fn classes(&self) -> &[String] {
        &self.1
    }
    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }
}

#[test]
fn a_model_for_another_number_of_classes_is_refused() {
    let _turn = alone();
    let more = |classes: usize| {
        let names = (0..classes).map(|class| class.to_string());
        More(Source::new(20, 8), names.collect())
    };
    let loss = CrossEntropy::default();
    for classes in [CLASSES + 1, CLASSES - 1] {
        let needle = format!("3 outputs, but the data has {classes} classes");
        let predicted = predict(&net(), &mut more(classes)).unwrap_err().to_string();
        assert!(predicted.contains(&needle), "{predicted}");
        let evaluated = evaluate(&net(), &mut more(classes), &loss, &mut |_| {});
        let evaluated = evaluated.unwrap_err().to_string();
        assert!(evaluated.contains(&needle), "{evaluated}");
        let run = firebrick_core::length::RunLength::new(1, 20, 8, 1);
        let plan = firebrick_optim::plan(
            &"sgd".parse().unwrap(),
            &"constant".parse().unwrap(),
            None,
            run,
        );
        let plan = plan.unwrap();
        let mut source = more(classes);
        let training = Training::new(net(), plan.update, plan.schedule, &loss, &mut source);
        let config = TrainConfig {
            epochs: 1,
            ..TrainConfig::default()
        };
        let trained = fit(training, &config).map(|_| ()).unwrap_err().to_string();
        assert!(trained.contains(&needle), "{trained}");
    }
}
