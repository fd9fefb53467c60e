//! Compares several runs: scores, which differences may be chance, curves in one chart, and where the recipes differ.

use firebrick_types::run::{EpochRow, RunRecord};

use crate::axis::{Axis, Scale};
use crate::chart::{Chart, Series};
use crate::curves::{by_epoch, learning_rate, pictures};
use crate::pairs::by_data_set;
use crate::recipes::{dataset_shown, differences, verbatim};
use crate::scores::{chosen_epoch, images_per_second, seconds, valid};
use crate::svg::series_class;
use crate::table::Column::{Number, Words};
use crate::table::{Column, Table};
use crate::text::{count, duration, escape, number, percent, plural};
use crate::ticks::Unit;
use crate::{pairs, setting};

/// The body of a page about several runs.
pub(crate) fn body(runs: &[RunRecord]) -> String {
    let names = unique_names(runs);
    let runs: Vec<(&str, &RunRecord)> = names.iter().map(String::as_str).zip(runs).collect();
    format!(
        "<header><h1>{} compared</h1></header>\n\
         <section id=\"scores\"><h2>Scores</h2>\n{}{}{}</section>\n{}{}{}",
        plural(runs.len(), "run"),
        score_table(&runs),
        pairs::section(&runs),
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
    let columns: Vec<_> = [("Run", Words), ("Data set", Words)]
        .into_iter()
        .chain(heads)
        .collect();
    let groups = by_data_set(runs);
    let caption = if groups.iter().any(|group| group.len() > 1) {
        "Scores side by side, the best on each data set in bold"
    } else {
        "Scores side by side"
    };
    let mut table = Table::new(caption, &columns);
    // Compared as shown: digits that nobody sees make no run better.
    let best = |group: &[usize], measure: &Measure| {
        let values: Vec<f64> = group
            .iter()
            .filter_map(|index| (measure.of)(runs[*index].1))
            .collect();
        let best = (measure.show)(best(&values, measure.more)?);
        let differ = |value: &f64| (measure.show)(*value) != best;
        values.iter().any(differ).then_some(best)
    };
    let bests: Vec<Vec<Option<String>>> = groups
        .iter()
        .map(|group| {
            let bests = measures.iter().map(|measure| best(group, measure));
            bests.collect()
        })
        .collect();
    for (index, (name, run)) in runs.iter().enumerate() {
        let group = groups.iter().position(|group| group.contains(&index));
        let mut cells = vec![keyed(index, name), dataset_shown(run)];
        cells.extend(measures.iter().enumerate().map(|(at, measure)| {
            let Some(value) = (measure.of)(run) else {
                return "–".into();
            };
            let text = (measure.show)(value);
            let best = group.and_then(|group| bests[group][at].as_ref());
            if best == Some(&text) {
                format!("<b>{text}</b>")
            } else {
                text
            }
        }));
        table.row(&cells);
    }
    table.html()
        + "<p class=\"note\">Validation and training scores are those of the best epoch of each run, the last where \
           none was judged.</p>\n"
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// A run's name with a dot in the colour of its curves.
fn keyed(index: usize, name: &str) -> String {
    let class = series_class(index);
    format!(
        "<span class=\"key {class}\" aria-hidden=\"true\">●</span> {}",
        escape(name)
    )
}

/// Model, data, machine, time and origin of each run.
fn origin_table(runs: &[(&str, &RunRecord)]) -> String {
    type Cell = fn(&RunRecord) -> Option<String>;
    let cells: [(&str, Column, Cell); 8] = [
        ("Model", Words, |run| Some(code(&run.model))),
        ("Parameters", Number, |run| {
            Some(count(run.parameters as u64))
        }),
        ("Images", Words, setting::images),
        ("Input", Words, setting::input),
        ("Device", Words, |run| Some(setting::device(run))),
        ("When", Words, setting::when),
        ("Version", Words, setting::version),
        ("Branched from", Words, |run| {
            run.lineage.as_deref().map(code)
        }),
    ];
    // What no run knows has no column.
    let cells = cells
        .into_iter()
        .filter(|(.., cell)| runs.iter().any(|(_, run)| cell(run).is_some()));
    let cells: Vec<_> = cells.collect();
    let columns = cells.iter().map(|(head, column, _)| (*head, *column));
    let columns: Vec<_> = [("Run", Words)].into_iter().chain(columns).collect();
    let mut table = Table::new("What ran", &columns);
    for (index, (name, run)) in runs.iter().enumerate() {
        let row = cells
            .iter()
            .map(|(.., cell)| cell(run).unwrap_or_else(|| "–".into()));
        let row: Vec<String> = [keyed(index, name)].into_iter().chain(row).collect();
        table.row(&row);
    }
    table.html()
}

/// The best of the finite values; `None` where no value is better than another.
fn best(values: &[f64], more: Option<bool>) -> Option<f64> {
    let more = more?;
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.reduce(if more { f64::max } else { f64::min })
}

/// The curves, those of each data set in pictures of their own.
fn curves(runs: &[(&str, &RunRecord)]) -> String {
    let groups = by_data_set(runs);
    let mut body = String::new();
    for group in &groups {
        let pictures = overlays(runs, group);
        if groups.len() > 1 && !pictures.is_empty() {
            body += &format!("<h3>On {}</h3>\n", dataset_shown(runs[group[0]].1));
        }
        body += &pictures;
    }
    if body.is_empty() {
        return body;
    }
    format!("<section id=\"curves\"><h2>Curves</h2>\n{body}</section>\n")
}

/// The curves of some of the runs over each other; a run has one colour everywhere.
fn overlays(runs: &[(&str, &RunRecord)], group: &[usize]) -> String {
    let overlay = |title: &str, y: Axis, value: fn(&EpochRow) -> Option<f64>| {
        let series = group.iter().map(|index| Series {
            label: runs[*index].0.to_string(),
            points: by_epoch(runs[*index].1, value),
            colour: *index,
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
    let mut rates = learning_rate(runs);
    let of_the_group = group.iter().map(|index| rates.series[*index].clone());
    rates.series = of_the_group.collect();
    let charts = [
        overlay("Validation accuracy", top1(), |row| {
            Some(row.valid.as_ref()?.top1)
        }),
        overlay("Validation loss", loss(), |row| {
            Some(row.valid.as_ref()?.loss)
        }),
        overlay("Training accuracy", top1(), |row| Some(row.train_top1)),
        overlay("Training loss", loss(), |row| Some(row.train_loss)),
        rates,
    ];
    let some = |chart: &&Chart| chart.series.iter().any(|series| !series.points.is_empty());
    pictures(charts.iter().filter(some).map(|chart| (chart, "")))
}

fn recipes(runs: &[(&str, &RunRecord)]) -> String {
    let body = differences(runs).map_or_else(
        || "<p>All recipes are the same.</p>\n".into(),
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
