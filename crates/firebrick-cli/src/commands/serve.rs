//! `firebrick serve`: a page on which photos are dropped, and `POST /predict`.
//!
//! One thread takes connections and deals them out to a fixed number of threads, each of which reads one request and writes
//! one answer. The main thread predicts, one photo after another: what it decodes and computes is in memory once. Whatever
//! a client does, it has a time, a number of bytes and a place in a queue of fixed length.

mod connection;
mod multipart;
mod photo;
mod request;
mod response;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use firebrick::TrainedModel;
use firebrick::core::error::check;
use firebrick::ensemble::manifest::Manifest;
use firebrick::neighbours::Neighbours;

use super::ensemble::EnsembleFlags;
use super::nearest_images;
use super::plain_weights::{PlainWeights, trained_model};
use crate::failure::Failure;
use crate::number::whole;
use crate::signals::on_stop;
use crate::terminal;
use connection::{Job, Shared, answer, turn_away};
use photo::Predictor;

/// As a connection reads a request whose bytes have all arrived.
#[cfg(feature = "testkit")]
pub(crate) fn photo_in_request(bytes: &[u8], port: u16) -> Result<Option<Vec<u8>>, (u16, Vec<u8>)> {
    connection::photo_in(bytes, port).map_err(|refused| (refused.status, refused.body))
}

/// Show a local web page on which you drop photos and see what a model predicts, and why
///
/// Only programs on this machine can reach it. `POST /predict` takes an image and answers with JSON.
#[derive(Args)]
pub(crate) struct Serve {
    /// A run directory, model file or ensemble. Not with --model and --weights
    #[arg(
        value_name = "RUN",
        required_unless_present = "weights",
        conflicts_with = "weights"
    )]
    run: Option<PathBuf>,
    #[command(flatten)]
    plain: PlainWeights,
    /// Port of the page; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 8765, value_parser = whole::<u16>)]
    port: u16,
    /// Number of classes to show for each photo, the most likely first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = whole::<usize>)]
    top: usize,
    /// Number of training images to show beside each photo: the nearest by the features of the network; 0 shows none. Their
    /// features are computed at the start, at most 5000 images evenly spread, and kept in the run directory
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = whole::<usize>)]
    nearest: usize,
    /// Seconds that a client may take to send a photo, and to read the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = whole::<u64>)]
    timeout: u64,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    #[command(flatten)]
    ensemble: EnsembleFlags,
}

/// Requests that are read or answered at the same time.
const THREADS: usize = 16;
/// Connections that wait for one of the threads.
const WAITING: usize = 16;
/// Connections that were turned away and may still read why.
const REFUSED: usize = 64;
/// Photos that wait for the model.
const PHOTOS: usize = 8;
/// The most training images that the nearest ones are looked for among.
const MOST_NEAR: usize = 5000;
/// How often the main thread looks whether it is to end.
const GLANCE: Duration = Duration::from_millis(100);

impl Serve {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        check("serve", "top", self.top, 1..)?;
        check("serve", "timeout", self.timeout, 1..=3600)?;
        // Before the model is read, so that a port in use is told at once.
        let listener = self.listen()?;
        let port = listener.local_addr().map_or(self.port, |at| at.port());
        let of_ensemble = self.run.as_ref().filter(|run| Manifest::is_in(run));
        if let Some(run) = of_ensemble {
            let ensemble = self.ensemble.open(run, &self.device)?;
            let predictor = Predictor::ensemble(&ensemble, self.ensemble.combine(), self.top);
            return self.serve(listener, port, &predictor);
        }
        let run = self.run.as_deref();
        let model = trained_model(run, &self.plain, &self.device, |info, data| {
            if run.is_none() {
                self.plain.name_classes(info, data, false);
            }
        })?;
        let predictor = Predictor::model(&model, self.top, self.neighbours(&model));
        self.serve(listener, port, &predictor)
    }

    /// The training images of the run, and how many of them to show; or why there are none.
    fn neighbours(&self, model: &TrainedModel) -> Result<(Neighbours, usize), String> {
        let none = |why: &str| format!("predictions have no nearest images: {why}");
        if self.nearest == 0 {
            return Err(none("--nearest is 0"));
        }
        let run = self.run.as_deref();
        let run = run.map(|run| {
            if run.is_dir() {
                run
            } else {
                run.parent().unwrap_or(run)
            }
        });
        let Some(run) = run.filter(|run| run.join("recipe.toml").is_file()) else {
            return Err(none(
                "the model does not lie in a run directory, which knows its images",
            ));
        };
        let found = nearest_images::of_run(model, run, Some(MOST_NEAR), false);
        match found {
            Ok(neighbours) => Ok((neighbours, self.nearest)),
            Err(error) => Err(none(&error.to_string())),
        }
    }

    /// A listener that this machine alone can reach.
    fn listen(&self) -> Result<TcpListener, Failure> {
        let port = self.port;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let text = match error.kind() {
                ErrorKind::AddrInUse => format!(
                    "port {port} is in use by another program: give another one with --port, or --port 0 for one that is free"
                ),
                ErrorKind::PermissionDenied => format!(
                    "this user may not listen at port {port}: give a --port of 1024 or more, or --port 0 for one that is free"
                ),
                _ => format!("cannot listen at port {port}: {error}"),
            };
            Failure::Work(text)
        })
    }

    /// Until a signal asks to end.
    fn serve(
        &self,
        listener: TcpListener,
        port: u16,
        predictor: &Predictor<'_>,
    ) -> Result<(), Failure> {
        let stopped = Arc::new(AtomicBool::new(false));
        on_stop(stopped.clone())?;
        let (jobs, photos) = sync_channel(PHOTOS);
        let shared = Arc::new(Shared {
            port,
            timeout: Duration::from_secs(self.timeout),
            bytes: AtomicUsize::new(0),
            jobs,
        });
        accept(listener, &shared).map_err(|error| {
            Failure::Work(format!("cannot start the threads of the server: {error}"))
        })?;
        predictor.notes().for_each(terminal::notice);
        terminal::say(&format!(
            "open http://127.0.0.1:{port}/ in a browser on this machine; Ctrl-C ends it"
        ));
        terminal::delivered()?;
        predict(&photos, predictor, &stopped);
        Ok(())
    }
}

/// Answers photos until the server is to end.
fn predict(photos: &Receiver<Job>, predictor: &Predictor<'_>, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        match photos.recv_timeout(GLANCE) {
            Ok(job) => {
                let response = predictor.answer(&job.content, job.explain);
                // A client that is gone needs none.
                let _ = job.answer.send(response);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Starts the threads that take connections and answer them.
fn accept(listener: TcpListener, shared: &Arc<Shared>) -> std::io::Result<()> {
    let (clients, waiting) = sync_channel::<TcpStream>(WAITING);
    let waiting = Arc::new(Mutex::new(waiting));
    for number in 0..THREADS {
        let (shared, waiting) = (shared.clone(), waiting.clone());
        let work = move || {
            loop {
                let next = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .recv();
                let Ok(client) = next else { return };
                // One request that breaks something must not take the thread from all others.
                let answering = std::panic::AssertUnwindSafe(|| answer(client, &shared));
                let _ = std::panic::catch_unwind(answering);
            }
        };
        let name = format!("client {number}");
        std::thread::Builder::new().name(name).spawn(work)?;
    }
    let deal = move || {
        // Kept open for a while: a connection that is closed with bytes unread takes the answer from the client.
        let mut refused = VecDeque::with_capacity(REFUSED);
        for client in listener.incoming() {
            let Ok(client) = client else {
                // Too many open files, say: they become fewer.
                std::thread::sleep(GLANCE);
                continue;
            };
            match clients.try_send(client) {
                Ok(()) => {}
                Err(TrySendError::Full(mut client)) => {
                    turn_away(&mut client);
                    refused.truncate(REFUSED - 1);
                    refused.push_front(client);
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    };
    let thread = std::thread::Builder::new().name("accept".into());
    thread.spawn(deal).map(|_| ())
}
