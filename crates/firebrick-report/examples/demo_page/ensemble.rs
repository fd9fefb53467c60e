//! Made-up ensembles: one that looks like a real one, and one with extreme values.

use firebrick_types::run::ensemble::{
    DifferingImage, EnsembleFigures, EnsembleRecord, EnsembleReport, Entropy, Growth, LinePoint,
    MemberCost, MemberFigures, MemberLine,
};
use firebrick_types::run::{ConfidenceBin, Picture};

/// An ensemble of so many members on 10 000 images. Its best member is the fourth of five.
pub(crate) fn ensemble(name: &str, members: usize) -> EnsembleRecord {
    let top1 = |place: usize| 0.900 + 0.002 * ((place * 7 + 3) % 5) as f64;
    let best = (0..members).max_by(|a, b| top1(*a).total_cmp(&top1(*b)).then(b.cmp(a)));
    let figures = (0..members).map(|place| MemberFigures {
        name: format!("member-{}", place + 1),
        top1: top1(place),
        nll: 0.41 - 0.1 * (top1(place) - 0.9),
        brier: 0.151,
        ece: 0.042,
    });
    let size = |members: usize, train: f64| Growth {
        members,
        top1_mean: 0.904 + train + 0.022 * (1.0 - 1.0 / members as f64),
        top1_sd: 0.003 / members as f64,
        nll_mean: 0.41 - 5.0 * train - 0.14 * (1.0 - 1.0 / members as f64),
    };
    let pairs = |value: fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        let row = |a| (0..members).map(|b| value(a, b)).collect();
        (0..members).map(row).collect()
    };
    let apart = |a: usize, b: usize| {
        if a == b {
            0.0
        } else {
            0.08 + 0.01 * ((a + b) % 4) as f64
        }
    };
    let correlated = pairs(|a, b| {
        if a == b {
            1.0
        } else {
            0.55 - 0.05 * ((a + b) % 3) as f64
        }
    });
    let bins = |stretch: f64| -> Vec<ConfidenceBin> {
        let bin = |index: usize| ConfidenceBin {
            count: 20 + 8 * index * index,
            confidence: (index as f64 + 0.5) / 15.0,
            accuracy: ((index as f64 + 0.5) / 15.0 * stretch).min(1.0),
        };
        (0..15).map(bin).collect()
    };
    let ensemble = EnsembleFigures {
        top1: size(members.max(1), 0.0).top1_mean,
        top5: 0.997,
        nll: size(members.max(1), 0.0).nll_mean,
        brier: 0.118,
        ece: 0.031,
        ece_adaptive: 0.029,
        aurc: 0.0123,
        temperature: Some(0.82),
        nll_at_temperature: Some(0.262),
        ece_at_temperature: Some(0.008),
    };
    EnsembleRecord {
        name: name.into(),
        dataset: "cifar10".into(),
        split: "test".into(),
        images: 10_000,
        classes: ["airplane", "automobile", "bird", "cat"]
            .map(String::from)
            .into(),
        combine: "mean".into(),
        report: EnsembleReport {
            members: figures.collect(),
            ensemble,
            growth: (1..=members).map(|count| size(count, 0.0)).collect(),
            disagreement: pairs(apart),
            entropy: Entropy {
                total: 0.41,
                expected: 0.33,
                mutual_information: 0.08,
            },
            calibrated: None,
        },
        costs: (0..members)
            .map(|place| MemberCost {
                file: format!("member-{}/model.safetensors", place + 1),
                bytes: 1_100_000 + place as u64,
                seconds: 12.5,
                alone: [
                    ((0.9216 - top1(place)) * 10_000.0).round() as usize + 210,
                    210,
                ],
            })
            .collect(),
        train_growth: (1..=members)
            .map(|count| size(count, 0.05 - 0.002 * count as f64))
            .collect(),
        error_correlation: correlated
            .into_iter()
            .map(|row| row.into_iter().map(Some).collect())
            .collect(),
        calibration: bins(1.15),
        calibration_at_temperature: bins(1.0),
        risk_coverage: (1..=200)
            .map(|point| f64::from(point) / 200.0)
            .map(|coverage| (coverage, 0.078 * coverage.powi(3)))
            .collect(),
        best,
        differing: 700,
        differing_images: (0..6).map(differing).collect(),
        line: (members > 1).then(|| MemberLine {
            members: ["member-1", "member-2"].map(String::from),
            points: (0..=10)
                .map(|point| f64::from(point) / 10.0)
                .map(|t| LinePoint {
                    t,
                    train_loss: 0.02 + 4.0 * t * (1.0 - t),
                    valid_loss: 0.41 + 3.0 * t * (1.0 - t),
                    valid_top1: 0.90 - 2.0 * t * (1.0 - t),
                })
                .collect(),
        }),
        notes: vec![],
    }
}

fn differing(index: usize) -> DifferingImage {
    DifferingImage {
        name: format!("test/{:05}.png", 311 * (index + 1)),
        truth: index % 4,
        ensemble: (index % 4, 0.61),
        member: ((index + 1) % 4, 0.93 - 0.02 * index as f64),
        picture: Picture {
            size: [8, 8, 1],
            pixels: (0..64).map(|at| (at * 3 + index * 20) as u8).collect(),
        },
    }
}

/// Names full of markup, values that are not finite, lists that do not go together.
pub(crate) fn hostile_ensemble() -> EnsembleRecord {
    let evil = "</title></style><script>alert('&\"x\"')</script>\u{0} https://example.org/x.js ";
    let evil = evil.to_string();
    let mut record = ensemble("x", 5);
    record.name.clone_from(&evil);
    record.dataset.clone_from(&evil);
    record.split.clone_from(&evil);
    record.combine.clone_from(&evil);
    record.classes = vec![evil.clone()];
    record.notes = vec![evil.clone()];
    for member in &mut record.report.members {
        member.name.clone_from(&evil);
    }
    record.report.members[0].top1 = f64::NAN;
    record.report.members[1].nll = f64::INFINITY;
    record.report.ensemble.top1 = f64::NAN;
    record.report.ensemble.nll = f64::INFINITY;
    record.report.ensemble.temperature = Some(f64::NAN);
    record.report.ensemble.ece_at_temperature = None;
    record.report.entropy.total = f64::NAN;
    record.report.growth[1].top1_mean = f64::NAN;
    record.report.growth[2].top1_sd = f64::INFINITY;
    record.report.growth[3].nll_mean = f64::NEG_INFINITY;
    record.report.disagreement = vec![vec![0.0, f64::NAN, f64::INFINITY], vec![], vec![-3.0]];
    record.error_correlation = vec![vec![None, Some(f64::NAN)], vec![Some(-7.0)]];
    record.costs.truncate(3);
    record.costs[0].file.clone_from(&evil);
    record.costs[1].bytes = u64::MAX;
    record.costs[2].seconds = f64::NAN;
    record.costs[1].alone = [usize::MAX, usize::MAX];
    record.train_growth.truncate(1);
    record.calibration[3].confidence = f64::NAN;
    record.calibration[4].count = usize::MAX;
    record.risk_coverage[5] = (f64::NAN, f64::INFINITY);
    record.best = Some(1);
    record.differing = 1;
    for image in &mut record.differing_images {
        image.name.clone_from(&evil);
        image.truth = usize::MAX;
        image.member.1 = f64::NAN;
    }
    record.differing_images[0].picture.size = [usize::MAX, 2, 3];
    if let Some(line) = &mut record.line {
        line.members[0].clone_from(&evil);
        line.points[4].train_loss = f64::NAN;
        line.points[5].t = f64::INFINITY;
    }
    record
}
