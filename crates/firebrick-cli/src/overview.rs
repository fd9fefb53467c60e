//! The overview that is printed before a run: data, model, length and directory.

use console::{Alignment, measure_text_width};
use firebrick::{DataOverview, Overview, SplitOverview};

use crate::columns::{WIDTH, columns, shortened};
use crate::figures::{counted, grouped};

/// Where the text of a line begins, after its name.
const INDENT: usize = 9;
/// Up to this many classes have a row each.
const ROWS: usize = 12;
/// Longest name of a class that is shown in full.
const LONGEST: usize = 28;

/// The data, the model and the place of a run.
pub(crate) fn of_run(run: &Overview) -> Vec<String> {
    let [channels, height, width] = run.input;
    let mut lines = of_data(&run.data);
    lines.extend(named(
        "images",
        &[format!("read as {}", size(channels, [height, width]))],
    ));
    let parameters = counted(run.parameters as u64, "parameter", "parameters");
    lines.extend(named(
        "model",
        &wrapped([format!("{}, ", run.model), parameters]),
    ));
    let length = format!(
        "{} of {}",
        counted(run.epochs, "epoch", "epochs"),
        counted(run.updates_per_epoch, "update", "updates")
    );
    let begun = match run.step {
        0 => String::new(),
        step => format!("; continues after update {}", grouped(step)),
    };
    lines.extend(named("length", &[length + &begun]));
    lines.extend(named("trained", &run.fine_tuning));
    lines.extend(named("device", std::slice::from_ref(&run.device)));
    lines.extend(named("run", &[run.run_dir.display().to_string()]));
    lines
}

/// The splits, the classes and how many images there are of each.
pub(crate) fn of_data(data: &DataOverview) -> Vec<String> {
    let classes = counted(data.classes.len() as u64, "class", "classes");
    let size = data.size.map_or_else(
        || format!("images of any size, {}", colours(data.channels)),
        |size| self::size(data.channels, size),
    );
    let facts = wrapped([format!("{}: ", data.name), format!("{classes}, {size}")]);
    let mut lines = named("data", &facts);
    if data.skipped > 0 {
        let count = counted(data.skipped as u64, "image", "images");
        lines.extend(named(
            "",
            &[format!("{count} left out because they cannot be read")],
        ));
    }
    if data.classes.len() <= ROWS {
        lines.extend(named("", &rows(data)));
    } else {
        lines.extend(named("", &sums(data)));
        lines.extend(named("classes", &listed(&data.classes)));
    }
    lines
}

/// As in `3×224×224 (colour)`.
fn size(channels: usize, [height, width]: [usize; 2]) -> String {
    format!("{channels}×{height}×{width} ({})", colours(channels))
}

fn colours(channels: usize) -> &'static str {
    if channels == 1 { "grey" } else { "colour" }
}

/// A row for each class, a column for each split.
fn rows(data: &DataOverview) -> Vec<String> {
    let names = data.splits.iter().map(|split| split.name.to_string());
    let mut rows = vec![
        std::iter::once("class".into())
            .chain(names)
            .collect::<Vec<_>>(),
    ];
    for (class, name) in data.classes.iter().enumerate() {
        let counts = data.splits.iter().map(|split| split.per_class[class]);
        let counts = counts.map(|count| grouped(count as u64));
        rows.push(
            std::iter::once(shortened(name, LONGEST))
                .chain(counts)
                .collect(),
        );
    }
    let sums = data.splits.iter().map(|split| grouped(split.images as u64));
    rows.push(std::iter::once("all".into()).chain(sums).collect());
    columns(&rows, Alignment::Right)
}

/// A row for each split.
fn sums(data: &DataOverview) -> Vec<String> {
    let row = |split: &SplitOverview| {
        let least = split.per_class.iter().min().copied().unwrap_or(0);
        let most = split.per_class.iter().max().copied().unwrap_or(0);
        let each = if least == most {
            grouped(least as u64)
        } else {
            format!("{} to {}", grouped(least as u64), grouped(most as u64))
        };
        vec![
            split.name.to_string(),
            grouped(split.images as u64),
            format!("images, {each} of each class"),
        ]
    };
    let rows: Vec<_> = data.splits.iter().map(row).collect();
    let width = rows.iter().map(|row| measure_text_width(&row[1])).max();
    let width = width.unwrap_or(0);
    let line = |row: &Vec<String>| {
        let count = console::pad_str(&row[1], width, Alignment::Right, None);
        format!("{:<5}  {count} {}", row[0], row[2])
    };
    rows.iter().map(line).collect()
}

/// Names with commas between them, in two lines; of many, the first ones and the last.
fn listed(names: &[String]) -> Vec<String> {
    let Some((last, first)) = names.split_last() else {
        return Vec::new();
    };
    let comma = |name: &String| shortened(name, LONGEST) + ", ";
    // More than this many would not fit, however short they are.
    let mut words: Vec<String> = first.iter().take(WIDTH).map(comma).collect();
    let mut cut = words.len() < first.len();
    loop {
        let gap = cut.then(|| "…, ".to_string());
        let all = words.iter().cloned().chain(gap);
        let lines = wrapped(all.chain([shortened(last, LONGEST)]));
        if lines.len() <= 2 || words.is_empty() {
            return lines;
        }
        words.pop();
        cut = true;
    }
}

/// Words in as few lines as they need.
fn wrapped(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last().map_or("", String::as_str);
        let width = measure_text_width(line) + measure_text_width(word.trim_end());
        match lines.last_mut() {
            Some(line) if line.is_empty() || width <= WIDTH - INDENT => line.push_str(&word),
            _ => lines.push(word),
        }
    }
    lines
}

/// Lines under a name, which stands before the first.
fn named(name: &str, lines: &[String]) -> Vec<String> {
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    let pairs = names.zip(lines);
    pairs
        .map(|(name, line)| format!("{name:<INDENT$}{}", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(classes: usize, splits: &[(&'static str, usize)]) -> DataOverview {
        DataOverview {
            name: "folder:photos".into(),
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
            splits: splits
                .iter()
                .map(|(name, each)| SplitOverview {
                    name,
                    images: each * classes,
                    per_class: vec![*each; classes],
                })
                .collect(),
            channels: 3,
            size: None,
            skipped: 0,
            example: None,
        }
    }

    #[test]
    fn a_long_name_has_a_line_of_its_own() {
        let mut data = data(2, &[("train", 5)]);
        data.name = format!("folder:/data/{}", "photos/".repeat(6));
        let lines = of_data(&data);
        assert_eq!(lines[0], format!("data     {}:", data.name));
        assert_eq!(lines[1], "         2 classes, images of any size, colour");
    }

    #[test]
    fn few_classes_have_a_row_each() {
        let mut data = data(2, &[("train", 1200), ("valid", 12)]);
        data.classes[1] = "a name that is much longer than others are".into();
        data.skipped = 3;
        let lines = of_data(&data);
        assert_eq!(
            lines,
            [
                "data     folder:photos: 2 classes, images of any size, colour",
                "         3 images left out because they cannot be read",
                "         class                         train  valid",
                "         class 0                       1\u{202f}200     12",
                "         a name that is much longer …  1\u{202f}200     12",
                "         all                           2\u{202f}400     24",
            ]
        );
    }

    #[test]
    fn many_classes_are_listed_in_two_lines_with_their_last() {
        for classes in [13, 36, 1000, 100_000] {
            let mut data = data(classes, &[("train", 450), ("test", 50)]);
            data.splits[0].per_class[3] = 7;
            let lines = of_data(&data);
            assert!(
                lines.iter().all(|line| line.chars().count() <= WIDTH),
                "{lines:?}"
            );
            assert!(lines[1].contains("7 to 450 of each class"), "{lines:?}");
            assert!(lines[2].contains(" 50 of each class"), "{lines:?}");
            let listed = &lines[3..];
            assert!(listed.len() <= 2 && listed[0].starts_with("classes  class 0, class 1"));
            let end = format!("class {}", classes - 1);
            assert!(listed.last().unwrap().ends_with(&end), "{listed:?}");
            assert_eq!(listed.concat().contains('…'), classes > 13, "{listed:?}");
        }
    }
}
