use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

const CONTENT: &[u8] = b"sixteen bytes ok and then some more of it";

fn content_hash() -> String {
    checksum::of(CONTENT)
}

/// Answers one request after the other with `answers`; gives its address and the requests' heads.
fn serve(answers: Vec<Vec<u8>>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/set.gz", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<_> = lines
                .map_while(Result::ok)
                .take_while(|l| !l.is_empty())
                .collect();
            sender.send(head.join("\n").to_lowercase()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    (url, requests)
}

/// An answer that promises `length` bytes.
fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn good() -> Vec<u8> {
    answer("200 OK", "", CONTENT.len(), CONTENT)
}

struct Outcome {
    result: Result<(), DataError>,
    progress: Vec<(u64, Option<u64>)>,
}

/// As [`fetch`], but without the proxy that the environment may name.
fn fetch_here(url: &str, sha256: &str, target: &Path) -> Outcome {
    request_here(&Request {
        sha256,
        ..Request::new(url, target)
    })
}

fn request_here(request: &Request<'_>) -> Outcome {
    let agent = client().proxy(None).build().new_agent();
    let mut progress = Vec::new();
    let download = Download { agent, request };
    let result = download.run(&mut |done, total| progress.push((done, total)));
    Outcome { result, progress }
}

fn part(target: &Path) -> PathBuf {
    target.with_file_name("set.gz.part")
}

#[test]
fn a_good_download_arrives_under_its_name_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/set.gz");
    let (url, requests) = serve(vec![good()]);
    let outcome = fetch_here(&url, &content_hash().to_uppercase(), &target);
    outcome.result.unwrap();
    assert_eq!(fs::read(&target).unwrap(), CONTENT);
    assert!(!part(&target).exists());
    let total = CONTENT.len() as u64;
    assert_eq!(outcome.progress.first(), Some(&(0, Some(total))));
    assert_eq!(outcome.progress.last(), Some(&(total, Some(total))));
    let head = requests.recv().unwrap();
    assert!(
        head.contains("accept-encoding: identity") && !head.contains("range:"),
        "{head}"
    );

    // The server is gone; the file is there.
    let again = fetch_here(&url, &content_hash(), &target);
    again.result.unwrap();
    assert_eq!(again.progress, [(total, Some(total))]);
}

#[test]
fn a_broken_transfer_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let range = format!("Content-Range: bytes 16-40/{}\r\n", CONTENT.len());
    let (url, requests) = serve(vec![
        answer("200 OK", "", CONTENT.len(), &CONTENT[..16]),
        answer(
            "206 Partial Content",
            &range,
            CONTENT.len() - 16,
            &CONTENT[16..],
        ),
    ]);
    let error = fetch_here(&url, &content_hash(), &target)
        .result
        .unwrap_err()
        .to_string();
    assert!(error.contains("broke after 16 of 41 bytes"), "{error}");
    assert!(
        error.contains("set.gz.part") && error.contains("again"),
        "{error}"
    );
    assert!(!target.exists());
    assert_eq!(fs::read(part(&target)).unwrap(), &CONTENT[..16]);

    let outcome = fetch_here(&url, &content_hash(), &target);
    outcome.result.unwrap();
    assert_eq!(fs::read(&target).unwrap(), CONTENT);
    assert_eq!(outcome.progress.first(), Some(&(16, Some(41))));
    assert!(!requests.recv().unwrap().contains("range:"));
    assert!(requests.recv().unwrap().contains("range: bytes=16-"));
}

#[test]
fn a_server_without_ranges_starts_again() {
    for answers in [
        vec![good()],
        vec![answer("416 Range Not Satisfiable", "", 0, b""), good()],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("set.gz");
        fs::write(
            part(&target),
            [b"longer than the file will be".as_slice(), CONTENT].concat(),
        )
        .unwrap();
        let (url, _requests) = serve(answers);
        fetch_here(&url, &content_hash(), &target).result.unwrap();
        assert_eq!(fs::read(&target).unwrap(), CONTENT);
    }
}

#[test]
fn a_part_that_is_complete_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    fs::write(part(&target), CONTENT).unwrap();
    fetch_here("http://127.0.0.1:1/set.gz", &content_hash(), &target)
        .result
        .unwrap();
    assert_eq!(fs::read(&target).unwrap(), CONTENT);
}

#[test]
fn the_wrong_content_is_deleted_and_both_hashes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let (url, _requests) = serve(vec![good()]);
    let expected = "0".repeat(64);
    let error = fetch_here(&url, &expected, &target)
        .result
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&expected) && error.contains(&content_hash()),
        "{error}"
    );
    assert!(!target.exists() && !part(&target).exists());
}

#[test]
fn a_file_with_another_hash_is_replaced_only_by_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    fs::write(&target, b"an old one").unwrap();
    let (url, _requests) = serve(vec![answer("503 Service Unavailable", "", 0, b""), good()]);
    assert!(fetch_here(&url, &content_hash(), &target).result.is_err());
    assert_eq!(fs::read(&target).unwrap(), b"an old one");
    fetch_here(&url, &content_hash(), &target).result.unwrap();
    assert_eq!(fs::read(&target).unwrap(), CONTENT);
}

#[test]
fn refusals_name_the_address_and_the_way_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let (missing, _requests) = serve(vec![answer("404 Not Found", "", 4, b"oops")]);
    let wrong_range = "Content-Range: bytes 7-40/41\r\n";
    let (other, _other) = serve(vec![answer("206 Partial Content", wrong_range, 2, b"ab")]);
    // Nothing listens on the discard port of this machine.
    let silent = "http://127.0.0.1:1/set.gz".to_string();
    for (url, needle) in [
        (missing, "404"),
        (other, "another part"),
        (silent, "refused"),
    ] {
        let error = fetch_here(&url, &content_hash(), &target)
            .result
            .unwrap_err()
            .to_string();
        for needle in [needle, &url, target.to_str().unwrap(), "--data-dir DIR"] {
            assert!(error.contains(needle), "{needle}: {error}");
        }
        assert!(!target.exists());
    }
}

#[test]
fn redirects_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let (there, _there) = serve(vec![good()]);
    let location = format!("Location: {there}\r\n");
    let (url, _requests) = serve(vec![answer("302 Found", &location, 0, b"")]);
    fetch_here(&url, &content_hash(), &target).result.unwrap();
    assert_eq!(fs::read(&target).unwrap(), CONTENT);
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let other = Part::open(&target).unwrap();
    let error = fetch_here("http://127.0.0.1:1/", &content_hash(), &target)
        .result
        .unwrap_err();
    assert!(
        error.to_string().contains("another process is downloading"),
        "{error}"
    );
    drop(other);
}

#[test]
fn the_first_digits_of_a_hash_verify_too() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let (url, _requests) = serve(vec![good(), good()]);
    let wrong = fetch_here(&url, "00000000", &target).result.unwrap_err();
    let wrong = wrong.to_string();
    assert!(wrong.contains("expected begins with 00000000"), "{wrong}");
    assert!(!target.exists() && !part(&target).exists());
    fetch_here(&url, &content_hash()[..8], &target)
        .result
        .unwrap();
    // The server is gone; the file is there.
    fetch_here(&url, &content_hash()[..8], &target)
        .result
        .unwrap();
}

#[test]
fn a_file_of_which_nothing_is_known_begins_again_and_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    let (url, requests) = serve(vec![
        answer("200 OK", "", CONTENT.len(), &CONTENT[..16]),
        answer("200 OK", "", 6, b"<html>"),
        good(),
    ]);
    let check = |path: &Path| match fs::read(path).unwrap().starts_with(b"<html>") {
        true => Err("it is a web page".into()),
        false => Ok(()),
    };
    let request = Request {
        check: &check,
        ..Request::new(&url, &target)
    };
    let error = |request| request_here(request).result.unwrap_err().to_string();
    let broken = error(&request);
    assert!(broken.contains("broke after 16 of 41 bytes"), "{broken}");
    assert!(!broken.contains("continue"), "{broken}");
    let page = error(&request);
    assert!(
        page.contains("it is a web page") && page.contains(&url),
        "{page}"
    );
    assert!(!target.exists() && !part(&target).exists());
    request_here(&request).result.unwrap();
    assert_eq!(fs::read(&target).unwrap(), CONTENT);
    assert!((0..3).all(|_| !requests.recv().unwrap().contains("range:")));
    // It is there, whatever it is.
    request_here(&request).result.unwrap();
}

#[test]
fn a_file_that_is_not_there_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set.gz");
    for status in ["401 Unauthorized", "404 Not Found"] {
        let (url, _requests) = serve(vec![answer(status, "", 0, b"")]);
        let request = Request {
            missing: Some("there is no such model"),
            ..Request::new(&url, &target)
        };
        let error = request_here(&request).result.unwrap_err().to_string();
        for needle in [&url, status, "there is no such model"] {
            assert!(error.contains(needle), "{needle}: {error}");
        }
    }
}
