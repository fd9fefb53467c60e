//! What is answered.

use std::fmt::Write as _;

use serde::Serialize;

/// An answer, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    kind: &'static str,
    /// Headers of this answer alone.
    more: &'static str,
    pub(super) body: Vec<u8>,
}

/// The page needs no resource from anywhere, and nobody may put it into a frame.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Response {
    pub(super) fn page() -> Self {
        Self {
            status: 200,
            kind: "text/html; charset=utf-8",
            more: "",
            body: include_bytes!("page.html").to_vec(),
        }
    }

    pub(super) fn json(document: &impl Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(body) => Self {
                status: 200,
                kind: "application/json",
                more: "",
                body,
            },
            Err(error) => Self::refused(500, &format!("the answer cannot be written: {error}")),
        }
    }

    /// An answer that says in one sentence what is wrong.
    pub(super) fn refused(status: u16, problem: &str) -> Self {
        Self {
            status,
            kind: "application/json",
            more: if status == 429 {
                "Retry-After: 1\r\n"
            } else {
                ""
            },
            body: serde_json::json!({ "error": problem }).to_string().into(),
        }
    }

    /// The wrong method for something that is there.
    pub(super) fn only(method: &str) -> Self {
        let (more, problem) = match method {
            "POST" => ("Allow: POST\r\n", "send the photo with POST"),
            _ => ("Allow: GET, HEAD\r\n", "the page is read with GET"),
        };
        Self {
            more,
            ..Self::refused(405, problem)
        }
    }

    /// Status line and headers; every answer ends its connection.
    pub(super) fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let length = self.body.len();
        let _ = write!(
            head,
            "Content-Type: {}\r\nContent-Length: {length}\r\n{}Connection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Content-Security-Policy: {PAGE_POLICY}\r\n\r\n",
            self.kind, self.more
        );
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_what_they_are() {
        let busy = Response::refused(429, "a \"quoted\" reason");
        let head = busy.head();
        assert!(
            head.starts_with("HTTP/1.1 429 Too Many Requests\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nRetry-After: 1\r\n") && head.ends_with("\r\n\r\n"));
        assert!(!head.contains("Access-Control"), "{head}");
        let length = format!("\r\nContent-Length: {}\r\n", busy.body.len());
        assert!(head.contains(&length), "{head}");
        let body: serde_json::Value = serde_json::from_slice(&busy.body).unwrap();
        assert_eq!(body["error"], "a \"quoted\" reason");
        assert!(
            Response::only("POST")
                .head()
                .contains("\r\nAllow: POST\r\n")
        );
    }

    #[test]
    fn the_page_loads_nothing_from_anywhere() {
        let page = String::from_utf8(Response::page().body).unwrap();
        for outside in [
            "http:",
            "https:",
            "//cdn",
            "@import",
            "src=\"",
            "innerHTML",
            "eval(",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("lang=\"en\""));
    }
}
