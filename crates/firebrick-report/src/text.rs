//! Text on a page: escaping, shortening, and numbers as people read them.

/// `text` for use between tags and in quoted attributes.
///
/// Characters that XML forbids even when escaped become U+FFFD, so that one odd file name cannot make
/// the page unreadable.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// `text` in at most `limit` characters: the middle gives way to an ellipsis, since names that need
/// shortening tend to differ at their ends.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= limit {
        return text.to_string();
    }
    let kept = limit.saturating_sub(1);
    let (head, tail) = (kept - kept / 2, kept / 2);
    let start = characters[..head].iter();
    let end = characters[characters.len() - tail..].iter();
    start.chain(['…'].iter()).chain(end).collect()
}

/// Widths of the characters from space to tilde in hundredths of the type size: DejaVu Sans.
///
/// There are no font metrics where a picture is drawn. Of the faces that its style names, this is the
/// widest, and room costs less than overlap.
const REGULAR: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75,
    79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36,
    64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];
/// The same of DejaVu Sans Bold.
const BOLD: [u8; 95] = [
    35, 46, 53, 84, 70, 101, 88, 31, 46, 46, 53, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70,
    70, 70, 70, 40, 40, 84, 84, 84, 59, 100, 78, 77, 74, 84, 69, 69, 83, 84, 38, 38, 78, 64, 100,
    84, 86, 74, 86, 78, 73, 69, 82, 78, 111, 78, 73, 73, 46, 37, 46, 84, 50, 50, 68, 72, 60, 72,
    68, 44, 72, 72, 35, 35, 67, 35, 105, 72, 69, 72, 72, 50, 60, 48, 72, 66, 93, 65, 66, 59, 72,
    37, 72, 84,
];

/// How wide `text` is in pixels at most, set in a sans-serif face of `size` pixels.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    measured(text, size, &REGULAR)
}

/// The same in bold, as the titles and names of pictures are.
pub(crate) fn bold_width(text: &str, size: f64) -> f64 {
    measured(text, size, &BOLD)
}

fn measured(text: &str, size: f64, face: &[u8; 95]) -> f64 {
    let ems = text.chars().map(|character| match character {
        ' '..='~' => f64::from(face[character as usize - ' ' as usize]) / 100.0,
        '\u{202f}' => 0.2,
        '²' | '³' | '·' => 0.45,
        '…' => 1.0,
        '½' | '¼' | '¾' => 1.05,
        wide if wide >= '\u{1100}' && !('\u{2000}'..'\u{2e80}').contains(&wide) => 1.05,
        _ => 0.84,
    });
    ems.sum::<f64>() * size
}

/// `text` shortened until it is at most `room` pixels wide in bold of `size` pixels.
pub(crate) fn fitted(text: &str, size: f64, room: f64) -> String {
    let mut limit = text.chars().count();
    let mut fitted = text.to_string();
    while limit > 1 && bold_width(&fitted, size) > room {
        limit -= 1;
        fitted = shorten(text, limit);
    }
    fitted
}

/// A whole number with its thousands apart: `10 000`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `one` of a thing or several: `1 epoch`, `10 epochs`.
pub(crate) fn plural(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(number))
}

/// A number to about four digits.
pub(crate) fn number(value: f64) -> String {
    if let Some(odd) = not_finite(value) {
        return odd;
    }
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_string()
    } else if (1e-3..1e6).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.2e}")
    };
    text.replace('-', "−")
}

/// A fraction as a percentage with two decimals.
pub(crate) fn percent(fraction: f64) -> String {
    not_finite(fraction).unwrap_or_else(|| {
        let text = format!("{:.2}", fraction * 100.0).replace('-', "−");
        format!("{text}\u{202f}%")
    })
}

/// A difference of two shares in points, hundredths of the whole.
pub(crate) fn points(share: f64) -> String {
    let text = format!("{:+.2}", share * 100.0);
    if text == "-0.00" || text == "+0.00" {
        return "0.00".into();
    }
    not_finite(share).unwrap_or_else(|| text.replace('-', "−"))
}

/// The size of a file: `1.24 MB`, a million bytes to the megabyte.
pub(crate) fn file_size(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (divisor, unit) = match bytes {
        small if small < 1e3 => return plural(bytes as u64, "byte"),
        kilo if kilo < 999_950.0 => (1e3, "kB"),
        mega if mega < 999_950_000.0 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let value = bytes / divisor;
    let decimals = if value < 10.0 { 2 } else { 1 };
    format!("{value:.decimals$}\u{202f}{unit}")
}

/// Seconds in the units a person would use.
pub(crate) fn duration(seconds: f64) -> String {
    if let Some(odd) = not_finite(seconds) {
        return odd;
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours} h {minutes:02} min")
    } else {
        format!("{minutes} min {rest:02} s")
    }
}

fn not_finite(value: f64) -> Option<String> {
    match value {
        nan if nan.is_nan() => Some("NaN".into()),
        f64::INFINITY => Some("∞".into()),
        f64::NEG_INFINITY => Some("−∞".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_harmless() {
        assert_eq!(
            escape("<b a=\"1\">'&'</b>\u{0}\u{ffff}\u{85}\n"),
            "&lt;b a=&quot;1&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;\u{fffd}\u{fffd}\u{fffd}\n"
        );
    }

    #[test]
    fn points_have_a_sign() {
        assert_eq!(points(0.0123), "+1.23");
        assert_eq!(points(-0.5), "−50.00");
        assert_eq!(points(-1e-9), "0.00");
        assert_eq!(points(f64::NAN), "NaN");
    }

    #[test]
    fn files_have_sizes_in_the_units_of_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.00\u{202f}kB"),
            (1_238_000, "1.24\u{202f}MB"),
            (999_949, "999.9\u{202f}kB"),
            (999_999, "1.00\u{202f}MB"),
            (45_600_000_000, "45.6\u{202f}GB"),
        ] {
            assert_eq!(file_size(bytes), text);
        }
    }

    #[test]
    fn shortening_keeps_both_ends() {
        assert_eq!(shorten("golden_retriever_0001", 9), "gold…0001");
        assert_eq!(shorten("日本語の長い名前", 5), "日本…名前");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("ab", 1), "…");
        assert_eq!(shorten("ab", 0), "…");
    }

    #[test]
    fn names_have_the_room_that_the_widest_face_takes() {
        // Advance widths of DejaVu Sans (Bold) 2.37 at 12 pixels, summed by fontTools.
        for (text, regular, bold) in [
            ("momentum(lr=0.005)", 131.75, 145.73),
            ("adadelta(lr=50)", 95.67, 107.21),
            ("WWmm%", 58.51, 63.50),
        ] {
            for (found, wanted) in [(width(text, 12.0), regular), (bold_width(text, 12.0), bold)] {
                assert!(
                    found >= wanted - 0.01 && found < 1.02 * wanted,
                    "{text}: {found}"
                );
            }
        }
        assert!(bold_width("日本", 12.0) >= 24.0);
    }

    #[test]
    fn what_is_fitted_is_as_long_as_the_room_allows() {
        let title = "quadratic(condition=50): a long formula";
        assert_eq!(fitted(title, 13.0, 1000.0), title);
        let short = fitted(title, 13.0, 150.0);
        assert!(
            bold_width(&short, 13.0) <= 150.0 && short.contains('…'),
            "{short}"
        );
        let longer = shorten(title, short.chars().count() + 1);
        assert!(bold_width(&longer, 13.0) > 150.0);
        assert_eq!(fitted("abc", 13.0, 0.0), "…");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567u64), "1\u{202f}234\u{202f}567");
        assert_eq!(count(100u64), "100");
        assert_eq!(number(0.123_456), "0.1235");
        assert_eq!(number(-12.0), "−12.00");
        assert_eq!(number(1e-5), "1.00e−5");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(percent(0.992_1), "99.21\u{202f}%");
        assert_eq!(percent(f64::INFINITY), "∞");
        assert_eq!(duration(8.26), "8.3 s");
        assert_eq!(duration(59.97), "1 min 00 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
        assert_eq!(plural(1u64, "epoch"), "1 epoch");
        assert_eq!(plural(0u64, "epoch"), "0 epochs");
    }
}
