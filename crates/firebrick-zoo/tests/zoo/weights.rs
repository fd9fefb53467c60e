//! Round trips through files, and files that do not fit.

use burn::tensor::TensorData;
use firebrick_core::Classifier;
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_zoo::{TINY, load};

use super::{distance, model, noise, values};

#[test]
fn every_model_goes_through_a_file() {
    let dir = tempfile::tempdir().unwrap();
    for entry in TINY.entries() {
        let (saved, input) = model(entry.about.name, 1);
        let bytes = StateDict::of(&saved).to_safetensors().unwrap();
        let again = StateDict::of(&model(entry.about.name, 1).0)
            .to_safetensors()
            .unwrap();
        assert!(
            bytes == again,
            "{}: equal models give equal bytes",
            entry.about.name
        );
        let path = dir.path().join(format!("{}.safetensors", entry.about.name));
        std::fs::write(&path, &bytes).unwrap();
        let (fresh, _) = model(entry.about.name, 2);
        let images = noise(1, &input, 3);
        let expected = values(&saved.forward(images.clone()));
        let largest = expected
            .iter()
            .fold(0f32, |largest, value| largest.max(value.abs()));
        let other = values(&fresh.forward(images.clone()));
        assert!(
            distance(&other, &expected) > 1e-2 * largest.min(0.1),
            "{}",
            entry.about.name
        );
        let (loaded, notes) = load(fresh, &path).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(
            values(&loaded.forward(images)),
            expected,
            "{}",
            entry.about.name
        );
    }
}

#[test]
fn files_that_do_not_fit_are_named_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let (target, _) = model("resnet20", 1);
    let before = StateDict::of(&target);
    let refused = |dict: &StateDict| {
        std::fs::write(&path, dict.to_safetensors().unwrap()).unwrap();
        // The clone shares batch-norm statistics: a partial load would show.
        let error = load(target.clone(), &path).unwrap_err();
        assert!(matches!(error, WeightsError::Mismatch(_)));
        assert_eq!(StateDict::of(&target), before);
        let error = error.to_string();
        assert!(error.contains("weights.safetensors"), "{error}");
        error
    };
    let fitting = StateDict::of(&model("resnet20", 2).0);
    let mut dict = fitting.clone();
    dict.tensors.insert(
        "bn1.running_mean".into(),
        TensorData::new(vec![7f32; 16], [16]),
    );
    dict.tensors.remove("linear.bias");
    dict.tensors
        .insert("fc.bias".into(), TensorData::new(vec![0f32; 10], [10]));
    dict.tensors.insert(
        "linear.weight".into(),
        TensorData::new(vec![0f32; 6400], [100, 64]),
    );
    let error = refused(&dict);
    for needle in [
        "`linear.bias` [10] is missing",
        "`fc.bias` is in the file but not in the model",
        "`linear.weight` is [100, 64] in the file but [10, 64] in the model",
    ] {
        assert!(error.contains(needle), "{error}");
    }
    assert!(refused(&StateDict::of(&model("resnet32", 2).0)).contains("not in the model"));
    let missing = load(target, &dir.path().join("none.pth"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("none.pth"), "{missing}");
}
