//! Which stage of a model a path belongs to.

use std::collections::BTreeMap;

use firebrick_core::freeze::Freezable;
use firebrick_zoo::Stage;

/// The stage of each path: the one whose modules hold it, or the head, which comes behind all stages.
pub(super) fn stage_of(
    paths: &[Freezable],
    stages: &[Stage],
    head: Option<&str>,
) -> BTreeMap<String, usize> {
    let is_below = |path: &str, module: &str| {
        let rest = path.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let named = |path: &str| {
        if head.is_some_and(|head| is_below(path, head)) {
            return Some(stages.len());
        }
        let holds = |stage: &Stage| stage.modules.iter().any(|module| is_below(path, module));
        stages.iter().position(holds)
    };
    // Where the last layer is not named, it is what is in no stage.
    let between = match head {
        Some(_) => stages.len().saturating_sub(1),
        None => stages.len(),
    };
    let mut behind = stages.len();
    let found = paths.iter().rev().map(|one| {
        let stage = match named(&one.path) {
            Some(stage) => {
                behind = stage;
                stage
            }
            None if one.is_parameter => between,
            None => behind,
        };
        (one.path.clone(), stage)
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(modules: &[&str]) -> Stage {
        Stage {
            name: "stage".into(),
            modules: modules.iter().map(ToString::to_string).collect(),
            width: 1,
            stride: None,
        }
    }

    #[test]
    fn what_is_in_no_stage_goes_with_its_neighbour() {
        let parameters = [
            "features.0.weight",
            "features.0.drop.training",
            "features.1.weight",
            "features.10.weight",
            "dropout1.training",
            "fc1.weight",
            "between.weight",
            "dropout2.training",
            "fc.weight",
            "fc.bias",
        ];
        let paths = parameters.map(|path| Freezable {
            path: path.into(),
            is_parameter: !path.ends_with("training"),
        });
        let stages = [
            stage(&["features.0", "features.1"]),
            stage(&["features.10"]),
            stage(&["fc1"]),
        ];
        let found = |head: Option<&str>| -> Vec<usize> {
            let found = stage_of(&paths, &stages, head);
            parameters.iter().map(|path| found[*path]).collect()
        };
        assert_eq!(found(Some("fc")), [0, 0, 0, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(found(None), [0, 0, 0, 1, 2, 2, 3, 3, 3, 3]);
    }
}
