//! Keys as files have them, against a small model.

use super::*;
use crate::weights_file::element::ElementType;
use crate::weights_file::view::View;

const MODEL: [(&str, &[usize]); 5] = [
    ("conv1.weight", &[4, 3, 3, 3]),
    ("layer1.0.bn1.weight", &[4]),
    ("layer1.0.bn1.running_mean", &[4]),
    ("fc.weight", &[2, 4]),
    ("fc.bias", &[2]),
];

fn model() -> Vec<(String, Vec<usize>)> {
    MODEL
        .iter()
        .map(|(key, shape)| (key.to_string(), shape.to_vec()))
        .collect()
}

/// A file of tensors in dictionaries: `(dictionary, key, shape, type)`.
#[derive(Default)]
struct Made(Vec<Entry>);

impl Made {
    fn add(mut self, level: &str, key: &str, shape: &[usize], element: ElementType) -> Self {
        let name = if level.is_empty() {
            key.into()
        } else {
            format!("{level}.{key}")
        };
        // Every tensor has a storage of its own.
        let view = View::in_order(self.0.len(), element, shape.to_vec());
        self.0.push(Entry {
            name,
            level: level.len(),
            view,
        });
        self
    }

    fn float(self, level: &str, key: &str, shape: &[usize]) -> Self {
        self.add(level, key, shape, ElementType::F32)
    }

    fn integer(self, level: &str, key: &str) -> Self {
        self.add(level, key, &[1], ElementType::Other("int64".into()))
    }

    /// The model's tensors in a dictionary, with a prefix before each key.
    fn network(self, level: &str, prefix: &str) -> Self {
        self.network_but(level, prefix, &[])
    }

    fn network_but(mut self, level: &str, prefix: &str, without: &[&str]) -> Self {
        for (key, shape) in MODEL {
            if !without.iter().any(|part| key.starts_with(part)) {
                self = self.float(level, &format!("{prefix}{key}"), shape);
            }
        }
        self
    }

    fn strict(&self) -> Result<Fit, String> {
        fit(&self.0, &model(), &Rules::default())
    }

    fn training(&self) -> Result<Fit, String> {
        fit(&self.0, &model(), &Rules::for_other_classes("fc"))
    }

    /// The full names of what goes into the model.
    fn taken(&self, fit: &Fit) -> Vec<&str> {
        fit.entries
            .iter()
            .flatten()
            .map(|at| self.0[*at].name.as_str())
            .collect()
    }
}

#[test]
fn any_common_prefix_or_level_is_taken_off() {
    for (level, prefix) in [
        ("", ""),
        ("", "module."),
        ("", "_orig_mod."),
        ("", "model."),
        ("", "net.backbone."),
        ("", "module._orig_mod."),
        ("", "_orig_mod.module."),
        ("", "module.model._orig_mod."),
        ("state_dict", ""),
        ("model_state_dict", "module."),
        ("network", ""),
        ("a.name.never.seen", "any.prefix."),
        ("0", ""),
    ] {
        let file = Made::default()
            .float("optimizer.state.0", "exp_avg", &[4, 3, 3, 3])
            .network(level, prefix)
            .integer(level, &format!("{prefix}layer1.0.bn1.num_batches_tracked"));
        let fit = file.strict().unwrap();
        assert_eq!(file.taken(&fit).len(), 5, "{level} {prefix}");
        assert!(fit.notes.is_empty(), "{:?}", fit.notes);
        // Keys and tensors belong together.
        for (at, (key, _)) in fit.entries.iter().zip(model()) {
            assert_eq!(
                file.0[at.unwrap()].name,
                format!("{level}.{prefix}{key}").trim_start_matches('.')
            );
        }
    }
    // A wrapper around a part of the network.
    let mut file = Made::default().network("", "");
    file.0[1].name = "layer1.module.0.bn1.weight".into();
    assert!(file.strict().is_ok());
}

#[test]
fn integers_and_counters_do_not_count() {
    let file = Made::default()
        .network("", "")
        .integer("", "anchor_ids")
        .add(
            "",
            "layer1.0.bn1.num_batches_tracked",
            &[],
            ElementType::Other("int32".into()),
        )
        .add("", "layer2.num_batches_tracked", &[], ElementType::F32);
    assert!(file.strict().unwrap().notes.is_empty());
    let quantized = Made::default().network_but("", "", &["conv1"]).add(
        "",
        "conv1.weight",
        &[4, 3, 3, 3],
        ElementType::Other("uint8".into()),
    );
    let error = quantized.strict().unwrap_err();
    assert!(
        error.contains("`conv1.weight` is of type uint8; a float is needed"),
        "{error}"
    );
}

#[test]
fn of_plain_and_averaged_weights_the_plain_ones() {
    for (plain, averaged) in [
        (("state_dict", ""), ("state_dict_ema", "")),
        (("model", "module."), ("model_ema", "module.")),
        (("state_dict", "net."), ("state_dict", "ema.module.")),
        (("", ""), ("ema_state_dict", "")),
        (("", ""), ("", "ema.")),
    ] {
        for first in [true, false] {
            let file = match first {
                true => Made::default()
                    .network(averaged.0, averaged.1)
                    .network(plain.0, plain.1),
                false => Made::default()
                    .network(plain.0, plain.1)
                    .network(averaged.0, averaged.1),
            };
            let fit = file.strict().unwrap();
            assert!(
                file.taken(&fit).iter().all(|name| !name.contains("ema")),
                "{plain:?}"
            );
            assert!(
                fit.notes.len() == 1 && fit.notes[0].contains("averaged"),
                "{:?}",
                fit.notes
            );
            assert!(fit.notes[0].contains("ema"), "{:?}", fit.notes);
        }
    }
    let alone = Made::default().network("ema_state_dict", "");
    assert!(alone.strict().unwrap().notes.is_empty());
}

#[test]
fn one_of_two_networks_is_not_guessed() {
    let file = Made::default()
        .network("generator", "")
        .network("critic", "");
    let error = file.strict().unwrap_err();
    for needle in ["several networks", "`critic`", "`generator`"] {
        assert!(error.contains(needle), "{error}");
    }
    // Two names of the same values are one network.
    let mut shared = Made::default()
        .network("model", "")
        .network("state_dict", "");
    for at in 5..10 {
        shared.0[at].view.storage = at - 5;
    }
    assert!(shared.strict().is_ok());
}

#[test]
fn what_lies_beside_a_network_is_said_and_not_used() {
    let file = Made::default()
        .network("state_dict", "model.")
        .float("state_dict", "criterion.weight", &[2])
        .float("optimizer.state.0", "exp_avg", &[2]);
    let fit = file.strict().unwrap();
    assert!(
        fit.notes.len() == 1 && fit.notes[0].contains("`state_dict.criterion.weight`"),
        "{:?}",
        fit.notes
    );
    assert!(!fit.notes[0].contains("exp_avg"), "{:?}", fit.notes);
    let larger = Made::default()
        .network("", "")
        .float("", "layer1.1.conv.weight", &[4]);
    let error = larger.training().unwrap_err();
    assert!(
        error.contains("`layer1.1.conv.weight` is in the file but not in the model"),
        "{error}"
    );
}

#[test]
fn only_training_takes_a_new_head() {
    let other = Made::default()
        .network_but("", "module.", &["fc"])
        .float("", "module.fc.weight", &[1000, 4])
        .float("", "module.fc.bias", &[1000]);
    let headless = Made::default().network_but("state_dict", "", &["fc"]);
    let half = Made::default().network_but("", "", &["fc.weight"]);
    let deeper = Made::default()
        .network_but("", "", &["fc"])
        .float("", "fc.0.weight", &[8, 4])
        .float("", "fc.2.weight", &[10, 8]);
    for (file, needle) in [
        (
            &other,
            "the head is reinitialized: `fc.weight` was [1000, 4] in the file, the model has 2 classes",
        ),
        (
            &headless,
            "the head is reinitialized: the file has no `fc.weight`, the model has 2 classes",
        ),
        (&half, "the file has no `fc.weight`"),
        (&deeper, "the file has no `fc.weight`"),
    ] {
        let fit = file.training().unwrap();
        assert!(
            fit.notes.len() == 1 && fit.notes[0].contains(needle),
            "{:?}",
            fit.notes
        );
        let kept: Vec<bool> = fit.entries.iter().map(Option::is_some).collect();
        // The whole head, never a part of it.
        assert_eq!(kept, [true, true, true, false, false]);
        assert!(
            file.strict().unwrap_err().contains("`fc."),
            "eval stays strict"
        );
    }
    let fitting = Made::default().network("", "");
    assert_eq!(fitting.training(), fitting.strict());
    // A head without a network, and a network that differs elsewhere.
    let head = Made::default()
        .float("", "fc.weight", &[2, 4])
        .float("", "fc.bias", &[2]);
    assert!(
        head.training()
            .unwrap_err()
            .contains("`conv1.weight` [4, 3, 3, 3] is missing")
    );
    let narrow = Made::default().network_but("", "", &["conv1", "fc"]).float(
        "",
        "conv1.weight",
        &[2, 3, 3, 3],
    );
    let error = narrow.training().unwrap_err();
    assert!(
        error.contains("`conv1.weight` is [2, 3, 3, 3] in the file but [4, 3, 3, 3] in the model"),
        "{error}"
    );
    // The head's path is a whole level of names.
    let lookalike = Made::default()
        .network_but("", "", &["fc"])
        .float("", "fc2.weight", &[9]);
    assert!(
        lookalike
            .training()
            .unwrap_err()
            .contains("`fc2.weight` is in the file")
    );
}

#[test]
fn a_failure_shows_the_names_of_the_file() {
    let foreign = Made::default()
        .float("", "encoder.patch.weight", &[8, 3])
        .float("", "head.weight", &[2, 8]);
    let error = foreign.training().unwrap_err();
    for needle in [
        "the file has none of the model's keys: `conv1.weight` [4, 3, 3, 3] is missing",
        "`encoder.patch.weight` is in the file but not in the model",
        "`head.weight` is in the file",
    ] {
        assert!(error.contains(needle), "{error}");
    }
    let renamed = Made::default().network_but("model", "", &["layer1"]).float(
        "model",
        "stage1.0.norm.weight",
        &[4],
    );
    let error = renamed.strict().unwrap_err();
    for needle in [
        "under `model`",
        "`layer1.0.bn1.weight` [4] is missing",
        "`stage1.0.norm.weight` is in the file but not in the model",
    ] {
        assert!(error.contains(needle), "{error}");
    }
    assert!(Made::default().strict().unwrap_err().contains("no tensors"));
    let many = (0..3000).fold(Made::default(), |file, at| {
        file.float("", &format!("block{at}.weight"), &[4])
    });
    let error = many.strict().unwrap_err();
    for needle in [
        "none of the model's keys: 3005 differences:\n  `conv1.weight` [4, 3, 3, 3] is missing\n",
        "\n  `block2000.weight` is in the file but not in the model",
        "\n  and 5 more",
    ] {
        assert!(error.contains(needle), "{needle}: {error:.2000}");
    }
}

#[test]
fn an_exception_keeps_tensors_out_and_says_which() {
    let rules = |except: &[&str]| Rules {
        except: except.iter().map(ToString::to_string).collect(),
        ..Rules::default()
    };
    let file = Made::default()
        .network_but("", "module.", &["layer1"])
        .float("", "module.layer1.0.bn1.weight", &[7])
        .float("", "module.layer1.9.weight", &[7]);
    assert!(file.strict().is_err());
    let fit = fit(&file.0, &model(), &rules(&["layer1.*"])).unwrap();
    let kept: Vec<bool> = fit.entries.iter().map(Option::is_some).collect();
    assert_eq!(kept, [true, false, false, true, true]);
    assert_eq!(
        fit.notes,
        [
            "not loaded, because of the exceptions: `layer1.0.bn1.weight`; `layer1.0.bn1.running_mean`; the model begins with its own values there"
        ]
    );
    let error = super::fit(&file.0, &model(), &rules(&["layer1.*", "head.*"])).unwrap_err();
    assert!(
        error.contains("no key matches the exception `head.*`") && error.contains("`conv1.weight`"),
        "{error}"
    );
    // A name that only the file has.
    let file = Made::default()
        .network("", "")
        .float("", "extra.weight", &[1]);
    assert!(super::fit(&file.0, &model(), &rules(&["extra.*"])).is_ok());
}

#[test]
fn what_published_files_have_beside_the_model_is_known_by_name() {
    let rules = Rules {
        ignored: vec!["aux1.*".into()],
        renamed: vec![(".0.norm.1.".into(), ".0.bn1.".into())],
        ..Rules::default()
    };
    let file = Made::default()
        .network_but("", "", &["layer1"])
        .float("", "layer1.0.norm.1.weight", &[4])
        .float("", "layer1.0.norm.1.running_mean", &[4])
        .float("", "aux1.fc.weight", &[9, 9]);
    let found = fit(&file.0, &model(), &rules).unwrap();
    assert_eq!(file.taken(&found).len(), 5);
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    assert!(file.strict().is_err());
    let other = file.float("", "aux2.fc.weight", &[9, 9]);
    let error = fit(&other.0, &model(), &rules).unwrap_err();
    assert!(error.contains("`aux2.fc.weight` is in the file"), "{error}");
}

#[test]
fn a_convolution_for_rgb_is_for_other_channels_only_by_a_rule() {
    let grey: Vec<_> = model()
        .into_iter()
        .map(|(key, shape)| match shape.as_slice() {
            [4, 3, 3, 3] => (key, vec![4, 1, 3, 3]),
            _ => (key, shape),
        })
        .collect();
    let file = Made::default().network("", "");
    assert!(fit(&file.0, &grey, &Rules::default()).is_err());
    let rules = |channels| Rules {
        channels: Some(channels),
        ..Rules::default()
    };
    assert!(fit(&file.0, &grey, &rules(4)).is_err());
    let found = fit(&file.0, &grey, &rules(1)).unwrap();
    assert_eq!(
        found.notes,
        [
            "`conv1.weight` reads RGB in the file and 1 channel here: its weights are summed over the channels"
        ]
    );
    // The numbers of outputs and pixels must be the same.
    let wide =
        Made::default()
            .network_but("", "", &["conv1"])
            .float("", "conv1.weight", &[5, 3, 3, 3]);
    assert!(fit(&wide.0, &grey, &rules(1)).is_err());
}

#[test]
fn half_precision_is_said() {
    let file = Made::default()
        .network_but("", "", &["conv1", "fc.bias"])
        .add("", "conv1.weight", &[4, 3, 3, 3], ElementType::F16)
        .add("", "fc.bias", &[2], ElementType::BF16);
    assert_eq!(
        file.strict().unwrap().notes,
        ["its values of type bfloat16 and float16 are converted to float32"]
    );
}

#[test]
fn a_difference_names_what_was_probably_meant() {
    let file = Made::default()
        .network_but("", "", &["layer1.0.bn1.weight"])
        .float("", "layer1.0.norm1.weight", &[4])
        .float("", "layer1.0.bn1.wait", &[9]);
    let error = file.strict().unwrap_err();
    for needle in [
        // The nearer name has another shape.
        "`layer1.0.bn1.weight` [4] is missing (the nearest in the file is `layer1.0.norm1.weight`)",
        "`layer1.0.norm1.weight` is in the file but not in the model (the nearest there is `layer1.0.bn1.weight`)",
    ] {
        assert!(error.contains(needle), "{error}");
    }
    let optimizer = Made::default()
        .float("state.0", "exp_avg", &[4, 3, 3, 3])
        .float("state.0", "exp_avg_sq", &[4, 3, 3, 3]);
    let error = optimizer.training().unwrap_err();
    assert!(error.contains("state of an optimizer"), "{error}");
}
