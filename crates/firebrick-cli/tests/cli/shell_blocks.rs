//! The commands of the guide: the `sh` blocks of the README and of the pages below `docs/`.

use std::path::Path;

/// Name and text of the README and of every page of the guide.
pub(crate) fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let mut names: Vec<String> = docs.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names.insert(0, "README.md".into());
    names
        .into_iter()
        .map(|name| {
            let text = std::fs::read_to_string(root.join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// The command lines of the `sh` blocks of a page, with continued lines joined.
pub(crate) fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("\n```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("\n```").next());
    let lines = blocks.map(|block| block.replace("\\\n", " "));
    lines
        .flat_map(|block| block.lines().map(String::from).collect::<Vec<_>>())
        .filter(|line| !words(line).is_empty())
        .collect()
}

/// The words of a command line as a shell reads them, up to a comment, a pipe or a redirection.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut inside, mut quoted) = (false, false);
    for c in line.chars() {
        if c == '\'' {
            if !inside {
                words.push(String::new());
            }
            (inside, quoted) = (true, !quoted);
        } else if quoted || !c.is_whitespace() {
            if !inside && "#|><".contains(c) {
                break;
            }
            if !inside {
                words.push(String::new());
            }
            inside = true;
            words.last_mut().unwrap().push(c);
        } else {
            inside = false;
        }
    }
    assert!(!quoted, "a quotation mark is open in: {line}");
    words
}
