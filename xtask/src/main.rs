//! Chores of the workspace: `cargo xtask ci`.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("ci") => ci(),
        other => bail!(
            "unknown chore {}; there is: cargo xtask ci",
            other.unwrap_or("(none)")
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
    cargo(&["test", "--workspace", "--locked"], &[])?;
    // The first command of the README.
    cargo(&["run", "--release", "--locked", "--", "train"], &[])
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    println!("==> {line}");
    let begun = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("cannot start {line}"))?;
    println!("==> {line}: {:.0} s", begun.elapsed().as_secs_f64());
    if !status.success() {
        bail!("{line} failed");
    }
    Ok(())
}
