//! Progress output: a table, a bar and colours on a terminal, plain lines elsewhere.

#[cfg(target_os = "linux")]
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;

use crate::support::{SMALL, run, succeeds};

#[cfg(target_os = "linux")]
/// What a terminal of 80 columns gets, escape sequences and all.
fn on_a_terminal(
    directory: &Path,
    environment: &[(&str, &str)],
    arguments: &str,
) -> Option<String> {
    let quoted: Vec<String> = arguments
        .split(' ')
        .map(|word| format!("'{word}'"))
        .collect();
    let command = format!(
        "stty columns 80 rows 24; {} {}",
        env!("CARGO_BIN_EXE_firebrick"),
        quoted.join(" ")
    );
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(directory)
        .env("XDG_RUNTIME_DIR", directory)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied());
    let Ok(output) = script.output() else {
        eprintln!("SKIPPED: a terminal: the program `script` of util-linux is not here");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[cfg(target_os = "linux")]
#[test]
fn there_is_colour_on_a_terminal_and_nowhere_else() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let plain = run(at, &format!("{SMALL} --out plain"));
    assert!(!plain.stderr.contains('\u{1b}') && !plain.stdout.contains('\u{1b}'));
    let colour = "\u{1b}[32m";
    let Some(shown) = on_a_terminal(at, &[], &format!("{SMALL} --out shown")) else {
        return;
    };
    assert!(shown.contains(colour), "{shown:?}");
    assert!(shown.contains(" images/s"), "{shown:?}");
    let without = on_a_terminal(at, &[("NO_COLOR", "1")], &format!("{SMALL} --out without"));
    let without = without.unwrap();
    assert!(
        without.contains("top-1") && !without.contains(colour),
        "{without:?}"
    );
    // The same rows as where there is no terminal.
    let rows = |text: &str| -> Vec<String> {
        let lines = text.split(['\n', '\r']).map(console::strip_ansi_codes);
        let rows = lines.map(|line| line.trim().to_string());
        // Rates and times differ.
        rows.filter(|line| line.starts_with("1/2 ") || line.starts_with("2/2 "))
            .map(|line| line[..40].to_string())
            .collect()
    };
    assert_eq!(rows(&plain.stderr).len(), 2, "{}", plain.stderr);
    assert_eq!(rows(&shown), rows(&plain.stderr));
}

#[test]
fn epochs_are_rows_of_an_aligned_table_and_the_best_are_marked() {
    let temp = tempfile::tempdir().unwrap();
    let smoothed = "--loss cross_entropy(label_smoothing=0.1)";
    for (out, more, nll) in [("plain", "", false), ("smoothed", smoothed, true)] {
        let ran = run(
            temp.path(),
            &format!("{SMALL} --epochs 3 {more} --out {out}"),
        );
        succeeds(&ran);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let head = lines
            .iter()
            .position(|line| line.trim_start().starts_with("epoch"));
        let head = head.unwrap();
        assert_eq!(lines[head].contains("nll"), nll, "{}", ran.stderr);
        assert!(lines[head].contains("top-5") && lines[head - 1].contains("* best so far"));
        let rows = &lines[head + 1..head + 4];
        let width = lines[head].chars().count();
        let valid: Vec<String> = std::fs::read_to_string(temp.path().join(out).join("metrics.csv"))
            .unwrap()
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(6).unwrap().to_string())
            .collect();
        let mut best = -1.0;
        for (row, valid) in rows.iter().zip(valid) {
            let valid: f64 = valid.parse().unwrap();
            let marked = row.ends_with(" *");
            assert_eq!(marked, valid > best, "{row}");
            best = valid.max(best);
            let length = row.chars().count();
            assert_eq!(length, width + if marked { 2 } else { 0 }, "{row}");
            assert!(length <= 80, "{row}");
            assert!(row.contains(&format!("{:.2}%", 100.0 * valid)), "{row}");
        }
        assert_eq!(ran.stdout.contains("nll"), nll, "{}", ran.stdout);
    }
}
