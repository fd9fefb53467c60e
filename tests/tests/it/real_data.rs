//! Tests with real data and real weights, if they are beside the repository.

use std::path::PathBuf;

use firebrick::prelude::*;

/// A directory of the data beside the repository; says so loudly when it is absent.
fn real(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")).join(name);
    if !path.is_dir() {
        println!("SKIPPED: real data `{name}` is not beside the repository");
        return None;
    }
    Some(path)
}

#[test]
fn mnist_learns_quickly() {
    let Some(path) = real("mnist") else { return };
    let temp = tempfile::tempdir().unwrap();
    let recipe = Recipe {
        dataset: "mnist".into(),
        data_dir: Some(path.display().to_string()),
        limit_train: Some(3000),
        model: Spec::new("lenet5"),
        schedule: "one_cycle(max_lr=0.005)".parse().unwrap(),
        epochs: 2,
        ..Recipe::default()
    };
    let report = firebrick::train(Job::new(recipe, temp.path().join("run"))).unwrap();
    let test = report.test.unwrap();
    assert_eq!(test.count, 10_000);
    assert!(
        test.top1 > 0.93,
        "LeNet-5 on 3000 digits, 2 epochs: {}",
        test.top1
    );
}

#[test]
fn a_legacy_pytorch_checkpoint_is_the_safetensors_one() {
    let Some(path) = real("weights") else { return };
    use firebrick::core::state_dict::StateDict;
    let read = |name| {
        let model = firebrick::zoo::build(
            &Spec::new("resnet20"),
            &firebrick::zoo::default_input(&Spec::new("resnet20")).unwrap(),
            0,
            &firebrick::core::device("flex").unwrap(),
        );
        let (model, _) = firebrick::zoo::load(model.unwrap(), &path.join(name)).unwrap();
        StateDict::of(&model).tensors
    };
    assert_eq!(
        read("resnet20-12fca82f.th"),
        read("resnet20_cifar10.safetensors")
    );
}

/// The sample photos, read as the published weights of each network expect without being told, are taken for what PyTorch takes them for.
#[test]
fn photos_are_read_as_published_weights_expect() {
    use firebrick::predict::{Wanted, image_files, predict};
    use firebrick::weights::WeightsPlace;
    const PHOTOS: usize = 24;
    /// How much more likely than PyTorch's class another one may seem, in logits: our decoder of JPEGs gives slightly other pixels than Pillow's.
    const DECODERS: f32 = 0.1;

    let Some(path) = real("weights") else { return };
    let Some(sample) = real("imagenet-sample") else {
        return;
    };
    let device = firebrick::core::device("flex").unwrap();
    for (spec, file, list, column) in [
        (
            "squeezenet1_1",
            "squeezenet1_1_imagenet.safetensors",
            sample.join("images.csv"),
            3,
        ),
        (
            "mobilenet_v1(width=0.25)",
            "mobilenet_v1_0.25_224_imagenet.safetensors",
            sample.join("images.csv"),
            5,
        ),
        (
            "efficientnet_lite0",
            "efficientnet_lite0_imagenet.safetensors",
            path.join("efficientnet_lite0_sample_top1.csv"),
            2,
        ),
    ] {
        let spec: Spec = spec.parse().unwrap();
        let native = firebrick::zoo::default_input(&spec).unwrap();
        let weights = path.join(file).display().to_string();
        let found = WeightsPlace::default().find(&weights, &spec).unwrap();
        let file = firebrick::core::weights_file::WeightsFile::open(&found.path).unwrap();
        let info = firebrick::ModelInfo {
            model: spec.clone(),
            classes: (0..1000).map(|class: usize| class.to_string()).collect(),
            preprocessing: found.expected(&file, &spec, &native).unwrap().preprocessing,
        };
        let (model, _) = info
            .load(file, &firebrick::Models::default(), &device)
            .unwrap();
        let text = std::fs::read_to_string(list).unwrap();
        let rows = text.lines().skip(1).take(PHOTOS);
        let rows: Vec<Vec<&str>> = rows.map(|row| row.split(',').collect()).collect();
        let images: Vec<PathBuf> = rows
            .iter()
            .map(|row| sample.join("images").join(row[0]))
            .collect();
        let wanted = Wanted {
            top: 1,
            logits: true,
            ..Wanted::default()
        };
        let mut seen = Vec::new();
        predict(&model, image_files(&images).images, &wanted, &mut |found| {
            seen.push(found.unwrap());
        });
        assert_eq!(seen.len(), PHOTOS);
        for (prediction, row) in seen.iter().zip(&rows) {
            let logits = prediction.logits.as_ref().unwrap();
            let expected: usize = row[column].parse().unwrap();
            let ahead = logits[prediction.top[0].index] - logits[expected];
            let (path, top) = (&prediction.path, prediction.top[0].index);
            assert!(
                ahead <= DECODERS,
                "{spec}: {path}: {top}, not {expected}, by {ahead}"
            );
        }
    }
}

/// Ants against bees, as in PyTorch's tutorial: the linear classifiers on the features of published networks, read from a folder.
#[test]
fn ants_and_bees_are_told_apart_by_published_features() {
    use firebrick::RunPlace;
    use firebrick::transfer::{self, TransferJob, Wanted};

    let (Some(weights), Some(photos)) = (real("weights"), real("hymenoptera")) else {
        return;
    };
    for (model, file, least) in [
        (
            "efficientnet_lite0",
            "efficientnet_lite0_imagenet.safetensors",
            0.94,
        ),
        ("squeezenet1_1", "squeezenet1_1_imagenet.safetensors", 0.92),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let data = format!("folder:{}", photos.display());
        let weights = weights.join(file).display().to_string();
        let job = TransferJob {
            wanted: Wanted::Probe,
            ..TransferJob::new(
                transfer::recipe(&data, model.parse().unwrap(), &weights),
                RunPlace::At(temp.path().join("run")),
            )
        };
        let report = transfer::train(job).unwrap();
        let valid = report.train.valid.unwrap();
        assert_eq!(valid.count, 153);
        assert!(valid.top1 >= least, "{model}: {}", valid.top1);
        assert!(report.train.model.starts_with(model));
    }
}
