//! Names of run directories: `DATA-MODEL`, followed by a number.

use std::path::{Path, PathBuf};

use firebrick::RunPlace;
use firebrick::core::Recipe;
use firebrick::datasets::pack_file::{EXTENSION, has_extension};
use firebrick::datasets::registry::folder_path;

/// Where runs go that are given no directory.
pub(crate) const RUNS: &str = "runs";

/// Characters of a data set's name in the name of a directory, at most: a file name has 255 bytes.
const LONGEST: usize = 40;

/// Where a run goes: into the directory that `--out` gives, or into the next free one of [`RUNS`].
pub(crate) fn run_place(out: Option<&PathBuf>, recipe: &Recipe) -> RunPlace {
    match out {
        Some(out) => RunPlace::At(out.clone()),
        None => RunPlace::Next {
            parent: RUNS.into(),
            name: run_name(recipe),
        },
    }
}

/// `hymenoptera-small_cnn` for `folder:data/hymenoptera`, `cifar10-resnet20` for `cifar10`.
pub(crate) fn run_name(recipe: &Recipe) -> String {
    let data = data_name(&recipe.dataset);
    format!("{}-{}", file_name(&data), file_name(&recipe.model.name))
}

/// The last folder of `folder:PATH`, or the name of the pack there without its extension; else the name of the data set
/// without its options.
pub(crate) fn data_name(dataset: &str) -> String {
    match folder_path(dataset) {
        Some(path) if has_extension(Path::new(path)) => {
            last_folder(&path[..path.len() - EXTENSION.len() - 1])
        }
        Some(path) => last_folder(path),
        None => dataset.trim().split('(').next().unwrap_or_default().into(),
    }
}

/// The name of the folder that a path leads to; of `.` and `..` too.
fn last_folder(path: &str) -> String {
    let path = Path::new(path);
    let real = || path.canonicalize().ok();
    let name = match path.components().next_back() {
        Some(std::path::Component::Normal(name)) => Some(name.to_os_string()),
        _ => real().and_then(|real| real.file_name().map(ToOwned::to_owned)),
    };
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What does not belong in a file name replaced.
fn file_name(text: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name: String = text
        .chars()
        .map(|c| if kept(c) { c } else { '-' })
        .take(LONGEST)
        .collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() {
        "data".into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(dataset: &str) -> String {
        run_name(&Recipe {
            dataset: dataset.into(),
            model: "lenet5(dropout=0.1)".parse().unwrap(),
            ..Recipe::default()
        })
    }

    #[test]
    fn a_run_is_named_after_its_data_and_model() {
        assert_eq!(named("glyphs(train=600, domain=rgb)"), "glyphs-lenet5");
        assert_eq!(named("folder:data/hymenoptera"), "hymenoptera-lenet5");
        assert_eq!(named("folder:/a/b/Flower Photos/"), "Flower-Photos-lenet5");
        assert_eq!(named("folder:../.hidden/"), "hidden-lenet5");
        assert_eq!(named("folder:a/café:1*?"), "café-1-lenet5");
        assert_eq!(named("folder:/a/my.photos.FBpack"), "my.photos-lenet5");
        assert_eq!(named("folder:/"), "data-lenet5");
        let long = named(&format!("folder:{}", "ü".repeat(300)));
        assert!(long.len() < 128, "{long}");
        // `.` is named after the folder that it is: the tests of a crate run in its own.
        assert_eq!(named("folder:."), "firebrick-cli-lenet5");
        assert_eq!(named("folder:src/.."), "firebrick-cli-lenet5");
    }
}
