//! The curves of one run: loss, accuracy, learning rate, throughput.

use firebrick_types::run::{EpochRow, RunRecord, Scores};

use crate::axis::{Axis, Scale, drawable};
use crate::chart::{Chart, Mark, Series, Tone};
use crate::scores::chosen_epoch;
use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{count, duration, escape, number, percent, plural};
use crate::ticks::Unit;

/// The section with every curve of a run, and its epochs as a table.
pub(crate) fn section(run: &RunRecord) -> String {
    let charts = charts(run);
    let body = pictures(charts.iter().map(|(chart, note)| (chart, note.as_str())));
    if body.is_empty() {
        return "<section id=\"curves\"><h2>Curves</h2>\n<p>There are none: no update was recorded.</p></section>\n"
            .into();
    }
    let table = match run.epochs.len() {
        0 => String::new(),
        1 => epoch_table(run).html(),
        many => epoch_table(run).folded(&format!("The numbers: {}", plural(many, "epoch"))),
    };
    format!("<section id=\"curves\"><h2>Curves</h2>\n{body}{table}</section>\n")
}

/// Charts with their notes, those that would be one point or a constant in words below the others.
pub(crate) fn pictures<'a>(charts: impl Iterator<Item = (&'a Chart, &'a str)>) -> String {
    let (mut figures, mut told) = (String::new(), String::new());
    for (chart, note) in charts {
        match chart.told() {
            Some(text) => told += &format!("<li>{}</li>\n", escape(&text)),
            None => figures += &figure(chart, note),
        }
    }
    let mut out = String::new();
    if !figures.is_empty() {
        out += &format!("<div class=\"charts\">\n{figures}</div>\n");
    }
    if !told.is_empty() {
        out += &format!("<ul class=\"told\">\n{told}</ul>\n");
    }
    out
}

/// A chart with its note, and what it had to leave out.
fn figure(chart: &Chart, note: &str) -> String {
    let left_out = chart.left_out().unwrap_or_default();
    let note = [note, &left_out]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let caption = if note.is_empty() {
        String::new()
    } else {
        format!("<figcaption>{}</figcaption>", escape(&note))
    };
    format!("<figure>{}{caption}</figure>\n", chart.svg())
}

fn charts(run: &RunRecord) -> Vec<(Chart, String)> {
    let mut charts = Vec::new();
    let marks: Vec<Mark> = run
        .best
        .map(|(epoch, _)| Mark {
            x: epoch as f64,
            label: format!("best: epoch {epoch}"),
        })
        .filter(|mark| run.epochs.iter().any(|row| row.epoch as f64 == mark.x))
        .into_iter()
        .collect();
    if !run.epochs.is_empty() {
        let validated = run.epochs.iter().any(|row| row.valid.is_some());
        let mut pair = |title: &str,
                        y: Axis,
                        train: fn(&EpochRow) -> f64,
                        valid: fn(&Scores) -> f64,
                        note: &str| {
            let mut series = vec![Series {
                label: "train".into(),
                points: by_epoch(run, |row| Some(train(row))),
                ..Series::default()
            }];
            if validated {
                series.push(Series {
                    label: "validation".into(),
                    points: by_epoch(run, |row| row.valid.as_ref().map(valid)),
                    colour: 1,
                    ..Series::default()
                });
            }
            let chart = Chart {
                title: title.into(),
                x: Axis::new("epoch", Unit::Whole),
                y,
                series,
                marks: marks.clone(),
            };
            charts.push((chart, note.to_string()));
        };
        let worse = chosen_epoch(run)
            .is_some_and(|row| row.valid.is_some_and(|valid| row.train_top1 < valid.top1));
        let note = if worse {
            "Training accuracy is measured while the model still changes, and on augmented images if there is \
             augmentation, so it can be below validation accuracy, as here."
        } else {
            ""
        };
        pair(
            "Accuracy",
            Axis::new("top-1", Unit::Fraction),
            |row| row.train_top1,
            |scores| scores.top1,
            note,
        );
        let loss = Axis::new("loss", Unit::Number).scale(Scale::LogWhenWide);
        pair("Loss", loss, |row| row.train_loss, |scores| scores.loss, "");
    }
    charts.extend(per_update(run));
    if !run.epochs.is_empty() {
        let chart = Chart {
            title: "Training images per second".into(),
            x: Axis::new("epoch", Unit::Whole),
            y: Axis::new("images per second", Unit::Number).scale(Scale::FromZero),
            series: vec![Series {
                points: by_epoch(run, |row| Some(row.images_per_second)),
                colour: 2,
                ..Series::default()
            }],
            marks: vec![],
        };
        charts.push((
            chart,
            "Includes the time to load images, but not that of evaluation.".into(),
        ));
    }
    charts
}

/// Loss and learning rate against updates.
fn per_update(run: &RunRecord) -> Vec<(Chart, String)> {
    if run.steps.is_empty() {
        return Vec::new();
    }
    let x = Axis::new("update", Unit::Whole);
    let raw: Vec<(f64, f64)> = run
        .steps
        .iter()
        .map(|(step, _, loss)| (*step as f64, *loss))
        .collect();
    let (smooth, span) = smoothed(&raw);
    let loss = Chart {
        title: "Training loss at each update".into(),
        x: x.clone(),
        y: Axis::new("loss", Unit::Number).scale(Scale::LogWhenWide),
        series: vec![
            Series {
                points: raw,
                tone: Tone::Faint,
                ..Series::default()
            },
            Series {
                label: "train".into(),
                points: smooth,
                ..Series::default()
            },
        ],
        marks: vec![],
    };
    let note = if span > 1 {
        format!(
            "Pale: every recorded update. Strong: smoothed over about {span} of the {} points.",
            count(run.steps.len() as u64)
        )
    } else {
        String::new()
    };
    vec![(loss, note), (learning_rate(&[("", run)]), String::new())]
}

/// The learning rate of runs against updates; an empty name leaves a curve without one.
pub(crate) fn learning_rate(runs: &[(&str, &RunRecord)]) -> Chart {
    let series = runs.iter().enumerate().map(|(colour, (name, run))| Series {
        label: (*name).to_string(),
        points: run
            .steps
            .iter()
            .map(|(step, lr, _)| (*step as f64, *lr))
            .collect(),
        colour: if name.is_empty() { 3 } else { colour },
        ..Series::default()
    });
    Chart {
        title: "Learning rate".into(),
        x: Axis::new("update", Unit::Whole),
        y: Axis::new("learning rate", Unit::Number).scale(Scale::LogWhenWide),
        series: series.collect(),
        marks: vec![],
    }
}

/// A value of each epoch that has one.
pub(crate) fn by_epoch(
    run: &RunRecord,
    value: impl Fn(&EpochRow) -> Option<f64>,
) -> Vec<(f64, f64)> {
    run.epochs
        .iter()
        .filter_map(|row| Some((row.epoch as f64, value(row)?)))
        .collect()
}

/// Exponential moving average over a fortieth of the points, corrected for its start as in Adam, and
/// the number of points it spans. A value that cannot be drawn stays as it is and is not averaged.
fn smoothed(raw: &[(f64, f64)]) -> (Vec<(f64, f64)>, usize) {
    let span = (raw.len() / 40).max(1);
    let keep = 1.0 - 2.0 / (span as f64 + 1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = raw.iter().map(|(x, y)| {
        if !drawable(*y) {
            return (*x, *y);
        }
        sum = keep * sum + (1.0 - keep) * y;
        weight = keep * weight + (1.0 - keep);
        (*x, sum / weight)
    });
    (smooth.collect(), span)
}

fn epoch_table(run: &RunRecord) -> Table {
    let mut table = Table::new(
        "Every epoch",
        &[
            ("Epoch", Number),
            ("Updates", Number),
            ("Learning rate", Number),
            ("Train loss", Number),
            ("Train top-1", Number),
            ("Valid loss", Number),
            ("Valid top-1", Number),
            ("Time", Number),
            ("Images/s", Number),
            ("", Words),
        ],
    );
    let best = run.best.map(|(epoch, _)| epoch);
    for row in &run.epochs {
        let valid = |value: fn(&Scores) -> String| row.valid.as_ref().map_or("–".into(), value);
        table.row(&[
            row.epoch.to_string(),
            count(row.step),
            number(row.lr),
            number(row.train_loss),
            percent(row.train_top1),
            valid(|scores| number(scores.loss)),
            valid(|scores| percent(scores.top1)),
            duration(row.seconds),
            number(row.images_per_second),
            if Some(row.epoch) == best {
                "best".into()
            } else {
                String::new()
            },
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_is_unbiased_from_the_first_point_and_skips_what_is_not_finite() {
        let mut raw: Vec<(f64, f64)> = (0..400).map(|i| (f64::from(i), 3.0)).collect();
        raw[5].1 = f64::NAN;
        let (smooth, span) = smoothed(&raw);
        assert_eq!(span, 10);
        assert!(smooth[5].1.is_nan());
        let constant = smooth.iter().filter(|(_, y)| !y.is_nan());
        assert!(constant.into_iter().all(|(_, y)| (y - 3.0).abs() < 1e-12));
        let noisy: Vec<(f64, f64)> = (0..400).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let (smooth, _) = smoothed(&noisy);
        assert!(smooth[100..].iter().all(|(_, y)| (y - 0.5).abs() < 0.11));
    }

    #[test]
    fn training_below_validation_is_explained_and_only_there() {
        let explained = |train_top1: f64| {
            let row = |epoch: u64| EpochRow {
                epoch,
                step: 10 * epoch,
                lr: 0.1,
                train_loss: 1.0,
                train_top1: train_top1 + 0.01 * epoch as f64,
                penalties: Vec::new(),
                valid: Some(Scores {
                    loss: 1.0,
                    top1: 0.7,
                    top5: 1.0,
                    nll: 1.0,
                    ece: 0.0,
                    brier: 0.0,
                    count: 100,
                }),
                seconds: 1.0,
                images_per_second: 1.0,
            };
            let mut run = crate::empty_record();
            run.epochs = vec![row(1), row(2)];
            section(&run).contains("below validation accuracy")
        };
        assert!(explained(0.5) && !explained(0.9));
    }

    #[test]
    fn few_points_are_not_smoothed() {
        let raw = [(0.0, 1.0), (1.0, 5.0)];
        assert_eq!(smoothed(&raw), (raw.to_vec(), 1));
    }
}
