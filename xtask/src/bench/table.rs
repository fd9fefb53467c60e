//! The tables, in Markdown.

use std::collections::BTreeMap;

use super::cases::{SCALING, Suite};
use super::contender::Contender;
use super::record::Record;
use super::statistics::Estimate;
use super::who::{PEERS, Who};
use super::work::Work;

/// Who gets a column of milliseconds besides ours.
fn peers(suite: Suite, records: &[Record]) -> Vec<Who> {
    let of_suite: &[Who] = match suite {
        Suite::Conv | Suite::Norm | Suite::Optim | Suite::Step => {
            &[Who::Flex, Who::Torch, Who::Tuned]
        }
        Suite::Infer => &[Who::Flex, Who::Torch, Who::Tuned, Who::Onnx],
        Suite::Zoo | Suite::Transfer => &[Who::Torch, Who::Tuned],
        Suite::Augment => &PEERS,
    };
    let contenders = records.iter().flat_map(|record| &record.case.contenders);
    let before = contenders
        .map(|one| one.who)
        .find(|who| *who == Who::Before);
    before.into_iter().chain(of_suite.iter().copied()).collect()
}

/// The table of a suite and what must be said below it.
pub(super) fn table(suite: Suite, records: &[Record]) -> String {
    let peers = peers(suite, records);
    let mut header = vec![suite.name().to_string(), "ours ms".into()];
    header.push(unit(suite).into());
    if matches!(suite, Suite::Conv | Suite::Norm | Suite::Optim) {
        header.push("of peak".into());
    }
    header.extend(peers.iter().map(|who| format!("{} ms", who.label())));
    header.extend(peers.iter().map(|who| format!("{} / ours", who.label())));
    if suite == Suite::Step {
        header.push("peak MiB: ours, flex, PyTorch, tuned".into());
    }
    let mut rows = vec![header];
    for record in records.iter().filter(|record| record.case.name != SCALING) {
        let mut row = vec![
            record.case.name.clone(),
            milliseconds(record, Who::Ours),
            number(record.speed(Who::Ours), 0),
        ];
        if !matches!(record.case.work, Work::Images(_)) {
            row.push(
                record
                    .of_limit()
                    .map_or("–".into(), |part| format!("{:.0} %", 100.0 * part.median)),
            );
        }
        row.extend(peers.iter().map(|who| milliseconds(record, *who)));
        row.extend(peers.iter().map(|who| ratio(record.times_ours(*who))));
        if suite == Suite::Step {
            row.push(peaks(record));
        }
        rows.push(row);
    }
    let mut text = markdown(&rows);
    for line in notes(records) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn unit(suite: Suite) -> &'static str {
    match suite {
        Suite::Conv => "GFLOP/s",
        Suite::Norm | Suite::Optim => "GB/s",
        Suite::Step | Suite::Infer | Suite::Zoo | Suite::Augment | Suite::Transfer => "images/s",
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |value| format!("{value:.digits$}"))
}

fn milliseconds(record: &Record, who: Who) -> String {
    match record.milliseconds(who) {
        Some(value) if value < 10.0 => format!("{value:.2}"),
        value => number(value, 1),
    }
}

pub(super) fn ratio(estimate: Option<Estimate>) -> String {
    estimate.map_or("–".into(), |Estimate { median, low, high }| {
        format!("{median:.2} ({low:.2}–{high:.2})")
    })
}

fn peaks(record: &Record) -> String {
    let peak = |who| number(record.said(who, "peak_mib"), 0);
    [Who::Ours, Who::Flex, Who::Torch, Who::Tuned]
        .map(peak)
        .join(", ")
}

/// Cells in columns of equal width.
pub(super) fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if index == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            text.push_str(&format!("| {} |\n", rules.join(" | ")));
        }
    }
    text
}

/// How PyTorch ran, who is missing and why, the machine's limits, losses and logits.
fn notes(records: &[Record]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut add = |line: String| {
        if !notes.contains(&line) {
            notes.push(line);
        }
    };
    for (who, unit) in [(Who::Fma, "GFLOP/s"), (Who::Triad, "GB/s")] {
        let mut limits: Vec<f64> = records
            .iter()
            .filter(|record| record.case.name != SCALING)
            .filter_map(|record| record.limit(who))
            .collect();
        limits.sort_by(f64::total_cmp);
        if let (Some(least), Some(most)) = (limits.first(), limits.last()) {
            add(format!(
                "{} peak: {least:.1} to {most:.1} {unit}",
                who.label()
            ));
        }
    }
    for record in records {
        let name = &record.case.name;
        if let Some(how) = record.said_text(Who::Tuned, "how")
            && !matches!(record.case.work, Work::Images(_))
            && how == "NCHW"
        {
            add(format!("PyTorch tuned is faster with NCHW in: {name}"));
        }
        if let Some(how) = record.said_text(Who::Tuned, "how")
            && matches!(record.case.suite, Suite::Infer | Suite::Transfer)
        {
            add(format!("PyTorch tuned, {name}: {how}"));
        }
        for key in ["losses", "logits"] {
            comparison(record, key).into_iter().for_each(&mut add);
        }
    }
    forms(records).into_iter().for_each(&mut add);
    records.iter().flat_map(others).for_each(&mut add);
    missing(records).into_iter().for_each(&mut add);
    let scaling = records.iter().find(|record| record.case.name == SCALING);
    if let Some(record) = scaling {
        let of = |who| ratio(record.scaling(who));
        add(format!(
            "scaling from 1 thread to all: ResNet-20 step {}, fma {}, triad {}",
            of(Who::Ours),
            of(Who::Fma),
            of(Who::Triad)
        ));
    }
    notes
}

/// On which form of an image torchvision is the fastest.
fn forms(records: &[Record]) -> Vec<String> {
    let mut forms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in records {
        if let Some(how) = record.said_text(Who::Torchvision, "how") {
            forms.entry(how).or_default().push(&record.case.name);
        }
    }
    let line = |(how, names): (&str, Vec<&str>)| {
        format!("torchvision is fastest on {how} in: {}", names.join(", "))
    };
    forms.into_iter().map(line).collect()
}

/// Who computes something else than ours, by the means of 4 × 4 cells of an image.
fn others(record: &Record) -> Vec<String> {
    /// Levels of 255: formulas differ in how they round.
    const LIKE: f64 = 2.0;
    let thumbnail = |who| record.said_all(who, "thumbnail");
    let Some(ours) = thumbnail(Who::Ours) else {
        return Vec::new();
    };
    let apart = |who| -> Option<f64> {
        let theirs = thumbnail(who)?;
        let pairs = ours.iter().zip(&theirs);
        let most = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Some(if ours.len() == theirs.len() {
            most
        } else {
            255.0
        })
    };
    let line = |who: Who| {
        let most = apart(who).filter(|most| *most > LIKE)?;
        let (name, who) = (&record.case.name, who.label());
        Some(format!(
            "{who} computes something else in {name}: cells of its image differ by up to {most:.1} of 255 levels"
        ))
    };
    PEERS.into_iter().filter_map(line).collect()
}

/// Who did not run, how often, and why.
fn missing(records: &[Record]) -> Vec<String> {
    let mut counts: BTreeMap<(Contender, &str), Vec<&str>> = BTreeMap::new();
    for record in records {
        for (contender, reason) in &record.missing {
            // The tables have a row for the gradients together.
            if !reason.starts_with("its gradients come") {
                let cases = counts.entry((*contender, reason)).or_default();
                cases.push(&record.case.name);
            }
        }
    }
    counts
        .into_iter()
        .map(|((contender, reason), cases)| {
            let others = match cases.len() {
                1 => String::new(),
                count => format!(" and {} other cases", count - 1),
            };
            let (label, first) = (contender.label(), cases[0]);
            format!("{label} is missing in {first}{others}: {reason}")
        })
        .collect()
}

/// What contenders computed, side by side; those that differ from the first are marked.
fn comparison(record: &Record, key: &str) -> Vec<String> {
    let all = [
        Who::Ours,
        Who::Before,
        Who::Flex,
        Who::Torch,
        Who::Tuned,
        Who::Onnx,
    ];
    let said: Vec<(Who, Vec<f64>)> = all
        .into_iter()
        .filter_map(|who| Some((who, record.said_all(who, key)?)))
        .collect();
    let reference = said
        .iter()
        .find(|(who, _)| *who == Who::Torch)
        .or(said.first());
    let Some((_, reference)) = reference else {
        return Vec::new();
    };
    said.iter()
        .map(|(who, values)| {
            // Later losses drift apart by rounding.
            let compared = if key == "losses" { 1 } else { values.len() };
            let pairs = values.iter().zip(reference).take(compared);
            let equal = pairs
                .map(|(a, b)| (a - b).abs() / b.abs().max(1.0))
                .all(|error| error < 1e-4);
            let mark = if equal { "" } else { "  MISMATCH" };
            let values: Vec<String> = values.iter().map(|value| format!("{value:.6}")).collect();
            let (name, who) = (&record.case.name, who.label());
            format!("{key} of {name}, {who}: {}{mark}", values.join(" "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up() {
        let rows = [["a", "12→3"], ["long", "4"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(
            super::markdown(&rows),
            "| a    | 12→3 |\n| ---- | ---- |\n| long | 4    |\n"
        );
    }
}
