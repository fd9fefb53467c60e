//! Mixing against torchvision: `xtask/golden/mix.py`.

#![allow(clippy::unwrap_used)]

use firebrick_core::data::{Batch, Targets};
use firebrick_regularize::mix::{cutmix, mixup};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    shape: [usize; 4],
    classes: usize,
    labels: Vec<usize>,
    images: Vec<f32>,
    mixup: Vec<Case>,
    cutmix: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    lambda: f64,
    #[serde(default)]
    middle: [usize; 2],
    images: Vec<f32>,
    targets: Vec<f32>,
}

impl Golden {
    fn batch(&self) -> Batch {
        Batch {
            images: self.images.clone(),
            shape: self.shape,
            targets: Targets::Classes(self.labels.clone()),
            classes: self.classes,
            indices: vec![5, 6, 7],
        }
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/mix.json")).unwrap()
}

#[track_caller]
fn assert_is(mixed: Batch, case: &Case) {
    let close = |a: &[f32], b: &[f32]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    };
    assert!(close(&mixed.images, &case.images));
    let Targets::Soft { values, .. } = mixed.targets else {
        panic!("mixed targets are soft");
    };
    assert!(
        close(&values, &case.targets),
        "{values:?} {:?}",
        case.targets
    );
    assert_eq!(mixed.indices, [5, 6, 7]);
}

#[test]
fn mixup_is_torchvisions() {
    let golden = golden();
    for case in &golden.mixup {
        assert_is(mixup::apply(golden.batch(), case.lambda), case);
    }
}

#[test]
fn cutmix_is_torchvisions() {
    let golden = golden();
    for case in &golden.cutmix {
        let params = cutmix::CutmixParams {
            lambda: case.lambda,
            middle: case.middle,
        };
        assert_is(cutmix::apply(golden.batch(), &params), case);
    }
}
