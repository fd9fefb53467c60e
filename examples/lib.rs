//! What the examples share: their size, and for experiments of many runs, their flags, their runs and the spread over seeds.

mod experiment;
mod flags;
mod spread;

pub use experiment::{End, Experiment};
pub use flags::Flags;
pub use spread::Spread;

/// `full`, or `smoke` when the program was started with `--smoke`.
pub fn size<T>(full: T, smoke: T) -> T {
    if std::env::args().any(|argument| argument == "--smoke") {
        smoke
    } else {
        full
    }
}
