use super::*;

/// Three classes around three points, with some noise by a formula.
pub(super) fn clusters(rows: usize, width: usize, spread: f32) -> Features {
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for row in 0..rows {
        let class = row % 3;
        labels.push(class);
        for column in 0..width {
            let noise = ((row * 131 + column * 71 + row * column * 13) % 97) as f32 / 48.0 - 1.0;
            let centre = if column % 3 == class { 1.0 } else { 0.0 };
            values.push(5.0 + centre + spread * noise);
        }
    }
    let classes = ["a", "b", "c"].map(ToString::to_string).to_vec();
    Features::new(values, width, labels, classes).unwrap()
}

/// The gradient of the objective by plain loops.
fn gradient(features: &Features, fitted: &Fitted, l2: f64, class_weights: &[f64]) -> f64 {
    let (width, model) = (features.width(), &fitted.model);
    let mut by_weight: Vec<f64> = model.weight.iter().map(|w| l2 * w).collect();
    let mut by_bias = vec![0.0; model.classes()];
    let weights = features.labels().iter().map(|label| class_weights[*label]);
    let total: f64 = weights.sum();
    for (row, label) in features.values().chunks_exact(width).zip(features.labels()) {
        let p = firebrick_types::metrics::softmax(&model.of(row));
        for class in 0..model.classes() {
            let truth = if class == *label { 1.0 } else { 0.0 };
            let error = class_weights[*label] * (p[class] - truth) / total;
            by_bias[class] += error;
            for (to, x) in by_weight[class * width..].iter_mut().zip(row) {
                *to += error * f64::from(*x);
            }
        }
    }
    let all = by_weight.iter().chain(&by_bias);
    all.fold(0.0, |most, part| part.abs().max(most))
}

#[test]
fn the_gradient_vanishes_at_the_optimum() {
    let features = clusters(60, 9, 1.5);
    for (l2, class_weights) in [
        (1e-1, ClassWeights::Equal),
        (1e-4, ClassWeights::Equal),
        (1e-2, ClassWeights::Given(vec![1.0, 3.0, 0.5])),
    ] {
        let weights = class_weights.of(&features.class_counts()).unwrap();
        let logistic = Logistic {
            l2,
            class_weights,
            ..Logistic::default()
        };
        let fitted = logistic.fit(&features).unwrap();
        let steepest = gradient(&features, &fitted, l2, &weights);
        assert!(steepest < 1e-9, "{l2}: {steepest:e}");
    }
}

#[test]
fn fewer_rows_than_features_with_a_small_penalty() {
    let features = clusters(24, 200, 2.0);
    let logistic = Logistic {
        l2: 1e-7,
        ..Logistic::default()
    };
    let fitted = logistic.fit(&features).unwrap();
    assert!(gradient(&features, &fitted, 1e-7, &[1.0; 3]) < 1e-8);
    assert_eq!(fitted.model.score(&features).unwrap().top1, 1.0);
}

#[test]
fn standardizing_is_the_same_as_standardized_features() {
    let features = clusters(45, 6, 1.0);
    let (rows, width) = (features.rows() as f64, features.width());
    let mut standardized = features.values().to_vec();
    for column in 0..width {
        let of_column = || features.values().iter().skip(column).step_by(width);
        let mean = of_column().map(|x| f64::from(*x)).sum::<f64>() / rows;
        let square = of_column().map(|x| (f64::from(*x) - mean).powi(2));
        let deviation = (square.sum::<f64>() / rows).sqrt();
        for x in standardized.iter_mut().skip(column).step_by(width) {
            *x = ((f64::from(*x) - mean) / deviation) as f32;
        }
    }
    let by_hand = features.with_values(standardized, width);
    let logistic = |standardize| Logistic {
        l2: 0.05,
        standardize,
        ..Logistic::default()
    };
    let (a, b) = (
        logistic(true).fit(&features).unwrap(),
        logistic(false).fit(&by_hand).unwrap(),
    );
    assert!((a.objective - b.objective).abs() < 1e-7);
    let (a, b) = (
        a.model.logits(&features).unwrap(),
        b.model.logits(&by_hand).unwrap(),
    );
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4));
    // And it is not what comes out without.
    assert!(
        (logistic(false).fit(&features).unwrap().objective - b_objective(&features)).abs() > 0.0
    );
}

fn b_objective(features: &Features) -> f64 {
    let logistic = Logistic {
        l2: 0.05,
        standardize: true,
        ..Logistic::default()
    };
    logistic.fit(features).unwrap().objective
}

#[test]
fn the_strength_with_the_least_nll_is_taken() {
    let features = clusters(90, 12, 2.5);
    let found = cross_validate(&features, &Path::default()).unwrap();
    let least = found.path.iter().map(|score| score.nll);
    assert_eq!(found.score().nll, least.fold(f64::INFINITY, f64::min));
    assert!(found.path.is_sorted_by(|a, b| a.l2 > b.l2));
    // Neither end of the path.
    assert!(found.best > 0 && found.best + 1 < found.path.len());
    let again = Logistic {
        l2: found.score().l2,
        ..Logistic::default()
    };
    assert_eq!(found.fitted, again.fit(&features).unwrap());
    // Warm starts do not change what a strength is worth.
    let alone = Path {
        strengths: vec![Path::default().strengths[found.best]],
        ..Path::default()
    };
    let alone = cross_validate(&features, &alone).unwrap();
    assert!((alone.score().nll - found.score().nll).abs() < 1e-4);
}

#[test]
fn a_class_with_one_image_is_no_obstacle() {
    let all = clusters(40, 5, 1.0);
    let rows: Vec<usize> = (0..40).filter(|row| row % 3 < 2 || *row == 2).collect();
    let features = all.select(&rows).unwrap();
    assert_eq!(features.class_counts()[2], 1);
    let found = cross_validate(&features, &Path::default()).unwrap();
    assert!(found.score().top1 > 0.5);
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let features = clusters(30, 40, 0.1);
    let logistic = |l2| Logistic {
        l2,
        ..Logistic::default()
    };
    assert!(logistic(f64::NAN).fit(&features).is_err());
    let error = logistic(0.0).fit(&features);
    // The classes can be separated.
    assert!(error.is_err() || error.unwrap().objective < 1e-8);
    let only = features.select(&[0, 3, 6]).unwrap();
    let error = logistic(0.1).fit(&only).unwrap_err().to_string();
    assert!(error.contains("class `b` has no image"), "{error}");
    let one = Features::new(vec![1.0, 2.0], 1, vec![0, 0], vec!["a".into()]).unwrap();
    let error = logistic(0.1).fit(&one).unwrap_err().to_string();
    assert!(error.contains("only one class"), "{error}");
    let weights = Logistic {
        class_weights: ClassWeights::Given(vec![1.0]),
        ..Logistic::default()
    };
    let error = weights.fit(&features).unwrap_err().to_string();
    assert!(error.contains("1 class weights for 3 classes"), "{error}");
    let none = Path {
        strengths: vec![],
        ..Path::default()
    };
    assert!(cross_validate(&features, &none).is_err());
}

#[test]
fn constant_features_give_the_shares_of_the_classes() {
    let classes = vec!["a".into(), "b".into()];
    let features = Features::new(vec![2.0; 8], 2, vec![0, 0, 0, 1], classes).unwrap();
    let fitted = Logistic::default().fit(&features).unwrap();
    let entropy = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
    assert!((fitted.objective - entropy).abs() < 1e-12);
    cross_validate(&features, &Path::default()).unwrap();
}
