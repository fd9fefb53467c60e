//! How the ensemble grows with its members.

use firebrick_types::run::ensemble::{EnsembleRecord, Growth};

use crate::axis::Axis;
use crate::chart::{Chart, Series, Tone};
use crate::curves::pictures;
use crate::table::Column::Number;
use crate::table::Table;
use crate::text::{number, percent, points};
use crate::ticks::Unit;

/// Charts over the number of members, and their numbers; empty for fewer than two members.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    let growth = &record.report.growth;
    if growth.len() < 2 {
        return String::new();
    }
    let split = if record.split.is_empty() {
        "scored"
    } else {
        record.split.as_str()
    };
    let spread =
        "Mean over ensembles of this size; pale: one standard deviation above and below it.";
    let mut charts = vec![
        (
            chart("Accuracy", Axis::new("top-1", Unit::Fraction), {
                let mut series = spread_of(growth);
                series.extend(curves(record, split, |one| one.top1_mean));
                series
            }),
            spread,
        ),
        (
            chart(
                "Negative log-likelihood",
                Axis::new("nll", Unit::Number),
                curves(record, split, |one| one.nll_mean),
            ),
            "",
        ),
    ];
    let gaps = gaps(record);
    if !gaps.is_empty() {
        let series = vec![Series {
            points: gaps
                .iter()
                .map(|(members, gap)| (*members as f64, *gap))
                .collect(),
            colour: 2,
            ..Series::default()
        }];
        let y = Axis::new("difference", Unit::Fraction);
        charts.push((
            chart(
                "Training accuracy less the accuracy on the split",
                y,
                series,
            ),
            "On a sample of the training images, as they are.",
        ));
    }
    format!(
        "<section id=\"growth\"><h2>How it grows with its members</h2>\n{}{}</section>\n",
        pictures(charts.iter().map(|(chart, note)| (chart, *note))),
        table(record).folded("The numbers of each size"),
    )
}

fn chart(title: &str, y: Axis, series: Vec<Series>) -> Chart {
    Chart {
        title: title.into(),
        x: Axis::new("members", Unit::Whole),
        y,
        series,
        marks: vec![],
    }
}

/// A value of each size on the split and, where they were scored, on training images.
fn curves(record: &EnsembleRecord, split: &str, value: fn(&Growth) -> f64) -> Vec<Series> {
    let curve = |growth: &[Growth], label: &str, colour| Series {
        label: label.into(),
        points: growth
            .iter()
            .map(|one| (one.members as f64, value(one)))
            .collect(),
        colour,
        tone: Tone::Line,
    };
    let mut series = vec![curve(&record.report.growth, split, 0)];
    if !record.train_growth.is_empty() {
        series.push(curve(&record.train_growth, "training images", 1));
    }
    series
}

/// The standard deviation above and below the mean; nothing where there is none.
fn spread_of(growth: &[Growth]) -> Vec<Series> {
    if !growth.iter().any(|one| one.top1_sd > 0.0) {
        return Vec::new();
    }
    let bound = |sign: f64| Series {
        points: growth
            .iter()
            .map(|one| (one.members as f64, one.top1_mean + sign * one.top1_sd))
            .collect(),
        tone: Tone::Faint,
        ..Series::default()
    };
    vec![bound(1.0), bound(-1.0)]
}

/// For each size, the accuracy on training images less that on the split.
fn gaps(record: &EnsembleRecord) -> Vec<(usize, f64)> {
    let gap = |one: &Growth| {
        let train = record
            .train_growth
            .iter()
            .find(|train| train.members == one.members)?;
        Some((one.members, train.top1_mean - one.top1_mean))
    };
    record.report.growth.iter().filter_map(gap).collect()
}

fn table(record: &EnsembleRecord) -> Table {
    let mut columns = vec![
        ("Members", Number),
        ("Top-1", Number),
        ("Standard deviation", Number),
        ("NLL", Number),
    ];
    let gaps = gaps(record);
    if !gaps.is_empty() {
        columns.push(("Training less that", Number));
    }
    let mut table = Table::new("Ensembles by size, differences in points", &columns);
    for one in &record.report.growth {
        let mut cells = vec![
            one.members.to_string(),
            percent(one.top1_mean),
            points(one.top1_sd).trim_start_matches('+').into(),
            number(one.nll_mean),
        ];
        if !gaps.is_empty() {
            let gap = gaps.iter().find(|(members, _)| *members == one.members);
            cells.push(gap.map_or("–".into(), |(_, gap)| points(*gap)));
        }
        table.row(&cells);
    }
    table
}
