//! The section on the confusion matrix: which classes were confused, in numbers and words.

use firebrick_types::run::RunRecord;

use crate::confusion_counts::Confusion;
use crate::heat_map::heat_map;
use crate::table::Column::{Number, Words};
use crate::table::{Table, scrollable};
use crate::text::{count, escape, percent, plural, shorten};

/// More classes than this make a picture of coloured dust.
const MOST_IN_PICTURE: usize = 120;
/// More classes than this are folded away, with the weakest in view.
const MOST_IN_VIEW: usize = 20;
/// With more classes than this, those that never occurred have no row.
const MOST_WITH_ROWS: usize = 5000;
/// Rows of the table of the weakest.
const WEAKEST: usize = 10;
/// Names longer than this are shortened in sentences and tables; the picture has its own limit.
const NAME: usize = 40;
/// Confused pairs put into words.
const PAIRS: usize = 8;

/// Heat map, confused pairs and per-class scores of a run.
pub(crate) fn section(run: &RunRecord) -> String {
    let confusion = Confusion::new(&run.confusion, &run.classes);
    let split = if run.test.is_some() {
        "test"
    } else {
        "validation"
    };
    let body = if confusion.counts.is_empty() {
        "<p>There is no confusion matrix: no test or validation images were evaluated.</p>\n".into()
    } else {
        let head = format!("<p class=\"note\">On the {split} split.</p>\n");
        let (picture, words) = (picture(&confusion), words(&confusion));
        let table = per_class(&confusion);
        format!("{head}<div class=\"beside\">\n{picture}<div>{words}</div></div>\n{table}")
    };
    format!("<section id=\"confusion\"><h2>Confusion matrix</h2>\n{body}</section>\n")
}

/// A class's name as HTML, shortened.
fn title(confusion: &Confusion, class: usize) -> String {
    escape(&shorten(&confusion.name(class), NAME))
}

fn picture(confusion: &Confusion) -> String {
    if confusion.classes() > MOST_IN_PICTURE {
        let classes = count(confusion.classes() as u64);
        return format!("<p>{classes} classes are too many to draw the matrix.</p>\n");
    }
    let picture = scrollable("Confusion matrix", &heat_map(confusion));
    format!(
        "<figure>{picture}<figcaption>Each row holds the images of one class. Blue: right, orange: wrong; the darker, \
         the larger the share of the row (by its square root, so that rare mistakes show).</figcaption></figure>\n"
    )
}

fn words(confusion: &Confusion) -> String {
    let pairs = confusion.pairs();
    if pairs.is_empty() {
        return "<p>There are no mistakes: every image was classified correctly.</p>\n".into();
    }
    let items: String = pairs
        .iter()
        .take(PAIRS)
        .map(|(truth, predicted, n)| {
            let images = confusion.images(*truth);
            format!(
                "<li><b>{}</b> was taken for <b>{}</b> in {} of {} ({})</li>\n",
                title(confusion, *truth),
                title(confusion, *predicted),
                count(*n),
                plural(images, "image"),
                percent(*n as f64 / images as f64),
            )
        })
        .collect();
    format!("<h3>Most confused</h3>\n<ul class=\"pairs\">\n{items}</ul>\n")
}

fn per_class(confusion: &Confusion) -> String {
    let classes = confusion.classes();
    let scores = &confusion.scores;
    let occurs = |class: &usize| scores[*class].images > 0 || scores[*class].predicted > 0;
    let shown = |class: &usize| classes <= MOST_WITH_ROWS || occurs(class);
    let all: Vec<usize> = (0..classes).filter(shown).collect();
    if classes <= MOST_IN_VIEW {
        return class_table(confusion, &all, "Scores by class").html();
    }
    let mut weakest: Vec<usize> = all
        .iter()
        .copied()
        .filter(|class| scores[*class].f1.is_some())
        .collect();
    let f1 = |class: &usize| scores[*class].f1.unwrap_or(f64::INFINITY);
    weakest.sort_by(|a, b| f1(a).total_cmp(&f1(b)));
    weakest.truncate(WEAKEST);
    let shown = class_table(confusion, &weakest, "The weakest classes by F1");
    let folded = class_table(confusion, &all, "Scores by class");
    let which = if folded.len() < classes {
        " that occur"
    } else {
        ""
    };
    let summary = format!("All {} classes{which}", folded.len());
    shown.html() + &folded.folded(&summary)
}

fn class_table(confusion: &Confusion, classes: &[usize], caption: &str) -> Table {
    let mut table = Table::new(
        caption,
        &[
            ("Class", Words),
            ("Images", Number),
            ("Precision", Number),
            ("Recall", Number),
            ("F1", Number),
        ],
    );
    let show = |value: Option<f64>| value.map_or("–".into(), percent);
    for class in classes {
        let scores = confusion.scores[*class];
        table.row(&[
            title(confusion, *class),
            count(scores.images),
            show(scores.precision),
            show(scores.recall),
            show(scores.f1),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use firebrick_types::confusion::Confusion as Counts;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_most_confused_pair_is_told_first() {
        // Two cats right, one cat called dog; three dogs right, two dogs called cat; no bird.
        let counts = vec![vec![2, 1], vec![2, 3]].into();
        let confusion = Confusion::new(&counts, &names(&["cat", "dog", "bird"]));
        // A class that is not there has a dash.
        let html = per_class(&confusion);
        assert!(
            html.contains("50.00") && html.matches("–").count() == 3,
            "{html}"
        );
        assert_eq!(confusion.pairs(), [(1, 0, 2), (0, 1, 1)]);
        assert!(
            words(&confusion)
                .contains("<b>dog</b> was taken for <b>cat</b> in 2 of 5 images (40.00")
        );
    }

    #[test]
    fn many_classes_show_the_weakest_first() {
        let mut counts = vec![vec![0; 30]; 30];
        for (class, row) in counts.iter_mut().enumerate() {
            row[class] = 10;
        }
        counts[17] = vec![1; 30];
        let html = per_class(&Confusion::new(&counts.into(), &[]));
        let first = html.split("<th scope=\"row\">").nth(1).unwrap();
        assert!(first.starts_with("class 17<"), "{first}");
        assert!(html.contains("All 30 classes<"));
    }

    #[test]
    fn of_very_many_classes_those_that_occur_have_rows() {
        let mut counts = Counts::new(MOST_WITH_ROWS + 1);
        counts.add(3, 4000);
        counts.add(7, 7);
        let html = per_class(&Confusion::new(&counts, &[]));
        assert!(html.contains("All 3 classes that occur"), "{html}");
        assert!(html.contains("class 4000") && !html.contains("class 5<"));
    }
}
