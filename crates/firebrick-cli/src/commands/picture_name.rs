//! Names of the pictures that a command writes, one for each image.

use std::collections::BTreeSet;
use std::path::Path;

/// `NAME.png`, or `NAME-2.png` where another image has that name already.
pub(crate) fn picture_name(path: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name = format!("{stem}.png");
    for number in 2.. {
        if taken.insert(name.to_lowercase()) {
            break;
        }
        name = format!("{stem}-{number}.png");
    }
    name
}
