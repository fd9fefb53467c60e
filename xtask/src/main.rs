//! Chores of the workspace: `cargo xtask ci`, `cargo xtask bench`.

mod bench;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("ci") => ci(),
        Some("bench") => bench::run(&arguments[1..]),
        other => bail!(
            "unknown chore {}; there are:\ncargo xtask ci\n{}",
            other.unwrap_or("(none)"),
            bench::USAGE
        ),
    }
}

/// Everything that must pass, cheapest first.
fn ci() -> Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        &[],
    )?;
    cargo(
        &["doc", "--workspace", "--no-deps", "--locked"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    // The second command of the README. Examples run with --smoke inside it.
    let passed = cargo(&["test", "--workspace", "--locked"], &[])?;
    let sanitized = sanitized()?;
    // The first command of the README.
    cargo(&["run", "--release", "--locked", "--", "train"], &[])?;
    println!("{} passed, 0 failed", passed + sanitized);
    Ok(())
}

/// The kernels' tests once more, every memory access checked. Their crate alone has `unsafe`.
fn sanitized() -> Result<u64> {
    if !cfg!(all(
        target_arch = "x86_64",
        target_os = "linux",
        target_env = "gnu"
    )) {
        println!("SKIPPED: AddressSanitizer, on x86-64 Linux alone");
        return Ok(0);
    }
    cargo(
        &[
            "test",
            "--package=firebrick-kernels",
            "--tests",
            "--locked",
            "--target=x86_64-unknown-linux-gnu",
            "--target-dir=target/sanitized",
        ],
        &[
            // The flag is an unstable one of a stable compiler.
            ("RUSTC_BOOTSTRAP", "1"),
            ("RUSTFLAGS", "-Zsanitizer=address"),
        ],
    )
}

/// Runs cargo and passes its output on; the number of tests that it says have passed.
fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<u64> {
    let line = format!("cargo {}", arguments.join(" "));
    println!("==> {line}");
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {line}"))?;
    let mut passed = 0;
    for text in child
        .stdout
        .take()
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufRead::lines)
    {
        let text = text.with_context(|| format!("reading from {line}"))?;
        passed += tests_passed(&text);
        println!("{text}");
    }
    let status = child.wait()?;
    println!("==> {line}: {:.0} s", begun.elapsed().as_secs_f64());
    if !status.success() {
        bail!("{line} failed");
    }
    Ok(passed)
}

/// The count in `test result: ok. 20 passed; 0 failed; …`.
fn tests_passed(line: &str) -> u64 {
    let count = line
        .strip_prefix("test result: ok. ")
        .and_then(|rest| rest.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_counted() {
        assert_eq!(
            super::tests_passed("test result: ok. 20 passed; 0 failed; 0 ignored"),
            20
        );
        assert_eq!(super::tests_passed("test parity ... ok"), 0);
    }
}
