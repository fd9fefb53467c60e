//! The dependencies between crates, and the licences and sources of third-party crates.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What each crate may stand on, besides crates from outside.
const ARROWS: &[(&str, &[&str])] = &[
    ("firebrick-kernels", &[]),
    ("firebrick-resize", &[]),
    (
        "firebrick-types",
        &["firebrick-kernels", "firebrick-resize"],
    ),
    ("firebrick-download", &["firebrick-types"]),
    ("firebrick-core", &["firebrick-kernels", "firebrick-types"]),
    ("firebrick-optim", &["firebrick-core"]),
    ("firebrick-regularize", &["firebrick-core"]),
    (
        "firebrick-datasets",
        &["firebrick-download", "firebrick-types"],
    ),
    ("firebrick-train", &["firebrick-core"]),
    (
        "firebrick-ensemble",
        &["firebrick-core", "firebrick-train", "firebrick-types"],
    ),
    ("firebrick-report", &["firebrick-types"]),
    (
        "firebrick-transfer",
        &["firebrick-kernels", "firebrick-types"],
    ),
    ("firebrick-zoo", &["firebrick-core", "firebrick-regularize"]),
    (
        "firebrick",
        &[
            "firebrick-core",
            "firebrick-datasets",
            "firebrick-download",
            "firebrick-ensemble",
            "firebrick-optim",
            "firebrick-regularize",
            "firebrick-report",
            "firebrick-train",
            "firebrick-transfer",
            "firebrick-zoo",
        ],
    ),
    ("firebrick-cli", &["firebrick"]),
    ("firebrick-bench", &["firebrick", "firebrick-kernels"]),
    ("firebrick-examples", &["firebrick"]),
    (
        "firebrick-tests",
        &["firebrick", "firebrick-cli", "firebrick-transfer"],
    ),
    ("xtask", &[]),
];

/// What a library must not stand on: it neither reads flags nor prints nor hides its errors.
const NOT_FOR_LIBRARIES: [&str; 4] = ["anyhow", "clap", "ctrlc", "indicatif"];

#[test]
fn arrows_between_crates_point_down() {
    let metadata = metadata(&["--no-deps"]);
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(package, "name"), package))
        .collect();
    let expected: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        packages.keys().copied().collect::<BTreeSet<_>>(),
        expected,
        "the list of crates"
    );
    for (name, allowed) in ARROWS {
        let normal = packages[name]["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        let names: Vec<&str> = normal.map(|dependency| text(dependency, "name")).collect();
        for dependency in names
            .iter()
            .filter(|dependency| dependency.starts_with("firebrick"))
        {
            assert!(
                allowed.contains(dependency),
                "{name} must not depend on {dependency}"
            );
        }
        let library = packages[name]["targets"]
            .as_array()
            .unwrap()
            .iter()
            .any(|target| target["kind"][0] == "lib")
            // The command line is a library for command lines.
            && *name != "firebrick-cli"
            && !name.ends_with("-examples")
            && !name.ends_with("-tests");
        if library {
            let bad: Vec<_> = names
                .iter()
                .filter(|dependency| NOT_FOR_LIBRARIES.contains(dependency))
                .collect();
            assert!(
                bad.is_empty(),
                "the library {name} must not depend on {bad:?}"
            );
        }
    }
}

#[test]
fn only_core_names_a_backend() {
    for name in [
        "ensemble",
        "optim",
        "regularize",
        "train",
        "transfer",
        "zoo",
        "report",
    ] {
        let manifest = std::fs::read_to_string(format!(
            "{}/../crates/firebrick-{name}/Cargo.toml",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap();
        let normal = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();
        for backend in ["flex", "ndarray", "wgpu", "cuda"] {
            assert!(
                !normal.contains(&format!("\"{backend}\"")),
                "firebrick-{name} names the backend {backend}"
            );
        }
    }
}

/// Packages that state their licence in a file alone, read there; `cargo deny` reads the file itself.
const STATED_IN_A_FILE: [(&str, &str); 1] = [("cfg_block", "Apache-2.0")];

/// The licences of `deny.toml`.
fn allowed_licences() -> BTreeSet<String> {
    let deny =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deny.toml")).unwrap();
    let list = deny
        .split("allow = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap();
    list.lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .map(ToString::to_string)
        .collect()
}

/// Whether an SPDX expression can be satisfied with the allowed licences.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let plain = expression.replace('/', " OR ").replace(['(', ')'], " ");
    // No dependency nests OR below AND in a way that this reads wrongly: every AND part must hold.
    plain.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| allowed.contains(licence.trim()))
    })
}

#[test]
fn licences_and_sources_of_dependencies() {
    // What this platform is built from: those crates are here, since this test was built.
    check_licences_and_sources(&metadata(&["--filter-platform", "host-tuple"]));
}

#[test]
#[ignore = "needs the crates of every platform: `cargo fetch`, as `cargo xtask ci` does"]
fn licences_and_sources_on_every_platform() {
    check_licences_and_sources(&metadata(&[]));
}

fn check_licences_and_sources(metadata: &Value) {
    let allowed = allowed_licences();
    assert!(allowed.contains("MIT") && !satisfied("GPL-3.0-only", &allowed));
    assert!(
        satisfied("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed)
            && !satisfied("MIT AND GPL-3.0-only", &allowed)
    );
    for package in metadata["packages"].as_array().unwrap() {
        let name = text(package, "name");
        if package["source"].is_null() {
            assert_eq!(
                text(package, "license"),
                "MIT OR Apache-2.0",
                "{name} is ours"
            );
            continue;
        }
        let source = text(package, "source");
        assert!(
            source.starts_with("registry+"),
            "{name} comes from {source}"
        );
        let in_file = STATED_IN_A_FILE
            .iter()
            .find(|(package, _)| *package == name);
        let licence = in_file.map_or(text(package, "license"), |(_, licence)| licence);
        assert!(
            satisfied(licence, &allowed),
            "{name} {}: the licence `{licence}` is not in deny.toml",
            text(package, "version")
        );
    }
}
