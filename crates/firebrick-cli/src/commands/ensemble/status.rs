//! `firebrick ensemble status`.

use std::path::PathBuf;

use clap::Args;
use firebrick::RunState;
use firebrick::ensembles::{MemberState, status};
use serde_json::json;

use crate::failure::Failure;
use crate::figures::percent;
use crate::terminal;

/// Show which members of an ensemble are trained
#[derive(Args)]
pub(crate) struct Status {
    /// The directory of the ensemble
    directory: PathBuf,
    /// Print one JSON document: {done, members: [{name, done, run}]}
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let members = status(&self.directory)?;
        let done = members.iter().filter(|member| member.done).count();
        if self.json {
            return terminal::json(&json!({ "done": done, "members": members }));
        }
        let rows: Vec<Vec<String>> = members.iter().map(row).collect();
        terminal::table(&rows);
        terminal::say(&format!("{done} of {} members are done", members.len()));
        Ok(())
    }
}

fn row(member: &MemberState) -> Vec<String> {
    let Some(run) = &member.run else {
        let state = if member.done { "done" } else { "not begun" };
        return vec![member.name.clone(), state.into()];
    };
    let state = match run.state {
        RunState::Running => "running",
        RunState::Done if member.done => "done",
        RunState::Done | RunState::Resumable => "interrupted",
        RunState::NotBegun => "not begun",
        RunState::Damaged => "damaged recipe",
    };
    let epochs = match run.of_epochs {
        Some(all) => format!("{} of {all} epochs", run.epochs),
        None => format!("{} epochs", run.epochs),
    };
    let test = run
        .test
        .map(|test| format!("test top-1 {}", percent(test.top1)));
    vec![
        member.name.clone(),
        state.into(),
        epochs,
        test.unwrap_or_default(),
    ]
}
