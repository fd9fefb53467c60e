//! What an ensemble is worth: its accuracy and calibration, those of its members, and how they differ.
//!
//! | file | what it computes |
//! |---|---|
//! | [`figures`] | top-1 and top-5 accuracy, NLL, Brier score and calibration errors of members and ensemble |
//! | [`adaptive`] | the calibration error over bins of equal mass |
//! | [`classwise`] | the calibration error of each class |
//! | [`mod@risk_coverage`] | the error among the surest images, and the area under this curve |
//! | [`mod@growth`] | how accuracy grows with the number of members |
//! | [`mod@disagreement`] | how often members differ, and how their errors correlate |
//! | [`mod@entropy`] | how uncertain the ensemble is, and how much of it is disagreement |
//!
//! Accuracy, NLL, Brier score and the calibration error of 15 equal bins are those of
//! [`firebrick_types::metrics::Scorer`], which training and evaluation report too.

pub mod adaptive;
mod checked;
pub mod classwise;
pub mod disagreement;
pub mod entropy;
pub mod figures;
pub mod growth;
pub mod risk_coverage;
mod surest;

pub use adaptive::ece_adaptive;
pub use classwise::ece_classwise;
pub use disagreement::{disagreement, error_correlation};
pub use entropy::{Entropy, entropy};
pub use figures::{
    EnsembleFigures, EnsembleReport, MemberFigures, at_temperature, ensemble_figures,
    member_figures, reliability, report,
};
pub use growth::{Growth, growth};
pub use risk_coverage::{RiskCoverage, risk_coverage};

#[cfg(test)]
mod tests;
