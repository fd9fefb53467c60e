//! Image and batch transforms: sizes, order and random draws.

use std::sync::Mutex;

use super::*;

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
    let mut expected = firebrick_types::random::rng(11, "augment", 4, 0);
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
