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
