//! The resident memory of this process.

/// Lines of `/proc/self/status` in MiB: `VmRSS`, `VmHWM`, `RssFile`; 0 where there are none.
pub(crate) fn mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1024.0)
}

/// Sets the peak (`VmHWM`) to what is resident now.
pub(crate) fn forget_peak() {
    // Where the system does not have it, the peak may come from before: too high, never too low.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
