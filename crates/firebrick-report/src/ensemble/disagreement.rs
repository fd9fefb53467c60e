//! How the members differ: how often two of them disagree, and whether they are wrong on the same images.

use firebrick_types::run::ensemble::EnsembleRecord;

use crate::heat_map::pairs_map;
use crate::table::Column::{Number, Words};
use crate::table::{Table, scrollable};
use crate::text::{escape, number, percent};

/// More members than this make a picture of coloured dust.
const MOST_IN_PICTURE: usize = 120;
/// More members than this have no table of all pairs.
const MOST_IN_TABLE: usize = 20;

/// Two heat maps with their numbers, and where the uncertainty comes from; empty for fewer than two members.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    let report = &record.report;
    if report.members.len() < 2 {
        return String::new();
    }
    let names: Vec<String> = report
        .members
        .iter()
        .map(|member| member.name.clone())
        .collect();
    let disagreement: Vec<Vec<Option<f64>>> = report
        .disagreement
        .iter()
        .map(|row| row.iter().copied().map(Some).collect())
        .collect();
    let correlation = &record.error_correlation;
    let (differ, same) = (mean_of_pairs(&disagreement), mean_of_pairs(correlation));
    let mut sentences = String::new();
    if let Some(differ) = differ {
        sentences += &format!(
            "Two members disagree on {} of the images on average. ",
            percent(differ)
        );
    }
    if let Some(same) = same {
        sentences += &format!(
            "Their errors have a correlation of {} on average: at 1 they would be wrong on the same images, and together gain nothing. ",
            number(same)
        );
    }
    let entropy = &report.entropy;
    sentences += &format!(
        "The mean uncertainty of the ensemble is {} nats, of which {} come from disagreement; the other {} the members have even where \
         they agree.",
        number(entropy.total),
        number(entropy.mutual_information),
        number(entropy.expected)
    );
    let largest = off_diagonal(&disagreement).fold(0.0, f64::max);
    let mut figures = String::new();
    let mut tables = String::new();
    for (title, values, colour, most, note) in [
        (
            "Disagreement",
            &disagreement,
            "hit",
            largest,
            "The share of images that two members classify differently; the darkest is the largest.",
        ),
        (
            "Correlation of errors",
            correlation,
            "miss",
            1.0,
            "Orange: two members tend to be wrong on the same images; blue: on different ones.",
        ),
    ] {
        if off_diagonal(values).next().is_none() {
            continue;
        }
        if names.len() <= MOST_IN_PICTURE {
            let picture = scrollable(title, &pairs_map(title, &names, values, colour, most));
            figures += &format!(
                "<figure><h3>{title}</h3>\n{picture}<figcaption>{note}</figcaption></figure>\n"
            );
        }
        if names.len() <= MOST_IN_TABLE {
            tables += &table(title, &names, values).folded(&format!("{title}: the numbers"));
        }
    }
    if !figures.is_empty() {
        figures = format!("<div class=\"charts\">\n{figures}</div>\n");
    }
    format!(
        "<section id=\"disagreement\"><h2>How the members differ</h2>\n<p>{sentences}</p>\n{figures}{tables}</section>\n"
    )
}

/// The numbers for two different things each.
fn off_diagonal(values: &[Vec<Option<f64>>]) -> impl Iterator<Item = f64> {
    values.iter().enumerate().flat_map(|(row, values)| {
        let others = values
            .iter()
            .enumerate()
            .filter(move |(column, _)| *column != row);
        others
            .filter_map(|(_, value)| *value)
            .filter(|value| value.is_finite())
    })
}

fn mean_of_pairs(values: &[Vec<Option<f64>>]) -> Option<f64> {
    let count = off_diagonal(values).count();
    (count > 0).then(|| off_diagonal(values).sum::<f64>() / count as f64)
}

fn table(caption: &str, names: &[String], values: &[Vec<Option<f64>>]) -> Table {
    let heads = names.iter().map(|name| (name.as_str(), Number));
    let columns: Vec<_> = std::iter::once(("Member", Words)).chain(heads).collect();
    let mut table = Table::new(caption, &columns);
    for (row, name) in names.iter().enumerate() {
        let mut cells = vec![escape(name)];
        cells.extend((0..names.len()).map(|column| {
            let value = values.get(row).and_then(|row| *row.get(column)?);
            value.map_or("–".into(), number)
        }));
        table.row(&cells);
    }
    table
}
