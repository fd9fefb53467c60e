//! Images that cannot be read, and invalid settings.

use super::*;
use crate::OnBadImage;
use crate::sampler::Sampling;

#[test]
fn bad_images_are_skipped_or_end_it() {
    let bad = || Numbers {
        bad: vec![3, 16, 17, 18, 19],
        ..Numbers::new(22)
    };
    let config = |on_bad, workers| LoaderConfig {
        batch_size: 4,
        sampling: Sampling::sequential(),
        on_bad,
        workers,
        ..LoaderConfig::default()
    };
    for workers in [0, 3] {
        let mut loader = plain(bad(), config(OnBadImage::Skip, workers));
        assert!(loader.skipped().is_empty());
        let batches = rest(&mut loader);
        let sizes: Vec<_> = batches.iter().map(Batch::len).collect();
        // The fifth has no readable image, but it still counts.
        assert_eq!(sizes, [3, 4, 4, 4, 0, 2]);
        assert_eq!(batches[4].shape, [0, 1, 1, 2]);
        let torn = |index| format!("numbers[{index}]: torn");
        assert_eq!(loader.skipped(), [16, 17, 18, 19, 3].map(torn));

        let mut loader = plain(bad(), config(OnBadImage::Fail, workers));
        let error = loader.next_batch().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "numbers[3]: torn");
    }
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |preprocessing, config| {
        let data = Arc::new(Numbers::new(10));
        let loader = Loader::new(data, preprocessing, None, vec![], config);
        loader.err().expect("refused").to_string()
    };
    let config = LoaderConfig::default;
    for (message, needle) in [
        (
            refused(
                raw(),
                LoaderConfig {
                    batch_size: 0,
                    ..config()
                },
            ),
            "batch_size = 0",
        ),
        (
            refused(
                raw(),
                LoaderConfig {
                    workers: 257,
                    ..config()
                },
            ),
            "workers = 257",
        ),
        (
            refused(
                raw(),
                LoaderConfig {
                    overfit_batches: Some(0),
                    ..config()
                },
            ),
            "overfit_batches",
        ),
        (
            refused(
                raw(),
                LoaderConfig {
                    sampling: "weighted([1.0])".parse().unwrap(),
                    ..config()
                },
            ),
            "2 classes",
        ),
        (
            refused(
                Preprocessing {
                    channels: 2,
                    ..raw()
                },
                config(),
            ),
            "channels = 2",
        ),
        (
            refused(Preprocessing { width: 0, ..raw() }, config()),
            "width = 0",
        ),
        (
            refused(
                Preprocessing {
                    std: vec![0.0],
                    ..raw()
                },
                config(),
            ),
            "std[0] = 0",
        ),
        (
            refused(
                Preprocessing {
                    mean: vec![f32::NAN],
                    ..raw()
                },
                config(),
            ),
            "mean[0] = NaN",
        ),
        (
            refused(
                Preprocessing {
                    mean: vec![],
                    ..raw()
                },
                config(),
            ),
            "mean has 0 values",
        ),
    ] {
        assert!(message.contains(needle), "{message}");
    }
    let empty = Loader::new(Arc::new(Numbers::new(0)), raw(), None, vec![], config());
    assert!(empty.err().unwrap().to_string().contains("no images"));
    let one_class = Numbers {
        classes: vec!["many".into()],
        ..Numbers::new(3)
    };
    let wrong = Loader::new(Arc::new(one_class), raw(), None, vec![], config());
    let message = wrong.err().unwrap().to_string();
    assert!(
        message.contains("numbers[0]") && message.contains("1 classes"),
        "{message}"
    );
}
