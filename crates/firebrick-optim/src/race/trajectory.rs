//! [`Trajectory`]: the way of one optimizer.

use firebrick_core::spec::Spec;
use serde::Serialize;

/// The way of one optimizer. Numbers that are not finite are null in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trajectory {
    /// The optimizer as it was named.
    pub optimizer: Spec,
    /// `[x, y, height]` at the start and after each update. From [`Self::diverged_at`] on there is
    /// nothing but NaN.
    pub points: Vec<[f64; 3]>,
    /// The length of each update.
    pub step_length: Vec<f64>,
    /// |change| / |gradient| of each coordinate at each update: the learning rate that plain gradient
    /// descent would have needed. None where the gradient is 0.
    pub effective_rate: Vec<[Option<f64>; 2]>,
    /// `[x, y, height]` of the averaged parameters, for optimizers that are evaluated there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub averaged: Option<Vec<[f64; 3]>>,
    /// The first point that is not finite; the optimizer is stopped there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged_at: Option<usize>,
}

impl Trajectory {
    /// One more point, which a gradient led to.
    pub(super) fn push(&mut self, place: [f64; 3], slope: [f64; 2]) {
        let from = self.points.last().copied().unwrap_or(place);
        let moved = [place[0] - from[0], place[1] - from[1]];
        self.step_length.push(moved[0].hypot(moved[1]));
        let rate = |axis: usize| (slope[axis] != 0.0).then(|| (moved[axis] / slope[axis]).abs());
        self.effective_rate.push([rate(0), rate(1)]);
        self.points.push(place);
    }

    /// Nothing but NaN from a point on.
    pub(super) fn stop(&mut self, at: usize, steps: usize) {
        self.diverged_at = Some(at);
        self.points.resize(steps + 1, [f64::NAN; 3]);
        self.step_length.resize(steps, f64::NAN);
        self.effective_rate.resize(steps, [None; 2]);
        if let Some(averaged) = &mut self.averaged {
            averaged.resize(steps + 1, [f64::NAN; 3]);
        }
    }

    /// The last point that is finite: `[x, y, height]`.
    #[must_use]
    pub fn last(&self) -> [f64; 3] {
        let finite = |point: &&[f64; 3]| point.iter().all(|number| number.is_finite());
        self.points
            .iter()
            .rfind(finite)
            .copied()
            .unwrap_or([f64::NAN; 3])
    }
}
