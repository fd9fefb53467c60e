//! The confusion matrix and the scores of each class, as text and as JSON.

use console::{Alignment, measure_text_width};
use firebrick::core::confusion::{ClassScores, Confusion};
use serde_json::{Value, json};

use crate::columns::{WIDTH, columns, shortened};
use crate::figures::grouped;

/// Up to this many classes all are printed; of more, those with the lowest recall.
const CLASSES: usize = 20;
/// Mistakes that are printed in place of a matrix that would be too wide.
const MISTAKES: usize = 10;
/// Longest name in front of a row.
const LONGEST: usize = 28;

/// The scores of each class, then the matrix, or the commonest mistakes where it is too wide.
pub(crate) fn lines(classes: &[String], confusion: &Confusion) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(score_lines(classes, &confusion.per_class()));
    lines.push(String::new());
    match matrix(classes, confusion) {
        Some(matrix) => lines.extend(matrix),
        None => lines.extend(commonest(classes, confusion)),
    }
    lines
}

/// `per_class`: one entry for each class, in the order of the model's outputs.
pub(crate) fn per_class_json(classes: &[String], confusion: &Confusion) -> Value {
    let scores = confusion.per_class();
    let rows = classes.iter().zip(&scores);
    rows.map(|(class, scores)| {
        json!({
            "class": class, "count": scores.images, "precision": scores.precision,
            "recall": scores.recall, "f1": scores.f1,
        })
    })
    .collect()
}

/// `confusion`: what is not zero in the matrix, row by row.
pub(crate) fn confusion_json(classes: &[String], confusion: &Confusion) -> Value {
    let entry = |(truth, predicted, count): (usize, usize, u64)| json!({ "truth": classes[truth], "predicted": classes[predicted], "count": count });
    confusion.iter().map(entry).collect()
}

fn score_lines(classes: &[String], scores: &[ClassScores]) -> Vec<String> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    if classes.len() > CLASSES {
        // Classes without images say nothing about the model.
        order.retain(|class| scores[*class].recall.is_some());
        let recall = |class: &usize| scores[*class].recall.unwrap_or(0.0);
        order.sort_by(|a, b| recall(a).total_cmp(&recall(b)));
        order.truncate(CLASSES);
    }
    let share = |share: Option<f64>| share.map_or_else(|| "–".into(), |s| format!("{s:.4}"));
    let mut rows = vec![
        ["class", "images", "precision", "recall", "f1"]
            .map(String::from)
            .to_vec(),
    ];
    for class in order {
        rows.push(vec![
            shortened(&classes[class], LONGEST),
            grouped(scores[class].images),
            share(scores[class].precision),
            share(scores[class].recall),
            share(scores[class].f1),
        ]);
    }
    let mut lines = columns(&rows, Alignment::Right);
    if classes.len() > CLASSES {
        lines.push(format!(
            "these are the classes with the lowest recall; --json lists all {}",
            classes.len()
        ));
    }
    lines
}

/// A row for each class, a column for each answer; none where it would be too wide.
fn matrix(classes: &[String], confusion: &Confusion) -> Option<Vec<String>> {
    const CORNER: &str = "true \\ predicted";
    let numbers = confusion.iter().map(|(.., count)| count);
    let widest = numbers.max()?.to_string().len().max(3);
    // The names before the rows have what the numbers leave, those above them what is left then.
    let left = WIDTH.checked_sub(classes.len() * (2 + widest))?;
    let longest = classes.iter().map(|name| measure_text_width(name)).max()?;
    let before = longest.max(CORNER.len()).min(LONGEST).min(left);
    if before < CORNER.len() {
        return None;
    }
    let above = ((WIDTH - before) / classes.len()).saturating_sub(2);
    let mut rows = vec![
        std::iter::once(CORNER.to_string())
            .chain(classes.iter().map(|name| shortened(name, above)))
            .collect::<Vec<_>>(),
    ];
    for (truth, class) in classes.iter().enumerate() {
        let counts = (0..classes.len()).map(|predicted| match confusion.count(truth, predicted) {
            0 => "·".into(),
            count => count.to_string(),
        });
        rows.push(
            std::iter::once(shortened(class, before))
                .chain(counts)
                .collect(),
        );
    }
    Some(columns(&rows, Alignment::Right))
}

fn commonest(classes: &[String], confusion: &Confusion) -> Vec<String> {
    let mut mistakes: Vec<_> = confusion.iter().collect();
    mistakes.retain(|(truth, predicted, _)| truth != predicted);
    mistakes
        .sort_by_key(|(truth, predicted, count)| (std::cmp::Reverse(*count), *truth, *predicted));
    if mistakes.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["true", "predicted", "images"].map(String::from).to_vec()];
    for (truth, predicted, count) in mistakes.into_iter().take(MISTAKES) {
        rows.push(vec![
            shortened(&classes[truth], LONGEST),
            shortened(&classes[predicted], LONGEST),
            grouped(count),
        ]);
    }
    let mut lines = columns(&rows, Alignment::Left);
    lines.push(
        "these are the most frequent mistakes; --json gives the whole confusion matrix".into(),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_classes_by_hand() {
        let classes = names(&["ants", "bees"]);
        let found = Confusion::from(vec![vec![60, 10], vec![0, 30]]);
        assert_eq!(
            lines(&classes, &found),
            [
                "",
                "class  images  precision  recall      f1",
                "ants       70     1.0000  0.8571  0.9231",
                "bees       30     0.7500  1.0000  0.8571",
                "",
                "true \\ predicted  ants  bees",
                "ants                60    10",
                "bees                 ·    30",
            ]
        );
        assert_eq!(
            confusion_json(&classes, &found),
            json!([
                { "truth": "ants", "predicted": "ants", "count": 60 },
                { "truth": "ants", "predicted": "bees", "count": 10 },
                { "truth": "bees", "predicted": "bees", "count": 30 },
            ])
        );
        let json = per_class_json(&classes, &found);
        assert_eq!(json[1]["class"], "bees");
        assert_eq!(
            (&json[1]["count"], &json[1]["recall"]),
            (&30.into(), &1.0.into())
        );
        assert!((json[1]["f1"].as_f64().unwrap() - 6.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_class_that_is_not_there_has_no_scores() {
        let found = Confusion::from(vec![vec![5, 0, 0], vec![2, 0, 0], vec![0, 0, 0]]);
        let classes = names(&["a", "b", "c"]);
        let json = per_class_json(&classes, &found);
        // Never predicted: no precision. Not there: no recall either.
        assert_eq!(
            (&json[1]["precision"], &json[1]["recall"]),
            (&Value::Null, &0.0.into())
        );
        assert_eq!(json[1]["f1"], 0.0);
        assert_eq!(
            lines(&classes, &found)[3..5],
            [
                "b           2          –  0.0000  0.0000",
                "c           0          –       –       –"
            ]
        );
        assert_eq!(
            (&json[2]["recall"], &json[2]["f1"]),
            (&Value::Null, &Value::Null)
        );
    }

    #[test]
    fn many_classes_are_cut_to_the_worst_and_nothing_is_wider_than_a_terminal() {
        let long = "a class with a rather long name, such as some people write";
        for count in [2_usize, 10, 12, 25, 100] {
            let classes: Vec<String> = (0..count).map(|c| format!("{c} {long}")).collect();
            let mut confusion = vec![vec![0; count]; count];
            for (class, row) in confusion.iter_mut().enumerate() {
                row[class] = 1000;
                row[0] += class as u64;
            }
            let lines = lines(&classes, &Confusion::from(confusion));
            for line in &lines {
                assert!(measure_text_width(line) <= WIDTH, "{count}: {line}");
            }
            let worst = format!("{} a class", count - 1);
            let first = lines.iter().find(|line| line.contains("a class")).unwrap();
            assert_eq!(
                first.starts_with(&worst),
                count > CLASSES,
                "{count}: {first}"
            );
            let has_matrix = lines
                .iter()
                .any(|line| line.starts_with("true \\ predicted"));
            assert_eq!(has_matrix, count <= 10, "{count}");
        }
    }
}
