//! The `firebrick` command line as a library. Write a program that registers units of your own and then calls [`main`]:
//! it has every command of `firebrick`, with your units beside the built-in ones.
//!
//! ```no_run
//! # use firebrick::optim::optimizer::sgd::Sgd as Mine;
//! use std::process::ExitCode;
//!
//! use firebrick::core::registry::Entry;
//! use firebrick::optim::optimizer;
//!
//! fn main() -> ExitCode {
//!     if let Err(error) = optimizer::REGISTRY.register(Entry::of::<Mine>()) {
//!         eprintln!("error: {error}");
//!         return ExitCode::FAILURE;
//!     }
//!     firebrick_cli::main()
//! }
//! ```
//!
//! `optim list`, `optim race` and `train --optimizer` of that program then know the optimizer by its name. The same
//! works for schedules, augmentations, models, losses, penalties and samplers. `examples/outside` is a complete program of
//! this kind; [`Program`] gives it a name and version of its own.

mod class_scores;
mod columns;
mod commands;
mod epoch_table;
mod examples;
mod failure;
mod figures;
mod free_memory;
#[cfg(test)]
mod guide;
mod help;
mod home;
mod overview;
mod program;
mod progress;
mod run_name;
mod shell;
#[cfg(test)]
#[path = "../tests/cli/shell_blocks.rs"]
mod shell_blocks;
mod signals;
mod terminal;
#[cfg(feature = "testkit")]
pub mod testkit;
mod train_flags;
mod tta_flags;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{LazyLock, OnceLock};

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;
use firebrick::core::number;
pub use program::Program;

/// Train, evaluate and use convolutional networks
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
    Serve(commands::serve::Serve),
    Transfer(commands::transfer::Transfer),
    Features(Box<commands::features::Features>),
    Ensemble(commands::ensemble::Ensemble),
    Transfer(commands::transfer::Transfer),
    Export(commands::export::Export),
    #[command(alias = "dataset")]
    Datasets(commands::datasets::Datasets),
    #[command(alias = "model")]
    Models(commands::models::Models),
    #[command(alias = "optimizers")]
    Optim(commands::optim::Optim),
    #[command(alias = "schedules")]
    Schedule(commands::schedule::Schedule),
    #[command(alias = "augmentations")]
    Augment(commands::augment::Augment),
    Mix(commands::mix::Mix),
    Average(commands::average::Average),
    Tta(commands::tta::Tta),
    #[command(alias = "penalties")]
    Penalty(commands::penalty::Penalty),
    Dropout(commands::dropout::Dropout),
    #[command(alias = "losses")]
    Loss(commands::loss::Loss),
    Sampling(commands::sampling::Sampling),
    Devices(commands::devices::Devices),
    Recipes(commands::recipes::Recipes),
    Report(commands::report::Report),
    Runs(commands::runs::Runs),
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

/// The command line under the name of this program, with examples in every help.
fn command() -> clap::Command {
    examples::above_usage(plain_command())
}

/// The command line under the name of this program.
fn plain_command() -> clap::Command {
    let command = negative_numbers(Cli::command());
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

impl Program {
    /// As [`main`], under this name. To be called once, by the program's own `main`.
    #[must_use]
    pub fn main(self) -> ExitCode {
        self.set_own();
        main()
    }
}

/// The whole program: reads the arguments of the process, works, prints, and gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    // A bug is reported in one paragraph too, never as a backtrace.
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
        let what = terminal::message(what);
        terminal::log(&format!(
            "error: this is a bug in firebrick: {what}{place}. Please report it together with the command that you ran. Checkpoints written so far can be used."
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
        Err(failure) => return terminal::failed(failure),
    };
    shell::note_called(arguments.first());
    let matches = command().try_get_matches_from(arguments);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version come this way too.
            let text = error.render().to_string();
            let message = terminal::message(&text);
            if !error.use_stderr() {
                terminal::note(error.print());
            } else if message == text {
                let _ = error.print();
            } else {
                terminal::log(message.trim_end());
            }
            return match terminal::delivered() {
                Ok(()) => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
                Err(failure) => terminal::failed(failure),
            };
        }
    };
    firebrick::core::kernels::keep_freed_pages();
    if let Err(failure) = commands::switch_kernels() {
        return terminal::failed(failure);
    }
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        work(cli.command).and_then(|()| terminal::delivered())
    })) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => terminal::failed(failure),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Lets every flag take a negative number as its value, so that the message about it names the flag.
fn negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let takes_value =
            !arg.is_positional() && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        if takes_value {
            arg.allow_negative_numbers(true)
        } else {
            arg
        }
    });
    command.mut_subcommands(negative_numbers)
}

fn work(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(train) => train.run(),
        Command::Eval(eval) => eval.run(),
        Command::LrFind(lr_find) => lr_find.run(),
        Command::Search(search) => search.run(),
        Command::Predict(predict) => predict.run(),
        Command::Serve(serve) => serve.run(),
        Command::Transfer(transfer) => transfer.run(),
        Command::Features(features) => features.run(),
        Command::Datasets(datasets) => datasets.run(),
        Command::Models(models) => models.run(),
        Command::Optim(optim) => optim.run(),
        Command::Devices(devices) => devices.run(),
        Command::Recipes(recipes) => recipes.run(),
        Command::Report(report) => report.run(),
        Command::Runs(runs) => runs.run(),
        Command::Schedule(schedule) => schedule.run(),
        Command::Augment(augment) => augment.run(),
        Command::Dropout(dropout) => dropout.run(),
        Command::Loss(loss) => loss.run(),
        Command::Mix(mix) => mix.run(),
        Command::Average(average) => average.run(),
        Command::Ensemble(ensemble) => ensemble.run(),
        Command::Transfer(transfer) => transfer.run(),
        Command::Export(export) => export.run(),
        Command::Tta(tta) => tta.run(),
        Command::Penalty(penalty) => penalty.run(),
        Command::Sampling(sampling) => sampling.run(),
        Command::Completions(completions) => completions.run(&mut self::command()),
        Command::Man(man) => man.run(plain_command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with its full name.
    fn commands() -> Vec<(String, clap::Command)> {
        fn below(name: &str, command: &clap::Command, all: &mut Vec<(String, clap::Command)>) {
            all.push((name.into(), command.clone()));
            for inner in command.get_subcommands() {
                below(&format!("{name} {}", inner.get_name()), inner, all);
            }
        }
        let mut all = Vec::new();
        below("firebrick", &command(), &mut all);
        all
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn no_flag_answers_in_the_words_of_the_compiler() {
        let mut numbers = 0;
        for (name, of) in commands() {
            let flags = of.get_arguments().filter_map(clap::Arg::get_long);
            for flag in flags {
                for text in ["x1", "", "1.5.2"] {
                    let flag = format!("--{flag}");
                    let words = name.split(' ').chain([flag.as_str(), text]);
                    let Err(error) = command().try_get_matches_from(words) else {
                        continue;
                    };
                    let error = error.to_string();
                    for ugly in [
                        "invalid digit",
                        "invalid float",
                        "empty string",
                        "out of range",
                    ] {
                        assert!(!error.contains(ugly), "{name} {flag}: {error}");
                    }
                    numbers += usize::from(error.contains("expected a"));
                }
            }
        }
        assert!(numbers > 60, "{numbers}");
    }

    /// A flag that several commands have means the same in all of them.
    #[test]
    fn one_flag_has_one_meaning() {
        let mut flags = std::collections::BTreeMap::<String, (String, String)>::new();
        for (name, command) in commands() {
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
                for long in longs
                    .into_iter()
                    .filter(|long| *long == "split" || *long == "optimizer")
                {
                    let id = arg.get_id().to_string();
                    let (first, known) = flags
                        .entry(long.into())
                        .or_insert((name.clone(), id.clone()));
                    let same = id.trim_end_matches('s') == known.trim_end_matches('s');
                    assert!(same, "--{long} is {id} of {name} but {known} of {first}");
                }
            }
        }
        assert!(flags.len() == 2, "{flags:?}");
    }

    #[test]
    fn help_names_what_the_registries_hold() {
        let train = command();
        let train = train.find_subcommand("train").unwrap();
        let help = |id: &str| {
            let arg = train.get_arguments().find(|arg| arg.get_id() == id);
            arg.unwrap().get_help().unwrap().to_string()
        };
        for setting in firebrick::core::recipe::SETTINGS {
            let Some(family) = setting.about.family else {
                continue;
            };
            let id = setting.key;
            let names = help::names(family);
            assert!(!names.is_empty(), "{id}");
            let text = help(id);
            let listed: Vec<_> = text
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .collect();
            for name in names {
                assert!(
                    listed.contains(&name),
                    "--{id} does not name {name}: {text}"
                );
            }
        }
    }

    #[test]
    fn every_family_is_listed_and_described_by_the_same_verbs() {
        for family in [
            "optim", "schedule", "augment", "dropout", "mix", "average", "tta", "loss", "penalty",
            "sampling", "transfer", "models", "datasets", "recipes",
        ] {
            let command = command();
            let command = command.find_subcommand(family).unwrap();
            for verb in ["list", "describe"] {
                assert!(command.find_subcommand(verb).is_some(), "{family} {verb}");
            }
        }
    }
}
