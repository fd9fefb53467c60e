//! Parameters by path, and their gradients.

use std::collections::BTreeSet;

use burn::module::Module;
use burn::tensor::Tensor;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::state_dict::StateDict;

use crate::support::{assert_close, net, plain, scalar, training, values};

#[test]
fn parameters_are_taken_and_put_back_by_path() {
    let net = net(&training());
    let before = StateDict::of(&net);
    let listed = Parameters::list(&net);
    let (empty, parameters) = Parameters::take(net);
    let paths: Vec<_> = parameters
        .0
        .iter()
        .map(|parameter| parameter.path.as_str())
        .collect();
    let expected = [
        "conv.weight",
        "conv.bias",
        "bn.weight",
        "bn.bias",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.weight",
        "blocks.1.bias",
        "shortcut.0.weight",
        "shortcut.0.bias",
        "shortcut.1.weight",
        "shortcut.1.bias",
        // The enum's variant is not in the path.
        "head.weight",
        "head.bias",
    ];
    assert_eq!(paths, expected);
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len());
    let shapes: Vec<_> = parameters
        .0
        .iter()
        .map(|p| (p.path.clone(), p.shape.clone()))
        .collect();
    assert_eq!(shapes, listed);
    assert!(
        parameters
            .0
            .iter()
            .all(|parameter| !parameter.value.device().is_autodiff())
    );
    let net = parameters.clone().put(empty);
    assert_eq!(StateDict::of(&net), before);
    // What was put back trains: a gradient arrives.
    let mut gradients =
        scalar(net.conv.forward(Tensor::ones([1, 1, 4, 4], &training()))).backward();
    let gradients = Gradients::take(&net, &mut gradients);
    let with_gradient: Vec<_> = gradients.0.iter().map(Option::is_some).collect();
    assert_eq!(with_gradient[..3], [true, true, false]);
}

#[test]
fn frozen_parameters_are_not_taken() {
    let mut net = net(&training());
    net.blocks = net.blocks.into_iter().map(Module::freeze).collect();
    let before = StateDict::of(&net);
    let (empty, parameters) = Parameters::take(net);
    assert!(
        parameters
            .0
            .iter()
            .all(|parameter| !parameter.path.starts_with("blocks"))
    );
    assert_eq!(parameters.0.len(), 10);
    assert_eq!(StateDict::of(&parameters.put(empty)), before);
}

fn gradients(of: &[&[f32]]) -> Gradients {
    Gradients(
        of.iter()
            .map(|values| Some(Tensor::from_floats(*values, &plain())))
            .collect(),
    )
}

fn flat(gradients: &Gradients) -> Vec<f32> {
    gradients.0.iter().flatten().flat_map(values).collect()
}

#[test]
fn norm_and_clipping_by_hand() {
    let of = || gradients(&[&[2.0, 2.0], &[8.0], &[-8.0, -8.0]]);
    let norm = of().norm();
    assert!((norm - 200f64.sqrt()).abs() < 1e-5, "{norm}");
    let clipped = flat(&of().clip_norm(norm, 1.0));
    let (small, large) = (0.141_421_35, 0.565_685_4);
    assert_close(&clipped, &[small, small, large, -large, -large], 1e-6);
    assert_eq!(flat(&of().clip_norm(norm, 15.0)), flat(&of()));
    assert_eq!(flat(&of().clip_value(3.0)), [2.0, 2.0, 3.0, -3.0, -3.0]);
    let sum = gradients(&[&[1.0]]).add_scaled(gradients(&[&[10.0]]), 0.5);
    assert_eq!(flat(&sum), [6.0]);
    let one_sided = Gradients(vec![None]).add_scaled(gradients(&[&[10.0]]), 0.5);
    assert_eq!(flat(&one_sided), [5.0]);
}

#[test]
fn the_first_gradient_that_is_not_finite_is_found() {
    assert_eq!(gradients(&[&[1.0, -1.0], &[0.0]]).first_not_finite(), None);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let found = gradients(&[&[1.0], &[0.0, bad, 2.0], &[bad]]).first_not_finite();
        assert_eq!(found, Some(1), "{bad}");
        assert!(!gradients(&[&[1.0], &[bad]]).norm().is_finite());
    }
    let missing = Gradients(vec![None, Some(Tensor::from_floats([f32::NAN], &plain()))]);
    assert_eq!(missing.first_not_finite(), Some(1));
}
