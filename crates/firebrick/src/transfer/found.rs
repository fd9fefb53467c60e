//! What the search among the ways of transfer learning found.

use firebrick_transfer::advisor::{Advice, StageProbe};

use super::candidate::Candidate;
use super::report::{AllStagesReport, FineTuned, HeadReport};

/// What was found: every figure, and the best way with its weights.
pub(super) struct Found {
    pub(super) advice: Option<Advice>,
    pub(super) probes: Vec<StageProbe>,
    pub(super) head: HeadReport,
    pub(super) all_stages: Option<AllStagesReport>,
    pub(super) fine_tuned: Option<FineTuned>,
    pub(super) best: Candidate,
}
