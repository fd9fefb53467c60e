//! The firebrick command line with one more optimizer, augmentation and model:
//!
//! ```sh
//! cargo run -- optim describe signum
//! cargo run -- optim race --optimizer 'signum(lr=0.05)' --optimizer 'adam(lr=0.1)' --svg race.svg
//! cargo run -- train --optimizer signum --augment 'pad_crop(2) | negative' --model 'perceptron(hidden=100)'
//! ```

mod negative;
mod perceptron;
mod signum;

use std::process::ExitCode;

use firebrick::core::ConfigError;
use firebrick::core::registry::Entry;
use firebrick::{optim::optimizer, regularize::augment, zoo};

fn register() -> Result<(), ConfigError> {
    optimizer::REGISTRY.register(Entry::of::<signum::Signum>())?;
    augment::REGISTRY.register(Entry::of::<negative::Negative>())?;
    zoo::REGISTRY.register(Entry::of::<perceptron::PerceptronConfig>())
}

fn main() -> ExitCode {
    if let Err(error) = register() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    firebrick_cli::Program {
        name: env!("CARGO_BIN_NAME"),
        version: env!("CARGO_PKG_VERSION"),
    }
    .main()
}

#[cfg(test)]
mod tests {
    #[test]
    fn contracts() {
        firebrick::optim::testkit::contracts::<super::signum::Signum>();
    }
}
