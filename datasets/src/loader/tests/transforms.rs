//! Image and batch transforms: sizes, order and random draws.

use crate::sampler::Sampling;
use std::sync::Mutex;

use firebrick_types::image::Size;

use super::*;

/// What a transform is given: the sizes of images, and the subjects.
type Seen = Arc<Mutex<Vec<([usize; 3], Subject)>>>;

/// Loads one epoch with `transform`, which notes what it sees and makes each image three times as wide and high.
fn seen(
    original: bool,
    config: LoaderConfig,
    epoch: u64,
) -> (Vec<([usize; 3], Subject)>, Vec<Batch>) {
    struct Grow(bool, Seen);
    impl SampleTransform for Grow {
        fn wants_original(&self) -> bool {
            self.0
        }
        fn transform(
            &self,
            image: Image,
            subject: &Subject,
            _: &mut HostRng,
            _: Option<&mut Vec<Drawn>>,
        ) -> Result<Image, ConfigError> {
            let size = [image.channels, image.height, image.width];
            self.1.lock().unwrap().push((size, *subject));
            Ok(Image::black(
                image.width * 3,
                image.height * 3,
                image.channels,
            ))
        }
        fn replay(&self, image: Image, _: &[Drawn]) -> Result<Image, ConfigError> {
            Ok(image)
        }
    }
    let notes = Seen::default();
    let grow: Arc<dyn SampleTransform> = Arc::new(Grow(original, notes.clone()));
    let data = Arc::new(Numbers::new(2));
    let target = Preprocessing::unnormalized(3, 4, 4);
    let mut loader = Loader::new(data, target, Some(grow), vec![], config).unwrap();
    loader.start(epoch, 0);
    let batches = rest(&mut loader);
    let notes = notes.lock().unwrap().clone();
    (notes, batches)
}

#[test]
fn a_transform_gets_the_fitted_image_or_the_original_and_the_result_is_fitted() {
    for (original, size) in [(false, [3, 4, 4]), (true, [3, 1, 2])] {
        let (seen, batches) = seen(original, LoaderConfig::default(), 0);
        assert_eq!(
            seen.iter().map(|(size, _)| *size).collect::<Vec<_>>(),
            [size; 2]
        );
        assert_eq!(
            (batches[0].shape, batches[0].images.len()),
            ([2, 3, 4, 4], 96)
        );
        assert_eq!(batches[0].classes, 2);
    }
}

#[test]
fn a_transform_is_told_which_image_and_when() {
    let config = LoaderConfig {
        seed: 5,
        workers: 0,
        epochs: Some(8),
        sampling: Sampling::sequential(),
        ..LoaderConfig::default()
    };
    let (seen, _) = seen(false, config, 2);
    let expected = Subject {
        seed: 5,
        epoch: 2,
        index: 1,
        position: 1,
        share: 0.25,
        target: Size::new(4, 4),
    };
    assert_eq!(seen[1].1, expected);
}

#[test]
fn a_size_that_no_transform_can_work_on_is_refused_before_training() {
    struct Never;
    impl SampleTransform for Never {
        fn check_sizes(&self, original: Option<Size>, target: Size) -> Result<(), ConfigError> {
            assert_eq!((original, target), (Some(Size::new(1, 2)), Size::new(2, 1)));
            Err(ConfigError::Conflict("never: too small".into()))
        }
        fn transform(
            &self,
            image: Image,
            _: &Subject,
            _: &mut HostRng,
            _: Option<&mut Vec<Drawn>>,
        ) -> Result<Image, ConfigError> {
            self.replay(image, &[])
        }
        fn replay(&self, _: Image, _: &[Drawn]) -> Result<Image, ConfigError> {
            Err(ConfigError::Conflict("never: too small".into()))
        }
    }
    let classes = vec!["all".to_string()];
    let tall = crate::InMemory::new("tall", [2, 1, 1], vec![0; 2], vec![0], classes).unwrap();
    let load = |dataset: Arc<dyn Dataset>| {
        let never: Arc<dyn SampleTransform> = Arc::new(Never);
        Loader::new(dataset, raw(), Some(never), vec![], LoaderConfig::default())
    };
    let error = load(Arc::new(tall)).err().unwrap();
    assert_eq!(error.to_string(), "never: too small");
}

#[test]
fn what_a_transform_cannot_do_names_the_image() {
    struct Fails;
    impl SampleTransform for Fails {
        fn transform(
            &self,
            image: Image,
            _: &Subject,
            _: &mut HostRng,
            _: Option<&mut Vec<Drawn>>,
        ) -> Result<Image, ConfigError> {
            self.replay(image, &[])
        }
        fn replay(&self, _: Image, _: &[Drawn]) -> Result<Image, ConfigError> {
            Err(ConfigError::Conflict("crop: too small".into()))
        }
    }
    let fails: Arc<dyn SampleTransform> = Arc::new(Fails);
    let config = LoaderConfig {
        sampling: Sampling::sequential(),
        ..LoaderConfig::default()
    };
    let data = Arc::new(Numbers::new(1));
    let mut loader = Loader::new(data, raw(), Some(fails), vec![], config).unwrap();
    let error = loader.next_batch().unwrap().unwrap_err().to_string();
    assert_eq!(error, "numbers[0]: crop: too small");
}

#[test]
fn an_image_is_changed_by_draws_of_its_own() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let noted = notes.clone();
    let note = move |image: Image, _: &Subject, rng: &mut HostRng| {
        noted
            .lock()
            .unwrap()
            .push([rng.random::<u64>(), rng.random()]);
        image
    };
    let note: Arc<dyn SampleTransform> = Arc::new(Change(note));
    let config = LoaderConfig {
        seed: 11,
        workers: 0,
        ..LoaderConfig::default()
    };
    let data = Arc::new(Numbers::new(2));
    let mut loader = Loader::new(data, raw(), Some(note), vec![], config).unwrap();
    loader.start(4, 0);
    loader.next_batch().unwrap().unwrap();
    let expected = [0, 1].map(|position| {
        let mut rng = firebrick_types::random::rng(11, "augment", 4, position);
        [rng.random::<u64>(), rng.random()]
    });
    assert_eq!(*notes.lock().unwrap(), expected);
}

#[test]
fn a_batch_transform_is_told_when_it_acts() {
    struct Moments(Arc<Mutex<Vec<BatchMoment>>>);
    impl BatchTransform for Moments {
        fn apply(&self, batch: Batch, moment: &BatchMoment, _: &mut HostRng) -> Batch {
            self.0.lock().unwrap().push(*moment);
            batch
        }
        fn spec(&self) -> Spec {
            Spec::new("moments")
        }
    }
    let notes = Arc::new(Mutex::new(Vec::new()));
    let moments: Vec<Box<dyn BatchTransform>> = vec![Box::new(Moments(notes.clone()))];
    let config = LoaderConfig {
        batch_size: 2,
        workers: 0,
        epochs: Some(4),
        ..LoaderConfig::default()
    };
    let data = Arc::new(Numbers::new(3));
    let mut loader = Loader::new(data, raw(), None, moments, config).unwrap();
    loader.start(3, 0);
    rest(&mut loader);
    let expected = [0, 1].map(|batch| BatchMoment {
        epoch: 3,
        batch,
        share: 0.75,
    });
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
    let mut loader = Loader::new(data, raw(), None, tint, config).unwrap();
    for epoch in 0..2 {
        loader.start(epoch, 0);
        for (number, batch) in rest(&mut loader).iter().enumerate() {
            let mut rng = firebrick_types::random::rng(11, "mix", epoch, number as u64);
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
