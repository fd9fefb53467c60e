//! `p` and `keep`: the probability of dropping and its complement, as all units of the family have them.

use firebrick_core::ConfigError;
use firebrick_core::about::{Field, Range};

/// The probability of dropping.
pub(super) const P: Field = Field::new("p", Range::Within(0.0, 1.0));

/// Its complement.
pub(super) const KEEP: Field = Field::new("keep", Range::Within(0.0, 1.0));

/// The probability of dropping that a configuration with `p` and `keep` means.
///
/// # Errors
/// [`ConfigError::Conflict`] when both are given.
pub(super) fn drop_probability(
    unit: &str,
    p: f64,
    default: f64,
    keep: Option<f64>,
) -> Result<f64, ConfigError> {
    let Some(keep) = keep else { return Ok(p) };
    if p.to_bits() != default.to_bits() {
        return Err(ConfigError::Conflict(format!(
            "{unit}: p = {p} and keep = {keep} are both given; p is the probability of dropping and keep is 1 - p, so give one of them"
        )));
    }
    Ok(1.0 - keep)
}
