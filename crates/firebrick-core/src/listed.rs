//! Lists in messages.

use crate::error::visible;

/// The first few of many, and how many more there are.
pub(crate) fn listed(items: impl Iterator<Item = String>, shown: usize) -> String {
    let mut items: Vec<String> = items.collect();
    let more = items.len().saturating_sub(shown);
    items.truncate(shown);
    let tail = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    items.join("; ") + &tail
}

/// All of many: one behind the other if they are few, otherwise on lines of their own under a heading. More than any network has are not
/// listed.
pub(crate) fn in_full(items: &[String]) -> String {
    const FEW: usize = 8;
    const MOST: usize = 3000;
    let lines = items.iter().take(MOST).map(|item| printable(item, 400));
    if items.len() <= FEW {
        return lines.collect::<Vec<_>>().join("; ");
    }
    let mut text = format!("{} differences:", items.len());
    for line in lines {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    if items.len() > MOST {
        text.push_str(&format!("\n  and {} more", items.len() - MOST));
    }
    text
}

/// A text that may repeat names of a file, on one line of bounded length.
pub(crate) fn printable(text: &str, longest: usize) -> String {
    let text = visible(text);
    let end = text.char_indices().nth(longest).map(|(end, _)| end);
    match end {
        None => text.into_owned(),
        Some(end) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_file_cannot_write_on_the_terminal() {
        assert_eq!(
            printable("`a\u{1b}[2J\n` is missing", 1500),
            "`a\\u{1b}[2J\\n` is missing"
        );
        for text in ["ö", "\u{1b}"] {
            assert_eq!(printable(&text.repeat(5000), 1500).chars().count(), 1501);
        }
    }

    #[test]
    fn all_are_listed_on_lines_of_their_own_unless_they_are_few() {
        let items = |count: usize| (0..count).map(|at| format!("a{at}\n")).collect::<Vec<_>>();
        assert_eq!(in_full(&items(2)), "a0\\n; a1\\n");
        let many = in_full(&items(700));
        assert!(
            many.starts_with("700 differences:\n  a0\\n\n  a1\\n\n"),
            "{many}"
        );
        assert_eq!(many.lines().count(), 701);
        assert!(in_full(&items(5000)).ends_with("\n  a2999\\n\n  and 2000 more"));
    }
}
