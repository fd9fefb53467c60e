//! Freezing parts of a model, and which layers go with their parameters.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{DType, Tensor};
use firebrick_core::freeze::{freezable, freeze_affine, freeze_statistics};
use firebrick_core::nn::{BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Linear, LinearConfig};
use firebrick_core::parameters::Parameters;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{freeze, unfreeze};

use crate::support::{noise, training, values};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    bn: BatchNorm,
    dropout: Dropout,
    fc: Linear,
}

fn net() -> Net {
    let device = training();
    Net {
        conv: Conv2dConfig::new([1, 2], 3).with_bias(false).init(&device),
        bn: BatchNormConfig::new(2).init(&device),
        dropout: DropoutConfig::new(0.5).init(),
        fc: LinearConfig::new(2, 2).init(&device),
    }
}

/// The trainable parameters, and whether batch norm and dropout are in training.
fn trains(net: &Net) -> (Vec<String>, bool, bool) {
    let paths = Parameters::list(net).into_iter();
    (
        paths.map(|(path, _)| path).collect(),
        net.bn.training.is_enabled(),
        net.dropout.training.is_enabled(),
    )
}

#[test]
fn a_norm_goes_with_the_last_of_its_parameters_and_dropout_with_its_path() {
    let all = [
        "conv.weight",
        "bn.weight",
        "bn.bias",
        "fc.weight",
        "fc.bias",
    ];
    let left = |frozen: &[&str]| -> Vec<String> {
        let kept = all.iter().filter(|path| !frozen.contains(path));
        kept.map(|path| (*path).to_string()).collect()
    };
    let of = |which: &dyn Fn(&str) -> bool| trains(&freeze(net(), which));
    assert_eq!(trains(&net()), (left(&[]), true, true));
    assert_eq!(
        of(&|path| path == "conv.weight"),
        (left(&["conv.weight"]), true, true)
    );
    assert_eq!(
        of(&|path| path == "bn.bias"),
        (left(&["bn.bias"]), true, true)
    );
    assert_eq!(
        of(&|path| path.starts_with("bn.")),
        (left(&["bn.weight", "bn.bias"]), false, true)
    );
    assert_eq!(
        of(&|path| path.starts_with("dropout.")),
        (left(&[]), true, false)
    );
    let backbone = of(&|path| !path.starts_with("fc."));
    assert_eq!(
        backbone,
        (left(&["conv.weight", "bn.weight", "bn.bias"]), false, false)
    );
    // One after the other is the same.
    let weight = freeze(net(), |path| path == "bn.weight");
    assert!(
        !freeze(weight, |path| path == "bn.bias")
            .bn
            .training
            .is_enabled()
    );
}

#[test]
fn unfreezing_brings_back_what_it_selects_and_nothing_else() {
    let frozen = || freeze(net(), |_| true);
    assert_eq!(trains(&frozen()), (vec![], false, false));
    assert_eq!(trains(&unfreeze(frozen(), |_| true)), trains(&net()));
    let (paths, bn, dropout) = trains(&unfreeze(frozen(), |path| path == "bn.bias"));
    assert_eq!((paths, bn, dropout), (vec!["bn.bias".into()], true, false));
    let (paths, bn, _) = trains(&unfreeze(frozen(), |path| path.starts_with("fc.")));
    assert_eq!((paths.len(), bn), (2, false));
    // What was frozen by other means stays so.
    let own = net().freeze().set_require_grad(true);
    assert!(
        !freeze(own, |path| path.starts_with("fc."))
            .bn
            .training
            .is_enabled()
    );
}

#[test]
fn every_path_that_freezing_asks_for_is_listed_once() {
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    freeze(net(), |path| asked.borrow_mut().insert(path.to_string()));
    let listed = freezable(&net());
    let paths: Vec<&str> = listed.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "conv.weight",
            "bn.weight",
            "bn.bias",
            "dropout.training",
            "fc.weight",
            "fc.bias"
        ]
    );
    assert_eq!(
        asked.into_inner(),
        paths.iter().map(ToString::to_string).collect()
    );
    let flags = listed.iter().filter(|one| !one.is_parameter);
    assert_eq!(flags.count(), 1);
}

#[test]
fn being_frozen_outlives_a_visit_to_evaluation_and_other_weights() {
    let frozen = freeze(net(), |path| !path.starts_with("fc."));
    let weights = StateDict::of(&frozen);
    let expected = trains(&frozen);
    assert_eq!(trains(&frozen.valid().train()), expected);
    assert_eq!(trains(&firebrick_core::independent_copy(&frozen)), expected);
    let loaded = weights.clone().load_into(frozen).unwrap();
    assert_eq!(trains(&loaded), expected);
    let averaged = Parameters::of(&loaded).load_into(&loaded).unwrap();
    assert_eq!(trains(&averaged), expected);
    // A frozen norm uses its running statistics and keeps them.
    let device = training();
    let images = Tensor::<4>::ones([2, 2, 3, 3], &device) * 7.0;
    let output = averaged.bn.forward(images.clone());
    assert_eq!(StateDict::of(&averaged), weights);
    let mean: f32 = output.mean().into_scalar();
    assert!(
        (mean - 7.0 / (1.0_f32 + 1e-5).sqrt()).abs() < 1e-5,
        "{mean}"
    );
    // Nothing is kept for a backward pass.
    let images = Tensor::<4>::ones([2, 1, 5, 5], &device);
    let hidden = |net: &Net| net.bn.forward(net.conv.forward(images.clone()));
    assert!(!hidden(&averaged).is_tracked() && hidden(&net()).is_tracked());
    let one = Tensor::<4>::ones([1, 2, 1, 1], &device);
    assert!(
        averaged
            .bn
            .forward(one)
            .into_data()
            .iter::<f32>()
            .all(f32::is_finite)
    );
}

#[test]
fn statistics_and_affine_freeze_apart() {
    let bn = || BatchNormConfig::new(2).init(&training());
    let input = noise([4, 2, 3, 3]).cast(DType::F32) * 3.0 + 1.0;
    let running = |bn: &BatchNorm| values(&bn.running_mean.as_ref().unwrap().value());
    let trains = |bn: &BatchNorm| bn.gamma.as_ref().unwrap().is_require_grad();
    let pair = [("first", bn()), ("second", bn())];
    let by_batch = values(&bn().forward(input.clone()));
    let by_statistics = values(&bn().valid().forward(input.clone().inner()));

    let [(_, first), (_, second)] = pair;
    let (first, second) = freeze_statistics((first, second), |path| path == "0");
    assert_eq!(values(&first.forward(input.clone())), by_statistics);
    assert_eq!(running(&first), [0.0; 2]);
    assert!(trains(&first), "scale and shift are trained");
    assert_eq!(
        values(&second.forward(input.clone())),
        by_batch,
        "not selected"
    );
    let first = unfreeze(first.valid().train(), |_| true);
    assert_eq!(values(&first.forward(input.clone())), by_batch, "unfrozen");

    let frozen = freeze_affine(bn(), str::is_empty);
    assert_eq!(values(&frozen.forward(input.clone())), by_batch);
    assert_ne!(running(&frozen), [0.0; 2]);
    assert!(!trains(&frozen) && !frozen.beta.as_ref().unwrap().is_require_grad());
    let both = freeze(frozen, |_| true);
    let before = running(&both);
    let _ = both.forward(input);
    assert_eq!(running(&both), before, "both");
}
