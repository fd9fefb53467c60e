//! The commands of the README and the guide, run in the order of each page on small data.

use std::path::Path;

use crate::shell_blocks::{commands, pages, words};
use crate::support::{images, run_with};

/// What needs a network, other hardware or files that are not here; all other commands are run. The
/// parser reads these too, in `src/guide.rs`.
const ELSEWHERE: [&str; 11] = [
    "--recipe",
    "--weights",
    "--gif",
    "fetch",
    "verify mnist",
    "--dataset mnist",
    "gpu",
    "firebrick man",
    "firebrick completions",
    // Without weights of its own, it downloads published ones.
    "firebrick transfer",
    // It does not end.
    "firebrick serve",
];
/// Weights that an earlier command of the page has written.
const OWN_WEIGHTS: &str = "--weights runs/";

/// The arguments of a command of the guide, if it is one of `firebrick` that can run here; training
/// is made short.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.replace("cargo run --release -- ", "firebrick ");
    let elsewhere = ELSEWHERE.iter().any(|what| line.contains(what));
    if !line.starts_with("firebrick ") || elsewhere && !line.contains(OWN_WEIGHTS) {
        return None;
    }
    let mut words = words(&line);
    words.remove(0);
    let has = |flag: &str| line.contains(flag);
    let trains = ["train", "lr-find", "search"].contains(&words[0].as_str())
        || words.starts_with(&["ensemble", "train"].map(String::from));
    if trains && !has("--resume") {
        let data = if has("folder:") {
            ["--image-size", "32"]
        } else if has("domain=rgb") {
            ["--dataset", "glyphs(train=64, test=10, domain=rgb)"]
        } else {
            ["--dataset", "glyphs(train=64, test=10)"]
        };
        words.extend(data.map(String::from));
        words.extend(["--batch-size", "32"].map(String::from));
    }
    let short: &[&str] = match words[0].as_str() {
        "train" if !has("--epochs") && !has("--resume") => &["--epochs", "2"],
        "lr-find" => &["--num-iter", "8"],
        "search" => &["--trials", "1", "--rounds", "1"],
        _ => &[],
    };
    words.extend(short.iter().map(ToString::to_string));
    Some(words)
}

fn run_page(page: &str, text: &str) -> usize {
    let temp = tempfile::tempdir().unwrap();
    let at: &Path = temp.path();
    images(&at.join("photos"), &["ants", "bees"], 6);
    images(&at.join("new-photos"), &["unknown"], 2);
    let mut count = 0;
    for line in commands(text) {
        let Some(words) = arguments(&line) else {
            continue;
        };
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let ran = run_with(at, &words);
        assert_eq!(
            ran.status, 0,
            "{page}: {line}\n{}{}",
            ran.stdout, ran.stderr
        );
        count += 1;
    }
    count
}

#[test]
fn every_command_of_the_guide_runs() {
    let pages = pages();
    let counts = std::thread::scope(|scope| {
        let runs: Vec<_> = pages
            .iter()
            .map(|(page, text)| scope.spawn(|| run_page(page, text)))
            .collect();
        let counts = runs.into_iter().map(|run| run.join().unwrap());
        counts.sum::<usize>()
    });
    assert!(counts > 30, "only {counts} commands were run");
}
