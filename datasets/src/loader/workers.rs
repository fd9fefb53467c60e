//! Threads that make the batches of one epoch ahead of the reader.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use firebrick_types::data::DataError;

use super::assembly::{Assembly, Made};

/// The workers of one epoch. Dropping them ends their threads: each finishes at most the batch that
/// it is at.
pub(super) struct Workers {
    /// One for each worker: batches in its share of the epoch, in order.
    queues: Vec<Receiver<Result<Made, DataError>>>,
    threads: Vec<JoinHandle<()>>,
    /// The batch that the first worker began with.
    first: usize,
    epoch: u64,
}

impl Workers {
    /// Starts `count` threads that make the batches from `first` on, each at most `prefetch`
    /// finished ones ahead of the reader.
    pub(super) fn start(
        assembly: &Arc<Assembly>,
        order: &Arc<Vec<usize>>,
        (epoch, first): (u64, usize),
        count: usize,
        prefetch: usize,
    ) -> Result<Self, DataError> {
        let mut workers = Self {
            queues: Vec::new(),
            threads: Vec::new(),
            first,
            epoch,
        };
        // No more threads than there are batches left.
        let count = count.min(assembly.batches().saturating_sub(first)).max(1);
        for worker in 0..count {
            let (queue, reader) = sync_channel(prefetch);
            let (assembly, order) = (assembly.clone(), order.clone());
            let work = move || {
                for batch in (first + worker..assembly.batches()).step_by(count) {
                    let made = assembly.make(epoch, batch, &order);
                    if queue.send(made).is_err() {
                        // The reader is gone.
                        return;
                    }
                }
            };
            let thread = Builder::new().name(format!("loader-{worker}")).spawn(work);
            workers.threads.push(thread.map_err(|error| {
                DataError::Invalid(format!(
                    "the system cannot start another thread for the loader ({error}): use fewer workers"
                ))
            })?);
            workers.queues.push(reader);
        }
        Ok(workers)
    }

    /// Waits for batch `batch`; batches are asked for in order from the first.
    pub(super) fn next(&mut self, batch: usize) -> Result<Made, DataError> {
        let worker = (batch - self.first) % self.queues.len();
        self.queues[worker].recv().unwrap_or_else(|_| {
            Err(DataError::Invalid(format!(
                "the thread that makes batch {batch} of epoch {} has ended",
                self.epoch
            )))
        })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Without a reader every send fails at once, also one that is waiting for room.
        self.queues.clear();
        for thread in self.threads.drain(..) {
            // A thread cannot have panicked: what it calls turns panics into errors.
            let _ = thread.join();
        }
    }
}
