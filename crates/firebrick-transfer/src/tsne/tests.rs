use serde::Deserialize;

use super::*;

/// Written by `xtask/golden/transfer.py`.
#[derive(Deserialize)]
struct Golden {
    features: Vec<f32>,
    width: usize,
    perplexity: f64,
    joint: Vec<f64>,
    points: Vec<[f64; 2]>,
    divergence: f64,
    gradient: Vec<[f64; 2]>,
}

fn golden() -> (Golden, Features) {
    let golden: Golden =
        serde_json::from_str(include_str!("../../tests/golden/tsne.json")).unwrap();
    let rows = golden.points.len();
    let features = Features::new(
        golden.features.clone(),
        golden.width,
        vec![0; rows],
        vec!["a".into()],
    );
    (golden, features.unwrap())
}

#[test]
fn neighbourhoods_and_gradient_are_those_of_scikit_learn() {
    let (golden, features) = golden();
    let joint = joint_probabilities(&features, golden.perplexity);
    let rows = features.rows();
    for (at, (found, expected)) in joint.iter().zip(&golden.joint).enumerate() {
        if at % rows != at / rows {
            // Its search for the width ends at 1e-5 of the entropy, and the values have 12 decimals.
            assert!(
                (found - expected).abs() < 1e-4 * expected + 1e-11,
                "{at}: {found} {expected}"
            );
        }
    }
    assert!((joint.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let (divergence, gradient) = at(&golden.points, &golden.joint_without_diagonal(), 1.0);
    assert!(
        (divergence - golden.divergence).abs() < 1e-6,
        "{divergence} {}",
        golden.divergence
    );
    for (found, expected) in gradient.iter().zip(&golden.gradient) {
        for axis in 0..2 {
            assert!((found[axis] - expected[axis]).abs() < 1e-6);
        }
    }
}

impl Golden {
    fn joint_without_diagonal(&self) -> Vec<f64> {
        let rows = self.points.len();
        let pairs = self.joint.iter().enumerate();
        pairs
            .map(|(at, p)| if at % rows == at / rows { 0.0 } else { *p })
            .collect()
    }
}

/// Three groups in 8 dimensions.
fn groups() -> Features {
    let mut values = Vec::new();
    for row in 0..75_usize {
        for column in 0..8_usize {
            let noise =
                ((row * 67 + column * 29 + row * row * (column + 1)) % 53) as f32 / 26.0 - 1.0;
            values.push(noise + if column % 3 == row % 3 { 4.0 } else { 0.0 });
        }
    }
    let labels = (0..75).map(|row| row % 3).collect();
    let classes = ["a", "b", "c"].map(ToString::to_string).to_vec();
    Features::new(values, 8, labels, classes).unwrap()
}

#[test]
fn groups_lie_apart_and_the_divergence_falls() {
    let features = groups();
    let tsne = Tsne {
        perplexity: 15.0,
        iterations: 500,
    };
    let map = tsne.fit(&features).unwrap();
    assert!(map.divergence < 0.5 * map.divergence_at_start, "{map:?}");
    assert_eq!(map, tsne.fit(&features).unwrap());
    // The nearest ten of each point are of its group.
    for (row, point) in map.points.iter().enumerate() {
        let mut others: Vec<(f64, usize)> = map
            .points
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != row)
            .map(|(other, at)| ((at[0] - point[0]).hypot(at[1] - point[1]), other))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(
            others[..10].iter().all(|(_, other)| other % 3 == row % 3),
            "{row}"
        );
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let features = groups();
    for (tsne, message) in [
        (
            Tsne {
                perplexity: 75.0,
                ..Tsne::default()
            },
            "perplexity = 75",
        ),
        (
            Tsne {
                iterations: 0,
                ..Tsne::default()
            },
            "iterations = 0",
        ),
    ] {
        let error = tsne.fit(&features).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let three = features.select(&[0, 1, 2]).unwrap();
    let error = Tsne::default().fit(&three).unwrap_err().to_string();
    assert!(error.contains("there are 3"), "{error}");
}

#[test]
fn equal_images_do_not_matter() {
    let features = Features::new(vec![1.0; 20], 2, vec![0; 10], vec!["a".into()]).unwrap();
    let tsne = Tsne {
        perplexity: 3.0,
        iterations: 20,
    };
    let map = tsne.fit(&features).unwrap();
    assert!(map.points.iter().flatten().all(|x| x.is_finite()));
}
