//! The linear classifier on the features of every stage.

use burn::tensor::{Tensor, TensorData};
use firebrick_core::spec::Spec;
use firebrick_core::state_dict::StateDict;
use firebrick_core::{Classifier, device};
use firebrick_zoo::{AllStages, Head, Input, Model, architecture};

#[test]
fn it_reads_the_features_of_every_stage() {
    let device = device("flex").unwrap();
    let input = Input {
        channels: 3,
        height: 32,
        width: 32,
        classes: 4,
    };
    let spec: Spec = "all_stages(of=resnet20)".parse().unwrap();
    let architecture = architecture(&spec).unwrap();
    architecture.check().unwrap();
    let of = architecture.spec().to_string();
    assert!(of.starts_with("all_stages(of=resnet20("), "{of}");
    let model = architecture.model(&input, 3, &device).unwrap();
    let weights = StateDict::of(&model);
    assert_eq!(
        weights.tensors["classifier.weight"].shape().to_vec(),
        [4, 128]
    );
    assert!(!weights.tensors.contains_key("backbone.linear.weight"));
    let pixels = (0..2 * 3 * 32 * 32).map(|at| (at % 97) as f32 / 48.0 - 1.0);
    let pixels = TensorData::new(pixels.collect::<Vec<f32>>(), [2, 3, 32, 32]);
    let images = Tensor::from_data(pixels, &device);
    let inside: &AllStages = model.downcast_ref().unwrap();
    let features = inside.backbone.backbone().unwrap().features(images.clone());
    let mut joined = Vec::new();
    for stage in features {
        let mean: Vec<f32> = stage
            .mean_dim(2)
            .mean_dim(3)
            .into_data()
            .iter::<f32>()
            .collect();
        let row = &mean[mean.len() / 2..];
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        joined.extend(row.iter().map(|x| x / length));
    }
    let row = &weights.tensors["classifier.weight"]
        .iter::<f32>()
        .collect::<Vec<_>>()[..128];
    let bias = weights.tensors["classifier.bias"]
        .iter::<f32>()
        .next()
        .unwrap();
    let expected: f32 = row.iter().zip(&joined).map(|(w, x)| w * x).sum::<f32>() + bias;
    let logits = |model: &Model| -> Vec<f32> {
        let logits = model.forward(images.clone()).into_data();
        logits.iter::<f32>().collect()
    };
    let scores = logits(&model);
    assert!(
        (scores[4] - expected).abs() < 1e-4,
        "{} {expected}",
        scores[4]
    );
    // Its features are those of the network inside, and what its last layer reads.
    let backbone = model.backbone().unwrap();
    let modules = |at: usize| backbone.stages()[at].modules.clone();
    assert_eq!(modules(1), ["backbone.layer1"]);
    let pooled: Vec<f32> = backbone.pooled(images.clone()).into_data().iter().collect();
    let same = pooled[128..].iter().zip(&joined);
    assert!(same.clone().count() == 128 && same.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));
    assert_eq!(backbone.features(images.clone()).len(), 4);
    let none = model.with_head(Head::None, 0, 0).unwrap();
    assert_eq!(logits(&none), pooled);
    let mlp = model.with_head(Head::Mlp { hidden: 5 }, 3, 0).unwrap();
    assert_eq!(logits(&mlp).len(), 6);
    let keys = StateDict::of(&mlp).tensors;
    assert_eq!(keys["classifier.0.weight"].shape().to_vec(), [5, 128]);
    assert_eq!(keys["classifier.2.weight"].shape().to_vec(), [3, 5]);
}

#[test]
fn it_is_not_of_itself_or_of_what_has_no_stages() {
    let of = |text: &str| {
        let spec: Spec = text.parse().unwrap();
        let input = Input {
            channels: 3,
            height: 32,
            width: 32,
            classes: 4,
        };
        let device = device("flex").unwrap();
        let built = architecture(&spec).and_then(|found| found.model(&input, 0, &device));
        built.err().unwrap().to_string()
    };
    assert!(of("all_stages(of=all_stages)").contains("stages of its own"));
    assert!(of("all_stages(of=small_cnn(members=mimo(2)))").contains("does not name its stages"));
    assert!(of("all_stages(of=rednet20)").contains("rednet20"));
}
