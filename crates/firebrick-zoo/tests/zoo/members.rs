//! Several members in one network: against torch-uncertainty's layers, by the values of `python3 xtask/golden/layers/members.py`, and
//! against networks of their own.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::data::Targets;
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::random::StepScope;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, TrainingScores};
use firebrick_zoo::{Input, Model, build, default_input, describe, undrawn};
use serde::Deserialize;

use super::{distance, flex, model, noise, values};

/// Of the largest entry expected.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    width: usize,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    state: BTreeMap<String, Array>,
    images: Array,
    labels: Vec<usize>,
    log_probabilities: Array,
    loss: f64,
    gradients: BTreeMap<String, Array>,
    statistics: BTreeMap<String, Array>,
}

#[derive(Deserialize)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Array {
    fn data(&self) -> TensorData {
        TensorData::new(self.values.clone(), self.shape.clone()).convert::<f32>()
    }

    /// `scale` is what an error is measured by.
    fn assert_near(&self, found: &[f32], scale: f64, place: &str) {
        assert_eq!(found.len(), self.values.len(), "{place}");
        for (index, (found, expected)) in found.iter().zip(&self.values).enumerate() {
            let error = (f64::from(*found) - expected).abs() / scale;
            assert!(
                error <= TOLERANCE,
                "{place}[{index}]: {found} is not {expected}"
            );
        }
    }

    fn largest(&self) -> f64 {
        self.values
            .iter()
            .fold(1e-30, |most, value| most.max(value.abs()))
    }
}

fn dict(tensors: &BTreeMap<String, Array>) -> StateDict {
    let entries = tensors.iter();
    StateDict {
        tensors: entries
            .map(|(key, array)| (key.clone(), array.data()))
            .collect(),
        ..StateDict::default()
    }
}

/// 3×8×8 images of three classes.
const SMALL: Input = Input {
    channels: 3,
    height: 8,
    width: 8,
    classes: 3,
};

fn built(spec: &str, input: &Input, device: &Device) -> Model {
    build(&spec.parse().unwrap(), input, 3, device).unwrap()
}

fn scope() -> StepScope {
    StepScope {
        seed: 1,
        ..StepScope::default()
    }
}

/// What a model learns from, in training mode. The statistics of one on a training device move.
fn learns(model: &Model, images: &Tensor<4>) -> TrainingScores {
    let images = Tensor::from_inner(images.clone());
    let trains = model.devices().iter().any(Device::is_autodiff);
    let model = model.clone();
    let model = if trains { model } else { model.train() };
    scope().enter(|| model.forward_training(images))
}

#[test]
fn evaluation_loss_gradients_and_statistics_are_those_of_torch_uncertaintys_layers() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/members.json")).unwrap();
    assert_eq!(golden.cases.len(), 3);
    for device in ["flex", "ndarray", "wgpu"] {
        let device = match firebrick_core::device(device) {
            Ok(device) => device,
            Err(error) => {
                println!("SKIPPED: {error}");
                continue;
            }
        };
        for (members, case) in &golden.cases {
            let spec = format!("small_cnn(width={}, members={members})", golden.width);
            let model =
                dict(&case.state).load_into(built(&spec, &SMALL, &device.clone().autodiff()));
            let model = model.unwrap();
            let images = Tensor::<4>::from_data(case.images.data(), &device);
            let log_p = values(&model.valid().forward(images.clone()));
            case.log_probabilities
                .assert_near(&log_p, case.log_probabilities.largest(), members);

            let scores = learns(&model, &images);
            let labels = Targets::Classes(case.labels.clone());
            let targets = scores.targets(&labels);
            let loss = CrossEntropy::default().loss(scores.logits, &targets);
            assert_eq!(loss.weight, 12.0, "{members}");
            let loss = loss.mean();
            let value: f32 = loss.clone().into_scalar();
            assert!(
                (f64::from(value) / case.loss - 1.0).abs() < TOLERANCE,
                "{members}: {value}"
            );
            let mut gradients = loss.backward();
            let found = Gradients::take(&model, &mut gradients);
            let scale = case.gradients.values().map(Array::largest);
            let scale = scale.fold(0.0, f64::max);
            let parameters = Parameters::list(&model);
            assert_eq!(parameters.len(), case.gradients.len());
            for ((path, shape), gradient) in parameters.into_iter().zip(found.0) {
                let expected = &case.gradients[&path];
                let mut found: Vec<f32> = gradient.unwrap().to_data().iter::<f32>().collect();
                if let ([rows, columns], true) = (&shape[..], shape != expected.shape) {
                    // A linear weight lies `[in, out]`.
                    let matrix = TensorData::new(found, [*rows, *columns]);
                    let matrix = Tensor::<2>::from_data(matrix, &device).transpose();
                    found = values(&matrix);
                }
                expected.assert_near(&found, scale, &format!("{members}: gradient of {path}"));
            }
            let after = StateDict::of(&model);
            for (key, expected) in &case.statistics {
                let found: Vec<f32> = after.tensors[key].try_to_vec().unwrap();
                expected.assert_near(&found, expected.largest(), &format!("{members}: {key}"));
            }
        }
    }
}

#[test]
fn one_member_is_the_plain_network_bit_for_bit() {
    for (name, input) in [
        ("small_cnn", SMALL),
        ("resnet20", SMALL),
        ("resnet20(shortcut=b)", SMALL),
    ] {
        let plain = built(name, &SMALL, &flex());
        let images = noise(3, &input, 5);
        let option = |members: &str| match name.strip_suffix(')') {
            Some(open) => format!("{open}, members={members})"),
            None => format!("{name}(members={members})"),
        };
        for members in ["packed(1, alpha=1)", "mimo(1)"] {
            let spec = option(members);
            let one = built(&spec, &input, &flex());
            assert_eq!(StateDict::of(&one), StateDict::of(&plain), "{spec}");
            assert_eq!(
                values(&one.forward(images.clone())),
                values(&plain.forward(images.clone())),
                "{spec}"
            );
            let [one, plain] = [&one, &plain].map(|model| {
                let scores = learns(model, &images);
                (values(&scores.logits.inner()), scores.images)
            });
            assert_eq!(one, plain, "{spec}");
            assert_eq!(one.1, None);
        }
        // With fast weights of 1, members that share all weights are the plain network.
        let shared = built(&option("batch_ensemble(2)"), &input, &flex());
        let mut weights = StateDict::of(&plain);
        for (key, data) in StateDict::of(&shared).tensors {
            let shape = data.shape().to_vec();
            if key.ends_with("_group") {
                let ones = vec![1f32; shape.iter().product()];
                weights.tensors.insert(key, TensorData::new(ones, shape));
            } else if key.ends_with("linear.bias") || key.ends_with("fc.bias") {
                let bias: Vec<f32> = weights.tensors[&key].try_to_vec().unwrap();
                let both = [bias.clone(), bias].concat();
                weights.tensors.insert(key, TensorData::new(both, shape));
            }
        }
        let shared = weights.load_into(shared).unwrap();
        let [shared, plain] = [&shared, &plain].map(|model| {
            let probabilities = softmax(model.forward(images.clone()), 1);
            values(&probabilities)
        });
        assert!(distance(&shared, &plain) < 1e-6, "{name}");
    }
}

/// The weights of a packed member: its part of the first axis of every tensor.
fn member_of(packed: &StateDict, number: usize, alone: &Model) -> StateDict {
    let mut dict = StateDict::default();
    for (key, shape) in StateDict::shapes(alone) {
        let all: Vec<f32> = packed.tensors[&key].try_to_vec().unwrap();
        let each: usize = shape.iter().product();
        let own = all[number * each..(number + 1) * each].to_vec();
        dict.tensors.insert(key, TensorData::new(own, shape));
    }
    dict
}

/// Also with the shortcut that pads planes of zeros, which lie within each member.
#[test]
fn packed_members_are_networks_of_their_own() {
    for (spec, single) in [
        (
            "small_cnn(width=4, members=packed(2))",
            "small_cnn(width=4)",
        ),
        ("resnet20(members=packed(2))", "resnet20"),
        (
            "resnet20(shortcut=b, members=packed(2))",
            "resnet20(shortcut=b)",
        ),
    ] {
        let images = noise(4, &SMALL, 6);
        let packed = built(spec, &SMALL, &flex());
        let weights = StateDict::of(&packed);
        let alone: Vec<Model> = (0..2)
            .map(|number| {
                let model = built(single, &SMALL, &flex());
                let own = member_of(&weights, number, &model);
                own.load_into(model).unwrap()
            })
            .collect();
        let each = alone
            .iter()
            .map(|model| softmax(model.forward(images.clone()), 1));
        let mean = each.reduce(|sum, one| sum + one).unwrap() / 2.0;
        let found = softmax(packed.forward(images.clone()), 1);
        assert!(distance(&values(&found), &values(&mean)) < 1e-5, "{spec}");

        let scores = learns(&packed, &images);
        assert_eq!(scores.images, Some(vec![0, 1, 2, 3, 0, 1, 2, 3]));
        let rows: Vec<f32> = alone
            .iter()
            .flat_map(|model| values(&learns(model, &images).logits.inner()))
            .collect();
        let found = values(&scores.logits.inner());
        assert!(distance(&found, &rows) < 1e-4, "{spec}");
    }
}

/// The loss of one packed member has no gradient in another; members of the other kinds share weights.
#[test]
fn packed_members_learn_nothing_from_each_other() {
    for (members, independent) in [
        ("packed(2)", true),
        ("packed(2, alpha=4, gamma=2)", true),
        ("batch_ensemble(2)", false),
        ("mimo(2)", false),
    ] {
        let spec = format!("small_cnn(width=2, members={members})");
        let model = built(&spec, &SMALL, &flex().autodiff());
        let scores = learns(&model, &noise(4, &SMALL, 7));
        let first = scores.logits.narrow(0, 0, 4);
        let mut gradients = (first.clone() * first).sum().backward();
        let found = Gradients::take(&model, &mut gradients);
        let (mut own, mut others) = (0, 0);
        for gradient in found.0 {
            let gradient: Vec<f32> = gradient.unwrap().to_data().iter::<f32>().collect();
            let (first, second) = gradient.split_at(gradient.len() / 2);
            own += first.iter().filter(|value| **value != 0.0).count();
            others += second.iter().filter(|value| **value != 0.0).count();
        }
        assert!(own > 100, "{members}: {own}");
        assert_eq!(others == 0, independent, "{members}: {others}");
    }
}

#[test]
fn members_that_share_weights_are_networks_with_these_weights_scaled() {
    let images = noise(3, &SMALL, 8);
    let shared = built(
        "small_cnn(width=2, members=batch_ensemble(3))",
        &SMALL,
        &flex(),
    );
    let weights = StateDict::of(&shared).tensors;
    let values_of = |key: &str| -> Vec<f32> { weights[key].try_to_vec().unwrap() };
    let each = (0..3).map(|number| {
        let alone = built("small_cnn(width=2)", &SMALL, &flex());
        let mut dict = StateDict::default();
        for (key, shape) in StateDict::shapes(&alone) {
            let mut own = values_of(&key);
            let module = key.rsplit_once('.').unwrap().0;
            if let Some(r) = weights.get(&format!("{module}.r_group")) {
                let row = |data: &TensorData| -> Vec<f32> {
                    let all: Vec<f32> = data.try_to_vec().unwrap();
                    let width = all.len() / 3;
                    all[number * width..(number + 1) * width].to_vec()
                };
                if key.ends_with("bias") {
                    own = row(&weights[&key]);
                } else {
                    let (r, s) = (row(r), row(&weights[&format!("{module}.s_group")]));
                    let area: usize = shape[2..].iter().product();
                    for (at, weight) in own.iter_mut().enumerate() {
                        *weight *= r[at / area % shape[1]] * s[at / area / shape[1]];
                    }
                }
            }
            dict.tensors.insert(key, TensorData::new(own, shape));
        }
        let alone = dict.load_into(alone).unwrap();
        softmax(alone.forward(images.clone()), 1)
    });
    let mean = each.reduce(|sum, one| sum + one).unwrap() / 3.0;
    let found = softmax(shared.forward(images.clone()), 1);
    assert!(distance(&values(&found), &values(&mean)) < 1e-5);
}

#[test]
fn inputs_that_are_read_together_have_a_head_for_each() {
    let spec = "small_cnn(width=2, members=mimo(2, batch_repetitions=2))";
    let network = built(spec, &SMALL, &flex());
    let wide = Input {
        channels: 6,
        classes: 6,
        ..SMALL
    };
    let plain = built("small_cnn(width=2)", &wide, &flex());
    let plain = StateDict::of(&network).load_into(plain).unwrap();
    let images = noise(3, &SMALL, 9);
    // In evaluation both inputs are the same image.
    let twice = Tensor::cat(vec![images.clone(), images.clone()], 1);
    let both = plain.forward(twice).reshape([3, 2, 3]);
    let mean: Tensor<2> = softmax(both, 2).mean_dim(1).reshape([3, 3]);
    let found = softmax(network.forward(images.clone()), 1);
    assert!(distance(&values(&found), &values(&mean)) < 1e-6);
    // In training each reads every image twice, in an order of its own, and learns what it is.
    let scores = learns(&network, &images);
    let order = scores.images.unwrap();
    assert_eq!(order.len(), 12);
    let (one, other) = order.split_at(6);
    assert_ne!(one, other);
    let read = |order: &[usize]| {
        let each = order
            .iter()
            .map(|image| images.clone().narrow(0, *image, 1));
        Tensor::cat(each.collect(), 0)
    };
    let together = Tensor::cat(vec![read(one), read(other)], 1);
    let expected = values(&learns(&plain, &together).logits.inner());
    let found = values(&scores.logits.inner());
    for (row, place) in found.chunks(3).zip(0..) {
        let (head, at) = (place / 6, place % 6);
        assert_eq!(row, &expected[at * 6 + head * 3..][..3], "row {place}");
    }
}

#[test]
fn parameters_and_cost_are_as_documented() {
    for (spec, parameters, multiply_adds) in [
        ("resnet20", 269_722, 40_551_040_u64),
        // 4 times the inputs and outputs of all layers, 1389, and three more biases of the last.
        ("resnet20(members=batch_ensemble(4))", 275_308, 162_204_160),
        ("resnet20(members=packed(4))", 272_200, 40_994_048),
        // Six more channels of images, and 20 more outputs.
        ("resnet20(members=mimo(3))", 271_886, 41_437_056),
        ("small_cnn(members=packed(4, gamma=2))", 50_312, 6_784_256),
    ] {
        let (model, input) = model(spec, 0);
        let description = describe(&model, &input);
        let found = (description.parameters, description.multiply_adds);
        assert_eq!(found, (parameters, multiply_adds), "{spec}");
        let layers: usize = description
            .layers
            .iter()
            .map(|layer| layer.parameters)
            .sum();
        assert_eq!(layers, parameters, "{spec}");
    }
}

#[test]
fn every_kind_of_members_is_the_same_on_every_device_and_before_it_is_drawn() {
    for members in [
        "batch_ensemble(2, fast_weights=signs)",
        "packed(2)",
        "mimo(2)",
    ] {
        for name in ["small_cnn", "resnet20", "resnet18(stem=cifar"] {
            let open = if name.contains('(') { ", " } else { "(" };
            let spec = format!("{name}{open}members={members})").parse().unwrap();
            let undrawn = undrawn(&spec, &SMALL, &flex()).unwrap();
            if name.starts_with("resnet18") {
                // Drawn, it would take a second.
                assert_eq!(default_input(&spec).unwrap().height, 32);
                continue;
            }
            let drawn = |seed, device: &str| {
                let device = firebrick_core::device(device).unwrap();
                StateDict::of(&build(&spec, &SMALL, seed, &device).unwrap())
            };
            let flex = drawn(1, "flex");
            assert_eq!(flex, drawn(1, "ndarray"));
            assert_ne!(flex, drawn(2, "flex"));
            let mut shapes = StateDict::shapes(&undrawn);
            shapes.sort();
            let own = flex.tensors.iter();
            let own = own.map(|(key, data)| (key.clone(), data.shape().to_vec()));
            assert_eq!(shapes, own.collect::<Vec<_>>(), "{spec}");
        }
    }
}

#[test]
fn residual_networks_for_photos_have_members_too() {
    let input = Input {
        height: 32,
        width: 32,
        ..SMALL
    };
    for members in ["batch_ensemble(2)", "packed(2, alpha=1)", "mimo(2)"] {
        let model = built(&format!("resnet18(members={members})"), &input, &flex());
        let images = noise(2, &input, 1);
        let log_p = model.forward(images.clone());
        assert_eq!(log_p.dims(), [2, 3]);
        let sums = values(&log_p.exp().sum_dim(1));
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
        let scores = learns(&model, &images);
        assert_eq!(scores.logits.dims(), [4, 3]);
    }
}
