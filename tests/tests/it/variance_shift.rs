//! What `train` says of dropout before batch norm, and what layers are told of the run.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use firebrick::core::init::Init;
use firebrick::core::nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool, Linear, LinearConfig,
};
use firebrick::core::random::share_of_run;
use firebrick::prelude::*;

/// Two convolutions with batch norm, and dropout between them or after them.
#[derive(Module, Debug)]
struct Net {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    dropout: Dropout,
    fc: Linear,
    #[module(skip)]
    between: bool,
    /// The share of the run at each training pass.
    #[module(skip)]
    shares: Arc<Mutex<Vec<Option<f64>>>>,
}

impl Classifier for Net {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        if images.device().is_autodiff() {
            self.shares.lock().unwrap().push(share_of_run());
        }
        let x = self.bn1.forward_relu(self.conv1.forward(images));
        let x = if self.between {
            self.dropout.forward(x)
        } else {
            x
        };
        let x = self.bn2.forward_relu(self.conv2.forward(x));
        let x = GlobalAvgPool::default().forward(x);
        self.fc.forward(if self.between {
            x
        } else {
            self.dropout.forward(x)
        })
    }
}

/// The notices of a short run, and the shares.
fn train(between: bool, p: f64) -> (Vec<String>, Vec<Option<f64>>) {
    let device = device("flex").unwrap().autodiff();
    let conv = |inputs| {
        Conv2dConfig::new([inputs, 4], 3)
            .with_padding(1)
            .init(&device)
    };
    let model = Net {
        conv1: conv(1),
        bn1: BatchNormConfig::new(4).init(&device),
        conv2: conv(4),
        bn2: BatchNormConfig::new(4).init(&device),
        dropout: DropoutConfig::new(p).init().unwrap(),
        fc: LinearConfig::new(4, 27).init(&device),
        between,
        shares: Arc::default(),
    };
    let model = Init::PYTORCH.apply(model, 0);
    let shares = model.shares.clone();
    let recipe = Recipe {
        dataset: "glyphs(train=64, test=8)".into(),
        batch_size: 16,
        valid_fraction: 0.0,
        ..Recipe::default()
    };
    let data = Prepared::open(&recipe, "no-data".as_ref()).unwrap();
    let mut source = data.train_loader(&recipe).unwrap();
    let run = RunLength::new(2, source.samples() as u64, 16, 1);
    let plan = plan(
        &"sgd(0.01)".parse().unwrap(),
        &Spec::new("constant"),
        None,
        run,
    )
    .unwrap();
    let loss = CrossEntropy::default();
    let notices = RefCell::new(Vec::new());
    let training = Training {
        notice: Box::new(|text| notices.borrow_mut().push(text.to_string())),
        ..Training::new(model, plan.update, plan.schedule, &loss, &mut source)
    };
    let config = TrainConfig {
        epochs: 2,
        ..TrainConfig::default()
    };
    fit(training, &config).unwrap();
    let shares = shares.lock().unwrap().clone();
    (notices.into_inner(), shares)
}

#[test]
fn dropout_before_batch_norm_is_told_before_training() {
    let (notices, _) = train(true, 0.2);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].starts_with("dropout after bn1 comes before batch norm bn2"),
        "{notices:?}"
    );
    for (between, p) in [(false, 0.2), (true, 0.0)] {
        let (notices, _) = train(between, p);
        assert!(notices.is_empty(), "{between} {p}: {notices:?}");
    }
}

#[test]
fn layers_know_how_far_the_run_is() {
    let (_, shares) = train(false, 0.0);
    let updates = 2 * 64_u64.div_ceil(16);
    // The first pass looks at what layers put out, and belongs to no update.
    let found: Vec<f64> = shares.into_iter().flatten().collect();
    let expected: Vec<f64> = (0..updates)
        .map(|step| step as f64 / updates as f64)
        .collect();
    assert_eq!(found[found.len() - expected.len()..], expected);
}
