//! The page: one self-contained HTML file.

use firebrick_types::run::RunRecord;
use firebrick_types::run::ensemble::EnsembleRecord;

use crate::text::escape;
use crate::{
    activations, advice, batch, compare, confusion, curves, data_check, ensemble, feature_map,
    filters, mistakes, penalties, recipes, scores, svg,
};

const STYLE: &str = include_str!("page.css");

/// A report on one run, or a comparison of several, as one HTML file.
///
/// The file holds everything it shows: no scripts, and nothing is loaded from anywhere. It is
/// well-formed XML after its first line. What a run lacks (validation, test, epochs) is left out or
/// said to be missing, values that are not finite leave gaps, and every name is escaped.
///
/// ```
/// let html = firebrick_report::page(&[]);
/// assert!(html.starts_with("<!DOCTYPE html>") && html.contains("No runs"));
/// ```
#[must_use]
pub fn page(runs: &[RunRecord]) -> String {
    match runs {
        [] => shell(
            "No runs",
            "<header><h1>No runs</h1>\n<p>There is nothing to report.</p></header>\n",
        ),
        [run] => shell(&run.name, &one(run)),
        several => {
            let names: Vec<&str> = several.iter().map(|run| run.name.as_str()).collect();
            shell(&names.join(", "), &compare::body(several))
        }
    }
}

/// A report on what an ensemble is worth, as one HTML file like those of [`page`].
///
/// What the record does not know is left out.
///
/// ```
/// use firebrick_types::run::ensemble::EnsembleRecord;
/// let record = EnsembleRecord { name: "three".into(), ..EnsembleRecord::default() };
/// let html = firebrick_report::ensemble_page(&record);
/// assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<h1>three</h1>"));
/// ```
#[must_use]
pub fn ensemble_page(record: &EnsembleRecord) -> String {
    shell(&record.name, &ensemble::body(record))
}

fn one(run: &RunRecord) -> String {
    scores::heading(run)
        + &scores::section(run)
        + &advice::section(run)
        + &curves::section(run)
        + &penalties::section(run)
        + &confusion::section(run)
        + &mistakes::section(run)
        + &feature_map::section(run)
        + &data_check::section(run)
        + &batch::section(run)
        + &filters::section(run)
        + &activations::section(run)
        + &recipes::section(run)
}

fn shell(title: &str, body: &str) -> String {
    let title = escape(title);
    let palette = svg::page_style();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{title} · Firebrick report</title>\n<link rel=\"icon\" href=\"data:,\"/>\n\
         <style>\n{palette}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <footer>Drawn by Firebrick.</footer>\n</body>\n</html>\n"
    )
}
