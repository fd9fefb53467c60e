//! One connection: a request is read, and answered, within a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::multipart;
use super::request::Request;
use super::response::Response;

/// Bytes of the largest photo.
const MOST: usize = 32 << 20;
/// Bytes of all photos that are being received, or wait for the model.
const MOST_AT_ONCE: usize = 4 * MOST;
/// How long the rest of a request is read and thrown away after the answer: a connection that is closed with bytes unread
/// takes the answer from the client.
const LINGER: Duration = Duration::from_millis(500);

/// A photo to predict.
pub(super) struct Job {
    pub(super) content: Vec<u8>,
    pub(super) explain: bool,
    pub(super) answer: SyncSender<Response>,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) port: u16,
    /// For a request, and for its answer.
    pub(super) timeout: Duration,
    /// Bytes of the photos in memory.
    pub(super) bytes: AtomicUsize,
    pub(super) jobs: SyncSender<Job>,
}

/// A connection with an end.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn new(stream: TcpStream, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self { stream, until }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads a request and answers it.
pub(super) fn answer(stream: TcpStream, shared: &Shared) {
    let mut client = Timed::new(stream, shared.timeout);
    let mut head_only = false;
    let Some(response) = exchange(&mut client, shared, &mut head_only).unwrap_or_else(Some) else {
        return;
    };
    client.until = Instant::now() + shared.timeout;
    let head = response.head();
    let body: &[u8] = if head_only { &[] } else { &response.body };
    if client.write(head.as_bytes()).is_err() || client.write(body).is_err() {
        return;
    }
    let _ = client.stream.shutdown(Shutdown::Write);
    client.until = Instant::now() + LINGER;
    let mut rest = [0; 4096];
    while client.read(&mut rest).is_ok_and(|read| read > 0) {}
}

/// Answers a connection for which there is no thread.
pub(super) fn turn_away(stream: &mut TcpStream) {
    let response = Response::refused(429, "too many requests at once: try again in a moment");
    let mut bytes = response.head().into_bytes();
    bytes.extend(response.body);
    // Both fit into the buffers of a new connection; nobody waits for this client.
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// The answer to the request of a client; `None` for one that is gone.
fn exchange(
    client: &mut Timed,
    shared: &Shared,
    head_only: &mut bool,
) -> Result<Option<Response>, Response> {
    let Some((request, rest)) = request(client)? else {
        return Ok(None);
    };
    request.check_sender(shared.port)?;
    *head_only = request.method == "HEAD";
    match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/") => Ok(Some(Response::page())),
        ("POST", "/predict") => predict(client, &request, rest, shared).map(Some),
        (_, "/predict") => Err(Response::only("POST")),
        (_, "/") => Err(Response::only("GET")),
        _ => Err(Response::refused(
            404,
            "there is nothing here: the page is at /, and POST /predict takes a photo",
        )),
    }
}

/// The head of a request, and what of the body came with it; `None` from a client that sends nothing.
fn request(client: &mut Timed) -> Result<Option<(Request, Vec<u8>)>, Response> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match client.read(&mut chunk) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => return Err(Response::refused(400, "the request is not complete")),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) => return too_slow(&error).map(|()| None),
        }
        if let Some((request, used)) = Request::read(&bytes)? {
            bytes.drain(..used);
            return Ok(Some((request, bytes)));
        }
    }
}

/// The answer to a client that did not send in time; none to one that is gone.
fn too_slow(error: &io::Error) -> Result<(), Response> {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Err(Response::refused(
            408,
            "the request did not arrive in time; firebrick serve --timeout allows more",
        )),
        _ => Ok(()),
    }
}

/// Bytes of a photo, counted while they are in memory.
struct Counted<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> Counted<'a> {
    fn new(all: &'a AtomicUsize, bytes: usize) -> Option<Self> {
        let counted = Self { all, bytes };
        // What was too much is taken back when it is dropped.
        let before = all.fetch_add(bytes, Ordering::Relaxed);
        (before + bytes <= MOST_AT_ONCE).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn predict(
    client: &mut Timed,
    request: &Request,
    begun: Vec<u8>,
    shared: &Shared,
) -> Result<Response, Response> {
    let busy = || Response::refused(429, "too many photos at once: try again in a moment");
    let length = length(request)?;
    let counted = Counted::new(&shared.bytes, length).ok_or_else(busy)?;
    let content = body(client, request, begun, length)?;
    let content = photo(content, &request.content_type)?;
    let explain = !request.query.split('&').any(|part| part == "explain=no");
    let (sender, answer) = sync_channel(1);
    let job = Job {
        content,
        explain,
        answer: sender,
    };
    shared.jobs.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => busy(),
        TrySendError::Disconnected(_) => Response::refused(503, "the server is ending"),
    })?;
    let answered = answer.recv();
    drop(counted);
    answered.map_err(|_| Response::refused(503, "the server is ending"))
}

/// The bytes that a body is said to have.
fn length(request: &Request) -> Result<usize, Response> {
    let missing = || {
        let problem = "send the photo with a Content-Length, not in chunks";
        Response::refused(411, problem)
    };
    if request.chunked {
        return Err(missing());
    }
    let length = request.length.ok_or_else(missing)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= MOST);
    length.ok_or_else(|| {
        let problem = format!("the photo is too large: at most {} MiB", MOST >> 20);
        Response::refused(413, &problem)
    })
}

/// Reads a body, taking only memory for what has arrived.
fn body(
    client: &mut Timed,
    request: &Request,
    begun: Vec<u8>,
    length: usize,
) -> Result<Vec<u8>, Response> {
    let gone = |error: &io::Error| match too_slow(error) {
        Err(response) => response,
        Ok(()) => Response::refused(400, "the connection broke off"),
    };
    if request.waits && begun.len() < length {
        let sent = client.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        sent.map_err(|error| gone(&error))?;
    }
    let mut body = begun;
    body.truncate(length);
    let mut chunk = [0; 16 << 10];
    while body.len() < length {
        let most = chunk.len().min(length - body.len());
        match client.read(&mut chunk[..most]) {
            Ok(0) => {
                let problem = format!(
                    "the upload broke off after {} of {length} bytes",
                    body.len()
                );
                return Err(Response::refused(400, &problem));
            }
            Ok(read) => body.extend_from_slice(&chunk[..read]),
            Err(error) => return Err(gone(&error)),
        }
    }
    Ok(body)
}

/// The photo in a request whose bytes have all arrived.
#[cfg(feature = "testkit")]
pub(super) fn photo_in(bytes: &[u8], port: u16) -> Result<Option<Vec<u8>>, Response> {
    let Some((request, used)) = Request::read(bytes)? else {
        return Ok(None);
    };
    request.check_sender(port)?;
    let length = length(&request)?;
    let body = bytes.iter().skip(used).take(length).copied().collect();
    photo(body, &request.content_type).map(Some)
}

/// The bytes of the photo in a body.
fn photo(mut body: Vec<u8>, content_type: &str) -> Result<Vec<u8>, Response> {
    let refused = |problem: &str| Response::refused(400, problem);
    if let Some(boundary) = multipart::boundary(content_type) {
        let boundary = boundary.map_err(refused)?;
        let place = multipart::file(&body, &boundary).map_err(refused)?;
        body.truncate(place.end);
        body.drain(..place.start);
    }
    if body.is_empty() {
        return Err(refused("the request has no photo: its body is empty"));
    }
    Ok(body)
}
