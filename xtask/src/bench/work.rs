//! What a case does, as a measure of speed.

/// What one repetition of a case does, as a measure of speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Work {
    /// Floating-point operations.
    Flop(f64),
    /// Bytes that must come from memory or go there, if each is moved as seldom as can be.
    Bytes(f64),
    /// Images.
    Images(f64),
}
