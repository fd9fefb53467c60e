//! The photo in a form, as `curl -F image=@photo.jpg` and HTML forms send it: RFC 7578.

use std::ops::Range;

/// The boundary between the parts of a form; `None` for content of another type.
pub(super) fn boundary(content_type: &str) -> Option<Result<String, &'static str>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.to_string())
    });
    let usable = |boundary: &String| (1..=70).contains(&boundary.len());
    Some(found.filter(usable).ok_or("the form has no boundary"))
}

/// Where the content of the first file of a form lies; of a form without files, that of its first field.
pub(super) fn file(body: &[u8], boundary: &str) -> Result<Range<usize>, &'static str> {
    const TORN: &str = "the form is not complete: its last boundary is missing";
    let line = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    if !body.starts_with(line.as_bytes()) {
        return Err("the form does not begin with its boundary");
    }
    let mut at = line.len();
    let mut field = None;
    while !body[at..].starts_with(b"--") {
        let head = find(body, at, b"\r\n\r\n").ok_or(TORN)?;
        let start = head + 4;
        let end = find(body, start, between.as_bytes()).ok_or(TORN)?;
        if is_file(&body[at..head]) {
            return Ok(start..end);
        }
        field = field.or(Some(start..end));
        at = end + between.len();
    }
    field.ok_or("the form is empty")
}

/// Whether the headers of a part name a file.
fn is_file(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = head.lines();
    lines.any(|line| line.starts_with("content-disposition:") && line.contains("filename"))
}

fn find(text: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = text.get(from..)?;
    let found = rest.windows(wanted.len()).position(|part| part == wanted);
    found.map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--x\r\n\
        Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
        \x89PNG\r\n--y\r\n\r\n--x--\r\n";

    #[test]
    fn the_first_file_is_the_photo() {
        let place = file(FORM, "x").unwrap();
        assert_eq!(&FORM[place], b"\x89PNG\r\n--y\r\n");
        let field = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nbytes\r\n--x--";
        assert_eq!(&field[file(field, "x").unwrap()], b"bytes");
    }

    #[test]
    fn torn_forms_are_refused_and_none_makes_it_panic() {
        let end = FORM.len() - "\r\n--x--\r\n".len();
        for cut in 0..end {
            assert!(file(&FORM[..cut], "x").is_err(), "{cut}");
        }
        for at in 0..FORM.len() {
            for byte in [0, b'-', b'\r', b'\n', 0xff] {
                let mut changed = FORM.to_vec();
                changed[at] = byte;
                if let Ok(place) = file(&changed, "x") {
                    assert!(changed.get(place).is_some());
                }
            }
        }
        for form in [&b""[..], b"--x--", b"--x", b"--x\r\n\r\n", b"no"] {
            assert!(file(form, "x").is_err(), "{form:?}");
        }
    }

    #[test]
    fn the_boundary_is_in_the_content_type() {
        let found = |text: &str| boundary(text).map(Result::ok);
        assert_eq!(found("image/png"), None);
        assert_eq!(found(""), None);
        assert_eq!(
            found("multipart/form-data; boundary=abc"),
            Some(Some("abc".into()))
        );
        assert_eq!(
            found("Multipart/Form-Data;charset=u; Boundary=\"a b\""),
            Some(Some("a b".into()))
        );
        assert_eq!(found("multipart/form-data"), Some(None));
        assert_eq!(found("multipart/form-data; boundary="), Some(None));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(found(&long), Some(None));
    }
}
