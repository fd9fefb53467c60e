//! Lists in messages.

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
