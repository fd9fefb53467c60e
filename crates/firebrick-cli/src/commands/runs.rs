//! `firebrick runs`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use console::{Alignment, measure_text_width};
use firebrick::{BestEpoch, RunState, RunSummary, runs};
use serde_json::{Value, json};

use crate::columns::{WIDTH, columns, shortened};
use crate::epoch_table::{number, share};
use crate::failure::Failure;
use crate::run_name::{RUNS, data_name};
use crate::terminal;

/// Longest data set, model or run that is shown in full.
const LONGEST: usize = 32;

/// Titles of the columns.
const HEAD: [&str; 8] = [
    "run", "data", "model", "epochs", "best", "test", "age", "state",
];

/// List the runs in a directory, newest first, with their scores and whether they can be resumed
#[derive(Args)]
pub(crate) struct Runs {
    /// A directory of runs, or a single run
    #[arg(value_name = "DIR", default_value = RUNS)]
    directory: PathBuf,
    /// Print one JSON document: an array of {run_dir, dataset, model, epochs, of_epochs, best, test,
    /// state, changed}
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let found = runs(&self.directory)?;
        if self.json {
            let rows: Vec<_> = found.iter().map(document).collect();
            return terminal::json(&rows);
        }
        if found.is_empty() {
            terminal::log(&format!("no runs in {}", self.directory.display()));
            return Ok(());
        }
        let now = SystemTime::now();
        let mut rows = vec![HEAD.map(String::from).to_vec()];
        rows.extend(found.iter().map(|run| row(run, now)));
        narrow(rows).iter().for_each(|line| terminal::say(line));
        Ok(())
    }
}

/// With the time of the last change in seconds since 1970.
fn document(run: &RunSummary) -> Value {
    let mut document = json!(run);
    let since = run
        .changed
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    document["changed"] = json!(since.map(|since| since.as_secs()));
    document
}

fn row(run: &RunSummary, now: SystemTime) -> Vec<String> {
    let path = Path::new(&run.run_dir);
    let name = path.file_name().unwrap_or(path.as_os_str());
    let missing = |cell: Option<String>| cell.unwrap_or_else(|| "–".into());
    // Options would make the table wider than a terminal; the JSON document has them.
    let data = run.dataset.as_ref().map(|data| data_name(data));
    let model = run.model.as_ref().and_then(|model| model.split('(').next());
    // A clock that was set back makes no age below nothing.
    let age = run
        .changed
        .map(|time| age(now.duration_since(time).unwrap_or_default().as_secs()));
    vec![
        shortened(&name.to_string_lossy(), LONGEST),
        missing(data.map(|data| shortened(&data, LONGEST))),
        missing(model.map(|model| shortened(model, LONGEST))),
        format!(
            "{}/{}",
            run.epochs,
            run.of_epochs
                .map_or("?".into(), |epochs| epochs.to_string())
        ),
        missing(run.best.as_ref().map(best)),
        missing(run.test.map(|test| share(test.top1))),
        missing(age),
        state(run.state).into(),
    ]
}

/// The table, without columns that can be spared where it would be wider than a terminal: a run is
/// named after its data and model.
fn narrow(mut rows: Vec<Vec<String>>) -> Vec<String> {
    let mut lines = columns(&rows, Alignment::Left);
    for spare in ["data", "model", "age"] {
        if lines.iter().all(|line| measure_text_width(line) <= WIDTH) {
            break;
        }
        if let Some(at) = rows[0].iter().position(|title| title == spare) {
            for row in &mut rows {
                row.remove(at);
            }
        }
        lines = columns(&rows, Alignment::Left);
    }
    lines
}

/// The value of the metric by which the best epoch was found, which is named unless it is the usual one.
fn best(best: &BestEpoch) -> String {
    let value = if best.metric.contains("top") {
        share(best.value)
    } else {
        number(best.value)
    };
    match best.metric {
        "valid_top1" => value,
        metric => format!("{value} {metric}"),
    }
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Resumable => "resumable",
        RunState::NotBegun => "not begun",
        RunState::Damaged => "damaged",
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_largest_unit_that_still_tells() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "119 min")] {
            assert_eq!(age(seconds), text);
        }
        assert_eq!(
            [age(7200), age(172_799), age(172_800)],
            ["2 h", "47 h", "2 d"]
        );
    }

    #[test]
    fn no_table_is_wider_than_a_terminal() {
        let row = |name: &str, best: &str| {
            let cells = [
                name,
                name,
                "resnet18",
                "100/100",
                best,
                "98.50%",
                "119 min",
                "resumable",
            ];
            cells.map(String::from).to_vec()
        };
        let long = "x".repeat(LONGEST);
        for (name, best, titles) in [
            ("glyphs", "98.50%", &HEAD[..]),
            (
                "hymenoptera-0",
                "98.50%",
                &["run", "model", "epochs", "best", "test", "age", "state"],
            ),
            (
                long.as_str(),
                "98.50%",
                &["run", "epochs", "best", "test", "age", "state"],
            ),
            (
                long.as_str(),
                "98.50% valid_top5",
                &["run", "epochs", "best", "test", "state"],
            ),
        ] {
            let rows = vec![HEAD.map(String::from).to_vec(), row(name, best)];
            let lines = narrow(rows);
            let head: Vec<_> = lines[0].split_whitespace().collect();
            assert_eq!(head, titles, "{lines:?}");
            assert!(
                lines[1].starts_with(name) && lines[1].ends_with("resumable"),
                "{lines:?}"
            );
            assert!(measure_text_width(&lines[1]) <= WIDTH, "{lines:?}");
        }
    }

    #[test]
    fn an_unusual_metric_is_named() {
        let at = |metric, value| {
            best(&BestEpoch {
                epoch: 1,
                step: 1,
                metric,
                value,
            })
        };
        assert_eq!(at("valid_top1", 0.985), "98.50%");
        assert_eq!(at("train_top1", 0.985), "98.50% train_top1");
        assert_eq!(at("valid_loss", 0.25), "0.2500 valid_loss");
    }
}
