//! What is in the files of a folder: their hashes, and what changed between two readings.
//!
//! Every file is read once, on all cores. No hash is kept beside the images: a time stamp can lie,
//! and a folder of photos is not ours to write in.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// The SHA-256 of a file.
pub(super) type Sum = [u8; 32];

/// The hash of each file, in order; `None` for one that cannot be read.
pub(super) fn of_files(root: &Path, files: &[PathBuf]) -> Vec<Option<Sum>> {
    files
        .par_iter()
        .map_init(
            || vec![0; 256 << 10],
            |buffer, file| of_file(&root.join(file), buffer).ok(),
        )
        .collect()
}

fn of_file(path: &Path, buffer: &mut [u8]) -> io::Result<Sum> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// One line for each file, as `sha256sum` writes and checks them: the hash, two spaces, the path.
pub(super) fn lines(prefix: &Path, files: &[PathBuf], sums: &[Option<Sum>]) -> String {
    let mut text = String::new();
    for (file, sum) in files.iter().zip(sums) {
        let path = prefix.join(file);
        let path = path.to_string_lossy();
        // A path with such a character is escaped, and the line begins with a backslash.
        let escaped = path
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        if escaped != path {
            text.push('\\');
        }
        text.push_str(&hexadecimal(&sum.unwrap_or_default()));
        text.push_str("  ");
        text.push_str(&escaped);
        text.push('\n');
    }
    text
}

/// How many of the files have content that a listing knows, under whatever name.
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

/// How the files of a folder differ from those of an earlier reading.
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
    /// What differs between two texts of checksums, one `HASH  PATH` on each line.
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
        let sums = of_files(root.path(), &names);
        assert_eq!(sums[2], None, "a file that is not there");
        let text = lines(Path::new("train"), &names, &sums);
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
        assert_eq!(known(&sums, &text), 2);
        assert_eq!(known(&sums, &text.replace("ba78", "ba79")), 0);
        std::fs::write(root.path().join(&names[0]), b"abd").unwrap();
        let more = [&names[..2], &["c.png".into()]].concat();
        let now = lines(Path::new("train"), &more, &of_files(root.path(), &more));
        let changes = Changes::between(&text, &now);
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
