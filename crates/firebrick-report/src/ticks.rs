//! Tick marks at round numbers: 1, 2 or 5 times a power of ten.

/// How the values of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// As they are.
    #[default]
    Number,
    /// A fraction of one, written in percent.
    Fraction,
    /// Whole numbers, such as epochs.
    Whole,
}

/// Where an axis begins and ends, and its labelled ticks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticks {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) at: Vec<(f64, String)>,
}

/// Ticks on a linear axis over `low..=high`, about `wanted` of them.
///
/// With `grow` the axis is widened to the ticks around it; without, it keeps its ends. A range of no
/// width is widened around its value.
pub(crate) fn linear(low: f64, high: f64, wanted: usize, unit: Unit, grow: bool) -> Ticks {
    let (low, high) = with_width(low, high, unit);
    let step = nice_step((high - low) / wanted.max(1) as f64, unit);
    // A hair of slack: 0.3 / 0.1 is 2.9999999999999996, and a tick belongs there.
    let (first, last) = if grow {
        (
            (low / step + 1e-9).floor() as i64,
            (high / step - 1e-9).ceil() as i64,
        )
    } else {
        (
            (low / step - 1e-9).ceil() as i64,
            (high / step + 1e-9).floor() as i64,
        )
    };
    let values: Vec<f64> = (first..=last).map(|index| index as f64 * step).collect();
    let label = Labels::new(first, last, step, unit);
    Ticks {
        low: if grow { first as f64 * step } else { low },
        high: if grow { last as f64 * step } else { high },
        at: values
            .into_iter()
            .map(|value| (value, label.of(value)))
            .collect(),
    }
}

/// Ticks on a logarithmic axis over `low..=high`, both positive; the axis grows to a 1, 2 or 5.
pub(crate) fn logarithmic(low: f64, high: f64, wanted: usize, unit: Unit) -> Ticks {
    let floor = |value: f64| value.log10().floor() as i32;
    let marks: Vec<f64> = (floor(low)..=floor(high) + 1)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * power(decade)))
        .collect();
    let from = marks.iter().rposition(|mark| *mark <= low * (1.0 + 1e-9));
    let to = marks.iter().position(|mark| *mark >= high * (1.0 - 1e-9));
    let marks = &marks[from.unwrap_or(0)..=to.unwrap_or(marks.len() - 1)];
    let decades: Vec<f64> = marks
        .iter()
        .copied()
        .filter(|mark| (mark.log10() - mark.log10().round()).abs() < 1e-6)
        .collect();
    let chosen = if decades.len() >= 3 {
        let stride = decades.len().div_ceil(wanted.max(1));
        decades.into_iter().step_by(stride).collect()
    } else {
        marks.to_vec()
    };
    Ticks {
        low: marks[0],
        high: marks[marks.len() - 1],
        at: chosen
            .into_iter()
            .map(|mark| (mark, Labels::alone(mark, unit)))
            .collect(),
    }
}

fn power(exponent: i32) -> f64 {
    // `powi` of a negative exponent is off in the last digit: 1e-5 would print as 0.0000099….
    if exponent < 0 {
        1.0 / 10f64.powi(-exponent)
    } else {
        10f64.powi(exponent)
    }
}

fn with_width(low: f64, high: f64, unit: Unit) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if high - low > size * 1e-9 {
        return (low, high);
    }
    match unit {
        Unit::Whole => (low - 0.5, high + 0.5),
        _ if size == 0.0 => (0.0, 1.0),
        _ => (low - size * 0.1, high + size * 0.1),
    }
}

fn nice_step(raw: f64, unit: Unit) -> f64 {
    let exponent = raw.log10().floor() as i32;
    let scale = power(exponent);
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * scale)
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0 * scale);
    if unit == Unit::Whole {
        step.max(1.0)
    } else {
        step
    }
}

/// How all labels of one axis are written, so that they have the same unit and number of decimals.
struct Labels {
    divisor: f64,
    decimals: usize,
    suffix: String,
}

impl Labels {
    fn new(first: i64, last: i64, step: f64, unit: Unit) -> Self {
        let largest = first.unsigned_abs().max(last.unsigned_abs()) as f64 * step;
        let (divisor, suffix) = Self::magnitude(largest, unit);
        let digit = (step / divisor).log10();
        Self {
            divisor,
            decimals: (-(digit + 1e-9).floor()).clamp(0.0, 12.0) as usize,
            suffix,
        }
    }

    fn magnitude(largest: f64, unit: Unit) -> (f64, String) {
        let exponent = largest.log10().floor();
        match unit {
            Unit::Fraction => (0.01, "\u{202f}%".into()),
            _ if (1e-3..1e4).contains(&largest) || largest == 0.0 => (1.0, String::new()),
            _ if (1e4..1e6).contains(&largest) => (1e3, "k".into()),
            _ if (1e6..1e9).contains(&largest) => (1e6, "M".into()),
            _ => (power(exponent as i32), format!("e{exponent}")),
        }
    }

    fn alone(value: f64, unit: Unit) -> String {
        let (divisor, suffix) = Self::magnitude(value, unit);
        let scaled = value / divisor;
        let text = format!("{scaled:.4}");
        format!(
            "{}{suffix}",
            text.trim_end_matches('0').trim_end_matches('.')
        )
    }

    fn of(&self, value: f64) -> String {
        if value == 0.0 && !self.suffix.is_empty() {
            // Zero needs no unit: it is neither 0k nor 0e-5.
            return "0".into();
        }
        let text = format!("{:.*}", self.decimals, value / self.divisor);
        format!("{}{}", text.replace('-', "−"), self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: &Ticks) -> Vec<&str> {
        ticks.at.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn familiar_ranges() {
        let number = |low, high| linear(low, high, 5, Unit::Number, true);
        assert_eq!(
            labels(&number(0.02, 0.31)),
            ["0.0", "0.1", "0.2", "0.3", "0.4"]
        );
        assert_eq!(
            labels(&number(0.0, 0.0)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&linear(0.972, 0.9991, 5, Unit::Fraction, true)),
            ["97\u{202f}%", "98\u{202f}%", "99\u{202f}%", "100\u{202f}%"]
        );
        assert_eq!(
            labels(&linear(1.0, 10.0, 6, Unit::Whole, false)),
            ["2", "4", "6", "8", "10"]
        );
        assert_eq!(labels(&linear(1.0, 1.0, 6, Unit::Whole, false)), ["1"]);
        assert_eq!(
            labels(&linear(0.0, 23_450.0, 5, Unit::Whole, false)),
            ["0", "5k", "10k", "15k", "20k"]
        );
        assert_eq!(labels(&number(-1e-5, 2e-5)), ["−1e-5", "0", "1e-5", "2e-5"]);
    }

    #[test]
    fn logarithmic_ranges() {
        let ticks = logarithmic(1e-5, 0.1, 6, Unit::Number);
        assert_eq!(labels(&ticks), ["1e-5", "1e-4", "0.001", "0.01", "0.1"]);
        assert_eq!((ticks.low, ticks.high), (1e-5, 0.1));
        let narrow = logarithmic(0.3, 4.0, 6, Unit::Number);
        assert_eq!(labels(&narrow), ["0.2", "0.5", "1", "2", "5"]);
        assert!(logarithmic(1e-290, 1e290, 6, Unit::Number).at.len() <= 6);
    }

    proptest! {
        #[test]
        fn linear_ticks_are_nice(
            low in -1e3f64..1e3, span in 1e-3f64..1e4, exponent in -20i32..20, wanted in 3usize..9,
        ) {
            let (low, high) = (low * 10f64.powi(exponent), (low + span) * 10f64.powi(exponent));
            for grow in [true, false] {
                let ticks = linear(low, high, wanted, Unit::Number, grow);
                let at: Vec<f64> = ticks.at.iter().map(|(value, _)| *value).collect();
                let slack = (high - low) * 1e-6;
                prop_assert!((1..=wanted + 2).contains(&at.len()), "{} ticks", at.len());
                prop_assert!(at.iter().all(|v| *v >= ticks.low - slack && *v <= ticks.high + slack));
                if grow {
                    prop_assert!(ticks.low <= low + slack && ticks.high >= high - slack);
                } else {
                    prop_assert_eq!((ticks.low, ticks.high), (low, high));
                }
                for pair in ticks.at.windows(2) {
                    let step = pair[1].0 - pair[0].0;
                    // The step's digit, found by rounding: subtraction of large neighbours is inexact.
                    let digit = (step / 10f64.powf((step * 1.0001).log10().floor())).round() as i32;
                    prop_assert!([1, 2, 5].contains(&digit), "step {step}");
                    prop_assert_ne!(&pair[0].1, &pair[1].1);
                }
            }
        }

        #[test]
        fn logarithmic_ticks_are_nice(low in -12f64..12.0, span in 0.5f64..20.0, wanted in 3usize..9) {
            let (low, high) = (10f64.powf(low), 10f64.powf(low + span));
            let ticks = logarithmic(low, high, wanted, Unit::Number);
            prop_assert!(ticks.low <= low * 1.000_001 && ticks.high >= high * 0.999_999);
            // Up to two decades of 1, 2 and 5 come without a choice.
            prop_assert!((2..=wanted.max(8)).contains(&ticks.at.len()));
            for pair in ticks.at.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0);
                prop_assert_ne!(&pair[0].1, &pair[1].1);
            }
        }
    }
}
