//! Handles the signals that ask the program to end: Ctrl-C, and on Unix SIGTERM and SIGHUP.
//!
//! A signal that was ignored when the program started stays ignored where this can be detected, so `nohup` works,
//! and Ctrl-C does not reach what a script runs in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;
use crate::terminal;

/// The first signal sets `interrupted`, the second ends the program at once.
pub(crate) fn on_interrupt(interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    on_signal(
        interrupted,
        "finishing this update and writing a checkpoint; press Ctrl-C again to stop at once",
    )
}

/// As [`on_interrupt`], for a program that keeps the best that it has found.
pub(crate) fn on_enough(interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    on_signal(
        interrupted,
        "finishing with the best so far; press Ctrl-C again to stop at once",
    )
}

/// As [`on_interrupt`], for a program that has nothing to save.
pub(crate) fn on_stop(stopped: Arc<AtomicBool>) -> Result<(), Failure> {
    on_signal(stopped, "stopped")
}

fn on_signal(interrupted: Arc<AtomicBool>, said: &'static str) -> Result<(), Failure> {
    let heard = move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            // What is being written is written whole or not at all.
            std::process::exit(130);
        }
        terminal::log(said);
    };
    listen(heard).map_err(|error| {
        Failure::Work(format!(
            "cannot listen for Ctrl-C and termination signals: {error}"
        ))
    })
}

#[cfg(not(unix))]
fn listen(heard: impl Fn() + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(heard).map_err(std::io::Error::other)
}

#[cfg(unix)]
fn listen(heard: impl Fn() + Clone + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let ignored = ignored();
    let taken = |signal: &i32| ignored & (1 << (signal - 1)) == 0;
    if taken(&SIGINT) {
        ctrlc::set_handler(heard.clone()).map_err(std::io::Error::other)?;
    }
    let mut signals = Signals::new([SIGTERM, SIGHUP].iter().filter(|signal| taken(signal)))?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(|_| heard()))?;
    Ok(())
}

/// The signals that this process ignores, the lowest bit for signal 1. Only Linux tells that without a
/// call that could also change it; elsewhere it is none.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
