//! Transfer learning against scikit-learn, SciPy, Pillow and published algorithms: `xtask/golden/transfer.py`.

#![allow(clippy::unwrap_used)]

use firebrick_transfer::duplicates::fingerprint;
use firebrick_transfer::group_lasso::GroupLasso;
use firebrick_transfer::knn::Knn;
use firebrick_transfer::logistic::{ClassWeights, Logistic, l2_of_c};
use firebrick_transfer::{Features, distance, leep, logme, nearest_mean, pca};
use firebrick_types::image::Image;
use firebrick_types::metrics::{highest, softmax};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    width: usize,
    train: Vec<f32>,
    labels: Vec<usize>,
    test: Vec<f32>,
    test_labels: Vec<usize>,
    wide_width: usize,
    wide: Vec<f32>,
    wide_labels: Vec<usize>,
    logistic: Vec<Regression>,
    knn: Vec<Vote>,
    nearest_mean: Vec<usize>,
    group_lasso: Vec<Sparse>,
    leep: Leep,
    logme: f64,
    logme_wide: f64,
    frechet: f64,
    pca: Components,
    hashes: Vec<Hashes>,
}

#[derive(Deserialize)]
struct Regression {
    data: String,
    l2: f64,
    standardize: bool,
    balanced: bool,
    objective: f64,
    probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct Vote {
    k: usize,
    temperature: f64,
    votes: Vec<f64>,
}

#[derive(Deserialize)]
struct Sparse {
    share: f64,
    strength: f64,
    objective: f64,
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Leep {
    probabilities: Vec<f32>,
    labels: Vec<usize>,
    leep: f64,
}

#[derive(Deserialize)]
struct Components {
    components: Vec<Vec<f64>>,
    variances: Vec<f64>,
    shares: Vec<f64>,
    first: Vec<f64>,
}

#[derive(Deserialize)]
struct Hashes {
    size: [usize; 2],
    channels: usize,
    pixels: Vec<u8>,
    dhash: String,
    phash: String,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("golden/transfer.json")).unwrap()
    }

    fn train(&self) -> Features {
        features(&self.train, self.width, &self.labels, 3)
    }

    fn test(&self) -> Features {
        features(&self.test, self.width, &self.test_labels, 3)
    }

    fn wide(&self) -> Features {
        features(&self.wide, self.wide_width, &self.wide_labels, 2)
    }
}

fn features(values: &[f32], width: usize, labels: &[usize], classes: usize) -> Features {
    let classes = (0..classes).map(|class| class.to_string()).collect();
    Features::new(values.to_vec(), width, labels.to_vec(), classes).unwrap()
}

fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let away = (found - expected).abs();
        assert!(
            away <= tolerance * expected.abs().max(1.0),
            "{what}, {at}: {found} instead of {expected}"
        );
    }
}

#[test]
fn logistic_regression() {
    let golden = Golden::read();
    for case in &golden.logistic {
        let what = format!(
            "{} l2 {} standardize {} balanced {}",
            case.data, case.l2, case.standardize, case.balanced
        );
        let (train, test) = match case.data.as_str() {
            "train" => (golden.train(), golden.test()),
            _ => {
                let wide = golden.wide();
                let back: Vec<usize> = (0..wide.rows()).rev().collect();
                (wide.clone(), wide.select(&back).unwrap())
            }
        };
        let logistic = Logistic {
            l2: case.l2,
            standardize: case.standardize,
            class_weights: if case.balanced {
                ClassWeights::Balanced
            } else {
                ClassWeights::Equal
            },
        };
        let fitted = logistic.fit(&train).unwrap();
        near(&what, &[fitted.objective], &[case.objective], 1e-8);
        let logits = fitted.model.logits(&test).unwrap();
        let rows = logits.chunks_exact(fitted.model.classes());
        let probabilities: Vec<f64> = rows.flat_map(softmax).collect();
        near(&what, &probabilities, &case.probabilities, 1e-6);
    }
    // What the generator gives scikit-learn for the first and the last case.
    assert!((l2_of_c(1.0 / (1e-1 * 70.0), 70, 3) - 1e-1).abs() < 1e-12);
    assert!((l2_of_c(2.0 / (1e-3 * 24.0), 24, 2) - 1e-3).abs() < 1e-12);
}

#[test]
fn nearest_neighbours_and_means() {
    let golden = Golden::read();
    for case in &golden.knn {
        let knn = Knn {
            k: case.k,
            temperature: case.temperature,
        };
        let votes = knn.predict(&golden.test(), &golden.train()).unwrap();
        near(&format!("knn {}", case.k), &votes, &case.votes, 1e-5);
    }
    let model = nearest_mean::fit(&golden.train()).unwrap();
    let logits = model.logits(&golden.test()).unwrap();
    let found: Vec<usize> = logits.chunks_exact(3).map(highest).collect();
    assert_eq!(found, golden.nearest_mean);
}

#[test]
fn group_lasso() {
    let golden = Golden::read();
    for case in &golden.group_lasso {
        let lasso = GroupLasso {
            share: case.share,
            tolerance: 1e-9,
            steps: 20_000,
        };
        let sparse = lasso.fit(&golden.train()).unwrap();
        near("strength", &[sparse.strength], &[case.strength], 1e-9);
        near("objective", &[sparse.objective], &[case.objective], 1e-9);
        near("scores", &sparse.scores, &case.scores, 1e-6);
        for (found, expected) in sparse.scores.iter().zip(&case.scores) {
            assert_eq!(*found == 0.0, *expected == 0.0);
        }
    }
}

#[test]
fn transferability() {
    let golden = Golden::read();
    let Leep {
        probabilities,
        labels,
        leep: expected,
    } = &golden.leep;
    let found = leep::leep(probabilities, 6, labels, 3).unwrap().leep;
    near("leep", &[found], &[*expected], 1e-7);
    let found = logme::logme(&golden.train()).unwrap();
    near("logme", &[found], &[golden.logme], 1e-8);
    let found = logme::logme(&golden.wide()).unwrap();
    near("logme, wide", &[found], &[golden.logme_wide], 1e-8);
    let found = distance::frechet(&golden.train(), &golden.test()).unwrap();
    near("frechet", &[found], &[golden.frechet], 1e-8);
}

#[test]
fn principal_components() {
    let golden = Golden::read();
    let found = pca::pca(&golden.train(), 4).unwrap();
    near("variances", &found.variances, &golden.pca.variances, 1e-9);
    near("shares", &found.shares, &golden.pca.shares, 1e-9);
    for (found, expected) in found.components.iter().zip(&golden.pca.components) {
        near("component", found, expected, 1e-6);
    }
    let first = &found.project(&golden.train()).unwrap()[0];
    near("first row", first, &golden.pca.first, 1e-5);
}

#[test]
fn hashes_of_images() {
    for case in Golden::read().hashes {
        let image = Image {
            width: case.size[0],
            height: case.size[1],
            channels: case.channels,
            pixels: case.pixels,
        };
        let found = fingerprint(&image);
        for (name, found, expected) in [
            ("dhash", found.dhash, &case.dhash),
            ("phash", found.phash, &case.phash),
        ] {
            let expected = u64::from_str_radix(expected, 2).unwrap();
            // Our resizing is one level beside Pillow's here and there, which may turn a bit where two numbers are about equal.
            let different = (found ^ expected).count_ones();
            assert!(different <= 1, "{name}: {found:064b} {expected:064b}");
        }
    }
}
