//! Several runs side by side: scores, curves over each other, and where the recipes differ.

use firebrick_core::run::{EpochRow, RunRecord, Scores};

use crate::axis::{Axis, Scale, Unit};
use crate::chart::{Chart, Series};
use crate::curves::{by_epoch, figure, learning_rate};
use crate::recipes::{differences, verbatim};
use crate::scores::{chosen_epoch, images_per_second, seconds, valid};
use crate::svg::series_class;
use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{count, duration, escape, number, percent, plural};

/// The body of a page about several runs.
pub(crate) fn body(runs: &[RunRecord]) -> String {
    let names = unique_names(runs);
    let runs: Vec<(&str, &RunRecord)> = names.iter().map(String::as_str).zip(runs).collect();
    format!(
        "<header><h1>{} compared</h1></header>\n\
         <section id=\"scores\"><h2>Scores</h2>\n{}{}{}</section>\n{}{}{}",
        plural(runs.len(), "run"),
        score_table(&runs),
        chance(&runs),
        origin_table(&runs),
        curves(&runs),
        recipes(&runs),
        reproduce(&runs),
    )
}

/// Run directories of different parents may share a name; each then gets its number.
fn unique_names(runs: &[RunRecord]) -> Vec<String> {
    let shared = |name: &str| runs.iter().filter(|run| run.name == name).count() > 1;
    runs.iter()
        .enumerate()
        .map(|(index, run)| match shared(&run.name) {
            true => format!("{} ({})", run.name, index + 1),
            false => run.name.clone(),
        })
        .collect()
}

/// One score of a run and how it is shown.
struct Measure {
    head: &'static str,
    of: fn(&RunRecord) -> Option<f64>,
    show: fn(f64) -> String,
    /// Whether more is better; `None` where neither is.
    more: Option<bool>,
}

fn measures() -> Vec<Measure> {
    let measure = |head, of, show, more| Measure {
        head,
        of,
        show,
        more,
    };
    let whole = |value: f64| count(value.max(0.0) as u64);
    vec![
        measure(
            "Test top-1",
            |run| Some(run.test.as_ref()?.top1),
            percent,
            Some(true),
        ),
        measure(
            "Test NLL",
            |run| Some(run.test.as_ref()?.nll),
            number,
            Some(false),
        ),
        measure(
            "Test ECE",
            |run| Some(run.test.as_ref()?.ece),
            percent,
            Some(false),
        ),
        measure(
            "Valid top-1",
            |run| Some(valid(run)?.top1),
            percent,
            Some(true),
        ),
        measure(
            "Valid loss",
            |run| Some(valid(run)?.loss),
            number,
            Some(false),
        ),
        measure(
            "Train loss",
            |run| Some(chosen_epoch(run)?.train_loss),
            number,
            None,
        ),
        measure(
            "At epoch",
            |run| Some(chosen_epoch(run)?.epoch as f64),
            whole,
            None,
        ),
        measure("Epochs", |run| Some(run.epochs.len() as f64), whole, None),
        measure("Training time", seconds, duration, None),
        measure("Images/s", images_per_second, whole, Some(true)),
    ]
}

fn score_table(runs: &[(&str, &RunRecord)]) -> String {
    let measures: Vec<Measure> = measures()
        .into_iter()
        .filter(|measure| runs.iter().any(|(_, run)| (measure.of)(run).is_some()))
        .collect();
    let heads = measures.iter().map(|measure| (measure.head, Number));
    let columns: Vec<_> = [("Run", Words)].into_iter().chain(heads).collect();
    let mut table = Table::new("Scores side by side, the best in bold", &columns);
    // Compared as shown: digits that nobody sees make no run better.
    let best: Vec<Option<String>> = measures
        .iter()
        .map(|measure| {
            let values: Vec<f64> = runs
                .iter()
                .filter_map(|(_, run)| (measure.of)(run))
                .collect();
            let best = (measure.show)(best(&values, measure.more)?);
            let differ = |value: &f64| (measure.show)(*value) != best;
            values.iter().any(differ).then_some(best)
        })
        .collect();
    for (index, (name, run)) in runs.iter().enumerate() {
        let mut cells = vec![keyed(index, name)];
        cells.extend(measures.iter().zip(&best).map(|(measure, best)| {
            let Some(value) = (measure.of)(run) else {
                return "–".into();
            };
            let text = (measure.show)(value);
            if best.as_ref() == Some(&text) {
                format!("<b>{text}</b>")
            } else {
                text
            }
        }));
        table.row(&cells);
    }
    table.html()
}

/// A run's name with a dot in the colour of its curves.
fn keyed(index: usize, name: &str) -> String {
    let class = series_class(index);
    format!(
        "<span class=\"key {class}\" aria-hidden=\"true\">●</span> {}",
        escape(name)
    )
}

/// Model, size, device and origin of each run.
fn origin_table(runs: &[(&str, &RunRecord)]) -> String {
    let mut table = Table::new(
        "What ran",
        &[
            ("Run", Words),
            ("Model", Words),
            ("Parameters", Number),
            ("Device", Words),
            ("Branched from", Words),
        ],
    );
    let code = |text: &str| format!("<code>{}</code>", escape(text));
    for (index, (name, run)) in runs.iter().enumerate() {
        table.row(&[
            keyed(index, name),
            code(&run.model),
            count(run.parameters as u64),
            code(&run.device),
            run.lineage.as_deref().map_or("–".into(), code),
        ]);
    }
    table.html()
}

/// The best of the finite values; `None` where no value is better than another.
fn best(values: &[f64], more: Option<bool>) -> Option<f64> {
    let more = more?;
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.reduce(if more { f64::max } else { f64::min })
}

/// How large a difference in accuracy must be before it means something.
fn chance(runs: &[(&str, &RunRecord)]) -> String {
    let scores: Option<Vec<&Scores>> = runs
        .iter()
        .map(|(_, run)| run.test.as_ref().or(valid(run)))
        .collect();
    let Some(scores) = scores else {
        return String::new();
    };
    let best = scores
        .iter()
        .map(|scores| scores.top1)
        .fold(f64::NAN, f64::max);
    let images = scores.iter().map(|scores| scores.count).min().unwrap_or(0);
    if images == 0 || !(0.0..=1.0).contains(&best) {
        return String::new();
    }
    // Two proportions of independent samples; runs on the same images differ by less, so this is the careful side.
    let margin = 1.96 * (2.0 * best * (1.0 - best) / images as f64).sqrt() * 100.0;
    format!(
        "<p class=\"note\">With {}, accuracies less than about {} points apart may differ by chance. Scores are those of the \
         best epoch of each run, the last where none was judged.</p>\n",
        plural(images, "image"),
        format_args!("{:.2}", (margin * 100.0).ceil() / 100.0),
    )
}

fn curves(runs: &[(&str, &RunRecord)]) -> String {
    let overlay = |title: &str, y: Axis, value: fn(&EpochRow) -> Option<f64>| {
        let series = runs.iter().enumerate().map(|(colour, (name, run))| Series {
            label: (*name).to_string(),
            points: by_epoch(run, value),
            colour,
            ..Series::default()
        });
        Chart {
            title: title.into(),
            x: Axis::new("epoch", Unit::Whole),
            y,
            series: series.collect(),
            marks: vec![],
        }
    };
    let loss = || Axis::new("loss", Unit::Number).scale(Scale::LogWhenWide);
    let top1 = || Axis::new("top-1", Unit::Fraction);
    let charts = [
        overlay("Validation accuracy", top1(), |row| {
            Some(row.valid.as_ref()?.top1)
        }),
        overlay("Validation loss", loss(), |row| {
            Some(row.valid.as_ref()?.loss)
        }),
        overlay("Training accuracy", top1(), |row| Some(row.train_top1)),
        overlay("Training loss", loss(), |row| Some(row.train_loss)),
        learning_rate(runs),
    ];
    let figures: String = charts
        .iter()
        .filter(|chart| chart.series.iter().any(|series| !series.points.is_empty()))
        .map(|chart| figure(chart, ""))
        .collect();
    if figures.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"curves\"><h2>Curves</h2>\n<div class=\"charts\">\n{figures}</div></section>\n"
    )
}

fn recipes(runs: &[(&str, &RunRecord)]) -> String {
    let body = differences(runs).map_or_else(
        || "<p>Nowhere: all recipes say the same.</p>\n".into(),
        |table| table.html(),
    );
    format!("<section id=\"recipe\"><h2>Where the recipes differ</h2>\n{body}</section>\n")
}

fn reproduce(runs: &[(&str, &RunRecord)]) -> String {
    let commands: String = runs
        .iter()
        .map(|(name, run)| {
            let command = verbatim(&run.reproduce);
            format!("<h3>{}</h3>\n{command}", escape(name))
        })
        .collect();
    format!("<section id=\"reproduce\"><h2>How to reproduce</h2>\n{commands}</section>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_finite_and_goes_the_right_way() {
        assert_eq!(best(&[0.9, f64::NAN, 0.95], Some(true)), Some(0.95));
        assert_eq!(best(&[0.3, f64::INFINITY, 0.2], Some(false)), Some(0.2));
        assert_eq!(best(&[f64::NAN], Some(true)), None);
        assert_eq!(best(&[0.1, 0.2], None), None);
    }
}
