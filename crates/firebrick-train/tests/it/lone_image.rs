//! Batches of one image where batch norm needs more than one.

use std::cell::RefCell;

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::Classifier;
use firebrick_core::init::Init;
use firebrick_core::length::RunLength;
use firebrick_core::loss::CrossEntropy;
use firebrick_core::nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool, Linear, LinearConfig,
};
use firebrick_core::state_dict::StateDict;
use firebrick_optim::plan;
use firebrick_train::lone_image::cannot_train_alone;
use firebrick_train::{Outcome, TrainConfig, TrainError, Training, fit};

use crate::support::{CLASSES, Source, alone};

/// A convolution, and batch norm either of its maps or of their means.
#[derive(Module, Debug)]
struct Late {
    conv: Conv2d,
    bn: BatchNorm,
    pool: GlobalAvgPool,
    fc: Linear,
    late: bool,
}

impl Late {
    fn new(late: bool) -> Self {
        let device = firebrick_core::device("flex").unwrap().autodiff();
        let net = Self {
            conv: Conv2dConfig::new([1, 4], 3).init(&device),
            bn: BatchNormConfig::new(4).init(&device),
            pool: GlobalAvgPool::default(),
            fc: LinearConfig::new(4, CLASSES).init(&device),
            late,
        };
        Init::PYTORCH.apply(net, 7)
    }
}

impl Classifier for Late {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.conv.forward(images);
        let x = if self.late {
            self.bn.forward(self.pool.forward(x))
        } else {
            self.pool.forward(self.bn.forward(x))
        };
        self.fc.forward(x)
    }
}

fn train(late: bool, mut source: Source) -> (Result<Outcome<Late>, TrainError>, Vec<String>) {
    let _turn = alone();
    let said = RefCell::new(Vec::new());
    let run = RunLength::new(2, source.samples as u64, source.batch_size as u64, 1);
    let plan = plan(
        &"sgd(lr=0.1)".parse().unwrap(),
        &"constant".parse().unwrap(),
        None,
        run,
    );
    let plan = plan.unwrap();
    let loss = CrossEntropy::default();
    let model = Late::new(late);
    let mut training = Training::new(model, plan.update, plan.schedule, &loss, &mut source);
    training.notice = Box::new(|text| said.borrow_mut().push(text.to_string()));
    let config = TrainConfig {
        epochs: 2,
        ..TrainConfig::default()
    };
    let outcome = fit(training, &config);
    (outcome, said.into_inner())
}

#[test]
fn what_one_image_is_to_batch_norm_is_found_from_the_shapes() {
    let late = Late::new(true);
    let before = StateDict::of(&late);
    assert!(cannot_train_alone(&late, [1, 6, 6]));
    assert_eq!(StateDict::of(&late), before, "nothing of it moved");
    let early = Late::new(false);
    assert!(!cannot_train_alone(&early, [1, 6, 6]));
    // A 3×3 convolution without padding leaves one pixel of 3×3 images.
    assert!(cannot_train_alone(&early, [1, 3, 3]));
    assert!(!cannot_train_alone(&early, [1, 3, 4]));
    // Frozen, batch norm takes no statistics.
    assert!(!cannot_train_alone(&late.freeze(), [1, 6, 6]));
}

#[test]
fn such_a_batch_is_left_out_and_said_once() {
    let (outcome, said) = train(true, Source::new(17, 8));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.progress.step, 4, "two updates in each epoch");
    assert!(
        said.len() == 1 && said[0].contains("batch 3 of epoch 1") && said[0].contains("6×6"),
        "{said:?}"
    );
    let (outcome, said) = train(false, Source::new(17, 8));
    assert_eq!((outcome.unwrap().progress.step, said.len()), (6, 0));
    let (outcome, said) = train(true, Source::new(18, 8));
    assert_eq!((outcome.unwrap().progress.step, said.len()), (6, 0));
}

#[test]
fn where_all_batches_are_like_that_it_is_an_error() {
    for source in [Source::new(5, 1), Source::new(1, 8)] {
        let (outcome, _) = train(true, source);
        let error = outcome.map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("every training batch has one image")
                && error.contains("larger batch size"),
            "{error}"
        );
    }
    let (outcome, said) = train(false, Source::new(5, 1));
    assert_eq!((outcome.unwrap().progress.step, said.len()), (10, 0));
}
