//! What the ensemble costs in time and memory, against what it gains.

use firebrick_types::run::ensemble::EnsembleRecord;

use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{duration, escape, file_size, percent, points};

/// Cost against gain for each number of members, and the cost of each member; empty where no cost is known.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    if record.costs.is_empty() {
        return String::new();
    }
    let largest = record.costs.iter().map(|cost| cost.bytes).max();
    format!(
        "<section id=\"cost\"><h2>Cost</h2>\n{}<p class=\"note\">Time is that of predicting all images, reading models and images \
         included. One member at a time is in memory unless <code>--members-in-memory</code> says otherwise, so predicting takes the \
         memory of the largest member, whose file has {}.</p>\n{}</section>\n",
        by_size(record),
        file_size(largest.unwrap_or(0)),
        each(record).folded("The cost of each member"),
    )
}

/// Ensembles of 1, 2, … members at the mean cost of a member; empty for fewer than two.
fn by_size(record: &EnsembleRecord) -> String {
    let growth = &record.report.growth;
    let [Some(one), Some(_)] = [growth.first(), growth.get(1)] else {
        return String::new();
    };
    let members = record.costs.len() as f64;
    let seconds = record.costs.iter().map(|cost| cost.seconds).sum::<f64>() / members;
    let bytes = record
        .costs
        .iter()
        .map(|cost| cost.bytes as f64)
        .sum::<f64>()
        / members;
    let mut table = Table::new(
        "Cost and gain by the number of members, gain in points",
        &[
            ("Members", Number),
            ("Files", Number),
            ("Time", Number),
            ("Top-1", Number),
            ("Gain over one", Number),
            ("Gain of the last one", Number),
        ],
    );
    let mut before = None;
    for size in growth {
        let count = size.members as f64;
        let last = before.map_or("–".into(), |before| points(size.top1_mean - before));
        before = Some(size.top1_mean);
        table.row(&[
            size.members.to_string(),
            file_size((count * bytes).round() as u64),
            duration(count * seconds),
            percent(size.top1_mean),
            points(size.top1_mean - one.top1_mean),
            last,
        ]);
    }
    table.html()
}

fn each(record: &EnsembleRecord) -> Table {
    let mut table = Table::new(
        "Cost of each member",
        &[
            ("Member", Words),
            ("File", Words),
            ("Size", Number),
            ("Time", Number),
        ],
    );
    for (place, cost) in record.costs.iter().enumerate() {
        let name = record.report.members.get(place);
        table.row(&[
            name.map_or("–".into(), |member| escape(&member.name)),
            format!("<code>{}</code>", escape(&cost.file)),
            file_size(cost.bytes),
            duration(cost.seconds),
        ]);
    }
    table
}
