//! Every example runs offline with --smoke.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::Command;

#[test]
fn examples_run() {
    // This test lies in target/…/deps; the examples, built with it, in target/…/examples.
    let examples: PathBuf = std::env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples");
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
        .unwrap()
        .flatten();
    let mut names: Vec<String> = sources
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_string()))
        .collect();
    names.sort();
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        let temp = tempfile::tempdir().unwrap();
        let output = Command::new(examples.join(&name))
            .arg("--smoke")
            .current_dir(temp.path())
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{name}: {stderr}"
        );
    }
}
