//! Adapters of low rank beside frozen weights.

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use firebrick_core::freeze;
use firebrick_core::init::Init;
use firebrick_core::lora::{Lora, attach, is_adapter, merged};
use firebrick_core::nn::{Conv2d, Conv2dConfig, GlobalAvgPool, Linear, LinearConfig};
use firebrick_core::parameters::Parameters;
use firebrick_core::state_dict::StateDict;

use crate::support::{noise, training, values};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    narrow: Conv2d,
    pool: GlobalAvgPool,
    hidden: Linear,
    fc: Linear,
}

impl Net {
    fn new() -> Self {
        let device = training();
        let net = Self {
            conv: Conv2dConfig::new([3, 8], 3).init(&device),
            narrow: Conv2dConfig::new([8, 2], 1).init(&device),
            pool: GlobalAvgPool::default(),
            hidden: LinearConfig::new(2, 6).init(&device),
            fc: LinearConfig::new(6, 4).init(&device),
        };
        Init::PYTORCH.apply(net, 3)
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let planes = self.narrow.forward(self.conv.forward(images));
        self.fc
            .forward(self.hidden.forward(self.pool.forward(planes)))
    }

    /// With adapters for all weights but one.
    fn adapted(self) -> Self {
        let lora = Lora {
            rank: 2,
            alpha: 3.0,
        };
        attach(self, lora, 7, |path| path != "hidden.weight")
    }
}

const ADAPTERS: [&str; 4] = [
    "conv.weight.lora.a",
    "conv.weight.lora.b",
    "fc.weight.lora.a",
    "fc.weight.lora.b",
];

#[test]
fn adapters_begin_without_effect_and_are_drawn_from_the_seed() {
    let (net, images) = (Net::new(), noise([2, 3, 5, 5]).cast(DType::F32));
    let before = values(&net.forward(images.clone()));
    let adapted = net.clone().adapted();
    assert_eq!(values(&adapted.forward(images)), before);
    let keys = |dict: &StateDict| -> Vec<String> {
        let keys = dict.tensors.keys().filter(|key| is_adapter(key));
        keys.cloned().collect()
    };
    let dict = StateDict::of(&adapted);
    // `narrow` has two outputs, and `hidden` was not asked for.
    assert_eq!(keys(&dict), ADAPTERS);
    assert_eq!(dict, StateDict::of(&net.clone().adapted()), "drawn again");
    let lora = Lora {
        rank: 2,
        alpha: 3.0,
    };
    let other = StateDict::of(&attach(net.clone(), lora, 8, |_| true));
    assert_ne!(dict.tensors[ADAPTERS[1]], other.tensors[ADAPTERS[1]]);
    assert_eq!(StateDict::of(&merged(&adapted)), StateDict::of(&net));
}

/// `rows × inner` times `inner × columns`.
fn product(a: &[f32], b: &[f32], inner: usize, columns: usize) -> Vec<f64> {
    let rows = a.len() / inner;
    let entry = |row: usize, column: usize| -> f64 {
        let terms =
            (0..inner).map(|k| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column]));
        terms.sum()
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| entry(row, column))
        .collect()
}

#[test]
fn only_adapters_have_gradients_and_merged_weights_compute_the_same() {
    let images = noise([2, 3, 5, 5]).cast(DType::F32);
    let adapted = freeze(Net::new().adapted(), |path| !is_adapter(path));
    let paths: Vec<String> = Parameters::list(&adapted)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(paths, ADAPTERS);
    // Factors as some updates leave them.
    let (shell, mut parameters) = Parameters::take(adapted);
    for one in &mut parameters.0 {
        let count: usize = one.shape.iter().product();
        let data: Vec<f32> = (0..count)
            .map(|at| ((at * 7 % 11) as f32 - 5.0) / 9.0)
            .collect();
        one.value = Tensor::from_data(TensorData::from(&data[..]), &one.value.device());
    }
    let adapted = parameters.put(shell);
    let gradients = adapted.forward(images.clone()).square().sum().backward();
    let factors = adapted.conv.weight.adapter().unwrap();
    assert!(
        factors.a.val().grad(&gradients).is_some() && factors.b.val().grad(&gradients).is_some()
    );
    assert!(adapted.conv.weight.base().grad(&gradients).is_none());

    let merged = merged(&adapted);
    let (before, after) = (
        StateDict::of(&adapted).tensors,
        StateDict::of(&merged).tensors,
    );
    assert_eq!(StateDict::of(&Net::new()).tensors.len(), after.len());
    let (found, expected) = (
        values(&merged.forward(images.clone())),
        values(&adapted.forward(images)),
    );
    let near = |found: f64, expected: f64| (found - expected).abs() < 1e-5 * (1.0 + expected.abs());
    assert!(
        found
            .iter()
            .zip(&expected)
            .all(|(a, b)| near(f64::from(*a), f64::from(*b)))
    );
    let host = |key: &str| -> Vec<f32> { before[key].iter::<f32>().collect() };
    // 27 = 3 inputs of 3×3.
    let delta = product(&host(ADAPTERS[0]), &host(ADAPTERS[1]), 2, 27);
    let base = host("conv.weight");
    for (at, value) in after["conv.weight"].iter::<f64>().enumerate() {
        assert!(near(value, f64::from(base[at]) + 1.5 * delta[at]), "{at}");
    }
    // The file has the outputs of a linear layer as rows, the adapter as columns.
    let delta = product(&host(ADAPTERS[2]), &host(ADAPTERS[3]), 2, 4);
    let base = host("fc.weight");
    for (at, value) in after["fc.weight"].iter::<f64>().enumerate() {
        let (output, input) = (at / 6, at % 6);
        assert!(
            near(value, f64::from(base[at]) + 1.5 * delta[input * 4 + output]),
            "{at}"
        );
    }
}
