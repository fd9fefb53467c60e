//! Why training ended.

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The monitored metric stopped improving.
    EarlyStop,
    /// The limit of updates was reached.
    UpdateLimit,
    /// The limit of seconds was reached.
    TimeLimit,
    /// A hook asked for it.
    Hook,
    /// It was interrupted and can be resumed.
    Interrupted,
}
