//! The SHA-256 of image files, and which files of a folder changed since its checksums were written.
//!
//! Nothing is stored next to the images, because the folder belongs to the user, and hashes are not looked up by time
//! stamp, because time stamps can be wrong.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The SHA-256 of a file.
pub(super) type Sum = [u8; 32];

pub(super) fn of_file(path: &Path) -> io::Result<Sum> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().into())
}

/// The line of a file in the format of `sha256sum`: the hash, two spaces, the path. The hash of a file
/// that cannot be read is all zeros.
pub(super) fn line(path: &Path, sum: Option<Sum>) -> String {
    let path = path.to_string_lossy();
    // A path with such a character is escaped, and the line begins with a backslash.
    let escaped = path
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    let mark = if escaped == path { "" } else { "\\" };
    let hash = hexadecimal(&sum.unwrap_or_default());
    format!("{mark}{hash}  {escaped}\n")
}

/// How many of the hashes occur in a listing, whatever the files are called there.
pub(super) fn known(sums: &[Option<Sum>], listing: &str) -> usize {
    let listed: HashSet<&str> = listing
        .lines()
        .filter_map(|line| line.trim_start_matches('\\').split_once("  "))
        .map(|(sum, _)| sum)
        .collect();
    let known = |sum: &&Sum| listed.contains(hexadecimal(sum).as_str());
    sums.iter().flatten().filter(known).count()
}

fn hexadecimal(sum: &Sum) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the files of a folder differ from those of earlier checksums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files with other content.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub missing: Vec<String>,
    /// Files that are new.
    pub added: Vec<String>,
}

impl Changes {
    /// The differences between two listings with `HASH  PATH` on each line.
    #[must_use]
    pub fn between(before: &str, now: &str) -> Self {
        let read = |text: &str| -> BTreeMap<String, String> {
            text.lines()
                .filter_map(|line| line.split_once("  "))
                .map(|(sum, path)| (path.to_string(), sum.trim_start_matches('\\').to_string()))
                .collect()
        };
        let (before, mut now) = (read(before), read(now));
        let mut changes = Self::default();
        for (path, sum) in before {
            match now.remove(&path) {
                None => changes.missing.push(path),
                Some(other) if other != sum => changes.changed.push(path),
                Some(_) => {}
            }
        }
        changes.added = now.into_keys().collect();
        changes
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.added.is_empty()
    }
}

/// `2 files changed (cat/1.jpg, cat/2.jpg), 1 file added (dog/9.jpg)`; three names of each kind.
impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 3;
        let mut parts = Vec::new();
        for (files, what) in [
            (&self.changed, "changed"),
            (&self.missing, "missing"),
            (&self.added, "added"),
        ] {
            if files.is_empty() {
                continue;
            }
            let mut names = files[..files.len().min(SHOWN)].join(", ");
            if files.len() > SHOWN {
                names.push_str(", …");
            }
            let noun = if files.len() == 1 { "file" } else { "files" };
            parts.push(format!("{} {noun} {what} ({names})", files.len()));
        }
        if parts.is_empty() {
            return f.write_str("no file changed");
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn lines_are_those_of_sha256sum_and_differences_are_told() {
        let root = tempfile::tempdir().unwrap();
        let names = ["a/1.png", "a/odd\nname.png", "b/2.png"].map(PathBuf::from);
        std::fs::create_dir(root.path().join("a")).unwrap();
        std::fs::create_dir(root.path().join("b")).unwrap();
        for name in &names[..2] {
            std::fs::write(root.path().join(name), b"abc").unwrap();
        }
        let sums = |names: &[PathBuf]| -> Vec<Option<Sum>> {
            let paths = names.iter().map(|name| root.path().join(name));
            paths.map(|path| of_file(&path).ok()).collect()
        };
        let listing = |names: &[PathBuf]| -> String {
            let lines = names.iter().zip(sums(names));
            lines
                .map(|(name, sum)| line(&Path::new("train").join(name), sum))
                .collect()
        };
        let before = sums(&names);
        assert_eq!(before[2], None, "a file that is not there");
        let text = listing(&names);
        // The SHA-256 of "abc", from FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let zero = "0".repeat(64);
        assert_eq!(
            text,
            format!(
                "{abc}  train/a/1.png\n\\{abc}  train/a/odd\\nname.png\n{zero}  train/b/2.png\n"
            )
        );

        assert!(Changes::between(&text, &text).is_empty());
        assert_eq!(known(&before, &text), 2);
        assert_eq!(known(&before, &text.replace("ba78", "ba79")), 0);
        std::fs::write(root.path().join(&names[0]), b"abd").unwrap();
        let more = [&names[..2], &["c.png".into()]].concat();
        let changes = Changes::between(&text, &listing(&more));
        assert_eq!(
            changes.to_string(),
            "1 file changed (train/a/1.png), 1 file missing (train/b/2.png), 1 file added \
             (train/c.png)"
        );
        let many: Vec<String> = (0..5).map(|index| index.to_string()).collect();
        let changes = Changes {
            changed: many,
            ..Changes::default()
        };
        assert_eq!(changes.to_string(), "5 files changed (0, 1, 2, …)");
    }
}
