//! Replaces `~/` by the home directory where the shell does not: after `=`, after `folder:`, in recipes and in
//! environment variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use firebrick::core::recipe::{Recipe, SETTINGS};

use crate::failure::Failure;

/// The arguments of the program with `~/…`, `--flag=~/…`, `folder:~/…` and `--flag=folder:~/…` made
/// whole.
pub(crate) fn in_arguments(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, Failure> {
    arguments
        .into_iter()
        .map(|argument| {
            let Some(text) = argument.to_str() else {
                return Ok(argument);
            };
            let value_at = match text.split_once('=') {
                Some((flag, _)) if flag.starts_with("--") => flag.len() + 1,
                _ => 0,
            };
            let (flag, value) = text.split_at(value_at);
            Ok(format!("{flag}{}", in_text(value)?).into())
        })
        .collect()
}

/// The places that a recipe names.
pub(crate) fn in_recipe(mut recipe: Recipe) -> Result<Recipe, Failure> {
    for setting in SETTINGS.iter().filter(|row| row.about.place.is_some()) {
        if let Some(place) = setting.value(&recipe).text() {
            let read = setting.value_mut(&mut recipe).read(&in_text(&place)?);
            read.map_err(|why| Failure::Usage(format!("{}: {why}", setting.key)))?;
        }
    }
    Ok(recipe)
}

/// A path, or a path after `folder:`.
pub(crate) fn in_text(text: &str) -> Result<String, Failure> {
    let (before, path) = match text.strip_prefix("folder:") {
        Some(path) => ("folder:", path),
        None => ("", text),
    };
    Ok(match whole(path, std::env::home_dir().as_deref())? {
        Some(path) => format!("{before}{}", path.display()),
        None => text.into(),
    })
}

/// `~` or `~/…` below `home`; `None` when the path is neither.
fn whole(path: &str, home: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if path != "~" && !path.starts_with("~/") {
        return Ok(None);
    }
    let home = home.filter(|home| !home.as_os_str().is_empty());
    let Some(home) = home else {
        return Err(Failure::Usage(format!(
            "{path}: `~` cannot be resolved because HOME is not set; write the path in full"
        )));
    };
    Ok(Some(home.join(path[1..].trim_start_matches('/'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_tilde_is_home() {
        let home = Path::new("/home/me");
        for (path, expected) in [
            ("~/photos", Some("/home/me/photos")),
            ("~//photos/", Some("/home/me/photos/")),
            ("~", Some("/home/me/")),
            ("~other/photos", None),
            ("./~/photos", None),
            ("a~", None),
            ("", None),
        ] {
            let found = whole(path, Some(home)).ok().flatten();
            assert_eq!(found, expected.map(PathBuf::from), "{path}");
        }
        assert!(matches!(whole("~/a", None), Err(Failure::Usage(_))));
    }
}
