//! Accuracies by stage, for the terminal.

use crate::figures::percent;
use crate::terminal;

/// Prints accuracies by stage, one line each.
pub(super) fn say_stages<'a>(stages: impl Iterator<Item = (&'a str, f64)>) {
    let stages: Vec<_> = stages.collect();
    let width = stages.iter().map(|(stage, _)| stage.chars().count()).max();
    let width = width.unwrap_or(0);
    for (stage, top1) in stages {
        terminal::say(&format!("  {stage:width$}  {}", percent(top1)));
    }
}
