//! `cargo xtask ci`: all checks that must pass, each starting from what a fresh machine has.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The second command of the README: one failing test does not hide the others.
const TEST: [&str; 4] = ["test", "--workspace", "--no-fail-fast", "--locked"];

/// Runs every step, cheapest first, also after one that failed, and says in the end which did.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps {
        cargo_home: empty_cargo_home()?,
        passed: 0,
        failed: Vec::new(),
        times: Vec::new(),
    };
    steps.cargo(&["fmt", "--all", "--check"], &[])?;
    steps.cargo(
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
    steps.cargo(
        &["doc", "--workspace", "--no-deps", "--locked"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    // Examples run with --smoke inside it.
    steps.cargo(&TEST, &[])?;
    steps.sanitized()?;
    // The first command of the README.
    steps.cargo(&["run", "--release", "--locked", "--", "train"], &[])?;
    // Only now: the steps before must do without the crates of other platforms.
    steps.cargo(&["fetch", "--locked"], &[])?;
    steps.cargo(
        &[&TEST[..], &["--test", "it", "--", "--ignored", "licences"]].concat(),
        &[],
    )?;
    steps.finish()
}

/// The steps run so far.
struct Steps {
    cargo_home: PathBuf,
    passed: u64,
    failed: Vec<String>,
    times: Vec<(String, f64)>,
}

impl Steps {
    /// The kernels' tests once more, every memory access checked. Their crate alone has `unsafe`.
    fn sanitized(&mut self) -> Result<()> {
        if !cfg!(all(
            target_arch = "x86_64",
            target_os = "linux",
            target_env = "gnu"
        )) {
            println!("SKIPPED: AddressSanitizer, on x86-64 Linux alone");
            return Ok(());
        }
        self.cargo(
            &[
                "test",
                "--package=firebrick-kernels",
                "--tests",
                "--no-fail-fast",
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

    /// Runs cargo, passes its output on, and counts the tests that it says have passed.
    fn cargo(&mut self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
        let line = format!("cargo {}", arguments.join(" "));
        println!("==> {line}");
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO"))
            .args(arguments)
            .env("CARGO_HOME", &self.cargo_home)
            // Everything is compiled once: neither line tables nor what a second build could reuse.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {line}"))?;
        let output = child.stdout.take().map(BufReader::new);
        for text in output.into_iter().flat_map(BufRead::lines) {
            let text = text.with_context(|| format!("reading from {line}"))?;
            self.passed += tests_passed(&text);
            println!("{text}");
        }
        let status = child.wait()?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("==> {line}: {seconds:.0} s");
        self.times.push((line.clone(), seconds));
        if !status.success() {
            println!("==> FAILED: {line}");
            self.failed.push(line);
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        for (line, seconds) in &self.times {
            println!("{seconds:6.0} s  {line}");
        }
        if !self.failed.is_empty() {
            bail!("failed:\n{}", self.failed.join("\n"));
        }
        println!("{} passed, 0 failed", self.passed);
        Ok(())
    }
}

/// A cargo home without a single downloaded crate, as a fresh machine has: a step that needs what
/// the machine at hand happens to hold fails here. The user's own configuration is kept in it,
/// since it may say where crates come from; what is secret is not copied.
fn empty_cargo_home() -> Result<PathBuf> {
    let home = std::path::absolute("target/ci-cargo-home")?;
    if home.exists() {
        std::fs::remove_dir_all(&home).with_context(|| format!("emptying {}", home.display()))?;
    }
    std::fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
    let own = std::env::var_os("CARGO_HOME").map_or_else(
        || std::env::home_dir().unwrap_or_default().join(".cargo"),
        PathBuf::from,
    );
    let configuration = own.join("config.toml");
    if configuration.is_file() {
        std::fs::copy(&configuration, home.join("config.toml"))
            .with_context(|| format!("copying {}", configuration.display()))?;
    }
    Ok(home)
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
