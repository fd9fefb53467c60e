//! The performance targets of kernels and augmentations, and whether they are met.

use serde_json::{Value, json};

use super::cases::{SCALING, Suite};
use super::record::Record;
use super::statistics::Estimate;
use super::table::{markdown, ratio};
use super::who::PEERS;
use super::who::Who;
use super::work::Work;

/// A bar holds when the lower end of the interval is at least this part of it.
const LEEWAY: f64 = 0.97;

/// One bar.
#[derive(Debug, Clone)]
pub(super) struct Check {
    text: String,
    bar: f64,
    reached: Option<Estimate>,
}

impl Check {
    fn holds(&self) -> bool {
        self.reached
            .is_some_and(|reached| reached.low >= LEEWAY * self.bar)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "target": self.text,
            "bar": self.bar,
            "reached": self.reached.map(Estimate::to_json),
            "holds": self.holds(),
        })
    }
}

/// The bars of the cases that were measured.
pub(super) fn checks(records: &[Record]) -> Vec<Check> {
    records.iter().flat_map(of_case).collect()
}

fn of_case(record: &Record) -> Vec<Check> {
    let name = &record.case.name;
    let check = |text: String, bar: f64, reached: Option<Estimate>| Check { text, bar, reached };
    let against = |who: Who, bar: f64| {
        let text = format!("{name}: {} / ours", who.label());
        check(text, bar, record.times_ours(who))
    };
    if name == SCALING {
        return vec![check(
            format!("{name}: of the smaller of fma's and triad's"),
            0.9,
            scaling(record),
        )];
    }
    match record.case.suite {
        Suite::Conv if counts(&record.case.told) => {
            let text = format!("{name}: of the fma peak");
            vec![check(text, 0.6, record.of_limit())]
        }
        Suite::Conv
            if name.contains(" depthwise ") && record.case.told["pass"] != "forward_backward" =>
        {
            let limit = match record.case.work {
                Work::Bytes(_) => "triad",
                _ => "the fma peak",
            };
            let text = format!("{name}: of {limit}");
            vec![
                check(text, 0.8, record.of_limit()),
                against(Who::Tuned, 1.0),
            ]
        }
        Suite::Norm if name.starts_with("batch_norm_relu") && !name.contains("both") => {
            let text = format!("{name}: of triad");
            vec![check(text, 0.8, record.of_limit())]
        }
        Suite::Optim if !name.starts_with("clip") => {
            let text = format!("{name}: of triad");
            let mut checks = vec![check(text, 0.8, record.of_limit())];
            if name.starts_with("adam") {
                checks.push(against(Who::Tuned, 1.0));
            }
            checks
        }
        Suite::Step => {
            let mut checks = vec![against(Who::Torch, 1.3), against(Who::Tuned, 1.0)];
            if name.starts_with("ResNet-20") {
                checks.push(against(Who::Flex, 5.0));
            }
            if record
                .case
                .contenders
                .iter()
                .any(|one| one.who == Who::Before)
            {
                checks.push(against(Who::Before, 0.98));
            }
            let text = format!("{name}: peak memory, PyTorch's lower / ours");
            checks.push(check(text, 1.0, memory(record)));
            checks
        }
        Suite::Infer => vec![against(Who::Tuned, 1.0)],
        Suite::Zoo => {
            let mut checks = vec![against(Who::Tuned, 1.0)];
            if record.case.told["suite"] == "step" {
                let text = format!("{name}: peak memory, PyTorch's lower / ours");
                checks.push(check(text, 1.0, memory(record)));
            }
            checks
        }
        Suite::Augment => augmentation(record),
        Suite::Transfer => vec![against(Who::Tuned, 1.5)],
        Suite::Conv | Suite::Norm | Suite::Optim => Vec::new(),
    }
}

/// Four times torchvision and twice the fastest for a photo, eight times torchvision for a CIFAR image, and images a second;
/// no single operation slower than the fastest.
fn augmentation(record: &Record) -> Vec<Check> {
    let (name, told) = (&record.case.name, &record.case.told);
    let fastest = |bar: f64| {
        let fastest = record.fastest(&PEERS);
        let who = fastest.map_or("nobody", |(who, _)| who.label());
        Check {
            text: format!("{name}: the fastest ({who}) / ours"),
            bar,
            reached: fastest.map(|(_, estimate)| estimate),
        }
    };
    let torchvision = |bar: f64| Check {
        text: format!("{name}: torchvision / ours"),
        bar,
        reached: record.times_ours(Who::Torchvision),
    };
    let images = |bar: f64| Check {
        text: format!("{name}: images/s on one core"),
        bar,
        reached: record.images(),
    };
    match told["operation"].as_str() {
        Some("photo") if !told["pack"].is_null() => vec![images(1500.0)],
        Some("photo") if told["jpegs"].is_null() => vec![torchvision(4.0), fastest(2.0)],
        Some("photo") => vec![images(700.0)],
        Some("cifar") => vec![torchvision(8.0), images(8000.0)],
        _ => vec![fastest(1.0)],
    }
}

/// Whether a convolution is one of those with a bar: 3×3, 32 channels or more, a single pass.
fn counts(told: &Value) -> bool {
    let at_least = |key: &str, least: u64| told[key].as_u64().is_some_and(|value| value >= least);
    told["kernel"] == 3
        && told["groups"] == 1
        && at_least("inputs", 32)
        && at_least("outputs", 32)
        && told["pass"] != "forward_backward"
}

fn memory(record: &Record) -> Option<Estimate> {
    let peak = |who| record.said(who, "peak_mib");
    let theirs = [Who::Torch, Who::Tuned].into_iter().filter_map(peak);
    let least = theirs.reduce(f64::min)?;
    Some(Estimate::exact(least / peak(Who::Ours)?))
}

fn scaling(record: &Record) -> Option<Estimate> {
    let limit = [Who::Fma, Who::Triad].map(|who| record.scaling(who));
    let limit = limit[0]?.median.min(limit[1]?.median);
    let Estimate { median, low, high } = record.scaling(Who::Ours)?;
    Some(Estimate {
        median: median / limit,
        low: low / limit,
        high: high / limit,
    })
}

/// The bars as a table.
pub(super) fn table(checks: &[Check]) -> String {
    let header = ["target", "bar", "reached", "holds"].map(String::from);
    let mut rows = vec![header.to_vec()];
    rows.extend(checks.iter().map(|check| {
        let holds = match (check.reached, check.holds()) {
            (None, _) => "not measured",
            (_, true) => "yes",
            (_, false) => "NO",
        };
        vec![
            check.text.clone(),
            format!("{:.2}", check.bar),
            ratio(check.reached),
            holds.into(),
        ]
    }));
    markdown(&rows)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::cases::cases;

    #[test]
    fn augmentation_is_held_against_the_fastest_of_each_round() {
        let case = |name: &str| {
            let mut cases = cases(Suite::Augment, 2, Path::new("")).into_iter();
            cases.find(|case| case.name.starts_with(name)).unwrap()
        };
        let record = |name: &str, times: &[(Who, [f64; 3])]| {
            let mut record = Record::new(case(name));
            for contender in record.case.contenders.clone() {
                let of = times.iter().find(|(who, _)| *who == contender.who);
                for time in of.into_iter().flat_map(|(_, times)| times) {
                    record.add(contender, *time);
                }
            }
            record
        };
        let times = [
            (Who::Ours, [1.0, 1.0, 2.0]),
            (Who::Torchvision, [4.0, 5.0, 8.0]),
            (Who::OpenCv, [2.0, 4.0, 4.0]),
            (Who::Pillow, [3.0, 1.0, 6.0]),
        ];
        let checks = of_case(&record("hflip", &times));
        assert_eq!(checks.len(), 1);
        assert!(checks[0].text.contains("Pillow"), "{}", checks[0].text);
        let reached = checks[0].reached.unwrap();
        assert_eq!((reached.median, reached.low), (2.0, 1.0));
        let held = |name: &str, times: &[(Who, [f64; 3])]| -> Vec<(f64, bool)> {
            let checks = of_case(&record(name, times));
            let held = checks.iter().map(|check| (check.bar, check.holds()));
            held.collect()
        };
        assert_eq!(held("photo @256 →", &times), [(4.0, true), (2.0, false)]);
        assert_eq!(held("photo @256 from JPEG", &times), [(700.0, true)]);
        assert_eq!(held("photo @256 from a pack", &times), [(1500.0, true)]);
        // 128 images in 1 ms or 2 ms.
        assert_eq!(held("CIFAR", &times), [(8.0, false), (8000.0, true)]);
        assert_eq!(held("CIFAR", &[]), [(8.0, false), (8000.0, false)]);
    }

    #[test]
    fn a_bar_holds_by_the_lower_end() {
        let check = |low| Check {
            text: String::new(),
            bar: 1.0,
            reached: Some(Estimate {
                median: 1.2,
                low,
                high: 1.3,
            }),
        };
        assert!(check(0.97).holds() && !check(0.96).holds());
        assert!(
            !Check {
                reached: None,
                ..check(2.0)
            }
            .holds()
        );
    }
}
