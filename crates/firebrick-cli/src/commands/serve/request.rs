//! The head of a request.

use super::response::Response;

/// Bytes of the longest head.
pub(super) const MOST: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// What is asked for, as far as the headers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// Bytes of the body, where they are told.
    pub(super) length: Option<u64>,
    /// Whether the body comes in chunks of unknown number.
    pub(super) chunked: bool,
    pub(super) content_type: String,
    /// Whether the client waits for a word before it sends the body.
    pub(super) waits: bool,
    host: Option<String>,
    origin: Option<String>,
}

impl Request {
    /// The head that `bytes` begin with and its length; `None` while it is not complete.
    ///
    /// # Errors
    /// The answer to what is no request.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Response> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let too_long = || {
            let problem = format!(
                "the headers of the request are too long: at most {MOST} bytes and {MOST_HEADERS} headers"
            );
            Response::refused(431, &problem)
        };
        let used = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(used)) if used <= MOST => used,
            Ok(httparse::Status::Partial) if bytes.len() < MOST => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(too_long()),
            Err(error) => {
                let problem = format!("this is not an HTTP request: {error}");
                return Err(Response::refused(400, &problem));
            }
        };
        let target = parsed.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: parsed.method.unwrap_or_default().into(),
            path: path.into(),
            query: query.into(),
            ..Self::default()
        };
        for header in parsed.headers.iter() {
            request.note(header.name, header.value)?;
        }
        Ok(Some((request, used)))
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Response> {
        let value = String::from_utf8_lossy(value).trim().to_string();
        let name = name.to_ascii_lowercase();
        let twice = || {
            let problem = format!("the request has the header {name} twice, or it makes no sense");
            Response::refused(400, &problem)
        };
        match name.as_str() {
            "host" if self.host.is_some() => return Err(twice()),
            "host" => self.host = Some(value),
            "origin" => self.origin = Some(value),
            "content-type" => self.content_type = value,
            "transfer-encoding" => self.chunked = true,
            "expect" => self.waits = value.eq_ignore_ascii_case("100-continue"),
            "content-length" => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                if self.length.is_some() || !digits {
                    return Err(twice());
                }
                // A number that is too large for its type is too large in any case.
                self.length = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses what a page of another site makes a browser send here: with a host name of its own that leads to this machine,
    /// or from its own origin.
    ///
    /// # Errors
    /// The answer to it.
    pub(super) fn check_sender(&self, port: u16) -> Result<(), Response> {
        let Some(host) = &self.host else {
            return Err(Response::refused(400, "the request has no Host header"));
        };
        if !is_here(host, port) {
            let problem = format!("this server only answers at http://127.0.0.1:{port}/");
            return Err(Response::refused(403, &problem));
        }
        let from_here = |origin: &String| {
            let host = origin.strip_prefix("http://");
            host.is_some_and(|host| is_here(host, port))
        };
        if self
            .origin
            .as_ref()
            .is_some_and(|origin| !from_here(origin))
        {
            let problem = "pages of other sites may not use this server";
            return Err(Response::refused(403, problem));
        }
        Ok(())
    }
}

/// Whether a host, with its port, is this machine by a name that no other site can have.
fn is_here(host: &str, port: u16) -> bool {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    let (name, found) = match host.rsplit_once(':') {
        Some((name, found)) if found.bytes().all(|byte| byte.is_ascii_digit()) => (name, found),
        _ => (host, "80"),
    };
    names.iter().any(|known| name.eq_ignore_ascii_case(known)) && found == port.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Request {
        let (request, used) = Request::read(text.as_bytes()).unwrap().unwrap();
        assert!(text[..used].ends_with("\r\n\r\n"));
        request
    }

    fn status(text: &[u8]) -> u16 {
        Request::read(text).unwrap_err().status
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = "POST /predict?explain=no HTTP/1.1\r\nHost: localhost:9\r\ncontent-length: 12\r\n\
                    Expect: 100-Continue\r\nContent-Type: image/png\r\n\r\nbody";
        let request = read(text);
        assert_eq!(
            (
                request.method.as_str(),
                request.path.as_str(),
                request.query.as_str()
            ),
            ("POST", "/predict", "explain=no")
        );
        assert_eq!(
            (request.length, request.waits, request.chunked),
            (Some(12), true, false)
        );
        let whole = text.find("body").unwrap();
        for end in 0..whole {
            assert_eq!(Request::read(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let one = "GET / HTTP/1.1\r\n";
        for (text, expected) in [
            ("\x16\x03\x01\x02\x00\x01".to_string(), 400),
            ("GET / HTTP/9.9\r\n\r\n".into(), 400),
            (format!("{one}Content-Length: -1\r\n\r\n"), 400),
            (
                format!("{one}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
                400,
            ),
            (format!("{one}Host: a\r\nHost: b\r\n\r\n"), 400),
            (format!("{one}{}\r\n", "A: b\r\n".repeat(65)), 431),
            (format!("{one}A: {}", "b".repeat(MOST)), 431),
            (format!("{one}A: {}\r\n\r\n", "b".repeat(MOST)), 431),
        ] {
            assert_eq!(status(text.as_bytes()), expected, "{text:.60}");
        }
        let large = format!("{one}Content-Length: {}\r\n\r\n", "9".repeat(40));
        assert_eq!(read(&large).length, Some(u64::MAX));
    }

    #[test]
    fn no_byte_makes_it_panic() {
        let text = b"POST /predict?a=b HTTP/1.1\r\nHost: [::1]:9\r\nContent-Length: 12\r\n\r\n";
        for at in 0..text.len() {
            for byte in [0, b'\r', b'\n', b' ', b':', 0x7f, 0x80, 0xff] {
                let mut changed = text.to_vec();
                changed[at] = byte;
                if let Ok(Some((request, _))) = Request::read(&changed) {
                    let _ = request.check_sender(9);
                }
            }
        }
    }

    #[test]
    fn only_this_machine_by_its_own_names_may_ask() {
        let from = |host: &str, origin: &str| {
            let text = format!("GET / HTTP/1.1\r\n{host}{origin}\r\n");
            read(&text)
                .check_sender(8765)
                .map_err(|refused| refused.status)
        };
        for host in [
            "127.0.0.1:8765",
            "localhost:8765",
            "LOCALHOST:8765",
            "[::1]:8765",
        ] {
            assert_eq!(from(&format!("Host: {host}\r\n"), ""), Ok(()), "{host}");
        }
        for host in [
            "evil.example:8765",
            "127.0.0.1.evil.example:8765",
            "127.0.0.1",
            "localhost:1",
            "localhost:",
            "",
            "127.0.0.1:08765",
            "evil.example@127.0.0.1:8765",
        ] {
            assert_eq!(from(&format!("Host: {host}\r\n"), ""), Err(403), "{host}");
        }
        assert_eq!(from("", ""), Err(400));
        let here = "Host: 127.0.0.1:8765\r\n";
        assert_eq!(from(here, "Origin: http://127.0.0.1:8765\r\n"), Ok(()));
        for origin in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:8765",
            "http://127.0.0.1:9",
        ] {
            assert_eq!(
                from(here, &format!("Origin: {origin}\r\n")),
                Err(403),
                "{origin}"
            );
        }
        assert_eq!(
            read("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").check_sender(80),
            Ok(())
        );
    }
}
