//! The page of an ensemble: what it gains, why, and what it costs.

mod confidence;
mod cost;
mod differing;
mod disagreement;
mod gain;
mod growth;
mod heading;
mod line;
mod members;

use firebrick_types::run::ensemble::EnsembleRecord;

/// The body of the page. A section about which the record knows nothing is left out.
pub(crate) fn body(record: &EnsembleRecord) -> String {
    heading::heading(record)
        + &members::section(record)
        + &growth::section(record)
        + &confidence::section(record)
        + &disagreement::section(record)
        + &cost::section(record)
        + &differing::section(record)
        + &line::section(record)
}
