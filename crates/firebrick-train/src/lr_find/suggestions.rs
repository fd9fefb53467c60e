//! What the curve of a range test suggests: rates to train with, or why it suggests none.

use std::fmt;

use serde::Serialize;

/// The least number of losses that make a curve.
const POINTS: usize = 20;
/// The share of the whole fall that is done at the advised rate.
const FALLEN: f64 = 0.6;
/// A fall counts if it is more than this multiple of the noise that smoothing leaves.
const NOISE: f64 = 5.0;
/// And more than this share of the first losses.
const SHARE: f64 = 0.02;

/// Rates to train with; none where the curve does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Suggestions {
    /// Where three fifths of the fall from the first losses to the least one are done: the one to take
    /// first.
    pub advised: Option<f64>,
    /// Where the loss falls fastest with the logarithm of the rate.
    pub steepest: Option<f64>,
    /// A third to a half of the way down the longest fall.
    pub valley: Option<f64>,
    /// A tenth of the rate with the least loss.
    pub minimum_over_10: Option<f64>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none_because: Option<Unclear>,
}

/// Why a curve suggests no rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unclear {
    /// Too few losses before the end.
    TooFewPoints {
        /// How many there are.
        points: usize,
        /// How many it takes.
        least: usize,
    },
    /// The loss never falls by more than the noise.
    NeverFalls,
    /// The loss already falls at the first rates, and lower ones were not tried.
    FallsFromTheStart,
    /// The loss is least at the last rate, or at the last before a loss that is not finite: where the
    /// fall ends is not known.
    FallsToTheEnd,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewPoints { points, least } => write!(
                f,
                "{points} losses are too few, at least {least} are needed: use more updates (--num-iter), or \
                 a lower --end-lr if the loss soon becomes infinite or NaN"
            ),
            Self::NeverFalls => f.write_str(
                "the loss never falls by more than its noise: use more updates (--num-iter) or a higher --end-lr; \
                 `firebrick train --overfit-batches 1` shows whether the model can learn at all",
            ),
            Self::FallsFromTheStart => {
                f.write_str("the loss already falls at the first rates: use a lower --start-lr")
            }
            Self::FallsToTheEnd => f.write_str(
                "the loss still falls at the last rate that was tried, so its minimum is not known: use a higher \
                 --end-lr, or more updates (--num-iter) if the next loss was not finite",
            ),
        }
    }
}

impl Suggestions {
    /// From rates that rise and the loss of each, smoothed as [`smoothed()`] does. What follows the
    /// first value that is not finite is left out.
    ///
    /// `steepest`, `valley` and `minimum_over_10` are fastai's `steep`, `valley` and `minimum` on this
    /// curve. None of them is given where [`Unclear`] says why.
    #[must_use]
    pub fn of(lr: &[f64], loss: &[f64], sigma: f64) -> Self {
        let points = lr.iter().zip(loss);
        let points = points
            .take_while(|(lr, loss)| lr.is_finite() && **lr > 0.0 && loss.is_finite())
            .count();
        match Curve::of(&lr[..points], &loss[..points], sigma).and_then(|curve| curve.suggest()) {
            Ok(found) => found,
            Err(unclear) => Self {
                none_because: Some(unclear),
                ..Self::default()
            },
        }
    }

    /// The rate to take first.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.advised
    }
}

/// The mean of each loss and those around it, with the weights of a normal distribution whose standard
/// deviation is `sigma` updates. It looks both ways, so that it does not lag behind the rate.
#[must_use]
pub fn smoothed(loss: &[f64], sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil() as usize;
    let at = |index: usize| {
        let (first, last) = (
            index.saturating_sub(reach),
            (index + reach).min(loss.len() - 1),
        );
        let (mut sum, mut weight) = (0.0, 0.0);
        for (other, loss) in loss.iter().enumerate().take(last + 1).skip(first) {
            let apart = index.abs_diff(other) as f64 / sigma;
            let share = (-0.5 * apart * apart).exp();
            sum += share * loss;
            weight += share;
        }
        sum / weight
    };
    (0..loss.len()).map(at).collect()
}

/// A smoothed curve that falls.
struct Curve<'a> {
    lr: &'a [f64],
    smoothed: Vec<f64>,
    /// The mean of the first tenth of the losses.
    begin: f64,
    /// Where the smoothed loss is least.
    least: usize,
}

impl<'a> Curve<'a> {
    fn of(lr: &'a [f64], loss: &[f64], sigma: f64) -> Result<Self, Unclear> {
        let points = loss.len();
        if points < POINTS {
            let least = POINTS;
            return Err(Unclear::TooFewPoints { points, least });
        }
        let smoothed = smoothed(loss, sigma);
        let by_value = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
        let least = smoothed.iter().enumerate().min_by(by_value);
        let least = least.map_or(0, |(at, _)| at);
        let first = &loss[..points / 10];
        let begin = first.iter().sum::<f64>() / first.len() as f64;
        let fall = begin - smoothed[least];
        // Neighbours differ by noise: the curve itself moves little from one to the next.
        let steps = loss[..=least]
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs());
        let mut steps: Vec<f64> = steps.collect();
        steps.sort_by(f64::total_cmp);
        let typical = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
        // Of a normal distribution: the median difference is 0.95 deviations, and the mean over a window
        // has 1 / √(2 √π σ) of the deviation.
        let left = typical / 0.95 / (2.0 * std::f64::consts::PI.sqrt() * sigma).sqrt();
        if fall <= (NOISE * left).max(SHARE * begin.abs()) {
            return Err(Unclear::NeverFalls);
        }
        Ok(Self {
            lr,
            smoothed,
            begin,
            least,
        })
    }

    fn suggest(&self) -> Result<Suggestions, Unclear> {
        let points = self.lr.len();
        let fall = self.begin - self.smoothed[self.least];
        let rest = &self.smoothed[self.least..];
        let risen =
            rest.iter().copied().fold(f64::NEG_INFINITY, f64::max) - self.smoothed[self.least];
        if self.least + 2 >= points || risen < SHARE * fall {
            return Err(Unclear::FallsToTheEnd);
        }
        let fallen = |loss: &f64| self.begin - loss >= FALLEN * fall;
        let at = self.smoothed.iter().position(fallen).unwrap_or(self.least);
        if at < points / 10 {
            return Err(Unclear::FallsFromTheStart);
        }
        let inside = |at: usize| (at >= points / 10).then(|| self.lr[at]);
        Ok(Suggestions {
            advised: Some(self.lr[at]),
            steepest: self.steepest().and_then(inside),
            valley: self.valley().and_then(inside),
            minimum_over_10: Some(self.lr[self.least] / 10.0).filter(|lr| *lr > self.lr[0]),
            none_because: None,
        })
    }

    fn steepest(&self) -> Option<usize> {
        let slopes = (0..self.least).map(|at| {
            let rise = self.smoothed[at + 1] - self.smoothed[at];
            (at, rise / (self.lr[at + 1].ln() - self.lr[at].ln()))
        });
        let steepest = slopes.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (steepest.1 < 0.0).then_some(steepest.0)
    }

    /// In the longest falling subsequence; not of neighbours, so that noise does not end it.
    fn valley(&self) -> Option<usize> {
        let loss = &self.smoothed;
        let mut lengths = vec![1_usize; loss.len()];
        let mut end = 0;
        for at in 1..loss.len() {
            for before in 0..at {
                if loss[at] < loss[before] {
                    lengths[at] = lengths[at].max(lengths[before] + 1);
                }
            }
            if lengths[end] < lengths[at] {
                end = at;
            }
        }
        if lengths[end] < 3 {
            return None;
        }
        let start = end as f64 - lengths[end] as f64;
        let third = lengths[end] as f64 / 3.0;
        let index = start + third.floor() + (third / 2.0).floor();
        Some(index.max(0.0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lr_find::Sweep;
    use firebrick_core::Schedule;

    /// The rates of the default sweep with a loss of each.
    fn curve(loss: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let sweep = Sweep::default();
        let rates: Vec<_> = (0..sweep.num_iter).map(|step| sweep.lr(step)).collect();
        let losses = rates.iter().map(|lr| loss(lr.log10())).collect();
        (rates, losses)
    }

    fn suggest((lr, loss): &(Vec<f64>, Vec<f64>)) -> Suggestions {
        Suggestions::of(lr, loss, Sweep::default().sigma())
    }

    fn within(found: Option<f64>, low: f64, high: f64) {
        let found = found.unwrap();
        assert!(low <= found && found <= high, "{found} in [{low}, {high}]");
    }

    /// Between -1 and 1, the same every time.
    fn noise(log: f64) -> f64 {
        (log * 12_345.678).sin()
    }

    /// Flat to 1e-4, down to 1e-1, up after it; steepest in the middle.
    fn usual(log: f64) -> f64 {
        if log < -4.0 {
            2.0
        } else if log < -1.0 {
            1.5 + 0.5 * ((log + 4.0) / 3.0 * std::f64::consts::PI).cos()
        } else {
            1.0 + (log + 1.0).powi(2)
        }
    }

    #[test]
    fn the_usual_curve_suggests_rates_on_its_fall() {
        for amount in [0.0, 0.02, 0.1] {
            let found = suggest(&curve(|log| usual(log) + amount * noise(log)));
            // The steepest place is 10^-2.5; three fifths are down at 10^-2.3, the end is at 1e-1.
            within(found.advised, 2.5e-3, 1e-2);
            within(found.steepest, 1e-3, 1e-2);
            within(found.valley, 1e-6, 2e-2);
            within(found.minimum_over_10, 3e-3, 2e-2);
            assert_eq!((found.best(), found.none_because), (found.advised, None));
        }
    }

    #[test]
    fn what_is_not_finite_ends_the_curve() {
        let (lr, mut loss) = curve(usual);
        let most = loss.len() - 5;
        let whole = Suggestions::of(&lr[..most], &loss[..most], Sweep::default().sigma());
        loss[most] = f64::NAN;
        loss[most + 1] = -1e9;
        assert_eq!(suggest(&(lr.clone(), loss.clone())), whole);
        loss[0] = f64::NAN;
        let none = suggest(&(lr, loss)).none_because.unwrap();
        assert!(matches!(none, Unclear::TooFewPoints { points: 0, .. }));
    }

    #[test]
    fn a_curve_that_does_not_tell_suggests_nothing_and_says_why() {
        let none = |curve: &(Vec<f64>, Vec<f64>)| {
            let found = suggest(curve);
            let rates = [
                found.advised,
                found.steepest,
                found.valley,
                found.minimum_over_10,
            ];
            assert_eq!(rates, [None; 4], "{found:?}");
            found.none_because.unwrap()
        };
        for flat in [
            curve(|_| 2.0),
            curve(|log| 20.0 + log),
            curve(|log| 2.0 + 0.2 * noise(log)),
            curve(|log| 2.0 - 0.01 * usual(log)),
        ] {
            assert_eq!(none(&flat), Unclear::NeverFalls);
        }
        assert_eq!(none(&curve(|log| -log)), Unclear::FallsToTheEnd);
        // Down from the first rate on, up at the last.
        let from_start = curve(|log| {
            if log < -6.4 {
                -7.0 - 3.0 * log
            } else {
                12.0 + 0.1 * log
            }
        });
        assert_eq!(none(&from_start), Unclear::FallsFromTheStart);
        // The last rate before a loss that is not finite is no minimum.
        let (lr, loss) = curve(|log| {
            if log < 0.0 {
                usual(log.min(-1.0))
            } else {
                f64::NAN
            }
        });
        let cut = loss.iter().position(|loss| loss.is_nan()).unwrap() - 12;
        let cut = (lr[..cut].to_vec(), loss[..cut].to_vec());
        assert_eq!(none(&cut), Unclear::FallsToTheEnd);
    }

    #[test]
    fn few_points_suggest_nothing() {
        let (lr, loss) = curve(usual);
        for length in [0, 1, 2, 3, 10, POINTS - 1] {
            // A short sweep goes over all rates in large steps.
            let every = |of: &[f64]| -> Vec<f64> {
                let stride = (of.len() / length.max(1)).max(1);
                of.iter().copied().step_by(stride).take(length).collect()
            };
            let found = Suggestions::of(&every(&lr), &every(&loss), 1.0);
            assert_eq!(found.best(), None, "{length}");
            let text = found.none_because.unwrap().to_string();
            assert!(text.contains("--num-iter"), "{text}");
        }
    }

    #[test]
    fn smoothing_looks_both_ways_and_keeps_the_level() {
        let step: Vec<f64> = (0..40).map(|at| if at < 20 { 1.0 } else { 3.0 }).collect();
        let smooth = smoothed(&step, 2.0);
        assert!((smooth[0] - 1.0).abs() < 1e-12 && (smooth[39] - 3.0).abs() < 1e-12);
        // The middle of the step stays where it is.
        assert!((smooth[19] + smooth[20] - 4.0).abs() < 1e-12);
        assert!(smooth.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
    }
}
