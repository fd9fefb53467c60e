//! The scores of each member beside those of the ensemble.

use firebrick_types::run::ensemble::EnsembleRecord;

use super::gain::over;
use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{escape, number, percent, points};

/// The table of scores; empty without members.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    let report = &record.report;
    if report.members.is_empty() {
        return String::new();
    }
    let mut table = Table::new(
        "Scores of the members and of the ensemble",
        &[
            ("Member", Words),
            ("Top-1", Number),
            ("Ensemble better by", Number),
            ("95 % interval", Number),
            ("NLL", Number),
            ("Brier", Number),
            ("ECE", Number),
        ],
    );
    let none = || String::from("–");
    for (place, member) in report.members.iter().enumerate() {
        let interval = over(record, place).map_or_else(none, |difference| {
            format!("{} to {}", points(difference.low), points(difference.high))
        });
        table.row(&[
            escape(&member.name),
            percent(member.top1),
            points(report.ensemble.top1 - member.top1),
            interval,
            number(member.nll),
            number(member.brier),
            percent(member.ece),
        ]);
    }
    let ensemble = &report.ensemble;
    table.row(&[
        "<b>All together</b>".into(),
        format!("<b>{}</b>", percent(ensemble.top1)),
        none(),
        none(),
        number(ensemble.nll),
        number(ensemble.brier),
        percent(ensemble.ece),
    ]);
    if let Some(temperature) = ensemble.temperature {
        table.row(&[
            format!("At temperature {}", number(temperature)),
            percent(ensemble.top1),
            none(),
            none(),
            ensemble.nll_at_temperature.map_or_else(none, number),
            none(),
            ensemble.ece_at_temperature.map_or_else(none, percent),
        ]);
    }
    format!(
        "<section id=\"members\"><h2>Members</h2>\n{}<p class=\"note\">Differences are in points, on the same images. An interval that \
         contains 0 means that the difference may be chance. The best member is known only from these scores, which makes it look a \
         little better than it is. NLL is the mean negative log-likelihood of the right class in nats; Brier is the mean squared \
         distance between the probabilities and the truth; ECE is the difference between confidence and accuracy over 15 equal bins. \
         For all three, lower is better.</p>\n</section>\n",
        table.html()
    )
}
