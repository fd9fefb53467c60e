//! The tables, as Markdown for the guide, and the curves.

use std::fmt::Write as _;

use firebrick::prelude::*;
use firebrick::report::{Axis, Chart, Series, Unit, curves_svg};

use super::arms::{ARMS, Cell, grid_epochs, rates, scales};
use super::lecture::{CLAIMS, Grid, Verdict, grid_verdicts};
use super::results::{Measure, Results};

/// Everything that is known so far.
pub fn page(shared: &Recipe, results: &Results) -> String {
    let mut page = format!("{}\n\n{}", budget(shared, results), arms(results));
    if let Some(grids) = Grids::of(results) {
        let epochs = grid_epochs(shared);
        let _ = write!(
            page,
            "\nTest error in % after {epochs} epochs, by learning rate and by a factor on He's initial weights; without batch norm, there is \
             nothing in its place:\n\n{}",
            grids.table(results)
        );
    }
    page += &format!("\n{}", sentences(results));
    page
}

/// What was trained, for how long.
fn budget(shared: &Recipe, results: &Results) -> String {
    let images = shared
        .limit_train
        .map_or("all".into(), |images| images.to_string());
    let seeds = results.outcomes.iter().map(|one| one.seed).max();
    let seconds: f64 = results.outcomes.iter().map(|one| one.seconds).sum();
    format!(
        "`{}`: {images} training images, {} epochs in batches of {}, up to {} seeds. {} runs, {:.1} hours of training.",
        shared.dataset,
        shared.epochs,
        shared.batch_size,
        seeds.unwrap_or(0),
        results.outcomes.len(),
        seconds / 3600.0
    )
}

/// The table of arms.
fn arms(results: &Results) -> String {
    let mut text =
        "| | seeds | training error % | test error % | gap | minutes |\n| --- | --- | --- | --- | --- | --- |\n"
            .to_string();
    for arm in &ARMS {
        let runs = results.of(arm.key);
        if runs.is_empty() {
            continue;
        }
        let column = |measure: Measure| {
            let estimate = results.estimate(arm.key, measure);
            estimate.map_or("–".into(), |estimate| estimate.spread.text(2))
        };
        let seeds = match results.diverged(arm.key) {
            0 => runs.len().to_string(),
            diverged => format!("{} ({diverged} diverged)", runs.len()),
        };
        let minutes: f64 = runs.iter().map(|run| run.seconds / 60.0).sum();
        let _ = writeln!(
            text,
            "| {} | {seeds} | {} | {} | {} | {:.1} |",
            arm.title,
            column(Measure::Train),
            column(Measure::Test),
            column(Measure::Gap),
            minutes / runs.len() as f64
        );
    }
    text
}

/// The grid with batch norm and without.
struct Grids {
    with: Grid,
    without: Grid,
    classes: usize,
}

impl Grids {
    /// `None` before every network of the grid has trained once.
    fn of(results: &Results) -> Option<Self> {
        let grid = |batch_norm: bool| -> Option<Grid> {
            let mut errors = Vec::new();
            for &scale in scales() {
                let mut row = Vec::new();
                for &lr in rates() {
                    let key = cell(batch_norm, lr, scale).key();
                    if results.of(&key).is_empty() {
                        return None;
                    }
                    let estimate = results.estimate(&key, Measure::Test);
                    let all = results.diverged(&key) == 0;
                    row.push(estimate.filter(|_| all).map(|one| one.spread.mean));
                }
                errors.push(row);
            }
            Some(Grid {
                rates: rates().to_vec(),
                scales: scales().to_vec(),
                errors,
            })
        };
        let outcomes = results.outcomes.iter();
        Some(Self {
            with: grid(true)?,
            without: grid(false)?,
            classes: outcomes.map(|one| one.classes).max()?,
        })
    }

    fn table(&self, results: &Results) -> String {
        let mut text = "| batch norm | factor |".to_string();
        for rate in &self.with.rates {
            let _ = write!(text, " rate {rate} |");
        }
        text += "\n| --- | --- |";
        text += &" --- |".repeat(self.with.rates.len());
        text += "\n";
        for (name, batch_norm, grid) in [
            ("with", true, &self.with),
            ("without", false, &self.without),
        ] {
            for (&scale, row) in grid.scales.iter().zip(&grid.errors) {
                let _ = write!(text, "| {name} | {scale} |");
                for (&lr, error) in grid.rates.iter().zip(row) {
                    let key = cell(batch_norm, lr, scale).key();
                    let (runs, diverged) = (results.of(&key).len(), results.diverged(&key));
                    let shown = match error {
                        Some(error) => format!("{error:.1}"),
                        None if diverged == runs => "diverged".into(),
                        None => format!("{diverged} of {runs} diverged"),
                    };
                    let _ = write!(text, " {shown} |");
                }
                text += "\n";
            }
        }
        text
    }
}

fn cell(batch_norm: bool, lr: f64, scale: f64) -> Cell {
    Cell {
        batch_norm,
        lr,
        scale,
    }
}

/// Each sentence of the lecture, and whether the runs show it.
fn sentences(results: &Results) -> String {
    let mut text = "| the lecture says | seen | |\n| --- | --- | --- |\n".to_string();
    let mut row = |says: &str, verdict: Option<Verdict>| {
        let (seen, numbers) = match verdict {
            Some(Verdict {
                seen: true,
                numbers,
            }) => ("seen", numbers),
            Some(Verdict {
                seen: false,
                numbers,
            }) => ("not seen", numbers),
            None => ("–", "not yet trained".into()),
        };
        let _ = writeln!(text, "| {says} | {seen} | {numbers} |");
    };
    for claim in &CLAIMS {
        row(claim.says, claim.verdict(results));
    }
    if let Some(grids) = Grids::of(results) {
        for (says, verdict) in grid_verdicts(&grids.with, &grids.without, grids.classes) {
            row(says, Some(verdict));
        }
    }
    text
}

/// The validation error of each epoch with the first seed, without regularization, with dropout, and with dropout for twice
/// the time.
pub fn curves(results: &Results) -> String {
    let arms = ARMS
        .iter()
        .filter(|arm| ["none", "dropout", "dropout-twice"].contains(&arm.key));
    let series = arms.enumerate().filter_map(|(colour, arm)| {
        let run = *results.of(arm.key).first()?;
        let points = run.epochs.iter();
        let points = points.filter_map(|row| Some((row.epoch as f64, row.valid_error? / 100.0)));
        Some(Series {
            label: arm.title.into(),
            points: points.collect(),
            colour,
            ..Series::default()
        })
    });
    curves_svg(&Chart {
        title: "Validation error".into(),
        x: Axis::new("epoch", Unit::Whole),
        y: Axis::new("validation error", Unit::Fraction),
        series: series.collect(),
        marks: vec![],
    })
}
