//! What every unit of the family promises.

mod golden;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::random::{StepScope, rng};
use rand::RngExt;
use rand_distr::StandardNormal;

use super::*;

pub(super) const SCOPE: StepScope = StepScope {
    seed: 7,
    step: 3,
    micro_batch: 0,
    updates: None,
};

pub(super) fn training(device: &str) -> Device {
    firebrick_core::device(device).unwrap().autodiff()
}

pub(super) fn ones(device: &str) -> Tensor<4> {
    Tensor::ones([8, 4, 20, 20], &training(device))
}

/// Draws of the standard normal distribution, on a device with autodiff.
pub(super) fn normal(shape: [usize; 4]) -> Tensor<4> {
    let mut rng = rng(5, "test", 0, 0);
    let draw = |_| rng.sample::<f32, _>(StandardNormal);
    let draws: Vec<f32> = (0..shape.iter().product()).map(draw).collect();
    Tensor::from_data(TensorData::new(draws, shape), &training("flex"))
}

pub(super) fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// The units that disturb features, as layers.
fn layers() -> Vec<(&'static str, DropoutLayer)> {
    let names = REGISTRY.names().into_iter();
    let features = names.filter(|name| *name != dropconnect::NAME);
    features
        .map(|name| (name, build(&Spec::new(name)).unwrap()))
        .collect()
}

/// Specs whose `p` is this.
fn with_p(p: f64) -> Vec<(&'static str, DropoutLayer)> {
    let entries = REGISTRY.entries().into_iter();
    let entries = entries
        .filter(|entry| entry.about.field("p").is_some() && entry.about.name != dropconnect::NAME);
    entries
        .map(|entry| {
            (
                entry.about.name,
                build(&Spec::new(entry.about.name).with("p", p)).unwrap(),
            )
        })
        .collect()
}

fn trained(layer: &DropoutLayer, input: Tensor<4>) -> Vec<f32> {
    values(&SCOPE.enter(|| layer.forward(input)))
}

#[test]
fn every_device_draws_the_same() {
    for (name, layer) in layers() {
        let input = normal([8, 4, 20, 20]).to_data();
        let on = |device: &str| {
            let input = Tensor::from_data(input.clone(), &training(device));
            trained(&layer, input)
        };
        let reference = on("flex");
        for device in ["ndarray", "wgpu"] {
            match firebrick_core::device(device) {
                Ok(_) => {
                    for (found, expected) in on(device).iter().zip(&reference) {
                        assert!(
                            (found - expected).abs() <= 1e-6 * expected.abs(),
                            "{name} on {device}"
                        );
                    }
                }
                Err(error) => println!("SKIPPED: {error}"),
            }
        }
    }
}

#[test]
fn the_scope_decides_what_is_drawn() {
    for (name, layer) in layers() {
        let at = |step| {
            let scope = StepScope { step, ..SCOPE };
            scope.enter(|| [(); 2].map(|()| values(&layer.forward(normal([8, 4, 20, 20])))))
        };
        let [first, second] = at(3);
        assert_ne!(first, second, "{name}: two layers draw differently");
        assert_eq!([first.clone(), second], at(3), "{name}");
        assert_ne!(first, at(4)[0], "{name}: so do two updates");
    }
}

#[test]
fn outside_a_scope_the_device_draws() {
    for (name, layer) in layers() {
        let draw = || values(&layer.forward(normal([8, 4, 20, 20])));
        let first = draw();
        // A branch in ten is dropped: two draws may well be the same, but not a hundred.
        assert!((0..100).any(|_| draw() != first), "{name}");
    }
}

#[test]
fn training_evaluation_and_freezing() {
    for (name, layer) in layers() {
        let input = normal([8, 4, 20, 20]);
        let disturbed = trained(&layer, input.clone());
        let evaluated = trained(&layer, input.clone().inner());
        assert_ne!(disturbed, evaluated, "{name}");
        assert_eq!(
            trained(&layer.valid(), input.clone()),
            evaluated,
            "{name}: evaluation"
        );
        assert_eq!(
            trained(&layer.clone().freeze(), input.clone()),
            evaluated,
            "{name}: frozen"
        );
        let again = layer.clone().freeze().valid().train();
        assert_eq!(
            trained(&again, input.clone()),
            evaluated,
            "{name}: freezing outlives a visit to evaluation"
        );
        assert_eq!(
            trained(&layer.valid().train(), input),
            disturbed,
            "{name}: training again"
        );
    }
}

#[test]
fn p_0_is_the_identity_and_draws_nothing() {
    for (name, layer) in with_p(0.0) {
        let input = normal([8, 4, 20, 20]);
        let (output, next) = SCOPE.enter(|| {
            let output = layer.forward(input.clone());
            (output, firebrick_core::random::layer_rng().unwrap())
        });
        assert_eq!(values(&output), values(&input), "{name}");
        let first = SCOPE.enter(|| firebrick_core::random::layer_rng().unwrap());
        assert_eq!(
            next, first,
            "{name}: the layers after it draw as without it"
        );
        assert_eq!(
            values(&layer.valid().forward(input.clone())),
            values(&input),
            "{name}"
        );
    }
}

#[test]
fn p_1_gives_zeros_and_never_nan() {
    for (name, layer) in with_p(1.0) {
        if name == shake_drop::NAME {
            // Its branch is multiplied by α, not dropped.
            continue;
        }
        let input = (ones("flex") * f32::INFINITY).require_grad();
        let output = SCOPE.enter(|| layer.forward(input.clone()));
        assert!(values(&output).iter().all(|value| *value == 0.0), "{name}");
        let gradient = input.grad(&output.sum().backward()).unwrap();
        assert!(
            values(&gradient).iter().all(|value| *value == 0.0),
            "{name}"
        );
    }
}

#[test]
fn the_mean_of_training_is_evaluation() {
    // Those whose expectation at a value is the value, or what evaluation makes of it.
    for name in [
        "dropout",
        "vanilla_dropout",
        "spatial_dropout",
        "gaussian_dropout",
        "drop_path",
        "shake_drop",
    ] {
        let layer = build(&Spec::new(name).with("p", 0.3)).unwrap();
        let input = Tensor::<4>::ones([4000, 2, 1, 2], &training("flex"));
        let found = trained(&layer, input.clone());
        let expected = f64::from(values(&layer.forward(input.inner()))[0]);
        let mean = found.iter().map(|v| f64::from(*v)).sum::<f64>() / found.len() as f64;
        let variance = found
            .iter()
            .map(|v| (f64::from(*v) - mean).powi(2))
            .sum::<f64>()
            / found.len() as f64;
        // Five standard errors of 4000 images, which may be all that is independent.
        let error = (variance / 4000.0).sqrt();
        assert!(variance > 0.01, "{name}: {variance}");
        assert!(
            (mean - expected).abs() < 5.0 * error,
            "{name}: {mean} {expected}"
        );
    }
}

#[test]
fn gradients_are_those_of_what_was_drawn() {
    for (name, layer) in layers() {
        if name == shake_drop::NAME {
            // Its backward pass is another one on purpose; its own tests look at it.
            continue;
        }
        let input = normal([3, 2, 6, 6]).cast(DType::F64);
        let report = GradCheck::in_f64().tensor(name, &input, |input| {
            SCOPE
                .enter(|| layer.forward(input.powi_scalar(2)))
                .square()
                .sum()
        });
        report.assert_right();
    }
}

#[test]
fn vectors_and_sequences_keep_their_shape() {
    for (name, layer) in layers() {
        if name == fractional_max_pool::NAME {
            continue;
        }
        let vectors = Tensor::<2>::ones([4, 6], &training("flex"));
        assert_eq!(
            SCOPE.enter(|| layer.forward(vectors)).dims(),
            [4, 6],
            "{name}"
        );
        let sequences = Tensor::<3>::ones([4, 6, 5], &training("flex"));
        assert_eq!(
            SCOPE.enter(|| layer.forward(sequences)).dims(),
            [4, 6, 5],
            "{name}"
        );
        let volumes = Tensor::<5>::ones([2, 3, 4, 5, 6], &training("flex"));
        assert_eq!(
            SCOPE.enter(|| layer.forward(volumes)).dims(),
            [2, 3, 4, 5, 6],
            "{name}"
        );
    }
}

#[test]
fn keep_is_the_complement_of_p() {
    for entry in REGISTRY.entries() {
        let name = entry.about.name;
        if entry.about.field("keep").is_none() || name == dropconnect::NAME {
            continue;
        }
        let of = |spec: Spec| trained(&build(&spec).unwrap(), normal([8, 4, 20, 20]));
        assert_eq!(
            of(Spec::new(name).with("keep", 0.75)),
            of(Spec::new(name).with("p", 0.25)),
            "{name}"
        );
        let both = Spec::new(name).with("p", 0.25).with("keep", 0.75);
        let error = check(&both).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("give one of them"),
            "{error}"
        );
    }
}

#[test]
fn units_say_whether_they_shift_the_variance() {
    let shifts = |text: &str| {
        let spec: Spec = text.parse().unwrap();
        match (REGISTRY.find(&spec).unwrap().build.what)(&spec).unwrap() {
            What::Features(unit) => unit.shifts_variance(),
            What::Weights => false,
        }
    };
    let found = REGISTRY.names().into_iter().filter(|name| shifts(name));
    assert_eq!(
        found.collect::<std::collections::BTreeSet<_>>(),
        std::collections::BTreeSet::from([
            "dropblock",
            "dropout",
            "gaussian_dropout",
            "spatial_dropout",
            "vanilla_dropout",
        ])
    );
    for name in [
        "dropblock",
        "dropout",
        "gaussian_dropout",
        "spatial_dropout",
    ] {
        assert!(!shifts(&format!("{name}(0)")), "{name}");
    }
}

#[test]
fn mistakes_are_named() {
    for (text, needle) in [
        ("dropot(0.5)", "did you mean `dropout`"),
        (
            "dropout(1.5)",
            "dropout: p = 1.5 is out of range: it must be in [0, 1]",
        ),
        ("dropout(keep=-0.1)", "dropout: keep = -0.1"),
        ("dropblock(0.1, block=0)", "dropblock: block = 0"),
        ("dropblock(0.1, ramp=2)", "dropblock: ramp = 2"),
        ("drop_path(mode=column)", "drop_path: mode"),
        ("fractional_max_pool(1)", "fractional_max_pool: ratio = 1"),
        ("feature_cutout(prob=nan)", "feature_cutout: prob = NaN"),
        ("shake_drop(alpha=[1, -1])", "alpha = [1, -1]"),
        ("dropconnect(0.5)", "drops weights, not features"),
    ] {
        let error = build(&text.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
    assert_eq!(check(&"dropconnect(0.5)".parse().unwrap()), Ok(()));
}
