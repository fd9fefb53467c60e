//! `cargo xtask bench`: Firebrick against burn-flex, PyTorch and ONNX Runtime on this machine, and its
//! augmentation against torchvision, Pillow, albumentations and OpenCV, in one interleaved run.
//!
//! Every contender is a process that waits for commands (the protocol is in `bench/peer.py`). In each
//! round each of them runs a burst of a few repetitions, one after another, in an order that rotates
//! from round to round; the median of a burst is its figure. Slow drifts of the machine so meet all
//! contenders alike, and are gone from the ratios, which are taken within rounds.

mod augmentations;
mod cases;
mod contender;
mod machine;
mod options;
mod photos;
mod record;
mod statistics;
mod table;
mod targets;
mod who;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use cases::{Case, Suite};
use contender::{Contender, Process, Programs};
use options::Options;
pub(crate) use options::USAGE;
use record::Record;

/// Repetitions of a burst take about this long together.
const BURST_MS: f64 = 150.0;

/// What a burst has at least and at most.
const REPETITIONS: (f64, f64) = (3.0, 30.0);

/// Lets the threads of one contender fall asleep before the next one begins.
const PAUSE: Duration = Duration::from_millis(10);

/// Measures and prints.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let programs = Programs::build(options.worker.clone(), options.before.clone())?;
    let folder = tempfile::tempdir().context("cannot make a folder for weights")?;
    let mut hall = Hall {
        programs: &programs,
        options: &options,
        processes: BTreeMap::new(),
        versions: BTreeMap::new(),
    };
    println!("{}", machine::header(options.threads, options.rounds));
    let mut records = Vec::new();
    for suite in &options.suites {
        let of_suite = hall.suite(*suite, folder.path())?;
        println!("{}", table::table(*suite, &of_suite));
        records.extend(of_suite);
    }
    for (who, version) in &hall.versions {
        println!("{who}: {version}");
    }
    let checks = targets::checks(&records);
    println!("\n{}", targets::table(&checks));
    if let Some(path) = &options.json {
        let document = json!({
            "machine": machine::describe(),
            "threads": options.threads,
            "rounds": options.rounds,
            "versions": hall.versions,
            "cases": records.iter().map(Record::to_json).collect::<Vec<_>>(),
            "targets": checks.iter().map(targets::Check::to_json).collect::<Vec<_>>(),
        });
        std::fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The contenders that are running.
struct Hall<'a> {
    programs: &'a Programs,
    options: &'a Options,
    processes: BTreeMap<Contender, Process>,
    versions: BTreeMap<String, String>,
}

impl Hall<'_> {
    fn suite(&mut self, suite: Suite, folder: &Path) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let photos = match suite {
            Suite::Augment => Some(photos::AUGMENTED),
            Suite::Transfer => Some(photos::FROZEN),
            _ => None,
        };
        if let Some(photos) = photos {
            let folder = photos::jpegs(folder, photos);
            if let Err(error) = self.programs.write_photos(&folder, photos) {
                eprintln!("the cases from JPEG will be missing: {error:#}");
            }
        }
        for mut case in cases::cases(suite, self.options.threads, folder) {
            if self.options.before.is_some() {
                case.add_before();
            }
            let wanted = self.options.filter.as_deref();
            if wanted.is_some_and(|wanted| !case.name.contains(wanted)) {
                continue;
            }
            eprintln!("{} {} …", suite.name(), case.name);
            records.push(self.case(case)?);
            if suite.wants_fresh_processes() {
                self.processes.clear();
            }
        }
        self.processes.clear();
        Ok(records)
    }

    fn case(&mut self, case: Case) -> Result<Record> {
        let mut record = Record::new(case);
        let mut running = Vec::new();
        for contender in record.case.contenders.clone() {
            match self.open(contender, &record.case)? {
                Ok((report, repetitions)) => {
                    record.reports.insert(contender, report);
                    running.push((contender, repetitions));
                }
                Err(reason) => {
                    record.missing.insert(contender, reason);
                }
            }
        }
        for round in 0..self.options.rounds {
            for turn in 0..running.len() {
                let (contender, repetitions) = running[(round + turn) % running.len()];
                let command = json!({ "do": "burst", "steps": repetitions });
                let reply = self.ask(contender, &command)?;
                match times(&reply) {
                    Some(times) => {
                        record.add(contender, statistics::median(&times));
                    }
                    None => {
                        record.missing.insert(contender, reason(&reply));
                    }
                }
                std::thread::sleep(PAUSE);
            }
            running.retain(|(contender, _)| !record.missing.contains_key(contender));
        }
        for (contender, _) in running {
            self.ask(contender, &json!({ "do": "close" }))?;
        }
        Ok(record)
    }

    /// Prepares a case; its report and the number of repetitions in a burst, or why it cannot run.
    fn open(
        &mut self,
        contender: Contender,
        case: &Case,
    ) -> Result<Result<(Value, usize), String>> {
        if !self.processes.contains_key(&contender) {
            let mut process = match Process::start(contender, self.programs) {
                Ok(process) => process,
                Err(error) => return Ok(Err(format!("{error:#}"))),
            };
            let hello = process.ask(&json!({ "do": "hello" }))?;
            let Some(ready) = hello["ready"].as_str() else {
                return Ok(Err(reason(&hello)));
            };
            let ready = match hello["instructions"].as_str() {
                Some(instructions) => format!("{ready}, {instructions}"),
                None => ready.to_string(),
            };
            self.versions.insert(contender.who.label().into(), ready);
            self.processes.insert(contender, process);
        }
        let command = json!({ "do": "open", "case": case.told_to(contender) });
        let report = self.ask(contender, &command)?;
        let Some(first) = report["warm_ms"].as_f64() else {
            return Ok(Err(reason(&report)));
        };
        let repetitions = (BURST_MS / first).clamp(REPETITIONS.0, REPETITIONS.1);
        Ok(Ok((report, repetitions as usize)))
    }

    fn ask(&mut self, contender: Contender, command: &Value) -> Result<Value> {
        let process = self
            .processes
            .get_mut(&contender)
            .with_context(|| format!("{} is not running", contender.label()))?;
        process.ask(command)
    }
}

fn times(reply: &Value) -> Option<Vec<f64>> {
    let times = reply["ms"].as_array()?;
    times.iter().map(Value::as_f64).collect()
}

fn reason(reply: &Value) -> String {
    let reason = reply["missing"].as_str();
    reason.map_or_else(|| format!("answered {reply}"), ToString::to_string)
}
