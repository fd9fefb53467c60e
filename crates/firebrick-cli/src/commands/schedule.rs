//! `firebrick schedule`.

use std::path::PathBuf;

use clap::Args;
use firebrick::core::length::{Length, RunLength};
use firebrick::core::schedule::Observation;
use firebrick::core::spec::{Spec, Value};
use firebrick::core::{ConfigError, Recipe, Schedule as _};
use firebrick::optim::{Plan, Request, schedule};
use firebrick::report::{ScheduleCurves, schedule_svg};
use serde::Serialize;

use super::listing::{self, Listing};
use crate::failure::Failure;
use crate::number::{real, whole};
use crate::terminal;

/// The most updates that are computed at once.
const MOST: u64 = 10_000_000;

/// Show the learning rates of a schedule, list the schedules, or describe one
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Schedule {
    #[command(subcommand)]
    action: Option<Listing>,
    /// The schedule, such as 'warmup(1ep, then=cosine(0.1))'
    #[arg(value_name = "SPEC", required_unless_present = "list")]
    spec: Option<Spec>,
    /// Number of updates in the run
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    steps: Option<u64>,
    /// Number of updates in an epoch, for lengths such as 10ep
    #[arg(long, value_name = "K", value_parser = whole::<u64>)]
    steps_per_epoch: Option<u64>,
    /// Number of images in a batch, for the schedule batch_scaled
    #[arg(long, value_name = "B", value_parser = whole::<u64>)]
    batch_size: Option<u64>,
    /// Learning rate; overrides the one in the schedule. If neither gives one, the rate of the default
    /// optimizer is used
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = real)]
    lr: Option<f64>,
    /// Schedule of the momentum, such as 'linear(from=0.5, to=0.99)'
    #[arg(long, value_name = "SPEC")]
    momentum_schedule: Option<Spec>,
    /// Schedule of the weight decay, such as 'cosine(5e-4)'
    #[arg(long, value_name = "SPEC")]
    weight_decay_schedule: Option<Spec>,
    /// For plateau: the validation loss after each epoch, such as 1,0.8,0.8
    #[arg(
        long,
        value_name = "LOSSES",
        value_delimiter = ',',
        allow_negative_numbers = true, value_parser = real)]
    losses: Vec<f64>,
    /// Print one JSON document: {lr: […], cycle_ends: […]}, where entry k of lr is the rate of update k,
    /// plus momentum and weight_decay if they are scheduled
    #[arg(long)]
    json: bool,
    /// Write a chart to this SVG file
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    svg: Option<PathBuf>,
    /// The same as `schedule list`
    #[arg(long, hide = true, conflicts_with_all = ["spec", "steps"])]
    list: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Values {
    lr: Vec<f64>,
    /// Null where only other parts of a sequence give one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    momentum: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weight_decay: Vec<Option<f64>>,
    cycle_ends: Vec<u64>,
}

impl Schedule {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if let Some(action) = &self.action {
            return action.of(&schedule::REGISTRY);
        }
        let Some(spec) = &self.spec else {
            return listing::list(&schedule::REGISTRY, self.json);
        };
        let Some(steps) = self.steps else {
            let message = "give the number of updates in the run with --steps";
            return Err(Failure::Usage(message.into()));
        };
        if !(1..=MOST).contains(&steps) {
            let range = format!("in [1, {MOST}]");
            return Err(ConfigError::out_of_range("schedule", "--steps", steps, range).into());
        }
        let plan = self.plan(spec, steps)?;
        for note in &plan.notes {
            terminal::notice(note);
        }
        let values = values(&plan, steps);
        if let Some(path) = &self.svg {
            let svg = schedule_svg(&ScheduleCurves {
                title: plan.schedule_spec.to_string(),
                lr: values.lr.clone(),
                momentum: with_gaps(&values.momentum),
                weight_decay: with_gaps(&values.weight_decay),
                cycle_ends: values.cycle_ends.clone(),
            });
            super::write_file(path, svg)?;
        }
        if self.json {
            return terminal::json(&values);
        }
        if let Some(path) = &self.svg {
            terminal::say(&path.display().to_string());
            return Ok(());
        }
        show(&plan, &values);
        Ok(())
    }

    fn plan(&self, spec: &Spec, steps: u64) -> Result<Plan, Failure> {
        if self.steps_per_epoch == Some(0) {
            let field = "--steps-per-epoch";
            return Err(ConfigError::out_of_range("schedule", field, 0, "at least 1").into());
        }
        let per_epoch = self.steps_per_epoch.unwrap_or(0);
        let others = [&self.momentum_schedule, &self.weight_decay_schedule];
        let mut specs = others.into_iter().flatten().chain([spec]);
        let needs = |what: &str| {
            Failure::Usage(format!(
                "{what} counts epochs: give the number of updates in an epoch with --steps-per-epoch"
            ))
        };
        if self.steps_per_epoch.is_none() {
            if let Some(length) = specs.find_map(epochs) {
                return Err(needs(&length));
            }
            if !self.losses.is_empty() {
                return Err(needs("--losses"));
            }
        }
        let request = Request {
            lr: self.lr,
            batch: self.batch_size,
            momentum_schedule: self.momentum_schedule.clone(),
            weight_decay_schedule: self.weight_decay_schedule.clone(),
            ..Request::new(
                Recipe::default().optimizer,
                spec.clone(),
                RunLength {
                    updates: steps,
                    updates_per_epoch: per_epoch,
                },
            )
        };
        let mut plan = request.plan().map_err(|error| {
            // A default in epochs.
            let text = error.to_string();
            if self.steps_per_epoch.is_none() && text.contains("ep` comes to 0 updates") {
                needs(&text)
            } else {
                error.into()
            }
        })?;
        self.losses.iter().zip(1..).for_each(|(value, epoch)| {
            plan.schedule.observe(Observation {
                step: per_epoch.saturating_mul(epoch),
                value: *value,
                higher_is_better: false,
            });
        });
        Ok(plan)
    }
}

fn values(plan: &Plan, steps: u64) -> Values {
    let schedule = &plan.schedule;
    let all = |value: &dyn Fn(u64) -> Option<f64>| -> Vec<Option<f64>> {
        let values: Vec<_> = (0..steps).map(value).collect();
        if values.iter().all(Option::is_none) {
            Vec::new()
        } else {
            values
        }
    };
    Values {
        lr: (0..steps).map(|step| schedule.lr(step)).collect(),
        momentum: all(&|step| schedule.momentum(step)),
        weight_decay: all(&|step| schedule.weight_decay(step)),
        cycle_ends: (0..steps)
            .filter(|step| schedule.ends_cycle(*step))
            .collect(),
    }
}

/// A curve with gaps where there is no value; none where there is nothing to draw.
fn with_gaps(values: &[Option<f64>]) -> Option<Vec<f64>> {
    let curve = values.iter().map(|value| value.unwrap_or(f64::NAN));
    (!values.is_empty()).then(|| curve.collect())
}

/// A length in epochs somewhere in a spec.
fn epochs(spec: &Spec) -> Option<String> {
    fn within(value: &Value) -> Option<String> {
        match value {
            Value::Text(text) => match Length::parse(text) {
                Ok(Length::Epochs(_)) => Some(text.clone()),
                _ => None,
            },
            Value::List(values) => values.iter().find_map(within),
            Value::Spec(spec) => epochs(spec),
            _ => None,
        }
    }
    let named = spec.named.iter().map(|(_, value)| value);
    spec.positional.iter().chain(named).find_map(within)
}

/// The schedule with everything filled in, its extremes, and a sketch.
fn show(plan: &Plan, values: &Values) {
    terminal::say(&plan.schedule_spec.to_string());
    let mut rows = vec![
        ["", "first", "last", "lowest", "highest"]
            .map(String::from)
            .to_vec(),
    ];
    let present = |values: &[Option<f64>]| values.iter().copied().flatten().collect();
    let curves: [(&str, Vec<f64>); 3] = [
        ("lr", values.lr.clone()),
        ("momentum", present(&values.momentum)),
        ("weight decay", present(&values.weight_decay)),
    ];
    for (name, curve) in curves.iter().filter(|(_, curve)| !curve.is_empty()) {
        let by_value = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
        let place = |found: Option<(usize, &f64)>| {
            found.map_or(String::new(), |(step, value)| {
                format!("{} at {step}", short(*value))
            })
        };
        let at = || curve.iter().enumerate();
        rows.push(vec![
            (*name).into(),
            curve.first().map_or(String::new(), |value| short(*value)),
            curve.last().map_or(String::new(), |value| short(*value)),
            place(at().min_by(by_value)),
            // The first of equals.
            place(at().rev().max_by(by_value)),
        ]);
    }
    terminal::table(&rows);
    let ends = &values.cycle_ends;
    let shown: Vec<_> = ends.iter().take(8).map(ToString::to_string).collect();
    let shown = shown.join(", ") + if ends.len() > 8 { ", …" } else { "" };
    match ends.len() {
        0 => {}
        1 => terminal::say(&format!("one cycle, which ends with update {shown}")),
        count => terminal::say(&format!("{count} cycles, which end with updates {shown}")),
    }
    terminal::say("");
    sketch(&values.lr)
        .iter()
        .for_each(|line| terminal::say(line));
}

/// Four digits, without an exponent where that is short.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e4).contains(&value) {
        let text = format!("{value:.5}");
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        format!("{value:.3e}")
    }
}

/// Columns of blocks from zero up.
fn sketch(values: &[f64]) -> Vec<String> {
    const WIDTH: usize = 72;
    const HEIGHT: usize = 8;
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = values.len().min(WIDTH);
    let most = values.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return Vec::new();
    }
    let column = |at: usize| {
        let stretch = &values[at * values.len() / width..(at + 1) * values.len() / width];
        let highest = stretch.iter().copied().fold(0.0, f64::max);
        (highest / most * (8 * HEIGHT) as f64).round() as usize
    };
    let columns: Vec<usize> = (0..width).map(column).collect();
    let row = |row: usize| {
        let line: String = columns
            .iter()
            .map(|height| EIGHTHS[height.saturating_sub(8 * row).min(8)])
            .collect();
        line.trim_end().to_string()
    };
    (0..HEIGHT).rev().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.1, 0.001, 12.5, 1e-5, 123_456.0].map(short);
        assert_eq!(texts, ["0", "0.1", "0.001", "12.5", "1.000e-5", "1.235e5"]);
    }

    #[test]
    fn a_sketch_is_as_high_as_its_values() {
        assert_eq!(
            sketch(&[1.0, 0.5]),
            ["█", "█", "█", "█", "██", "██", "██", "██"]
        );
        let long: Vec<f64> = (0..1000).map(f64::from).collect();
        assert!(sketch(&long).iter().all(|line| line.chars().count() == 72));
        assert!(sketch(&[0.0]).is_empty());
    }
}
