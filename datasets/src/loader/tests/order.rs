//! The order of the images, and how they are divided into batches.

use crate::sampler::Sampling;
use firebrick_types::data::Targets;

use super::*;

#[test]
fn the_number_of_workers_changes_nothing() {
    let epochs = |workers, prefetch, sampling| {
        let config = LoaderConfig {
            batch_size: 7,
            workers,
            prefetch,
            sampling,
            seed: 3,
            ..LoaderConfig::default()
        };
        let mut loader = augmented(Numbers::new(100), config);
        let mut all = rest(&mut loader);
        loader.start(1, 0);
        all.extend(rest(&mut loader));
        all
    };
    for sampling in [Sampling::shuffle(), "balanced".parse().unwrap()] {
        let alone = epochs(0, 2, sampling.clone());
        assert_eq!(alone.len(), 30);
        assert_ne!(alone[0].images, alone[15].images, "the epochs differ");
        for (workers, prefetch) in [(1, 2), (3, 1), (8, 0), (40, 2)] {
            assert_eq!(
                epochs(workers, prefetch, sampling.clone()),
                alone,
                "{workers} workers"
            );
        }
    }
}

#[test]
fn a_start_in_the_middle_continues_exactly() {
    let config = |workers| LoaderConfig {
        batch_size: 8,
        workers,
        ..LoaderConfig::default()
    };
    let mut whole = augmented(Numbers::new(100), config(0));
    whole.start(5, 0);
    let whole = rest(&mut whole);
    for workers in [0, 3] {
        let mut loader = augmented(Numbers::new(100), config(workers));
        // From another epoch, half read, back and forth.
        loader.next_batch().unwrap().unwrap();
        loader.start(5, 9);
        assert_eq!(rest(&mut loader), whole[9..]);
        loader.start(5, 2);
        assert_eq!(loader.next_batch().unwrap().unwrap(), whole[2]);
        loader.start(5, 3);
        assert_eq!(rest(&mut loader), whole[3..]);
        loader.start(5, 999);
        assert!(loader.next_batch().is_none(), "beyond the end");
    }
}

#[test]
fn every_image_comes_once_with_its_label_and_the_last_batch_is_ragged() {
    let config = LoaderConfig {
        batch_size: 16,
        ..LoaderConfig::default()
    };
    let mut loader = plain(Numbers::new(50), config);
    assert_eq!((loader.samples(), loader.batches()), (50, 4));
    let batches = rest(&mut loader);
    let shapes: Vec<_> = batches.iter().map(|batch| batch.shape).collect();
    assert_eq!(
        shapes,
        [[16, 1, 1, 2], [16, 1, 1, 2], [16, 1, 1, 2], [2, 1, 1, 2]]
    );
    for batch in &batches {
        let expected: Vec<usize> = batch
            .indices
            .iter()
            .map(|index| usize::from(index % 5 == 0))
            .collect();
        assert_eq!(batch.targets, Targets::Classes(expected));
        for (index, pixels) in batch.indices.iter().zip(batch.images.chunks(2)) {
            assert!(
                (pixels[0] - *index as f32).abs() < 1e-3,
                "{index}: {pixels:?}"
            );
        }
    }
    let mut seen = indices(&batches);
    assert_ne!(seen, (0..50).collect::<Vec<_>>(), "shuffled");
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_lone_last_image_joins_the_batch_before_it() {
    for workers in [0, 2] {
        for (len, size, overfit, expected) in [
            (21, 5, None, vec![5, 5, 5, 6]),
            (6, 5, None, vec![6]),
            (22, 5, None, vec![5, 5, 5, 5, 2]),
            (20, 5, None, vec![5, 5, 5, 5]),
            (21, 5, Some(2), vec![5, 5]),
            (11, 5, Some(9), vec![5, 6]),
            // There is none before it.
            (1, 5, None, vec![1]),
            (3, 1, None, vec![1, 1, 1]),
        ] {
            let config = |join_lone_image| LoaderConfig {
                batch_size: size,
                workers,
                overfit_batches: overfit,
                join_lone_image,
                ..LoaderConfig::default()
            };
            let loader = |join| {
                let shift: Arc<dyn SampleTransform> = Arc::new(Change(shift));
                let dataset = Arc::new(Numbers::new(len));
                Loader::new(dataset, raw(), Some(shift), vec![], config(join)).unwrap()
            };
            let mut joined = loader(true);
            assert_eq!(joined.batches(), expected.len());
            let batches = rest(&mut joined);
            let sizes: Vec<_> = batches.iter().map(Batch::len).collect();
            assert_eq!(sizes, expected);
            let apart = rest(&mut loader(false));
            let pixels = |batches: &[Batch]| -> Vec<f32> {
                batches
                    .iter()
                    .flat_map(|batch| batch.images.clone())
                    .collect()
            };
            assert_eq!(indices(&batches), indices(&apart));
            assert_eq!(
                pixels(&batches),
                pixels(&apart),
                "each image is changed as ever"
            );
            // From any batch on, as in a resume.
            for from in 0..expected.len() {
                joined.start(0, from);
                assert_eq!(rest(&mut joined), batches[from..]);
            }
        }
    }
}

#[test]
fn balanced_epochs_show_both_classes_and_change_an_image_anew_each_time() {
    let config = LoaderConfig {
        sampling: "balanced".parse().unwrap(),
        batch_size: 50,
        ..LoaderConfig::default()
    };
    let mut loader = augmented(Numbers::new(200), config);
    let batches = rest(&mut loader);
    let few = indices(&batches)
        .iter()
        .filter(|index| **index % 5 == 0)
        .count();
    // A fifth of the images, half of the draws: 100 with a standard deviation of 7.
    assert!((70..130).contains(&few), "{few}");
    // Some image is drawn twice in a batch; the two are not changed alike.
    let batch = &batches[0];
    let repeated = (0..50)
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .find(|(a, b)| batch.indices[*a] == batch.indices[*b]);
    let (a, b) = repeated.unwrap();
    assert_ne!(batch.images[2 * a + 1], batch.images[2 * b + 1]);
}

#[test]
fn overfitting_repeats_the_first_batches_with_new_augmentation() {
    let config = |overfit_batches| LoaderConfig {
        batch_size: 8,
        overfit_batches,
        ..LoaderConfig::default()
    };
    let whole = rest(&mut augmented(Numbers::new(100), config(None)));
    let mut loader = augmented(Numbers::new(100), config(Some(2)));
    assert_eq!((loader.samples(), loader.batches()), (16, 2));
    assert_eq!(rest(&mut loader), whole[..2]);
    loader.start(1, 0);
    let second = rest(&mut loader);
    assert_eq!(indices(&second), indices(&whole[..2]));
    assert_ne!(second[0].images, whole[0].images);
    assert_eq!(
        plain(Numbers::new(9), config(Some(50))).batches(),
        2,
        "no more than there are"
    );
}
