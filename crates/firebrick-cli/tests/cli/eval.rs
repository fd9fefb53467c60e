//! The output of `firebrick eval`, as text and as JSON.

use crate::support::{PHOTOS, SMALL, images, run, succeeds, trained};

#[test]
fn the_confusion_matrix_and_the_scores_of_each_class_are_printed() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    for (split, count) in [("train", 8), ("test", 5)] {
        images(
            &at.join("photos").join(split),
            &["dark", "grey", "light"],
            count,
        );
    }
    let trained = run(
        at,
        &format!("train --dataset folder:photos {PHOTOS} --out run --quiet"),
    );
    succeeds(&trained);
    let json = run(at, "eval run --json --quiet").json();
    let per_class = json["per_class"].as_array().unwrap();
    let names: Vec<_> = per_class
        .iter()
        .map(|row| row["class"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dark", "grey", "light"]);
    let entries = json["confusion"].as_array().unwrap();
    let sum = |entries: &mut dyn Iterator<Item = &serde_json::Value>| -> u64 {
        entries.map(|entry| entry["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&mut entries.iter()), 15);
    let right = sum(&mut entries
        .iter()
        .filter(|entry| entry["truth"] == entry["predicted"]));
    assert_eq!(right as f64 / 15.0, json["top1"].as_f64().unwrap());
    for row in per_class {
        let truth = || {
            entries
                .iter()
                .filter(|entry| entry["truth"] == row["class"])
        };
        assert_eq!((&row["count"], sum(&mut truth())), (&5.into(), 5));
        let hits = sum(&mut truth().filter(|entry| entry["predicted"] == row["class"]));
        assert_eq!(row["recall"].as_f64().unwrap(), hits as f64 / 5.0);
    }
    let text = run(at, "eval run --quiet").stdout;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let of = |class: &str| -> Vec<&Vec<&str>> {
        lines
            .iter()
            .filter(|line| line.first() == Some(&class))
            .collect()
    };
    for (class, row) in names.iter().zip(per_class) {
        let [scores, matrix] = of(class)[..] else {
            panic!("{class} has not one row of scores and one of the matrix: {text}");
        };
        assert_eq!(scores[1], "5");
        assert_eq!(scores[3], format!("{:.4}", row["recall"].as_f64().unwrap()));
        let counts: Vec<u64> = matrix[1..]
            .iter()
            .map(|count| count.parse().unwrap_or(0))
            .collect();
        for (predicted, count) in names.iter().zip(counts) {
            let entry = entries
                .iter()
                .find(|entry| entry["truth"] == *class && entry["predicted"] == *predicted);
            assert_eq!(
                count,
                entry.map_or(0, |entry| entry["count"].as_u64().unwrap())
            );
        }
    }
    assert!(
        text.contains("true \\ predicted  dark  grey  light"),
        "{text}"
    );
    // Of three classes the right one is always among five; the loss is the nll.
    assert!(!text.contains("top-5") && !text.contains("loss"), "{text}");
}

#[test]
fn of_many_classes_the_worst_and_the_commonest_mistakes_are_printed() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let ran = run(at, "eval run --quiet");
    succeeds(&ran);
    for needle in [
        "top-5 ",
        "these are the classes with the lowest recall; --json lists all 27",
        "these are the most frequent mistakes; --json gives the whole confusion matrix",
    ] {
        assert!(ran.stdout.contains(needle), "{needle}: {}", ran.stdout);
    }
    assert!(ran.stdout.lines().count() < 45, "{}", ran.stdout);
}
