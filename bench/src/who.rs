//! Whose kernels are measured.

/// Whose kernels a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Firebrick's.
    Ours,
    /// Those of burn-flex.
    Flex,
}
