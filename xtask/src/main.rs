//! Tasks for developers of the workspace: `cargo xtask ci`, `cargo xtask bench`, `cargo xtask faults`.

mod bench;
mod ci;
mod faults;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("ci") => ci::run(),
        Some("bench") => bench::run(&arguments[1..]),
        Some("faults") => faults::run(&arguments[1..]),
        other => bail!(
            "unknown chore {}; there are:\ncargo xtask ci\n{}\n{}",
            other.unwrap_or("(none)"),
            faults::USAGE,
            bench::USAGE
        ),
    }
}
