//! Completions, manual pages and the version.

use std::fs;

use crate::support::{bash, fails, run, succeeds};

/// Every command that `--help` lists.
fn commands(help: &str) -> Vec<&str> {
    let after = help.split("Commands:\n").nth(1).unwrap();
    let lines = after.lines().take_while(|line| !line.trim().is_empty());
    let names = lines.filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        (!name.starts_with(' ')).then(|| name.split(' ').next().unwrap())
    });
    names.filter(|name| *name != "help").collect()
}

#[test]
fn every_shell_completes_every_command() {
    let temp = tempfile::tempdir().unwrap();
    let help = run(temp.path(), "--help").stdout;
    let commands = commands(&help);
    assert!(
        commands.contains(&"train") && commands.contains(&"runs") && commands.len() > 10,
        "{commands:?}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(temp.path(), &format!("completions {shell}"));
        succeeds(&ran);
        for command in &commands {
            assert!(ran.stdout.contains(command), "{shell}: {command}");
        }
        assert!(ran.stdout.contains("valid-fraction"), "{shell}: flags too");
        fs::write(temp.path().join(shell), ran.stdout).unwrap();
    }
    let other = run(temp.path(), "completions csh");
    fails(&other, 2, &["bash"]);
    // The shell that tests can count on does complete with it.
    for (words, at, expected) in [
        ("trai", 1, "train"),
        ("eval --sp", 2, "--split"),
        ("datasets desc", 2, "describe"),
    ] {
        let last = words.rsplit(' ').next().unwrap();
        let script = format!(
            "source ./bash; COMP_WORDS=(firebrick {words}); COMP_CWORD={at}; \
             _firebrick firebrick '{last}' x; echo ${{COMPREPLY[@]}}"
        );
        let said = bash(temp.path(), &script);
        assert_eq!(said.stdout.trim(), expected, "{}", said.stderr);
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let temp = tempfile::tempdir().unwrap();
    let ran = run(temp.path(), "man pages/man1");
    succeeds(&ran);
    let page = |name: &str| fs::read_to_string(temp.path().join("pages/man1").join(name)).unwrap();
    let help = run(temp.path(), "--help").stdout;
    for command in commands(&help) {
        let text = page(&format!("firebrick-{command}.1"));
        assert!(text.contains(".SH SYNOPSIS"), "{command}: {text}");
    }
    assert!(page("firebrick.1").contains("convolutional"));
    assert!(page("firebrick-train.1").contains("clip"));
    fs::write(temp.path().join("file"), "").unwrap();
    let refused = run(temp.path(), "man file");
    fails(&refused, 1, &["file"]);
}

#[test]
fn the_version_names_the_features() {
    let temp = tempfile::tempdir().unwrap();
    let version = run(temp.path(), "--version").stdout;
    let mut lines = version.lines();
    let name = concat!("firebrick ", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines.next(), Some(name));
    let features = lines.next().unwrap().strip_prefix("features: ").unwrap();
    let devices = run(temp.path(), "devices --json").json();
    for device in devices.as_array().unwrap() {
        let name = device["name"].as_str().unwrap().split(':').next().unwrap();
        let what = device["description"].as_str().unwrap();
        let built = features.split(", ").any(|feature| feature == name);
        assert_eq!(
            built,
            !what.contains("not compiled in"),
            "{name}: {version}"
        );
    }
    assert_eq!(run(temp.path(), "-V").stdout, format!("{name}\n"));
}
