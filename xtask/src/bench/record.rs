//! The measurements of a case.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cases::Case;
use super::contender::Contender;
use super::statistics::{Estimate, median};
use super::who::PEERS;
use super::who::Who;
use super::work::Work;

/// The figures of a case.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) case: Case,
    /// Milliseconds of each round.
    pub(super) rounds: BTreeMap<Contender, Vec<f64>>,
    /// What each contender says about the case.
    pub(super) reports: BTreeMap<Contender, Value>,
    /// Why a contender has no figures.
    pub(super) missing: BTreeMap<Contender, String>,
}

impl Record {
    pub(super) fn new(case: Case) -> Self {
        Self {
            case,
            rounds: BTreeMap::new(),
            reports: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, contender: Contender, milliseconds: f64) {
        self.rounds.entry(contender).or_default().push(milliseconds);
    }

    /// Of these, the contender with the most threads, if it ran to the end.
    fn contender(&self, who: Who) -> Option<Contender> {
        let of_who = |contender: &&Contender| contender.who == who;
        let contender = self.case.contenders.iter().filter(of_who).max()?;
        (!self.missing.contains_key(contender)).then_some(*contender)
    }

    fn times(&self, who: Who) -> Option<&[f64]> {
        self.rounds
            .get(&self.contender(who)?)
            .map(Vec::as_slice)
            .filter(|times| !times.is_empty())
    }

    /// The median over the rounds, in milliseconds.
    pub(super) fn milliseconds(&self, who: Who) -> Option<f64> {
        self.times(who).map(median)
    }

    /// How many times as long as ours a contender takes, round by round.
    pub(super) fn times_ours(&self, who: Who) -> Option<Estimate> {
        let (other, ours) = (self.times(who)?, self.times(Who::Ours)?);
        Some(Estimate::of(other.iter().zip(ours).map(|(a, b)| a / b)))
    }

    /// The fastest of some contenders, and how many times as long as ours it takes, round by round.
    pub(super) fn fastest(&self, whos: &[Who]) -> Option<(Who, Estimate)> {
        let ran = whos.iter().copied();
        let all: Vec<(Who, &[f64])> = ran
            .filter_map(|who| Some((who, self.times(who)?)))
            .collect();
        let middle = |(_, times): &&(Who, &[f64])| median(times);
        let (first, _) = all
            .iter()
            .min_by(|one, other| middle(one).total_cmp(&middle(other)))?;
        let least = |round: usize| {
            let times = all.iter().filter_map(|(_, times)| times.get(round));
            times.copied().fold(f64::INFINITY, f64::min)
        };
        let ours = self.times(Who::Ours)?.iter().enumerate();
        let ratios = ours.map(|(round, ours)| least(round) / ours);
        Some((*first, Estimate::of(ratios)))
    }

    /// How many times as fast the threads of `who` are as one of them, round by round.
    pub(super) fn scaling(&self, who: Who) -> Option<Estimate> {
        let alone = Contender { who, threads: 1 };
        let (all, one) = (self.times(who)?, self.rounds.get(&alone)?);
        // The loops do more work on more threads.
        let more = match who {
            Who::Fma | Who::Triad => {
                self.limit_work(self.contender(who)?)? / self.limit_work(alone)?
            }
            _ => 1.0,
        };
        let pairs = one.iter().zip(all);
        Some(Estimate::of(pairs.map(|(one, all)| more * one / all)))
    }

    /// GFLOP/s, GB/s or images a second.
    pub(super) fn speed(&self, who: Who) -> Option<f64> {
        let milliseconds = self.milliseconds(who)?;
        Some(match self.case.work {
            Work::Flop(work) | Work::Bytes(work) => 1e-6 * work / milliseconds,
            Work::Images(images) => 1e3 * images / milliseconds,
        })
    }

    /// Images a second of ours, round by round.
    pub(super) fn images(&self) -> Option<Estimate> {
        let Work::Images(images) = self.case.work else {
            return None;
        };
        let speeds = self.times(Who::Ours)?.iter().map(|ms| 1e3 * images / ms);
        Some(Estimate::of(speeds))
    }

    /// GFLOP/s or GB/s of the loop that is the limit.
    pub(super) fn limit(&self, who: Who) -> Option<f64> {
        Some(1e-6 * self.limit_work(self.contender(who)?)? / self.milliseconds(who)?)
    }

    /// What one repetition of a loop at the limit does.
    fn limit_work(&self, contender: Contender) -> Option<f64> {
        let report = self.reports.get(&contender)?;
        report["flop"].as_f64().or(report["bytes"].as_f64())
    }

    /// The part of the machine's limit that ours reaches, round by round.
    pub(super) fn of_limit(&self) -> Option<Estimate> {
        let (work, who) = match self.case.work {
            Work::Flop(work) => (work, Who::Fma),
            Work::Bytes(work) => (work, Who::Triad),
            Work::Images(_) => return None,
        };
        let limit = self.limit_work(self.contender(who)?)?;
        let pairs = self.times(Who::Ours)?.iter().zip(self.times(who)?);
        let parts = pairs.map(|(ours, peak)| (work / ours) / (limit / peak));
        Some(Estimate::of(parts))
    }

    /// A number that a contender says.
    pub(super) fn said(&self, who: Who, key: &str) -> Option<f64> {
        self.reports.get(&self.contender(who)?)?[key].as_f64()
    }

    /// Numbers that a contender says.
    pub(super) fn said_all(&self, who: Who, key: &str) -> Option<Vec<f64>> {
        let values = self.reports.get(&self.contender(who)?)?[key].as_array()?;
        values.iter().map(Value::as_f64).collect()
    }

    /// A word that a contender says.
    pub(super) fn said_text(&self, who: Who, key: &str) -> Option<&str> {
        self.reports.get(&self.contender(who)?)?[key].as_str()
    }

    pub(super) fn to_json(&self) -> Value {
        let contenders: Vec<Value> = self
            .case
            .contenders
            .iter()
            .map(|contender| {
                json!({
                    "who": contender.who.label(),
                    "threads": contender.threads,
                    "ms": self.rounds.get(contender),
                    "report": self.reports.get(contender),
                    "missing": self.missing.get(contender),
                })
            })
            .collect();
        let over_ours = |who| self.times_ours(who).map(Estimate::to_json);
        let fastest = self
            .fastest(&PEERS)
            .map(|(who, estimate)| (who.label(), estimate));
        json!({
            "suite": self.case.suite.name(),
            "case": self.case.name,
            "contenders": contenders,
            "of_limit": self.of_limit().map(Estimate::to_json),
            "flex_over_ours": over_ours(Who::Flex),
            "torch_over_ours": over_ours(Who::Torch),
            "tuned_over_ours": over_ours(Who::Tuned),
            "onnx_over_ours": over_ours(Who::Onnx),
            "torchvision_over_ours": over_ours(Who::Torchvision),
            "pillow_over_ours": over_ours(Who::Pillow),
            "albumentations_over_ours": over_ours(Who::Albumentations),
            "opencv_over_ours": over_ours(Who::OpenCv),
            "fastest_for_images": fastest.map(|(who, _)| who),
            "fastest_for_images_over_ours": fastest.map(|(_, estimate)| estimate.to_json()),
        })
    }
}
