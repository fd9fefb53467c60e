//! Batch norm statistics computed anew from data.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;
use firebrick_core::Classifier;
use firebrick_core::data::BatchSource;
use firebrick_core::independent_copy;
use firebrick_core::init::Init;
use firebrick_core::nn::{BatchNorm, BatchNormConfig, GlobalAvgPool, Linear, LinearConfig};
use firebrick_core::state_dict::StateDict;
use firebrick_train::recount_statistics;

use crate::support::{CLASSES, Source, alone};

/// Batch norm of the pixels, after dropout, and of the mean of the image.
#[derive(Module, Debug)]
struct Pixels {
    dropout: Dropout,
    bn: BatchNorm,
    pool: GlobalAvgPool,
    late: BatchNorm,
    fc: Linear,
}

impl Pixels {
    fn new() -> Self {
        let device = firebrick_core::device("flex").unwrap().autodiff();
        let net = Self {
            dropout: DropoutConfig::new(0.5).init(),
            bn: BatchNormConfig::new(1).init(&device),
            pool: GlobalAvgPool::default(),
            late: BatchNormConfig::new(1).init(&device),
            fc: LinearConfig::new(1, CLASSES).init(&device),
        };
        Init::PYTORCH.apply(net, 7)
    }
}

impl Classifier for Pixels {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.bn.forward(self.dropout.forward(images));
        self.fc.forward(self.late.forward(self.pool.forward(x)))
    }
}

fn number(net: &impl Module, key: &str) -> f64 {
    let state = StateDict::of(net);
    state.tensors[key].iter::<f64>().sum()
}

/// The mean and unbiased variance of all pixels of the first batches of an epoch.
fn moments(source: &mut Source, batches: usize) -> (f64, f64) {
    let mut pixels = Vec::new();
    source.start(0, 0);
    for _ in 0..batches {
        let batch = source.next_batch().unwrap().unwrap();
        pixels.extend(batch.images.into_iter().map(f64::from));
    }
    let count = pixels.len() as f64;
    let mean = pixels.iter().sum::<f64>() / count;
    let squares = pixels.iter().map(|pixel| (pixel - mean).powi(2));
    (mean, squares.sum::<f64>() / (count - 1.0))
}

#[test]
fn they_are_the_exact_moments_of_the_data_without_dropout_and_the_model_stays_as_it_is() {
    let _turn = alone();
    let net = Pixels::new();
    let before = StateDict::of(&net);
    // Batches of classes apart, so that their means differ, the last with a single image.
    let source = || Source::zeros(41, [1, 3, 5]);
    for (batches, counted) in [(None, 5), (Some(2), 2), (Some(1), 1), (Some(99), 5)] {
        let recounted = recount_statistics(&net, &mut source(), batches).unwrap();
        // One image is a single value to the last layer, so it is left out.
        let (mean, variance) = moments(&mut source(), counted);
        let found = ["bn.running_mean", "bn.running_var"].map(|key| number(&recounted, key));
        assert!(
            (found[0] - mean).abs() < 2e-6,
            "{batches:?}: {found:?} {mean}"
        );
        assert!(
            (found[1] - variance).abs() < 2e-6,
            "{batches:?}: {found:?} {variance}"
        );
        // It trains as the model does.
        assert_eq!(
            recounted.dropout.training.is_enabled(),
            net.dropout.training.is_enabled()
        );
        assert!(
            recounted.bn.gamma.as_ref().unwrap().is_require_grad()
                && recounted.fc.weight.is_require_grad()
        );
    }
    assert_eq!(StateDict::of(&net), before);
    // The means of the batches lie apart, which the mean of their variances would not count.
    let (_, variance) = moments(&mut source(), 5);
    let within: f64 = (0..5)
        .map(|batch| {
            let mut source = source();
            source.start(0, batch);
            let pixels = source.next_batch().unwrap().unwrap().images;
            let count = pixels.len() as f64;
            let mean = pixels.iter().map(|pixel| f64::from(*pixel)).sum::<f64>() / count;
            pixels
                .iter()
                .map(|pixel| (f64::from(*pixel) - mean).powi(2))
                .sum::<f64>()
                / count
        })
        .sum::<f64>()
        / 5.0;
    assert!(variance > within + 0.01, "{variance} {within}");
}

#[test]
fn a_model_in_evaluation_stays_there_and_a_frozen_layer_keeps_its_statistics() {
    let mut source = Source::new(40, 8);
    let valid = recount_statistics(&Pixels::new().valid(), &mut source, None).unwrap();
    let trained = recount_statistics(&Pixels::new(), &mut source, None).unwrap();
    assert_eq!(StateDict::of(&valid), StateDict::of(&trained));
    let device = |net: &Pixels| net.devices().pop().unwrap();
    assert!(!device(&valid).is_autodiff() && device(&trained).is_autodiff());
    assert!(valid.train().bn.training.is_enabled());

    let mut frozen = Pixels::new();
    frozen.bn = frozen.bn.freeze();
    let recounted = recount_statistics(&frozen, &mut source, None).unwrap();
    assert_eq!(
        (
            number(&recounted, "bn.running_mean"),
            number(&recounted, "bn.running_var")
        ),
        (0.0, 1.0)
    );
    assert_ne!(number(&recounted, "late.running_mean"), 0.0);
    assert!(
        !recounted.bn.training.is_enabled()
            && !recounted.bn.gamma.as_ref().unwrap().is_require_grad()
    );
}

#[test]
fn weights_loaded_into_a_clone_leave_the_model_alone() {
    let _turn = alone();
    let net = Pixels::new();
    let before = StateDict::of(&net);
    let other = recount_statistics(&net, &mut Source::new(40, 8), None).unwrap();
    let weights = StateDict::of(&other);
    let loaded = weights.clone().load_into(net.clone()).unwrap();
    assert_eq!(
        (StateDict::of(&loaded), StateDict::of(&net)),
        (weights, before.clone())
    );
    let copy = independent_copy(&net);
    copy.forward(Tensor::ones([2, 1, 6, 6], &copy.devices()[0]));
    assert_ne!(StateDict::of(&copy), before);
    assert_eq!(StateDict::of(&net), before);
}
