//! Checkpoints of format 1, in which the optimizer's state called the parameters of norm layers
//! `gamma` and `beta`; since format 2 they bear the names of weight files everywhere.

use firebrick_core::Recipe;
use firebrick_core::state_dict::StateDict;
use firebrick_core::update::UpdateState;

/// What the parameters of norm layers were called, and what they are called now.
const FIELDS: [(&str, &str); 2] = [("gamma", "weight"), ("beta", "bias")];

/// The old path of a parameter and its new one.
type Renamed = (String, String);

/// Gives the optimizer's state, in a checkpoint with this recipe and model, the names of today.
///
/// # Errors
/// What is wrong, if a group of the recipe applies to other parameters under the new names: the run
/// would continue as another one.
pub(super) fn rename_norms(
    optimizer: &mut UpdateState,
    recipe: &str,
    model: &StateDict,
) -> Result<(), String> {
    let keys = model.tensors.keys();
    let mut renamed: Vec<Renamed> = keys
        .filter_map(|key| of_batch_norm(key))
        .flatten()
        .collect();
    let state = std::mem::take(&mut optimizer.parameters);
    for (path, state) in state {
        let new = new_name(&path).filter(|new| {
            let tensors = &model.tensors;
            tensors.contains_key(new) && !tensors.contains_key(&path)
        });
        let path = match new {
            Some(new) => {
                renamed.push((path, new.clone()));
                new
            }
            None => path,
        };
        optimizer.parameters.insert(path, state);
    }
    let Ok(recipe) = Recipe::from_toml(recipe, "its recipe") else {
        // Whether the recipe is the run's is for the identity to say.
        return Ok(());
    };
    for rule in &recipe.groups {
        let otherwise = |(old, new): &&Renamed| rule.matches(old) != rule.matches(new);
        if let Some((old, new)) = renamed.iter().find(otherwise) {
            return Err(format!(
                "it was written by an earlier version, which called `{new}` `{old}`, so its group `{}` would \
                 now apply to other parameters; begin a new run, from its weights if you like \
                 (--weights RUN/model.safetensors)",
                rule.path
            ));
        }
    }
    Ok(())
}

/// The parameters of the batch norm whose running mean has this key.
fn of_batch_norm(key: &str) -> Option<[Renamed; 2]> {
    let module = key.strip_suffix("running_mean")?;
    Some(FIELDS.map(|(old, new)| (format!("{module}{old}"), format!("{module}{new}"))))
}

fn new_name(path: &str) -> Option<String> {
    FIELDS.into_iter().find_map(|(old, new)| {
        let module = path.strip_suffix(old)?;
        (module.is_empty() || module.ends_with('.')).then(|| format!("{module}{new}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::TensorData;
    use firebrick_core::checksum;
    use firebrick_core::update::ParameterState;

    use super::*;
    use crate::checkpoint::manifest::{FORMAT, Manifest};
    use crate::checkpoint::{Checkpoint, Identity};
    use crate::progress::Progress;

    /// One of format 1 with a convolution, a batch norm and a layer norm.
    fn old(groups: &str) -> Checkpoint {
        let keys = [
            "conv.weight",
            "block.bn.weight",
            "block.bn.bias",
            "block.bn.running_mean",
            "norm.weight",
            "gamma",
        ];
        let tensor = |key: &str| (key.to_string(), TensorData::from([1.0_f32]));
        let paths = [
            "conv.weight",
            "block.bn.gamma",
            "block.bn.beta",
            "norm.gamma",
            "gamma",
        ];
        let numbered = |(at, path): (usize, &&str)| {
            let numbers = [("step".to_string(), at as f64)].into();
            let state = ParameterState {
                tensors: BTreeMap::new(),
                numbers,
            };
            (path.to_string(), state)
        };
        Checkpoint {
            identity: Identity {
                recipe: groups.into(),
                ..Identity::default()
            },
            progress: Progress::default(),
            model: StateDict {
                tensors: keys.map(tensor).into(),
                ..StateDict::default()
            },
            evaluated: None,
            optimizer: UpdateState {
                name: "adam".into(),
                parameters: paths.iter().enumerate().map(numbered).collect(),
                numbers: BTreeMap::new(),
            },
            hooks: BTreeMap::new(),
        }
    }

    fn rename(checkpoint: &mut Checkpoint) -> Result<(), String> {
        rename_norms(
            &mut checkpoint.optimizer,
            &checkpoint.identity.recipe,
            &checkpoint.model,
        )
    }

    #[test]
    fn the_state_of_norms_gets_the_names_of_the_file() {
        let mut checkpoint = old("");
        rename(&mut checkpoint).unwrap();
        let state = |path: &str| checkpoint.optimizer.parameters[path].numbers["step"];
        assert_eq!(checkpoint.optimizer.parameters.len(), 5);
        assert_eq!((state("conv.weight"), state("block.bn.weight")), (0.0, 1.0));
        assert_eq!((state("block.bn.bias"), state("norm.weight")), (2.0, 3.0));
        // A parameter that the model itself calls so.
        assert_eq!(state("gamma"), 4.0);
    }

    #[test]
    fn a_set_of_format_1_is_read_with_the_names_of_today() {
        let temp = tempfile::tempdir().unwrap();
        let load = |format: u32, groups: &str| {
            let mut sums = BTreeMap::new();
            for (name, bytes) in old(groups).files().unwrap() {
                std::fs::write(temp.path().join(&name), &bytes).unwrap();
                sums.insert(name, checksum::of(&bytes));
            }
            let manifest = Manifest::of_format(format, sums);
            let manifest = serde_json::to_vec(&manifest).unwrap();
            std::fs::write(temp.path().join("manifest.json"), manifest).unwrap();
            Checkpoint::load(temp.path(), &firebrick_core::device("flex").unwrap())
        };
        let has = |checkpoint: &Checkpoint, path: &str| {
            checkpoint.optimizer.parameters.contains_key(path)
        };
        let read = load(1, "").unwrap();
        assert!(has(&read, "block.bn.weight") && !has(&read, "block.bn.gamma"));
        let kept = load(FORMAT, "").unwrap();
        assert!(has(&kept, "block.bn.gamma"), "only format 1 is renamed");
        let error = load(1, "[[groups]]\npath = \"*.bias\"\n").unwrap_err();
        assert!(error.to_string().contains("begin a new run"), "{error}");
        let error = load(99, "").unwrap_err().to_string();
        assert!(error.contains("written in format 99"), "{error}");
    }

    #[test]
    fn a_group_that_would_be_for_others_is_refused() {
        let group = |path: &str| format!("[[groups]]\npath = \"{path}\"\nlr = 0.5\n");
        for path in ["*.bias", "*.gamma", "norm.weight", "*weight"] {
            let error = rename(&mut old(&group(path))).unwrap_err();
            assert!(error.contains(&format!("group `{path}`")), "{error}");
        }
        for path in ["conv.*", "*bn*", "*"] {
            rename(&mut old(&group(path))).unwrap();
        }
    }
}
