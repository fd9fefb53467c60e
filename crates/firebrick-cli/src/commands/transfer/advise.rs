//! `firebrick transfer advise`.

use clap::Args;
use firebrick::transfer::{Advised, advise};
use serde_json::json;

use super::begin::Begin;
use super::stages::say_stages;
use crate::failure::Failure;
use crate::progress;
use crate::shell::{program, quoted};
use crate::terminal;

/// Measure how your photos relate to what a network was trained on, and say which way of transfer learning fits
#[derive(Args)]
#[command(args_override_self = true)]
pub(super) struct Advise {
    #[command(flatten)]
    begin: Begin,
    /// Print one JSON document: {model, quadrant, strategy, alternatives, advice: {evidence, reasons, warnings, …}, measured: {images,
    /// probes, knn_top1, leep_explained, logme, distance}, command}
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Do not print progress
    #[arg(long, help_heading = "Run")]
    quiet: bool,
}

impl Advise {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let recipe = self.begin.recipe()?;
        let advised = advise(
            &recipe,
            &super::super::sources(),
            self.begin.cache().as_deref(),
            &mut progress::images(self.quiet || self.json),
            &mut terminal::notice,
        )?;
        let command = self.command(&advised);
        if self.json {
            let mut document = json!(advised);
            document["command"] = command.into();
            return terminal::json(&document);
        }
        let Advised {
            advice, measured, ..
        } = &advised;
        terminal::say("linear classifiers on the features of each stage, cross-validated:");
        say_stages(
            measured
                .probes
                .iter()
                .map(|probe| (probe.stage.as_str(), probe.top1)),
        );
        for reason in &advice.reasons {
            terminal::say(reason);
        }
        for warning in &advice.warnings {
            terminal::say(&format!("note: {warning}"));
        }
        let others: Vec<String> = advice
            .alternatives
            .iter()
            .map(ToString::to_string)
            .collect();
        terminal::say(&format!("{}: {}", advice.quadrant, advice.strategy));
        if !others.is_empty() {
            terminal::say(&format!("then: {}", others.join("; ")));
        }
        terminal::say(&format!("next: {command}"));
        Ok(())
    }

    /// The command that does what was advised.
    fn command(&self, advised: &Advised) -> String {
        let words = self.begin.words().into_iter();
        let words: Vec<String> = words.map(|word| quoted(&word)).collect();
        format!(
            "{} transfer train {} --strategy {}",
            program(),
            words.join(" "),
            advised.strategy
        )
    }
}
