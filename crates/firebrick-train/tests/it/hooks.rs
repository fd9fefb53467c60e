//! Hooks that do the work: what they begin with, what is evaluated in place of the model, what they keep.

mod averages;
mod calls;
mod context;
mod kept_state;
mod stages;

use firebrick_train::{Monitor, Outcome, RunDir, TrainConfig, TrainError};

use crate::support::{Kill, Net, Run, bytes, epochs, newest};

fn config() -> TrainConfig {
    TrainConfig {
        monitor: Monitor::ValidLoss,
        checkpoint_every: Some(2),
        keep: 3,
        ..Run::new("flex").config
    }
}

fn net() -> Net {
    Net::new(&firebrick_core::device("flex").unwrap().autodiff())
}

fn temporary() -> (tempfile::TempDir, RunDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run")).unwrap();
    (temp, dir)
}

/// Kills a run after each of these updates and resumes it from its last checkpoint.
fn killed(after: &[u64], run: impl Fn() -> Run<'static>) {
    let whole = run().go().unwrap();
    for at in after.iter().copied() {
        let (_temp, dir) = temporary();
        let mut first = Run {
            dir: Some(&dir),
            ..run()
        };
        first.hooks.push(Box::new(Kill { at }));
        let error = first.go().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("killed"), "{error}");
        let checkpoint = newest(&dir, "flex").unwrap();
        assert!(checkpoint.progress.step < at);
        let resumed = Run {
            dir: Some(&dir),
            resume: Some(checkpoint),
            ..run()
        };
        let resumed = resumed.go().unwrap();
        assert_eq!(bytes(&resumed.model), bytes(&whole.model), "killed at {at}");
        assert_eq!(resumed.best, whole.best, "killed at {at}");
        assert_eq!(epochs(&resumed.progress), epochs(&whole.progress));
    }
}

fn error(outcome: Result<Outcome<Net>, TrainError>) -> String {
    outcome.map(|_| ()).unwrap_err().to_string()
}
