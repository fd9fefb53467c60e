//! Parses the numbers of flags, with messages that say what was expected.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Reads a whole number.
///
/// # Errors
/// What was expected, in words.
pub fn whole<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: ParseIntError| {
        let expected = "expected a whole number, such as 8";
        match error.kind() {
            IntErrorKind::PosOverflow => "this number is too large".into(),
            _ => match text.trim().parse::<f64>() {
                Ok(number) if number < 0.0 => format!("{expected}; it cannot be negative"),
                Ok(number) if number.fract() == 0.0 && number < 1e15 => {
                    format!("expected a whole number written in digits: {number}")
                }
                _ => expected.into(),
            },
        }
    })
}

/// Reads a number. Whether it is in range, NaN included, is for the setting to say.
///
/// # Errors
/// What was expected, in words.
pub fn real(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| {
        let expected = "expected a number, such as 0.1 or 1e-3";
        match text.trim().replace(',', ".").parse::<f64>() {
            Ok(number) => format!("{expected}, with a decimal point: {number}"),
            Err(_) => expected.into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_numbers_are_told_what_is_expected() {
        assert_eq!(whole::<u64>(" 12 "), Ok(12));
        for (text, needle) in [
            ("ten", "expected a whole number, such as 8"),
            ("", "expected a whole number, such as 8"),
            ("1.5", "expected a whole number, such as 8"),
            ("1e3", "in digits: 1000"),
            ("-3", "it cannot be negative"),
            ("99999999999999999999999", "too large"),
        ] {
            let error = whole::<u64>(text).unwrap_err();
            assert!(error.contains(needle), "{text}: {error}");
        }
        assert_eq!(real("1e-3"), Ok(1e-3));
        assert!(real("nan").is_ok_and(f64::is_nan));
        for (text, needle) in [
            ("much", "expected a number, such as 0.1"),
            ("0,1", "with a decimal point: 0.1"),
            ("0.1.2", "expected a number, such as 0.1"),
        ] {
            let error = real(text).unwrap_err();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
