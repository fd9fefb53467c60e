//! Examples of Firebrick: see `examples/`. Each takes `--smoke` to run in seconds.

/// `full`, or `smoke` when the program was started with `--smoke`.
pub fn size<T>(full: T, smoke: T) -> T {
    if std::env::args().any(|argument| argument == "--smoke") {
        smoke
    } else {
        full
    }
}
