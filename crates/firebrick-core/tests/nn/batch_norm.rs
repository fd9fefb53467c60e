//! Batch norm: its gradients, and its running statistics.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::nn::{BatchNorm, BatchNormConfig};
use firebrick_core::state_dict::StateDict;

use crate::support::{TOLERANCE, assert_close, f64_weights, noise, scalar, training, values};

#[test]
fn batch_norm_gradients_in_training_and_frozen() {
    let norm = BatchNormConfig::new(3).init(&training());
    let input = noise([4, 3, 2, 2]);
    let check = GradCheck::in_f64();
    check
        .module(&norm, |norm| scalar(norm.forward(input.clone())))
        .assert_within(TOLERANCE);
    let training = f64_weights(norm.clone());
    let report = check.tensor("input", &input, |input| scalar(training.forward(input)));
    report.assert_within(TOLERANCE);
    let frozen = f64_weights(norm.freeze());
    let report = check.tensor("input", &input, |input| scalar(frozen.forward(input)));
    report.assert_within(TOLERANCE);
}

fn norm_of(input: &[f32], norm: &BatchNorm) -> Vec<f32> {
    let device = norm.gamma.as_ref().unwrap().device();
    values(&norm.forward(Tensor::<1>::from_floats(input, &device).reshape([input.len(), 1])))
}

#[test]
fn running_variance_is_unbiased_and_read_after_one_batch() {
    let norm = BatchNormConfig::new(1).init(&training());
    // Mean 4, biased variance 4, unbiased 8; momentum 0.1.
    let output = norm_of(&[2.0, 6.0], &norm);
    assert_close(&output, &[-1.0, 1.0], 1e-4);
    let dict = StateDict::of(&norm);
    let read = |key: &str| dict.tensors[key].try_to_vec::<f32>().unwrap()[0];
    assert!((read("running_mean") - 0.4).abs() < 1e-6);
    assert!((read("running_var") - (0.9 + 0.1 * 8.0)).abs() < 1e-6);
    // Evaluation uses them.
    let expected = (2.0 - 0.4) / (1.7f32 + 1e-5).sqrt();
    assert_close(&norm_of(&[2.0], &norm.valid()), &[expected], 1e-5);
}

#[test]
fn freezing_and_evaluation_keep_the_statistics() {
    let norm = BatchNormConfig::new(1).init(&training());
    norm_of(&[2.0, 6.0], &norm);
    let before = StateDict::of(&norm);
    norm_of(&[100.0, 300.0], &norm.valid());
    assert_eq!(StateDict::of(&norm), before);
    let frozen = norm.freeze();
    norm_of(&[100.0, 300.0], &frozen);
    assert_eq!(StateDict::of(&frozen), before);
    // One value for each channel is enough where no statistics are taken.
    norm_of(&[1.0], &frozen);
}

#[test]
fn statistics_go_through_valid_and_train() {
    let norm = BatchNormConfig::new(1).init(&training());
    norm_of(&[2.0, 6.0], &norm);
    let copy = norm.valid().train();
    assert_eq!(StateDict::of(&copy), StateDict::of(&norm));
    norm_of(&[2.0, 6.0], &copy);
    // The copy trains on, alone.
    assert_ne!(StateDict::of(&copy), StateDict::of(&norm));
    let mean = StateDict::of(&copy).tensors["running_mean"]
        .try_to_vec::<f32>()
        .unwrap()[0];
    assert!((mean - 0.76).abs() < 1e-6, "{mean}");
}

/// burn's running statistics are shared by clones; this pins the documented trap.
#[test]
fn a_clone_shares_statistics() {
    let norm = BatchNormConfig::new(1).init(&training());
    let clone = norm.clone();
    norm_of(&[2.0, 6.0], &norm);
    assert_eq!(StateDict::of(&clone), StateDict::of(&norm));
}

#[test]
#[should_panic(expected = "more than one value for each channel")]
fn one_value_for_each_channel_cannot_train() {
    norm_of(&[1.0], &BatchNormConfig::new(1).init(&training()));
}
