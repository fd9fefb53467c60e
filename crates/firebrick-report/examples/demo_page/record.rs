//! Made-up runs: some that look like real ones, and one with extreme values.

use firebrick_types::confusion::Confusion;
use firebrick_types::run::Observation;
use firebrick_types::run::{
    Answers, ConfidenceBin, EpochRow, FirstBatch, Mistake, Picture, RunData, RunRecord, Scores,
    Setting,
};

/// Noise in `-1..1` that is the same every time.
fn noise(index: u64) -> f64 {
    let mixed = (index.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn scores(top1: f64, loss: f64, count: usize) -> Scores {
    Scores {
        loss,
        top1,
        top5: 1.0 - (1.0 - top1) / 6.0,
        nll: loss * 0.97,
        ece: 0.012 + (1.0 - top1) * 0.1,
        brier: (1.0 - top1) * 1.6,
        count,
    }
}

/// A run with no epochs: interrupted at once.
pub(crate) fn empty(name: &str) -> RunRecord {
    RunRecord {
        name: name.into(),
        recipe: "dataset = \"mnist\"\n".into(),
        reproduce: "firebrick train --recipe recipe.toml".into(),
        device: "flex".into(),
        model: "lenet5".into(),
        parameters: 61_706,
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        epochs: vec![],
        steps: vec![],
        best: None,
        monitor: "valid_top1".into(),
        train_sample: None,
        test: None,
        confusion: Confusion::default(),
        mistakes: vec![],
        activations: vec![],
        lineage: None,
        setting: Setting::default(),
        data: RunData::default(),
        answers: None,
        calibration: vec![],
        first_batch: None,
        files: std::collections::BTreeMap::new(),
        warnings: vec![],
        sections: std::collections::BTreeMap::new(),
    }
}

/// A run of `epochs` epochs on `classes` classes.
pub(crate) fn run(name: &str, classes: usize, epochs: u64) -> RunRecord {
    let names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ];
    let per_epoch = 430;
    let top = if classes > 20 { 0.68 } else { 0.9921 };
    let rows = (1..=epochs).map(|epoch| {
        let progress = 1.0 - (-(epoch as f64) / (epochs as f64 / 5.0)).exp();
        let valid_top1 = (top + 0.004) * (0.93 + 0.07 * progress) + 0.0015 * noise(epoch);
        let valid_loss = 0.026 + 0.18 * (1.0 - progress) + 0.004 * noise(epoch + 7);
        EpochRow {
            epoch,
            step: epoch * per_epoch,
            lr: rate(0.001, epoch * per_epoch, epochs * per_epoch),
            train_loss: 0.008 + 0.32 * (1.0 - progress) + 0.002 * noise(epoch + 99),
            train_top1: (top + 0.006) * (0.90 + 0.10 * progress),
            penalties: Vec::new(),
            valid: Some(scores(valid_top1.min(1.0), valid_loss, 5000)),
            seconds: 11.2 + 0.6 * noise(epoch + 3),
            images_per_second: 4910.0 + 190.0 * noise(epoch + 5),
        }
    });
    let rows: Vec<EpochRow> = rows.collect();
    let best = rows
        .iter()
        .filter_map(|row| Some((row.epoch, row.valid.as_ref()?.top1)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let total = epochs * per_epoch;
    let stride = total.div_ceil(2000).max(1);
    let steps = (0..total).step_by(stride as usize).map(|step| {
        let decay = (-(step as f64) / (total as f64 / 8.0)).exp();
        let loss = (0.02 + 2.28 * decay) * (1.0 + 0.45 * noise(step));
        (step, rate(0.001, step, total), loss)
    });
    let fallback = |class: usize| format!("class_{class:03}_{}", names[class % 10]);
    let class_names = (0..classes).map(|class| match names.get(class) {
        Some(name) if classes <= 10 => (*name).to_string(),
        _ => fallback(class),
    });
    let mut run = RunRecord {
        recipe: RECIPE.replace("EPOCHS", &epochs.to_string()),
        reproduce: "firebrick train --recipe recipe.toml --dataset cifar10 --model 'lenet5(activation=relu)' \
                    --optimizer 'adam(lr=1e-3)' --schedule 'warmup(steps=1ep, then=cosine)' --seed 1 --out again"
            .into(),
        model: "lenet5(activation=relu)".into(),
        classes: class_names.collect(),
        epochs: rows,
        steps: steps.collect(),
        best,
        test: Some(scores(top, 0.0281, 10_000)),
        confusion: confusion(classes, top),
        mistakes: (0..12).map(|index| mistake(index, classes)).collect(),
        activations: activations(),
        setting: Setting {
            started: Some("2026-03-01T09:12:44Z".into()),
            ended: Some("2026-03-01T09:31:02Z".into()),
            sessions: 2,
            version: "0.1.0".into(),
            processor: Some("Some Processor 3000".into()),
            threads: 8,
            instruction_set: "AVX2".into(),
            adapter: None,
        },
        data: RunData {
            name: "cifar10".into(),
            input: [3, 32, 32],
            train: 45_000,
            valid: Some(5000),
            test: Some(10_000),
        },
        answers: Some(answers(10_000, top, 0)),
        calibration: calibration(top),
        first_batch: Some(first_batch(classes)),
        ..empty(name)
    };
    crate::insight::add(&mut run, "photos/train/one/00017.jpg");
    run
}

/// Right answers on a share of the images, the last ones wrong and some at random in another way.
fn answers(images: usize, share: f64, seed: u64) -> Answers {
    let right = |image: usize| {
        let odd = noise(image as u64 + 7919 * seed).abs() < 0.002;
        (image as f64) < share * images as f64 && !odd
    };
    Answers::new(
        "test-images".into(),
        &(0..images).map(right).collect::<Vec<_>>(),
    )
}

/// More sure than right where it is sure.
fn calibration(top: f64) -> Vec<ConfidenceBin> {
    let bin = |index: usize| {
        let confidence = (index as f64 + 0.5) / 15.0;
        let count = if index < 2 { 0 } else { 20 + 5 * index * index };
        let count = if index == 14 { 8000 } else { count };
        let accuracy = if index == 14 { top } else { confidence * 0.9 };
        match count {
            0 => ConfidenceBin::default(),
            _ => ConfidenceBin {
                count,
                confidence,
                accuracy,
            },
        }
    };
    (0..15).map(bin).collect()
}

fn first_batch(classes: usize) -> FirstBatch {
    let [columns, rows, side] = [8, 4, 34];
    let images: Vec<Mistake> = (0..columns * rows)
        .map(|at| mistake(4 * at + 1, classes))
        .collect();
    let [wide, high] = [columns * side - 2, rows * side - 2];
    let value = |at: usize| {
        let (x, y, c) = (at / 3 % wide, at / 3 / wide, at % 3);
        let image = &images[y / side * columns + x / side];
        let (x, y) = (x % side, y % side);
        let inside = x < 32 && y < 32;
        if inside {
            image.pixels[(y * 32 + x) * 3 + c]
        } else {
            255
        }
    };
    FirstBatch {
        picture: Picture {
            size: [wide, high, 3],
            pixels: (0..wide * high * 3).map(value).collect(),
        },
        columns,
        labels: images.iter().map(|image| image.truth).collect(),
        batch_size: 128,
    }
}

/// A run of a sweep over learning rates, with the recipe to match.
pub(crate) fn with_rate(name: &str, lr: f64) -> RunRecord {
    let mut run = run(name, 10, 12);
    run.recipe = run.recipe.replace("lr=1e-3", &format!("lr={lr}"));
    run.reproduce = run.reproduce.replace("lr=1e-3", &format!("lr={lr}"));
    let shift = (lr - 0.1f64).abs() * 0.02;
    for row in &mut run.epochs {
        if let Some(valid) = &mut row.valid {
            valid.top1 -= shift + 0.001 * noise(row.epoch + (lr * 1000.0) as u64);
            valid.loss += shift * 2.0;
        }
        row.train_loss += shift;
    }
    for step in &mut run.steps {
        step.1 = lr * 0.1f64.powi((step.0 / 1800) as i32);
    }
    if let Some(test) = &mut run.test {
        test.top1 -= shift;
        test.nll += shift;
        run.answers = Some(answers(10_000, test.top1, (lr * 1000.0) as u64));
    }
    run
}

/// Names full of markup, values that are not finite, shapes that do not fit, no two lists of the same length.
pub(crate) fn hostile() -> RunRecord {
    let evil =
        "</title></style><script>alert('&\"x\"')</script>\u{0}\u{1b}[31m https://example.org/x.js "
            .to_string();
    let mut run = run("x", 3, 6);
    run.name.clone_from(&evil);
    run.recipe = format!("a = \"{evil}");
    run.reproduce.clone_from(&evil);
    run.device.clone_from(&evil);
    run.model.clone_from(&evil);
    run.monitor.clone_from(&evil);
    run.lineage = Some(evil.clone());
    run.classes = vec![evil.repeat(5), "日本語の とても長い クラス名 です".into()];
    run.epochs[1].train_loss = f64::NAN;
    run.epochs[2].train_loss = f64::INFINITY;
    run.epochs[3].valid = None;
    run.epochs[4].valid = Some(scores(f64::NAN, 1e300, 0));
    run.epochs[4].images_per_second = f64::NEG_INFINITY;
    run.epochs[5].seconds = f64::NAN;
    run.epochs[5].lr = f64::MAX;
    run.steps[7] = (u64::MAX, f64::NAN, f64::NAN);
    run.steps[8].2 = -f64::MAX;
    run.best = Some((77, f64::NAN));
    run.test = Some(scores(f64::NAN, f64::INFINITY, usize::MAX));
    run.confusion = vec![vec![u64::MAX, u64::MAX], vec![], vec![0, 1, 2, 3]].into();
    run.parameters = usize::MAX;
    for mistake in &mut run.mistakes {
        mistake.name.clone_from(&evil);
        mistake.truth += 1000;
        mistake.truth_probability = f64::NAN;
    }
    run.mistakes[0].size = [usize::MAX, 2, 3];
    run.mistakes[1].said.clear();
    for layer in &mut run.activations {
        layer.path.clone_from(&evil);
        layer.kind.clone_from(&evil);
    }
    run.warnings = vec![evil.clone()];
    run.setting.started = Some(evil.clone());
    run.setting.ended = None;
    run.setting.version.clone_from(&evil);
    run.setting.processor = Some(evil.clone());
    run.setting.instruction_set.clone_from(&evil);
    run.setting.adapter = Some(evil.clone());
    run.data.name.clone_from(&evil);
    run.data.input = [usize::MAX, 0, 1];
    run.data.train = usize::MAX;
    run.answers = Some(Answers::new(evil.clone(), &[]));
    run.calibration[3].confidence = f64::NAN;
    run.calibration[4].accuracy = f64::INFINITY;
    run.calibration[5].count = usize::MAX;
    if let Some(first) = &mut run.first_batch {
        first.columns = 0;
        first.labels = vec![usize::MAX; 3];
    }
    run.activations[0].std = f64::NAN;
    run.activations[1].mean = f64::INFINITY;
    run.activations[2].shape.clear();
    crate::insight::add(&mut run, &evil);
    let (maps, map) = (&mut run.sections, "feature_map");
    maps[map]["pca"][0] = serde_json::json!(["NaN", "inf"]);
    maps[map]["labels"][1] = u64::MAX.into();
    maps["data_check"]["splits"][1]["per_class"] = serde_json::json!([u64::MAX]);
    run
}

/// Linear warm-up over the first tenth, then a cosine to zero.
fn rate(peak: f64, step: u64, total: u64) -> f64 {
    let warmup = total as f64 / 10.0;
    let step = step as f64;
    if step < warmup {
        return peak * (step + 1.0) / warmup;
    }
    let progress = (step - warmup) / (total as f64 - warmup);
    peak * 0.5 * (1.0 + (progress * std::f64::consts::PI).cos())
}

/// Mistakes mostly within groups of five classes, more of them for some classes than for others.
fn confusion(classes: usize, top: f64) -> Confusion {
    let images = 10_000 / classes as u64;
    let row = |truth: usize| {
        let mut row = vec![0; classes];
        let wrong = images as f64 * (1.0 - top) * (1.0 + 0.6 * noise(truth as u64));
        for index in 0..wrong as u64 {
            let draw = noise(truth as u64 * 100_003 + index);
            let far = (draw.abs() * 1e6) as usize;
            let said = if draw > -0.6 {
                truth / 5 * 5 + far % 5
            } else {
                far % classes
            };
            row[said.min(classes - 1)] += 1;
        }
        row[truth] = 0;
        row[truth] = images - row.iter().sum::<u64>();
        row
    };
    (0..classes).map(row).collect::<Vec<_>>().into()
}

/// A picture of a bright ring on a dark ground.
fn mistake(index: usize, classes: usize) -> Mistake {
    let side = 32usize;
    let channels = if index.is_multiple_of(4) { 1 } else { 3 };
    let (centre, radius) = (side as f64 / 2.0, 6.0 + index as f64 * 0.5);
    let pixel = |at: usize| {
        let (x, y, c) = (at / channels % side, at / channels / side, at % channels);
        let distance = (x as f64 - centre).hypot((y as f64 - centre) * (1.0 + index as f64 * 0.04));
        let bright = (1.0 - (distance - radius).abs() / 3.0).max(0.0);
        let tint = 1.0 - 0.3 * ((c + index) % 3) as f64;
        (30.0 + 220.0 * bright * tint + 15.0 * noise((at + index * 7919) as u64)).clamp(0.0, 255.0)
            as u8
    };
    Mistake {
        name: format!("test/{:05}.png", 137 * (index + 1)),
        truth: index % classes,
        said: vec![
            ((index + 3) % classes, 0.998 - 0.02 * index as f64),
            ((index + 5) % classes, 0.001 + 0.01 * index as f64),
        ],
        truth_probability: 0.0004 * (index + 1) as f64,
        size: [side, side, channels],
        pixels: (0..side * side * channels).map(pixel).collect(),
    }
}

fn activations() -> Vec<Observation> {
    let layer =
        |path: &str, kind: &str, shape: &[usize], mean: f64, std: f64, zeros: f64| Observation {
            path: path.into(),
            kind: kind.into(),
            shape: shape.to_vec(),
            parameters: 156,
            multiply_adds: 117_600,
            mean,
            std,
            zeros,
        };
    vec![
        layer("conv1", "Conv2d", &[64, 6, 28, 28], 0.021, 0.613, 0.0),
        layer("conv1", "relu", &[64, 6, 28, 28], 0.254, 0.371, 0.48),
        layer("conv1", "max_pool2d", &[64, 6, 14, 14], 0.402, 0.433, 0.31),
        layer("conv2", "Conv2d", &[64, 16, 10, 10], -0.013, 0.231, 0.0),
        layer("conv2", "relu", &[64, 16, 10, 10], 0.083, 0.142, 0.97),
        layer("fc1", "Linear", &[64, 120], 0.003, 0.0071, 0.0),
        layer("fc2", "Linear", &[64, 84], 0.9, 31.0, 0.0),
        layer("fc3", "Linear", &[64, 10], -0.002, 0.061, 0.0),
    ]
}

const RECIPE: &str = r#"seed = 1
device = "flex"
epochs = EPOCHS
batch_size = 128
optimizer = "adam(lr=1e-3)"
schedule = "warmup(steps=1ep, then=cosine)"
augment = "pad_crop(4) | hflip"
loss = "cross_entropy(smoothing=0.1)"

[model]
name = "lenet5"
activation = "relu"

[data]
name = "cifar10"
valid = 5000
normalize = "mean=0.4914, 0.4822, 0.4465; std=0.2470, 0.2435, 0.2616"
"#;
