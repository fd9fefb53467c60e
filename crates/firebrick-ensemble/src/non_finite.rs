//! [`NonFinite`]: a member whose predictions are NaN or infinite.

use std::fmt;

use firebrick_types::error::visible;

/// A member that cannot be used, because some of its logits are NaN or infinite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonFinite {
    /// Its name.
    pub member: String,
    /// How many of its logits are not finite.
    pub values: usize,
    /// All of its logits.
    pub of: usize,
    /// The first image that has some, from 0.
    pub image: usize,
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of the {} logits of member `{}` are NaN or infinite, the first of them for image {}",
            self.values,
            self.of,
            visible(&self.member),
            self.image
        )
    }
}
