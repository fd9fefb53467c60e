//! No two files of a crate need each other: what a file uses can be read before it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files of a crate by module path: `[]` is `lib.rs`, `["a", "b"]` is `a/b.rs` or `a/b/mod.rs`.
struct Crate {
    files: BTreeMap<Vec<String>, Code>,
}

/// What a file says of others.
#[derive(Default)]
struct Code {
    /// The paths of its `use` lines and those written out in its code, from the root of the crate.
    uses: BTreeSet<Vec<String>>,
    /// Names that it passes on from other modules, with what they stand for.
    passes_on: BTreeMap<String, Vec<String>>,
}

impl Crate {
    fn read(source: &Path) -> Self {
        let mut files = BTreeMap::new();
        for path in rust_files(source) {
            let relative = path.strip_prefix(source).unwrap().with_extension("");
            let mut module: Vec<String> = relative
                .iter()
                .map(|part| part.to_str().unwrap().to_string())
                .collect();
            if matches!(
                module.last().map(String::as_str),
                Some("mod" | "lib" | "main")
            ) {
                module.pop();
            }
            let text = std::fs::read_to_string(&path).unwrap();
            files.insert(module.clone(), Code::read(&text, &module));
        }
        Self { files }
    }

    /// The file that defines what a path names, following names that other files pass on.
    fn definition(&self, path: &[String]) -> Option<&Vec<String>> {
        let mut path = path.to_vec();
        // Each step follows one name; nothing is passed on so often.
        for _ in 0..8 {
            let length = (0..=path.len())
                .rev()
                .find(|length| self.files.contains_key(&path[..*length]))?;
            let (module, code) = self.files.get_key_value(&path[..length])?;
            match path.get(length).and_then(|name| code.passes_on.get(name)) {
                Some(other) => {
                    let rest = path[length + 1..].to_vec();
                    path = other.iter().cloned().chain(rest).collect();
                }
                None => return Some(module),
            }
        }
        None
    }

    /// For each file, those that it uses.
    fn arrows(&self) -> BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> {
        let arrows = self.files.iter().map(|(module, code)| {
            let used = code.uses.iter().filter_map(|path| self.definition(path));
            (module, used.filter(|used| *used != module).collect())
        });
        arrows.collect()
    }

    /// Pairs of files each of which reaches the other.
    fn circles(&self) -> BTreeSet<String> {
        let arrows = self.arrows();
        let reached = |from: &Vec<String>| {
            let mut seen: BTreeSet<&Vec<String>> = BTreeSet::new();
            let mut open: Vec<&Vec<String>> = arrows[from].iter().copied().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(&arrows[next]);
                }
            }
            seen
        };
        let all: BTreeMap<_, _> = arrows
            .keys()
            .map(|module| (*module, reached(module)))
            .collect();
        let mut circles = BTreeSet::new();
        for (one, from_one) in &all {
            for other in from_one.iter().filter(|other| *other > one) {
                if all[*other].contains(*one) {
                    circles.insert(format!("{} - {}", one.join("::"), other.join("::")));
                }
            }
        }
        circles
    }
}

impl Code {
    fn read(text: &str, module: &[String]) -> Self {
        let text = without_tests(text);
        let mut code = Self::default();
        let lines: Vec<&str> = text.lines().collect();
        let children: Vec<&str> = lines.iter().filter_map(|line| child(line)).collect();
        let mut at = 0;
        while at < lines.len() {
            let line = lines[at].trim_start();
            at += 1;
            let starts = |(before, _): &(&str, &str)| {
                before.is_empty() || before.starts_with("pub") && before.ends_with(' ')
            };
            let Some((before, first)) = line.split_once("use ").filter(starts) else {
                let written = written_out(line, &children);
                code.uses
                    .extend(written.filter_map(|path| absolute(&path, module)));
                continue;
            };
            let mut statement = first.to_string();
            while !statement.contains(';') && at < lines.len() {
                statement += lines[at].trim();
                at += 1;
            }
            let statement = statement.split(';').next().unwrap_or_default();
            for (path, name) in paths(statement) {
                let Some(path) = absolute(&path, module) else {
                    continue;
                };
                if !before.is_empty() {
                    code.passes_on.insert(name, path.clone());
                } else {
                    code.uses.insert(path);
                }
            }
        }
        code
    }
}

/// The text without its tests: what they need is not what the file needs.
fn without_tests(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("#[cfg(test)]\n") {
        kept += before;
        let (item, following) = after.split_once('\n').unwrap_or((after, ""));
        // Tests with a file of their own, or a single line; others are the end of the file.
        rest = if item.ends_with(';') { following } else { "" };
    }
    kept + rest
}

/// The file that a line declares: `mod NAME;`.
fn child(line: &str) -> Option<&str> {
    let (_, name) = line.split_once("mod ")?;
    name.strip_suffix(';')
}

/// The paths into this crate that a line of code writes out, such as `crate::a::b()`.
fn written_out<'a>(line: &'a str, children: &'a [&str]) -> impl Iterator<Item = Vec<String>> + 'a {
    // Who may see an item is no use either.
    let code = match line.strip_prefix("pub(in ") {
        Some(rest) => rest.split_once(')').map_or("", |(_, item)| item),
        None if line.starts_with("//") => "",
        None => line,
    };
    let words = code.split(|letter: char| !(letter.is_alphanumeric() || "_:$".contains(letter)));
    let paths = words.map(|word| word.split("::").collect::<Vec<_>>());
    let ours = move |path: &Vec<&str>| {
        path.len() > 1
            && (["crate", "super", "self"].contains(&path[0]) || children.contains(&path[0]))
    };
    paths
        .filter(ours)
        .map(|path| path.into_iter().map(String::from).collect())
}

/// The single paths of a `use` tree, each with the name that it brings in.
fn paths(tree: &str) -> Vec<(Vec<String>, String)> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        let (path, name) = tree
            .split_once(" as ")
            .map_or((tree, None), |(p, n)| (p, Some(n)));
        let parts: Vec<String> = path
            .trim()
            .split("::")
            .map(|part| part.trim().into())
            .collect();
        let name = name.map(|name| name.trim().to_string());
        let name = name.or_else(|| parts.last().cloned()).unwrap_or_default();
        return vec![(parts, name)];
    };
    let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let prefix: Vec<String> = prefix
        .split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(String::from)
        .collect();
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inner[from..at].trim();
                from = at + 1;
                if part.is_empty() {
                    continue;
                }
                for (path, name) in paths(part) {
                    let own = path != ["self"];
                    let whole = prefix
                        .iter()
                        .cloned()
                        .chain(path.into_iter().filter(|_| own));
                    let name = if own {
                        name
                    } else {
                        prefix.last().cloned().unwrap_or_default()
                    };
                    all.push((whole.collect(), name));
                }
            }
            _ => {}
        }
    }
    all
}

/// The path from the root of the crate; `None` for other crates.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "super" => {
            let (_, parent) = module.split_last()?;
            let above = path.iter().take_while(|part| *part == "super").count();
            let parent = &module[..(parent.len() + 1).checked_sub(above)?];
            Some(parent.iter().chain(&path[above..]).cloned().collect())
        }
        "self" => Some(module.iter().chain(rest).cloned().collect()),
        // A child, or another crate: what is no file of this one is found to be none later.
        _ => Some(module.iter().chain(path).cloned().collect()),
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut all: Vec<(String, PathBuf)> = ["bench", "datasets", "xtask"]
        .map(|name| (name.to_string(), root.join(name).join("src")))
        .into();
    for entry in std::fs::read_dir(root.join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        all.push((name, path.join("src")));
    }
    all.sort();
    all
}

#[test]
fn no_two_files_need_each_other() {
    let mut found = BTreeSet::new();
    for (name, source) in sources() {
        let circles = Crate::read(&source).circles();
        found.extend(
            circles
                .into_iter()
                .map(|circle| format!("{name}: {circle}")),
        );
    }
    assert!(found.is_empty(), "these files need each other: {found:#?}");
}

#[test]
fn a_circle_is_found_through_names_that_are_passed_on() {
    let code = |text: &str, module: &[&str]| {
        let module: Vec<String> = module.iter().map(|part| (*part).into()).collect();
        (module.clone(), Code::read(text, &module))
    };
    let files = [
        code(
            "mod a;\npub mod b;\n#[cfg(test)]\nmod golden;\npub use a::{One, other::Two as Three};\n",
            &[],
        ),
        code("use super::b::{self, Leaf};\nuse std::fmt;\n", &["a"]),
        code("use crate::{\n    One,\n};\n", &["b"]),
        code(
            "use super::super::b::Leaf;\n#[cfg(test)]\nmod tests { use crate::c; }\n",
            &["d", "e"],
        ),
    ];
    let one = Crate {
        files: files.into_iter().collect(),
    };
    assert_eq!(one.circles(), BTreeSet::from(["a - b".to_string()]));
    let arrows = one.arrows();
    let of = |module: &[&str]| {
        let module: Vec<String> = module.iter().map(|part| (*part).into()).collect();
        arrows[&module]
            .iter()
            .map(|path| path.join("::"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&["d", "e"]), ["b"]);
    assert_eq!(of(&["b"]), ["a"]);
}

#[test]
fn a_circle_is_found_in_paths_that_are_written_out() {
    let code = |text: &str, module: &[&str]| {
        let module: Vec<String> = module.iter().map(|part| (*part).into()).collect();
        (module.clone(), Code::read(text, &module))
    };
    let files = [
        code("mod a;\npub mod b;\n", &[]),
        // Neither documentation nor a macro for other files is a use.
        code(
            "//! See crate::b::Two.\nmod c;\nfn one() -> u64 {\n    c::three() + $crate::b::two()\n}\n",
            &["a"],
        ),
        code("fn two() { let _ = super::a::one(); }\n", &["b"]),
        code("pub fn three() -> u64 { (crate::a::one)() }\n", &["a", "c"]),
    ];
    let one = Crate {
        files: files.into_iter().collect(),
    };
    assert_eq!(one.circles(), BTreeSet::from(["a - a::c".to_string()]));
}
