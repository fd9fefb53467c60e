//! An axis of a chart: its label, its unit, and the position of a value on it.

use crate::ticks::{self, Ticks, Unit};

/// What range an axis covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// The range of the values.
    #[default]
    Fit,
    /// From zero, for values whose ratio matters.
    FromZero,
    /// Logarithmic when the largest value is more than 100 times the value that a tenth of them lie
    /// below, else the range of the values.
    ///
    /// A tenth and not the smallest: a cosine that ends near zero is read best on a linear axis.
    LogWhenWide,
    /// Logarithmic, the range of the positive values.
    Log,
}

/// One axis of a [`Chart`](crate::Chart).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// What it shows, such as `epoch`.
    pub label: String,
    /// How its values are written.
    pub unit: Unit,
    /// What range it covers.
    pub scale: Scale,
}

impl Axis {
    /// An axis over the range of its values.
    #[must_use]
    pub fn new(label: &str, unit: Unit) -> Self {
        Self {
            label: label.into(),
            unit,
            scale: Scale::Fit,
        }
    }

    /// The same axis over another range.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }
}

/// Whether a value can be placed on an axis. Beyond 1e300 the arithmetic of the axis would overflow.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() < 1e300
}

/// Values to pixels.
#[derive(Debug, Clone)]
pub(crate) struct Ruler {
    pub(crate) ticks: Ticks,
    log: bool,
    from: f64,
    to: f64,
}

impl Ruler {
    /// A ruler for `values`, or `None` when none of them can be drawn. With `grow` it ends at ticks.
    pub(crate) fn new(
        axis: &Axis,
        values: impl Iterator<Item = f64>,
        wanted: usize,
        grow: bool,
    ) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|value| drawable(*value)).collect();
        values.sort_by(f64::total_cmp);
        if axis.scale == Scale::Log {
            values.retain(|value| *value > 0.0);
        }
        let (low, high) = (*values.first()?, *values.last()?);
        let (log, ticks) = match axis.scale {
            Scale::LogWhenWide if is_wide(&values) => {
                let positive = values.iter().copied().find(|value| *value > 0.0);
                // At most twelve decades, so that one value next to zero does not flatten the rest.
                let floor = positive.unwrap_or(high).max(high * 1e-12).max(1e-300);
                (true, ticks::logarithmic(floor, high, wanted, axis.unit))
            }
            Scale::Log => {
                // A single value needs some width around it.
                let spread = if high > low * 1.001 { 1.0 } else { 2.0 };
                let (low, high) = ((low / spread).max(1e-300), high * spread);
                (
                    true,
                    ticks::logarithmic(low, high.max(1e-299), wanted, axis.unit),
                )
            }
            Scale::FromZero => (
                false,
                ticks::linear(low.min(0.0), high.max(0.0), wanted, axis.unit, grow),
            ),
            Scale::Fit | Scale::LogWhenWide => {
                (false, ticks::linear(low, high, wanted, axis.unit, grow))
            }
        };
        Some(Self {
            ticks,
            log,
            from: 0.0,
            to: 1.0,
        })
    }

    /// The same ruler laid from one pixel to another.
    pub(crate) fn between(mut self, from: f64, to: f64) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    /// The pixel of a value; one beyond an end lies at that end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let (low, high) = (self.ticks.low, self.ticks.high);
        let value = value.clamp(low, high);
        let share = if self.log {
            (value / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        };
        self.from + share * (self.to - self.from)
    }

    pub(crate) fn is_log(&self) -> bool {
        self.log
    }
}

fn is_wide(sorted: &[f64]) -> bool {
    let tenth = sorted[sorted.len() / 10];
    let high = sorted[sorted.len() - 1];
    tenth > 0.0 && high / tenth > 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruler(values: &[f64]) -> Ruler {
        let axis = Axis::new("lr", Unit::Number).scale(Scale::LogWhenWide);
        Ruler::new(&axis, values.iter().copied(), 5, true)
            .unwrap()
            .between(0.0, 100.0)
    }

    #[test]
    fn log_only_when_the_body_of_the_values_is_wide() {
        let steps: Vec<f64> = (0..40).map(|i| 0.1f64.powi(1 + i / 10)).collect();
        assert!(ruler(&steps).is_log());
        let cosine: Vec<f64> = (0..=400)
            .map(|i| 0.05 * (1.0 + (f64::from(i) * std::f64::consts::PI / 400.0).cos()))
            .collect();
        assert!(!ruler(&cosine).is_log());
        assert!(!ruler(&[0.1, 0.1]).is_log());
    }

    #[test]
    fn places_lie_on_the_ruler() {
        let log = ruler(&[1e-4, 1e-3, 1e-2, 1e-1]);
        assert!((log.at(1e-3) - 100.0 / 3.0).abs() < 1e-9);
        assert_eq!(log.at(0.0), 0.0);
        let linear = ruler(&[2.0, 4.0]);
        assert!((linear.at(3.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let axis = Axis::new("loss", Unit::Number);
        let odd = [f64::NAN, f64::INFINITY, -1e305];
        assert!(Ruler::new(&axis, odd.into_iter(), 5, true).is_none());
        let extreme = Ruler::new(&axis, [-1e299, 1e299].into_iter(), 5, true).unwrap();
        assert!(extreme.at(0.0).is_finite());
        assert!(extreme.ticks.at.len() <= 7);
    }
}
