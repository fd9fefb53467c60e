//! Worker threads: how far they run ahead, and how they end.

use crate::sampler::Sampling;
use std::time::{Duration, Instant};

use super::*;

/// Fails instead of hanging for ever.
fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver
        .recv_timeout(Duration::from_secs(60))
        .expect("no hang and no panic")
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
    let mut loader = Loader::new(dataset.clone(), raw(), None, vec![], config).unwrap();
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
fn a_panic_is_an_error_that_names_the_batch() {
    for workers in [0, 2] {
        let (error, after) = within_a_minute(move || {
            let config = LoaderConfig {
                batch_size: 5,
                sampling: Sampling::sequential(),
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
            let mut loader = Loader::new(held.clone(), raw(), None, vec![], config).unwrap();
            loader.next_batch().unwrap().unwrap();
            loader.start(3, 1);
            loader.next_batch().unwrap().unwrap();
        }
    });
    // Nobody is left who could read.
    assert_eq!(Arc::strong_count(&dataset), 1);
}
