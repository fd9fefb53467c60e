//! The worker behind `cargo xtask bench`: it runs Firebrick's side of each case and answers in
//! milliseconds. `peer.py` answers the same commands for PyTorch; the protocol is written there.
//!
//! `firebrick-bench ours` uses Firebrick's kernels, `firebrick-bench flex` runs the same program on
//! those of burn-flex.

mod augment;
mod case;
mod conv;
mod infer;
mod memory;
mod network;
mod norm;
mod opened;
mod optim;
mod peak;
mod photo;
mod step;
mod transfer;
mod who;

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use case::{Case, Command};
use opened::Opened;
use who::Who;

fn main() -> Result<()> {
    let who = match std::env::args().nth(1).as_deref() {
        Some("ours") => Who::Ours,
        Some("flex") => Who::Flex,
        _ => bail!("firebrick-bench ours | flex, driven by `cargo xtask bench`"),
    };
    // For both alike: what differs between them is the kernels.
    firebrick_kernels::memory::keep_freed_pages();
    firebrick::core::kernels::enable(who == Who::Ours);
    let mut opened = None;
    let mut replies = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let command = serde_json::from_str(&line?).context("not a command")?;
        let reply = catch_unwind(AssertUnwindSafe(|| answer(who, command, &mut opened)));
        let reply = match reply {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => json!({ "missing": format!("{error:#}") }),
            Err(_) => json!({ "missing": "it panicked, see above" }),
        };
        writeln!(replies, "{reply}")?;
        replies.flush()?;
    }
    Ok(())
}

fn answer(who: Who, command: Command, opened: &mut Option<Opened>) -> Result<Value> {
    match command {
        Command::Hello => Ok(json!({
            "ready": concat!("Firebrick ", env!("CARGO_PKG_VERSION")),
            "instructions": format!("{:?}", firebrick_kernels::simd::level()),
        })),
        Command::Open { case } => {
            // The one before goes first: its memory must not count in this one's.
            *opened = None;
            let mut case = open(who, &case)?;
            let times = timed(&mut case, 2)?;
            case.report.insert("first_ms".into(), times[0].into());
            case.report.insert("warm_ms".into(), times[1].into());
            let report = Value::Object(case.report.clone());
            *opened = Some(case);
            Ok(report)
        }
        Command::Burst { steps } => {
            let case = opened.as_mut().context("no case is open")?;
            Ok(json!({ "ms": timed(case, steps)? }))
        }
        Command::Close => {
            *opened = None;
            Ok(json!({}))
        }
    }
}

fn open(who: Who, case: &Case) -> Result<Opened> {
    match case {
        Case::Conv(case) => conv::open(who, case),
        Case::Norm(case) => norm::open(who, case),
        Case::Optim(case) => optim::open(case),
        Case::Step(case) => step::open(case),
        Case::Infer(case) => infer::open(case),
        Case::Augment(case) => augment::open(case),
        Case::Transfer(case) => transfer::open(case),
        Case::Peak(case) => Ok(peak::open(case)),
    }
}

/// Milliseconds of each of `count` repetitions.
fn timed(case: &mut Opened, count: usize) -> Result<Vec<f64>> {
    (0..count)
        .map(|_| {
            let taken = (case.time)()?;
            Ok(1e3 * taken.as_secs_f64())
        })
        .collect()
}
