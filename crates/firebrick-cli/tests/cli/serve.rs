//! `firebrick serve` as a process: predictions over a socket, and clients that mean no good.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use image::{DynamicImage, GrayImage, ImageFormat, Luma};

use crate::support::{SMALL, fails, firebrick, images, run, trained};

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(directory: &Path, arguments: &str) -> Self {
        let mut child = firebrick(directory)
            .args(format!("serve {arguments} --port 0").split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.split_once("http://127.0.0.1:").map(|(_, rest)| rest);
        let port = port.and_then(|rest| rest.split_once('/')?.0.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            let ended = child.wait_with_output().unwrap();
            panic!("{line}{}", String::from_utf8_lossy(&ended.stderr));
        };
        Self { child, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    /// The status and the body of what is answered to these bytes.
    fn send(&self, bytes: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        // A server that has answered already may not take the rest.
        let _ = stream.write_all(bytes);
        answer(stream)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.send(
            format!(
                "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
                self.port
            )
            .as_bytes(),
        )
    }

    fn head(&self, more: &str) -> String {
        format!(
            "POST /predict HTTP/1.1\r\nHost: localhost:{}\r\n{more}",
            self.port
        )
    }

    fn post(&self, more: &str, body: &[u8]) -> (u16, serde_json::Value) {
        let length = body.len();
        let mut bytes = self
            .head(&format!("{more}Content-Length: {length}\r\n\r\n"))
            .into_bytes();
        bytes.extend_from_slice(body);
        let (status, body) = self.send(&bytes);
        let json = serde_json::from_str(&body);
        (
            status,
            json.unwrap_or_else(|error| panic!("{status} {error}: {body}")),
        )
    }

    /// The status, and that the reason holds this.
    #[track_caller]
    fn refuses(&self, bytes: &[u8], status: u16, needle: &str) {
        let (found, body) = self.send(bytes);
        assert_eq!(found, status, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let error = body["error"].as_str().unwrap();
        assert!(error.contains(needle), "{needle}: {error}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    // What came before the connection was cut counts.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer: {text}"));
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    (status, body.into())
}

pub(crate) fn photo(format: ImageFormat) -> Vec<u8> {
    let drawing = GrayImage::from_fn(90, 60, |x, y| {
        Luma([if (40..50).contains(&x) {
            255
        } else {
            (20 + y) as u8
        }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    let drawing = DynamicImage::from(drawing).to_rgb8();
    drawing.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn a_photo_is_predicted_as_by_predict_and_explained() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let photo = photo(ImageFormat::Png);
    std::fs::write(at.join("photo.png"), &photo).unwrap();
    let expected = run(at, "predict run photo.png --top 5 --json").json();
    let server = Server::start(at, "run");

    let (status, told) = server.post("Content-Type: image/png\r\n", &photo);
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["top"], expected[0]["top"]);
    let explanation = &told["explanation"];
    assert_eq!(explanation["method"], "grad_cam");
    assert_eq!(explanation["stage"], "conv2");
    assert_eq!(explanation["class"], told["top"][0]["class"]);
    // The training images that are nearest, as `predict --nearest` finds them.
    let expected = run(at, "predict run photo.png --nearest 3 --json").json();
    let near = expected[0]["nearest"].as_array().unwrap();
    assert_eq!(
        (near.len(), told["nearest"].as_array().unwrap().len()),
        (3, 3)
    );
    for (shown, expected) in told["nearest"].as_array().unwrap().iter().zip(near) {
        for key in ["path", "class", "cosine"] {
            assert_eq!(shown[key], expected[key], "{key}");
        }
        let picture = shown["picture"].as_str().unwrap();
        assert!(
            picture.starts_with("data:image/png;base64,"),
            "{picture:.60}"
        );
    }
    let picture = explanation["picture"].as_str().unwrap();
    assert!(
        picture.starts_with("data:image/png;base64,"),
        "{picture:.60}"
    );

    // As a form, as curl sends it, and without the explanation.
    let mut form =
        b"--xyz\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n"
            .to_vec();
    form.extend_from_slice(&photo);
    form.extend_from_slice(b"\r\n--xyz--\r\n");
    let (status, of_form) =
        server.post("Content-Type: multipart/form-data; boundary=xyz\r\n", &form);
    assert_eq!((status, &of_form), (200, &told));
    let bare = server.head(&format!("Content-Length: {}\r\n\r\n", photo.len()));
    let mut bare = bare
        .replacen("/predict", "/predict?explain=no", 1)
        .into_bytes();
    bare.extend_from_slice(&photo);
    let (status, body) = server.send(&bare);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["top"]), (200, &told["top"]));
    assert!(body["explanation"].is_null());

    // A client that waits for a word before it sends the body.
    let mut stream = server.connect();
    let head = server.head(&format!(
        "Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        photo.len()
    ));
    stream.write_all(head.as_bytes()).unwrap();
    let mut word = [0; 25];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&photo).unwrap();
    assert_eq!(answer(stream).0, 200);

    let (status, page) = server.get("/");
    assert!(status == 200 && page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

#[test]
fn hostile_requests_get_a_reason_and_the_server_lives_on() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let server = Server::start(at, "run --timeout 1");
    let port = server.port;
    let photo = photo(ImageFormat::Jpeg);

    // Not an image, torn ones, one that claims to be huge.
    let (status, told) = server.post("", b"this is text, whatever its name");
    assert_eq!(status, 415, "{told}");
    let (status, told) = server.post("", &photo[..photo.len() / 2]);
    assert_eq!(status, 422, "{told}");
    let mut huge = self::photo(ImageFormat::Bmp);
    huge[18..26].copy_from_slice(&[0, 0, 0, 0x7f, 0, 0, 0, 0x7f]);
    let (status, told) = server.post("", &huge);
    assert_eq!(status, 422, "{told}");
    let (status, told) = server.post("", b"");
    assert_eq!(status, 400, "{told}");
    let (status, told) = server.post("Content-Type: multipart/form-data; boundary=a\r\n", &photo);
    assert!(
        status == 400 && told["error"].as_str().unwrap().contains("boundary"),
        "{told}"
    );

    // Lengths that are none, or too large; nothing is read of the body.
    let post = |more: &str| server.head(more).into_bytes();
    server.refuses(
        &post("Content-Length: 99999999999\r\n\r\n"),
        413,
        "at most 32 MiB",
    );
    server.refuses(&post("Content-Length: 1e3\r\n\r\n"), 400, "content-length");
    server.refuses(&post("\r\n"), 411, "Content-Length");
    server.refuses(
        &post("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        411,
        "Content-Length",
    );
    server.refuses(
        &post(&format!("A: {}", "b".repeat(20_000))),
        431,
        "too long",
    );
    server.refuses(
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        400,
        "not an HTTP request",
    );
    server.refuses(b"GET / HTTP/1.1\r\n\r\n", 400, "Host");

    // Other hosts, other origins, other methods, other places.
    server.refuses(
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        403,
        "only answers at",
    );
    let foreign = format!("Origin: http://evil.example:{port}\r\nContent-Length: 1\r\n\r\nx");
    server.refuses(&post(&foreign), 403, "other sites");
    assert_eq!(server.get("/predict").0, 405);
    assert_eq!(server.get("/../../etc/passwd").0, 404);
    let delete = format!("DELETE / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    server.refuses(delete.as_bytes(), 405, "GET");

    // An upload that stops in the middle: the time is up, or the client ends it.
    server.refuses(
        &post("Content-Length: 1000\r\n\r\nonly this"),
        408,
        "in time",
    );
    let mut stream = server.connect();
    stream
        .write_all(&post("Content-Length: 1000\r\n\r\nonly this"))
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let (status, body) = answer(stream);
    assert!(status == 400 && body.contains("9 of 1000 bytes"), "{body}");

    let (status, told) = server.post("", &photo);
    assert_eq!(status, 200, "{told}");
}

#[test]
fn many_slow_clients_are_turned_away_and_block_nobody_for_long() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let server = Server::start(at, "run --timeout 1");
    // More than there are threads and places to wait; each sends the beginning of a request and no more.
    let slow: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = server.connect();
            let _ = stream.write_all(b"POST /predict HTTP/1.1\r\n");
            stream
        })
        .collect();
    let statuses: Vec<u16> = slow
        .into_iter()
        .rev()
        .map(|stream| answer(stream).0)
        .collect();
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert!(count(429) >= 1, "{statuses:?}");
    assert!(count(408) >= 16, "{statuses:?}");
    assert_eq!(count(429) + count(408), 40, "{statuses:?}");
    let (status, told) = server.post("", &photo(ImageFormat::Png));
    assert_eq!(status, 200, "{told}");
}

#[test]
fn no_more_bytes_are_taken_than_fit() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let server = Server::start(at, "run");
    // Four of the largest photos are let in, and a fifth is not, until one of the others is gone.
    let length = 32 << 20;
    let head = format!("Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    let head = server.head(&head);
    let mut let_in: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head.as_bytes()).unwrap();
            let mut word = [0; 25];
            stream.read_exact(&mut word).unwrap();
            assert!(word.starts_with(b"HTTP/1.1 100 "));
            stream
        })
        .collect();
    server.refuses(head.as_bytes(), 429, "at once");
    let gone = let_in.pop().unwrap();
    gone.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answer(gone).0, 400);
    let (status, told) = server.post("", &photo(ImageFormat::Png));
    assert_eq!(status, 200, "{told}");
}

#[test]
fn ensembles_and_model_files_are_served_and_what_cannot_be_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let server = Server::start(at, "run/model.safetensors --top 2");
    let (status, told) = server.post("", &photo(ImageFormat::Jpeg));
    assert_eq!((status, told["top"].as_array().unwrap().len()), (200, 2));
    let busy = server.port;
    fails(
        &run(at, &format!("serve run --port {busy}")),
        1,
        &[&format!("port {busy} is in use"), "--port 0"],
    );
    fails(&run(at, "serve"), 2, &["RUN"]);
    fails(
        &run(at, "serve nowhere --port 0"),
        1,
        &["nowhere", "no such run directory"],
    );
    fails(&run(at, "serve run --port 70000"), 2, &["--port"]);
    fails(&run(at, "serve run --timeout 0"), 2, &["timeout = 0"]);

    // A run with snapshots is an ensemble.
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let snapshots = "--schedule snapshot_cosine(cycles=2) --snapshots all";
    trained(at, &format!("{SMALL} {snapshots}"));
    std::fs::write(at.join("photo.jpg"), photo(ImageFormat::Jpeg)).unwrap();
    let expected = run(at, "predict run photo.jpg --top 5 --json").json();
    let server = Server::start(at, "run");
    let (status, of_both) = server.post("", &photo(ImageFormat::Jpeg));
    assert_eq!(status, 200, "{of_both}");
    assert!(of_both["explanation"].is_null());
    assert_eq!(of_both["top"], expected[0]["top"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_cleanly() {
    let temp = tempfile::tempdir().unwrap();
    trained(temp.path(), SMALL);
    for signal in ["INT", "TERM"] {
        let mut server = Server::start(temp.path(), "run");
        // A client that holds a connection does not keep it.
        let _open = server.connect();
        crate::support::signal(&server.child, signal);
        let begun = Instant::now();
        let status = server.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(30));
        let mut said = String::new();
        let mut stderr = server.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said.trim(), "stopped", "{signal}");
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
    }
}

#[test]
fn predictions_of_files_are_explained_by_pictures() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    images(&at.join("images"), &["a", "b"], 1);
    std::fs::write(at.join("images/bad.png"), "no image").unwrap();
    let plain = run(at, "predict run images --on-bad-image skip --json").json();
    let told = run(
        at,
        "predict run images --on-bad-image skip --json --explain grad_cam(stage=conv1) --out why",
    );
    let told = told.json();
    let rows = told.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for (row, plain) in rows.iter().zip(plain.as_array().unwrap()) {
        assert_eq!((&row["top"], &row["path"]), (&plain["top"], &plain["path"]));
        let picture = image::open(at.join(row["explanation"].as_str().unwrap())).unwrap();
        assert!(picture.width() >= 200, "{}", picture.width());
    }
    // Two images of one name.
    assert_ne!(rows[0]["explanation"], rows[1]["explanation"]);
    let lines = run(
        at,
        "predict run images/a/0.png --explain occlusion(patch=8,stride=8) --out why",
    );
    assert!(
        lines.stdout.contains(" → why/0.png"),
        "{}{}",
        lines.stdout,
        lines.stderr
    );
    for (arguments, needles) in [
        (
            "--explain grad_cma --out why",
            &["did you mean `grad_cam`"][..],
        ),
        (
            "--explain grad_cam(stage=fc1) --out why",
            &["fc1", "conv1, conv2"],
        ),
        ("--explain grad_cam", &["--out"]),
        ("--out why", &["--explain"]),
    ] {
        fails(
            &run(at, &format!("predict run images {arguments}")),
            2,
            needles,
        );
    }
}
