//! Activations of fresh models: neither vanishing nor exploding, unless the initialization is bad.

use burn::module::Module;
use firebrick_core::Classifier;
use firebrick_core::probe::{Observation, observe};
use firebrick_zoo::REGISTRY;

use super::{model, noise};

/// What the convolutions and linear layers of a fresh model put out for 8 images of noise with
/// deviation 1, batch norm in training.
fn fresh(spec: &str) -> Vec<Observation> {
    let (model, input) = model(spec, 0);
    let model = model.train();
    let images = noise(8, &input, 1) * 3f32.sqrt();
    let images = burn::tensor::Tensor::from_inner(images);
    let (_, layers) = observe(&model, |model| model.forward(images));
    layers
        .into_iter()
        .filter(|layer| ["Conv2d", "Linear"].contains(&layer.kind.as_str()))
        .collect()
}

#[test]
fn kaiming_keeps_the_scale_where_small_weights_lose_it() {
    // LeNet-5 has no batch norm that would hide it.
    let kaiming = fresh("lenet5(init=kaiming, pool=average)");
    assert_eq!(kaiming.len(), 5);
    for layer in &kaiming {
        assert!(
            (0.2..5.0).contains(&layer.std),
            "{}: {}",
            layer.path,
            layer.std
        );
    }
    let small = fresh("lenet5(init=normal(std=0.01), pool=average)");
    let shrinks = small.windows(2).all(|pair| pair[1].std < 0.2 * pair[0].std);
    assert!(shrinks, "{small:?}");
    assert!(small[4].std < 1e-5, "{}", small[4].std);
    let large = fresh("lenet5(init=normal(std=1), pool=average)");
    assert!(large[4].std > 1e3, "{}", large[4].std);
}

#[test]
fn every_model_starts_at_a_sane_scale() {
    for entry in REGISTRY.entries {
        for layer in fresh(entry.name) {
            let name = format!("{} {}: {}", entry.name, layer.path, layer.std);
            assert!(
                (0.01..100.0).contains(&layer.std) && layer.mean.abs() < 10.0,
                "{name}"
            );
        }
    }
}
