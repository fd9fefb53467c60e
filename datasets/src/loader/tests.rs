use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use firebrick_core::data::{Fit, Image, Sample, Targets};
use firebrick_core::random::HostRng;
use firebrick_core::spec::Spec;
use rand::RngExt;

use super::*;

/// 2 × 1 grey images whose pixels hold their index; every 5th is of class 1, the rest of class 0.
#[derive(Default)]
struct Numbers {
    len: usize,
    bad: Vec<usize>,
    panics_at: Option<usize>,
    reads: AtomicUsize,
    classes: Vec<String>,
}

impl Numbers {
    fn new(len: usize) -> Self {
        Self {
            len,
            classes: vec!["many".into(), "few".into()],
            ..Self::default()
        }
    }
}

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.len
    }
    fn get(&self, index: usize) -> Result<Sample, DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        assert_ne!(Some(index), self.panics_at, "a broken reader");
        if self.bad.contains(&index) {
            return Err(DataError::Invalid(format!("numbers[{index}]: torn")));
        }
        let image = Image {
            width: 2,
            height: 1,
            channels: 1,
            pixels: vec![index as u8, (index >> 8) as u8],
        };
        Ok(Sample {
            image,
            label: self.label(index),
        })
    }
    fn label(&self, index: usize) -> usize {
        usize::from(index.is_multiple_of(5))
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn describe(&self, index: usize) -> String {
        format!("numbers[{index}]")
    }
    fn fingerprint(&self) -> String {
        format!("numbers-{}", self.len)
    }
}

/// Adds a random number to the second pixel.
struct Shift;

impl SampleTransform for Shift {
    fn apply(&self, mut image: Image, rng: &mut HostRng) -> Image {
        image.pixels[1] = image.pixels[1].wrapping_add(rng.random());
        image
    }
    fn spec(&self) -> Spec {
        Spec::new("shift")
    }
}

/// Adds one random number to the whole batch.
struct Tint;

impl BatchTransform for Tint {
    fn apply(&self, mut batch: Batch, rng: &mut HostRng) -> Batch {
        let tint: f32 = rng.random();
        batch.images.iter_mut().for_each(|value| *value += tint);
        batch
    }
    fn spec(&self) -> Spec {
        Spec::new("tint")
    }
}

/// Leaves values as they are: `(v / 255 - 0) / (1 / 255)`.
fn raw() -> Preprocessing {
    Preprocessing {
        channels: 1,
        height: 1,
        width: 2,
        fit: Fit::Crop,
        mean: vec![0.0],
        std: vec![1.0 / 255.0],
    }
}

fn plain(dataset: Numbers, config: LoaderConfig) -> Loader {
    Loader::new(Arc::new(dataset), raw(), Arc::default(), vec![], config).unwrap()
}

fn augmented(dataset: Numbers, config: LoaderConfig) -> Loader {
    let shift: Vec<Box<dyn SampleTransform>> = vec![Box::new(Shift)];
    let tint: Vec<Box<dyn BatchTransform>> = vec![Box::new(Tint)];
    Loader::new(Arc::new(dataset), raw(), Arc::new(shift), tint, config).unwrap()
}

fn rest(loader: &mut Loader) -> Vec<Batch> {
    std::iter::from_fn(|| loader.next_batch())
        .map(Result::unwrap)
        .collect()
}

fn indices(batches: &[Batch]) -> Vec<usize> {
    batches
        .iter()
        .flat_map(|batch| batch.indices.clone())
        .collect()
}

/// Fails instead of hanging for ever.
fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver
        .recv_timeout(Duration::from_secs(60))
        .expect("no hang and no panic")
}

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
    for sampling in [Sampling::Shuffled, Sampling::Balanced] {
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
                let shift: Vec<Box<dyn SampleTransform>> = vec![Box::new(Shift)];
                let dataset = Arc::new(Numbers::new(len));
                Loader::new(dataset, raw(), Arc::new(shift), vec![], config(join)).unwrap()
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
        sampling: Sampling::Balanced,
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
fn workers_stop_when_enough_is_ready() {
    let dataset = Arc::new(Numbers::new(10_000));
    let config = LoaderConfig {
        batch_size: 10,
        workers: 3,
        prefetch: 2,
        ..LoaderConfig::default()
    };
    let mut loader = Loader::new(dataset.clone(), raw(), Arc::default(), vec![], config).unwrap();
    assert_eq!(
        dataset.reads.load(Ordering::SeqCst),
        0,
        "nothing before it is asked for"
    );
    loader.next_batch().unwrap().unwrap();
    // Wait until nothing moves any more.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut before = 0;
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let reads = dataset.reads.load(Ordering::SeqCst);
        if reads == before || Instant::now() > deadline {
            break;
        }
        before = reads;
    }
    // One batch is handed out; three workers hold two finished ones and one in hand each.
    assert_eq!(dataset.reads.load(Ordering::SeqCst), (1 + 3 * 3) * 10);
}

#[test]
fn bad_images_are_skipped_or_end_it() {
    let bad = || Numbers {
        bad: vec![3, 16, 17, 18, 19],
        ..Numbers::new(22)
    };
    let config = |on_bad, workers| LoaderConfig {
        batch_size: 4,
        sampling: Sampling::Sequential,
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
fn a_panic_is_an_error_that_names_the_batch() {
    for workers in [0, 2] {
        let (error, after) = within_a_minute(move || {
            let config = LoaderConfig {
                batch_size: 5,
                sampling: Sampling::Sequential,
                workers,
                ..LoaderConfig::default()
            };
            let mut loader = plain(
                Numbers {
                    panics_at: Some(7),
                    ..Numbers::new(20)
                },
                config,
            );
            loader.next_batch().unwrap().unwrap();
            let error = loader.next_batch().unwrap().unwrap_err().to_string();
            (error, rest(&mut loader).len())
        });
        assert!(error.contains("batch 1 of epoch 0"), "{error}");
        assert!(error.contains("a broken reader"), "{error}");
        assert_eq!(after, 2, "the other batches are still there");
    }
}

#[test]
fn a_loader_dropped_half_way_ends_its_threads() {
    let dataset = Arc::new(Numbers::new(10_000));
    let held = dataset.clone();
    within_a_minute(move || {
        for prefetch in [0, 3] {
            let config = LoaderConfig {
                batch_size: 10,
                workers: 4,
                prefetch,
                ..LoaderConfig::default()
            };
            let mut loader =
                Loader::new(held.clone(), raw(), Arc::default(), vec![], config).unwrap();
            loader.next_batch().unwrap().unwrap();
            loader.start(3, 1);
            loader.next_batch().unwrap().unwrap();
        }
    });
    // Nobody is left who could read.
    assert_eq!(Arc::strong_count(&dataset), 1);
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

#[test]
fn images_of_another_size_are_fitted() {
    struct Grow;
    impl SampleTransform for Grow {
        fn apply(&self, image: Image, _: &mut HostRng) -> Image {
            // What it sees is fitted already.
            assert_eq!([image.channels, image.height, image.width], [3, 4, 4]);
            Image::black(image.width * 3, image.height * 3, image.channels)
        }
        fn spec(&self) -> Spec {
            Spec::new("grow")
        }
    }
    let preprocessing = Preprocessing {
        channels: 3,
        height: 4,
        width: 4,
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
        ..raw()
    };
    let grow: Vec<Box<dyn SampleTransform>> = vec![Box::new(Grow)];
    let config = LoaderConfig::default();
    let mut loader = Loader::new(
        Arc::new(Numbers::new(2)),
        preprocessing,
        Arc::new(grow),
        vec![],
        config,
    )
    .unwrap();
    let batch = loader.next_batch().unwrap().unwrap();
    assert_eq!((batch.shape, batch.images.len()), ([2, 3, 4, 4], 96));
}

#[test]
fn transforms_run_in_order_on_one_stream() {
    /// Notes what it draws.
    struct Note(Arc<Mutex<Vec<u64>>>);
    impl SampleTransform for Note {
        fn apply(&self, image: Image, rng: &mut HostRng) -> Image {
            self.0.lock().unwrap().push(rng.random());
            image
        }
        fn spec(&self) -> Spec {
            Spec::new("note")
        }
    }
    let notes = Arc::new(Mutex::new(Vec::new()));
    let twice: Vec<Box<dyn SampleTransform>> =
        vec![Box::new(Note(notes.clone())), Box::new(Note(notes.clone()))];
    let config = LoaderConfig {
        seed: 11,
        workers: 0,
        ..LoaderConfig::default()
    };
    let data = Arc::new(Numbers::new(1));
    let mut loader = Loader::new(data, raw(), Arc::new(twice), vec![], config).unwrap();
    loader.start(4, 0);
    loader.next_batch().unwrap().unwrap();
    let mut expected = firebrick_core::random::rng(11, "augment", 4, 0);
    let expected: [u64; 2] = [expected.random(), expected.random()];
    assert_eq!(*notes.lock().unwrap(), expected);
}

#[test]
fn every_batch_is_changed_by_a_draw_of_its_own() {
    let tint: Vec<Box<dyn BatchTransform>> = vec![Box::new(Tint)];
    let config = LoaderConfig {
        batch_size: 4,
        seed: 11,
        ..LoaderConfig::default()
    };
    let data = Arc::new(Numbers::new(10));
    let mut loader = Loader::new(data, raw(), Arc::default(), tint, config).unwrap();
    for epoch in 0..2 {
        loader.start(epoch, 0);
        for (number, batch) in rest(&mut loader).iter().enumerate() {
            let mut rng = firebrick_core::random::rng(11, "mix", epoch, number as u64);
            let tint: f32 = rng.random();
            for (index, pixels) in batch.indices.iter().zip(batch.images.chunks(2)) {
                assert!(
                    (pixels[0] - *index as f32 - tint).abs() < 1e-4,
                    "{epoch} {number}"
                );
            }
        }
    }
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |preprocessing, config| {
        let data = Arc::new(Numbers::new(10));
        let loader = Loader::new(data, preprocessing, Arc::default(), vec![], config);
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
                    sampling: Sampling::Weighted(vec![1.0]),
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
    let empty = Loader::new(
        Arc::new(Numbers::new(0)),
        raw(),
        Arc::default(),
        vec![],
        config(),
    );
    assert!(empty.err().unwrap().to_string().contains("no images"));
    let one_class = Numbers {
        classes: vec!["many".into()],
        ..Numbers::new(3)
    };
    let wrong = Loader::new(Arc::new(one_class), raw(), Arc::default(), vec![], config());
    let message = wrong.err().unwrap().to_string();
    assert!(
        message.contains("numbers[0]") && message.contains("1 classes"),
        "{message}"
    );
}
