//! The `firebrick` command line as a function, so that a program with optimizers of its own can be it.
//!
//! ```no_run
//! # use firebrick::optim::optimizer::{self, sgd::Sgd as Mine};
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     if let Err(error) = optimizer::register(optimizer::Entry::of::<Mine>()) {
//!         eprintln!("error: {error}");
//!         return ExitCode::FAILURE;
//!     }
//!     firebrick_cli::main()
//! }
//! ```
//!
//! The optimizer then has its name on this program's command line: `optim list`, `optim race`,
//! `train --optimizer`. `examples/outside` is such a program. [`Program`] gives it a name of its own.

mod class_scores;
mod commands;
mod epoch_table;
mod failure;
mod free_memory;
mod home;
mod output;
mod overview;
mod program;
mod progress;
mod run_name;
mod shell;
mod signals;
mod train_flags;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{LazyLock, OnceLock};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;
pub use program::Program;

/// Composable bricks for training convolutional networks.
///
/// `firebrick train` needs nothing: it trains on drawn glyphs and says what to try next.
#[derive(Parser)]
#[command(name = "firebrick", version, long_version = long_version(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<commands::train::Train>),
    Eval(commands::eval::Eval),
    LrFind(Box<commands::lr_find::LrFind>),
    Search(Box<commands::search::Search>),
    Predict(commands::predict::Predict),
    Datasets(commands::datasets::Datasets),
    Models(commands::models::Models),
    Optim(commands::optim::Optim),
    Devices(commands::devices::Devices),
    Recipes(commands::recipes::Recipes),
    Report(commands::report::Report),
    Runs(commands::runs::Runs),
    Schedule(commands::schedule::Schedule),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
}

/// The version, and below it the features that this program was built with.
fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let features = firebrick::core::features().join(", ");
        format!("{}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
    });
    &TEXT
}

/// The command line under the name of this program.
fn command() -> clap::Command {
    let command = Cli::command();
    match program::own() {
        Some(Program { name, version }) => command
            .name(name)
            .version(version)
            .long_version(own_long_version(version)),
        None => command,
    }
}

/// The version of a program of someone's own, and what it stands on.
fn own_long_version(version: &str) -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| format!("{version}\nfirebrick {}", long_version()))
}

/// The whole program: reads the arguments of the process, works, prints, and gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    // A fault of ours is one paragraph too, and never a backtrace.
    std::panic::set_hook(Box::new(|info| {
        // An image that makes a decoder panic is a bad image, and will be named as one.
        if firebrick::datasets::decode::catches_panics() {
            return;
        }
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
        let what = output::message(what);
        output::log(&format!(
            "error: this should not have happened: {what}{place}. Please report it with the command that led here; checkpoints written so far are sound."
        ));
    }));
    run(std::env::args_os())
}

/// The program with these arguments, the first of which is its name; gives the exit status.
#[must_use]
pub fn run<A>(arguments: impl IntoIterator<Item = A>) -> ExitCode
where
    A: Into<OsString> + Clone,
{
    let arguments = match home::in_arguments(arguments.into_iter().map(Into::into)) {
        Ok(arguments) => arguments,
        Err(failure) => return failure.report(),
    };
    let matches = command().try_get_matches_from(arguments);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version come this way too.
            let text = error.render().to_string();
            let message = output::message(&text);
            if !error.use_stderr() {
                output::note(error.print());
            } else if message == text {
                let _ = error.print();
            } else {
                output::log(message.trim_end());
            }
            return match output::delivered() {
                Ok(()) => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
                Err(failure) => failure.report(),
            };
        }
    };
    firebrick::core::kernels::keep_freed_pages();
    if let Err(failure) = commands::switch_kernels() {
        return failure.report();
    }
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        work(cli.command).and_then(|()| output::delivered())
    })) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(),
        Err(_) => ExitCode::FAILURE,
    }
}

fn work(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(train) => train.run(),
        Command::Eval(eval) => eval.run(),
        Command::LrFind(lr_find) => lr_find.run(),
        Command::Search(search) => search.run(),
        Command::Predict(predict) => predict.run(),
        Command::Datasets(datasets) => datasets.run(),
        Command::Models(models) => models.run(),
        Command::Optim(optim) => optim.run(),
        Command::Devices(devices) => devices.run(),
        Command::Recipes(recipes) => recipes.run(),
        Command::Report(report) => report.run(),
        Command::Runs(runs) => runs.run(),
        Command::Schedule(schedule) => schedule.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}
