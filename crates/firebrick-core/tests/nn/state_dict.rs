//! State dictionaries.

use burn::tensor::{TensorData, Tolerance};
use firebrick_core::state_dict::{StateDict, WeightsError};
use firebrick_core::weights_file::WeightsFile;

use crate::support::{net, plain};

#[test]
fn keys_and_layouts_are_pytorchs() {
    let net = net(&plain());
    let dict = StateDict::of(&net);
    let shape = |key: &str| dict.tensors[key].shape().to_vec();
    assert_eq!(shape("bn.weight"), [2]);
    assert_eq!(shape("bn.running_var"), [2]);
    assert_eq!(shape("shortcut.1.weight"), [3]);
    assert_eq!(shape("blocks.0.weight"), [3, 2]);
    // The same matrix, transposed.
    let weight = net.blocks[0].weight.val().transpose().into_data();
    weight.assert_approx_eq::<f32>(&dict.tensors["blocks.0.weight"], Tolerance::absolute(0.0));
}

fn file(dict: &StateDict) -> StateDict {
    StateDict::from_safetensors(&dict.to_safetensors().unwrap()).unwrap()
}

#[test]
fn equal_dictionaries_give_equal_bytes() {
    let mut dict = StateDict::of(&net(&plain()));
    for at in 0..8 {
        dict.metadata
            .insert(format!("key{at}"), format!("\"value\" {at}\n"));
    }
    assert_eq!(file(&dict), dict);
    let bytes = dict.to_safetensors().unwrap();
    for _ in 0..16 {
        assert_eq!(file(&dict).to_safetensors().unwrap(), bytes);
    }
    // The format asks for tensors at a multiple of 8 bytes.
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(header % 8, 0);
    assert_eq!(file(&StateDict::default()), StateDict::default());
}

#[test]
fn a_dictionary_that_does_not_fit_changes_nothing() {
    let device = plain();
    let fitting = StateDict::of(&net(&device));
    let target = net(&device);
    let before = StateDict::of(&target);
    let broken = |change: fn(&mut StateDict)| {
        let mut dict = fitting.clone();
        change(&mut dict);
        // A clone shares the statistics, so a partial load would show in the original.
        let error = dict.load_into(target.clone()).unwrap_err();
        assert!(matches!(error, WeightsError::Mismatch(_)));
        assert_eq!(StateDict::of(&target), before);
        error.to_string()
    };
    let missing = broken(|dict| {
        dict.tensors.remove("conv.weight");
        dict.tensors.insert(
            "bn.running_mean".into(),
            TensorData::new(vec![9f32, 9.0], [2]),
        );
    });
    assert!(
        missing.contains("`conv.weight` [2, 1, 3, 3] is missing"),
        "{missing}"
    );
    let extra = broken(|dict| {
        dict.tensors
            .insert("fc.weight".into(), TensorData::new(vec![0f32], [1]));
    });
    assert!(
        extra.contains("`fc.weight` is in the file but not in the model"),
        "{extra}"
    );
    let shape = broken(|dict| {
        dict.tensors
            .insert("head.weight".into(), TensorData::new(vec![0f32; 6], [3, 2]));
    });
    assert!(
        shape.contains("`head.weight` is [3, 2] in the file but [2, 3] in the model"),
        "{shape}"
    );
    let many = broken(|dict| dict.tensors.clear());
    assert!(many.contains("18 differences:\n"), "{many}");
    assert!(
        StateDict::shapes(&target)
            .iter()
            .all(|(key, _)| many.contains(&format!("\n  `{key}` "))),
        "{many}"
    );
    let loaded = fitting.clone().load_into(target).unwrap();
    assert_eq!(StateDict::of(&loaded), fitting);
}

#[test]
fn files_that_are_no_weights_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    };
    let missing = WeightsFile::open(&dir.path().join("none.safetensors"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("none.safetensors"), "{missing}");
    let bytes = StateDict::of(&net(&plain())).to_safetensors().unwrap();
    for cut in [0, 7, 100, bytes.len() - 1] {
        let error = wrong("cut.safetensors", &bytes[..cut]);
        assert!(error.contains("not a readable weights file"), "{error}");
    }
    for name in ["text.pth", "text.th", "text.safetensors"] {
        wrong(name, b"these are no weights, whatever the name says");
    }
    wrong("empty.pt", b"");
}
