//! The firebrick command line with one more optimizer:
//!
//! ```sh
//! cargo run -- optim describe signum
//! cargo run -- optim race --optimizer 'signum(lr=0.05)' --optimizer 'adam(lr=0.1)' --svg race.svg
//! cargo run -- train --optimizer signum
//! ```

mod signum;

use std::process::ExitCode;

use firebrick::optim::optimizer::{Entry, register};

fn main() -> ExitCode {
    if let Err(error) = register(Entry::of::<signum::Signum>()) {
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
