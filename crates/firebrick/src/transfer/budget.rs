//! How long a job may take.

use std::time::Duration;

use firebrick_core::ConfigError;
use firebrick_core::number::real;

/// Reads a length of time: `60s`, `10min`, `1.5h`, or seconds without a unit.
///
/// ```
/// use std::time::Duration;
/// use firebrick::transfer::budget;
/// assert_eq!(budget("10min")?, Duration::from_secs(600));
/// assert!(budget("0").is_err());
/// # Ok::<(), firebrick::core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] for what is no length of time, 0, and more than a year.
pub fn budget(text: &str) -> Result<Duration, ConfigError> {
    let text = text.trim();
    let units = [("min", 60.0), ("h", 3600.0), ("s", 1.0)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, unit) = found.unwrap_or((text, 1.0));
    let Ok(number) = real(number) else {
        return Err(ConfigError::Conflict(format!(
            "`{text}` is no length of time; write 60s, 10min or 1.5h"
        )));
    };
    let seconds = number * unit;
    const YEAR: f64 = 366.0 * 86400.0;
    if !(seconds > 0.0 && seconds <= YEAR) {
        return Err(out_of_range(text));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Refuses a budget of nothing.
pub(super) fn check(budget: Duration) -> Result<(), ConfigError> {
    if budget.is_zero() {
        return Err(out_of_range("0"));
    }
    Ok(())
}

fn out_of_range(text: &str) -> ConfigError {
    ConfigError::Conflict(format!(
        "the budget is {text}; it must be more than 0 and at most a year: write 60s, 10min or 1.5h"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_others_are_explained() {
        for (text, seconds) in [
            ("60s", 60.0),
            ("10 min", 600.0),
            ("1.5h", 5400.0),
            ("7", 7.0),
        ] {
            assert_eq!(
                budget(text).unwrap(),
                Duration::from_secs_f64(seconds),
                "{text}"
            );
        }
        for text in ["0", "0s", "-1min", "nan", "1e300h"] {
            let error = budget(text).unwrap_err().to_string();
            assert!(error.contains("more than 0"), "{text}: {error}");
        }
        for text in ["", "soon", "5 days", "min"] {
            let error = budget(text).unwrap_err().to_string();
            assert!(error.contains("write 60s, 10min"), "{text}: {error}");
        }
    }
}
