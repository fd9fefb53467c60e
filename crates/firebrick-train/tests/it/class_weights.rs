//! Batches whose images count for nothing.

use firebrick_core::parameters::Parameters;

use crate::support::{Run, Source, weighted};

#[test]
fn a_micro_batch_without_weight_contributes_nothing() {
    let first_update = |zeros, accumulate| {
        let mut run = weighted(zeros, accumulate);
        run.config.max_updates = Some(1);
        let outcome = run.go().unwrap();
        let (_, parameters) = Parameters::take(outcome.model);
        let values = parameters.0.into_iter();
        let values: Vec<f32> = values
            .flat_map(|one| one.value.to_data().iter::<f32>().collect::<Vec<_>>())
            .collect();
        assert!(values.iter().all(|value| value.is_finite()));
        (values, outcome.progress.sums)
    };
    let (alone, sums) = first_update(vec![1], 1);
    let (joined, both) = first_update(vec![1], 2);
    assert_eq!(alone, joined, "the second micro-batch has no weight");
    assert_eq!((sums.loss, sums.weight), (both.loss, both.weight));
    assert_ne!(alone, first_update(vec![4], 2).0, "the second has weight");
    // In the first place it leaves the update to the next.
    let (early, _) = first_update(vec![0, 2, 3, 4], 1);
    assert_ne!(early, alone);
}

#[test]
fn an_update_without_weight_is_none() {
    for (zeros, accumulate, updates) in [
        (vec![], 1, 5),
        (vec![2], 1, 4),
        (vec![4], 1, 4),
        (vec![0, 3], 1, 3),
        (vec![0, 1], 2, 2),
    ] {
        let progress = weighted(zeros.clone(), accumulate).go().unwrap().progress;
        assert_eq!(progress.step, updates, "{zeros:?}");
        assert!(progress.rows[0].train_loss.is_finite());
    }
    let error = weighted((0..5).collect(), 1).go().map(|_| ()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("all images of epoch 1 belong") && error.contains("have weight 0"),
        "{error}"
    );
}

#[test]
fn an_evaluation_without_weight_has_no_loss() {
    let zeros = || Source::zeros(20, 0..3);
    let run = Run {
        valid: Box::new(zeros()),
        ..weighted(vec![], 1)
    };
    let valid = run.go().unwrap().progress.rows[0].valid.unwrap();
    assert!(valid.loss.is_nan() && valid.nll.is_finite(), "{valid:?}");
}
