//! The top of the page of an ensemble: what it gains, in a few sentences and figures.

use firebrick_types::run::ensemble::EnsembleRecord;

use super::gain::{best, mean_top1, over};
use crate::reliability;
use crate::scores::fact;
use crate::text::{duration, escape, number, percent, plural, points};

/// Title, what was scored, the sentences, the facts, and what was left out.
pub(crate) fn heading(record: &EnsembleRecord) -> String {
    let notes: String = record
        .notes
        .iter()
        .map(|note| format!("<li>{}</li>\n", escape(note)))
        .collect();
    let notes = match notes.as_str() {
        "" => notes,
        items => format!("<ul class=\"told\">\n{items}</ul>\n"),
    };
    format!(
        "<header><h1>{name}</h1>\n<p class=\"lede\">{members}, combined by <code>{combine}</code>, on {images} of \
         <code>{dataset}</code>, {split} split.</p>\n<p>{gain}</p>\n{calibration}<dl class=\"facts\">\n{facts}</dl>\n{notes}</header>\n",
        name = escape(&record.name),
        members = plural(record.report.members.len(), "member"),
        combine = escape(&record.combine),
        images = plural(record.images, "image"),
        dataset = escape(&record.dataset),
        split = escape(&record.split),
        gain = gain(record),
        calibration = calibration(record),
        facts = facts(record),
    )
}

/// What the ensemble gains over its members.
fn gain(record: &EnsembleRecord) -> String {
    let top1 = record.report.ensemble.top1;
    let members = record.report.members.len();
    let (Some(mean), Some((place, member))) = (mean_top1(record), best(record)) else {
        return "There are no members to compare the ensemble with.".into();
    };
    if members == 1 {
        return "One member alone is no ensemble: all scores are its own.".into();
    }
    let mut text = format!(
        "Together, the {members} members classify {} of the images correctly. From the mean of the members that is a difference of \
         {} points, and from the best one, <b>{}</b>, of {} points",
        percent(top1),
        points(top1 - mean),
        escape(&member.name),
        points(top1 - member.top1),
    );
    text += &match over(record, place) {
        None => ".".into(),
        Some(difference) => {
            let verdict = if !difference.is_clear() {
                "the difference from the best member may be chance"
            } else if difference.low > 0.0 {
                "the ensemble is better than its best member by more than chance explains"
            } else {
                "the ensemble is worse than its best member by more than chance explains"
            };
            format!(
                " (95 % interval: {} to {}): {verdict}.",
                points(difference.low),
                points(difference.high)
            )
        }
    };
    text
}

/// Whether its confidence fits, and what the temperature does about it; empty where nothing is known.
fn calibration(record: &EnsembleRecord) -> String {
    let figures = &record.report.ensemble;
    let mut text = reliability::sentence(&record.calibration, "The ensemble").unwrap_or_default();
    let at = (
        figures.temperature,
        figures.nll_at_temperature,
        figures.ece_at_temperature,
    );
    if let (Some(temperature), Some(nll), Some(ece)) = at {
        text += &format!(
            " A temperature of {} changes its negative log-likelihood from {} to {} and its calibration error from {} to {}.",
            number(temperature),
            number(figures.nll),
            number(nll),
            percent(figures.ece),
            percent(ece)
        );
    }
    match text.trim_start() {
        "" => String::new(),
        text => format!("<p>{text}</p>\n"),
    }
}

fn facts(record: &EnsembleRecord) -> String {
    let figures = &record.report.ensemble;
    let mut facts = fact("Accuracy", &percent(figures.top1), "of the ensemble");
    if let Some(mean) = mean_top1(record) {
        let note = format!("{} points to the ensemble", points(figures.top1 - mean));
        facts += &fact("Mean of the members", &percent(mean), &note);
    }
    if let Some((_, member)) = best(record) {
        facts += &fact("Best member", &percent(member.top1), &member.name);
    }
    facts += &fact("NLL", &number(figures.nll), "of the ensemble");
    facts += &fact("Calibration error", &percent(figures.ece), "15 equal bins");
    if !record.costs.is_empty() {
        let seconds: f64 = record.costs.iter().map(|cost| cost.seconds).sum();
        facts += &fact("Time to predict", &duration(seconds), "all members");
    }
    facts
}
