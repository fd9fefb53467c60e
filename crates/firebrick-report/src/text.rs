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

/// About how wide `text` is in pixels, set in a sans-serif face of `size` pixels.
///
/// There are no font metrics here; the guess is on the wide side, since room costs less than overlap.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let ems = text.chars().map(|character| match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | ' ' | '\u{202f}' => 0.33,
        'm' | 'w' | 'M' | 'W' | '%' | '…' => 0.95,
        'A'..='Z' => 0.72,
        wide if wide >= '\u{1100}' && !('\u{2000}'..'\u{2e80}').contains(&wide) => 1.05,
        _ => 0.6,
    });
    ems.sum::<f64>() * size
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
pub(crate) fn plural(number: usize, one: &str) -> String {
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
    fn shortening_keeps_both_ends() {
        assert_eq!(shorten("golden_retriever_0001", 9), "gold…0001");
        assert_eq!(shorten("日本語の長い名前", 5), "日本…名前");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("ab", 1), "…");
        assert_eq!(shorten("ab", 0), "…");
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
        assert_eq!(plural(1, "epoch"), "1 epoch");
        assert_eq!(plural(0, "epoch"), "0 epochs");
    }
}
