//! The README and the pages of the guide: their code is that of the examples, their links lead
//! somewhere, and what they say of manifests is so.

use std::fs;
use std::path::{Path, PathBuf};

use firebrick::core::Recipe;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Name and text of each page.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().flatten();
    let docs = docs.map(|entry| format!("docs/{}", entry.file_name().display()));
    let names = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(String::from);
    let names = names
        .into_iter()
        .chain(docs.filter(|name| name.ends_with(".md")));
    names
        .map(|name| {
            let text = fs::read_to_string(root().join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// The blocks of a language, each line without what surrounds it: a block may be indented.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in text.lines().map(str::trim) {
        match &mut block {
            None if line == format!("```{language}") => block = Some(Vec::new()),
            None => {}
            Some(lines) if line == "```" => {
                blocks.push(lines.join("\n"));
                block = None;
            }
            Some(lines) => lines.push(line),
        }
    }
    blocks
}

/// Every source file below `examples/`, each line without what surrounds it.
fn example_sources(directory: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            example_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push(text.lines().map(str::trim).collect::<Vec<_>>().join("\n"));
        }
    }
}

#[test]
fn rust_blocks_are_code_of_the_examples() {
    let mut sources = Vec::new();
    example_sources(&root().join("examples"), &mut sources);
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "rust") {
            assert!(
                sources.iter().any(|source| source.contains(&block)),
                "{page}: this block is not, or no longer, in a file below examples/; copy it from there:\n{block}"
            );
            count += 1;
        }
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn toml_blocks_are_recipes_or_manifests() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let trimmed = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let (mut recipes, mut manifests) = (0, 0);
    for (page, text) in pages() {
        for block in blocks(&text, "toml") {
            if !block.starts_with("[package]") {
                Recipe::from_toml(&block, &page).unwrap();
                recipes += 1;
                continue;
            }
            manifests += 1;
            // The version of Burn is that of the workspace, which a crate of one's own must match.
            let line = |text: &str| {
                let line = text.lines().find(|line| line.starts_with("burn = "));
                line.and_then(|line| line.split('"').nth(1).map(String::from))
            };
            assert_eq!(line(&block), line(&read("Cargo.toml")), "{page}: burn");
            let outside = trimmed(&read("examples/outside/Cargo.toml"));
            let profile = |text: &str| text.split_once("[profile").unwrap().1.to_string();
            assert_eq!(profile(&block).trim(), profile(&outside).trim(), "{page}");
            let dependencies = outside.lines().filter(|line| line.contains("features = ["));
            for line in dependencies {
                let line = line.replace("../../crates", "../firebrick/crates");
                assert!(block.contains(&line), "{page}: {line}");
            }
        }
    }
    assert!(recipes >= 2 && manifests == 1, "{recipes} {manifests}");
}

#[test]
fn examples_and_features_that_cargo_is_given_exist() {
    let manifest = |name: &str| {
        let path = format!("crates/{name}/Cargo.toml");
        fs::read_to_string(root().join(path)).unwrap()
    };
    let cli = manifest("firebrick-cli");
    let features = [
        "full = [\"flex\", \"ndarray\", \"wgpu\", \"download\"]",
        "default = [\"flex\", \"download\"]",
    ];
    for line in features {
        assert!(
            cli.contains(line) && manifest("firebrick").contains(line),
            "{line}"
        );
    }
    let mut count = 0;
    for (page, text) in pages() {
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            let value = pair[1].trim_matches(|c: char| !c.is_alphanumeric());
            match pair[0] {
                "--example" => {
                    let file = root().join(format!("examples/examples/{value}.rs"));
                    assert!(file.is_file(), "{page}: --example {value}");
                }
                "--features" => {
                    let there = format!("\n{value} = [");
                    assert!(cli.contains(&there), "{page}: --features {value}");
                }
                _ => continue,
            }
            count += 1;
        }
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn links_lead_to_files() {
    let mut count = 0;
    for (page, text) in pages() {
        let folder = root().join(&page).parent().unwrap().to_path_buf();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.starts_with("https://") {
                continue;
            }
            assert!(folder.join(path).exists(), "{page} links to {path}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn the_readme_is_short_and_has_both_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "{}", readme.lines().count());
    for command in [
        "cargo run --release -- train",
        "cargo test --workspace --no-fail-fast",
    ] {
        assert!(
            readme.contains(&format!("```sh\n{command}\n```")),
            "{command}"
        );
    }
}
