//! The `firebrick` command line.

mod commands;
mod failure;
mod output;
mod progress;
mod train_flags;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Composable bricks for training convolutional networks.
///
/// `firebrick train` needs nothing: it trains on drawn glyphs and says what to try next.
#[derive(Parser)]
#[command(name = "firebrick", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<commands::train::Train>),
    Eval(commands::eval::Eval),
    Predict(commands::predict::Predict),
    Datasets(commands::datasets::Datasets),
    Models(commands::models::Models),
    Devices(commands::devices::Devices),
    Search(Box<commands::search::Search>),
    Recipes(commands::recipes::Recipes),
    Report(commands::report::Report),
}

fn main() -> ExitCode {
    // A fault of ours is one paragraph too, and never a backtrace.
    std::panic::set_hook(Box::new(|info| {
        let what = info
            .payload_as_str()
            .unwrap_or("no message")
            .lines()
            .next()
            .unwrap_or_default();
        let place = info.location().map_or(String::new(), |at| {
            format!(
                " ({}:{})",
                at.file().rsplit('/').next().unwrap_or_default(),
                at.line()
            )
        });
        output::log(&format!(
            "error: this should not have happened: {what}{place}. Please report it with the command that led here; checkpoints written so far are sound."
        ));
    }));
    let cli = Cli::parse();
    firebrick::core::kernels::keep_freed_pages();
    if let Err(failure) = commands::switch_kernels() {
        return failure.report();
    }
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(cli.command))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(),
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(train) => train.run(),
        Command::Eval(eval) => eval.run(),
        Command::Predict(predict) => predict.run(),
        Command::Datasets(datasets) => datasets.run(),
        Command::Models(models) => models.run(),
        Command::Devices(devices) => devices.run(),
        Command::Search(search) => search.run(),
        Command::Recipes(recipes) => recipes.run(),
        Command::Report(report) => report.run(),
    }
}
