//! Whether the confidence of an ensemble fits its accuracy, and the error among its surest answers.

use firebrick_types::run::ensemble::EnsembleRecord;

use crate::axis::{Axis, Scale};
use crate::chart::{Chart, Series};
use crate::curves::pictures;
use crate::reliability;
use crate::text::{escape, number, percent};
use crate::ticks::Unit;

/// The share of the images that remains where the least sure fifth is left to someone else.
const SURE: f64 = 0.8;

/// Reliability before and after the temperature, and the risk-coverage curve; empty where nothing of it is known.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    let body = reliable(record) + &risk(record);
    if body.is_empty() {
        return body;
    }
    format!("<section id=\"confidence\"><h2>Confidence</h2>\n{body}</section>\n")
}

fn reliable(record: &EnsembleRecord) -> String {
    let figures = &record.report.ensemble;
    let before = reliability::figure(&record.calibration, "The ensemble");
    let after = reliability::figure(
        &record.calibration_at_temperature,
        "At its temperature, the ensemble",
    );
    if before.is_empty() && after.is_empty() {
        return before;
    }
    let chance = reliability::chance(&record.calibration).map_or(String::new(), |chance| {
        format!(
            " For this many images, chance alone gives about {}.",
            percent(chance)
        )
    });
    let mut out = format!(
        "<h3>As the members combine</h3>\n{before}<p class=\"note\">Calibration error {} over 15 bins of equal width, {} over 15 bins of \
         equal mass.{chance} Averaging members that are calibrated makes a prediction that is not confident enough, so compare \
         calibration after the temperature.</p>\n",
        percent(figures.ece),
        percent(figures.ece_adaptive),
    );
    if !after.is_empty() {
        let temperature = figures.temperature.map_or(String::new(), |temperature| {
            format!(" {}", number(temperature))
        });
        out += &format!("<h3>At temperature{temperature}</h3>\n{after}");
    }
    out + &calibrated(record)
}

/// What another calibration makes of it.
fn calibrated(record: &EnsembleRecord) -> String {
    let Some(found) = &record.report.calibrated else {
        return String::new();
    };
    let how = match found.by.as_str() {
        "per_member" => {
            let all: Vec<String> = found.parameters.iter().map(|t| number(*t)).collect();
            format!(
                "With a temperature for each member ({}) before they combine",
                all.join(", ")
            )
        }
        other => format!("Calibrated by <b>{}</b>", escape(other)),
    };
    format!(
        "<p class=\"note\">{how}, top-1 is {}, the negative log-likelihood {}, and the calibration error {} over 15 bins of equal width, {} \
         over 15 bins of equal mass.</p>\n",
        percent(found.top1),
        number(found.nll),
        percent(found.ece),
        percent(found.ece_adaptive),
    )
}

/// The error among the surest images.
fn risk(record: &EnsembleRecord) -> String {
    let curve = &record.risk_coverage;
    let Some((_, all)) = curve.last() else {
        return String::new();
    };
    let chart = Chart {
        title: "Error among the surest images".into(),
        x: Axis::new("share of the images that is answered", Unit::Fraction),
        y: Axis::new("error", Unit::Fraction).scale(Scale::FromZero),
        series: vec![Series {
            points: curve.clone(),
            ..Series::default()
        }],
        marks: vec![],
    };
    let sure = curve.iter().rev().find(|(coverage, _)| *coverage <= SURE);
    let sentence = sure.map_or(String::new(), |(coverage, error)| {
        format!(
            "On the surest {} of the images the error is {}, on all of them {}. ",
            percent(*coverage),
            percent(*error),
            percent(*all)
        )
    });
    format!(
        "<h3>Leaving out what it is unsure of</h3>\n{}<p class=\"note\">{sentence}The area under this risk-coverage curve is {}; lower is \
         better.</p>\n",
        pictures(std::iter::once((&chart, ""))),
        number(record.report.ensemble.aurc)
    )
}
