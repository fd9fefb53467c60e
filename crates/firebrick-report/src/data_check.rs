//! The section on the images of a run: how many each class has, and which are in two splits.

use firebrick_types::run::{CopiesOfSplit, DATA_CHECK, DataCheck, ImageCopy, Likeness, RunRecord};

use crate::mistakes::{class_name, line, picture, small_name};
use crate::svg::{self, dot, label, px, series_class};
use crate::table::Column::{Number, Words};
use crate::table::{Table, scrollable};
use crate::text::{bold_width, count, escape, fitted, plural, width};

/// More classes than this have a table; in the picture are those with the fewest and the most training images.
const MOST_IN_PICTURE: usize = 40;
/// More classes than this have no table either.
const MOST_WITH_ROWS: usize = 5000;
/// A class with this many times the images of another one is worth a sentence.
const UNEVEN: f64 = 1.5;

/// The section; empty where the record has none.
pub(crate) fn section(run: &RunRecord) -> String {
    let Ok(Some(found)) = run.section::<DataCheck>(DATA_CHECK) else {
        return String::new();
    };
    let bars = bars(&found, &run.classes);
    let copies = copies(&found, &run.classes);
    if bars.is_empty() && copies.is_empty() {
        return String::new();
    }
    format!("<section id=\"images\"><h2>The images</h2>\n{bars}{copies}</section>\n")
}

/// What a split is called on the page.
pub(crate) fn split_name(split: &str) -> &str {
    match split {
        "train" => "training",
        "valid" => "validation",
        other => other,
    }
}

/// Images of each class in each split.
fn bars(found: &DataCheck, classes: &[String]) -> String {
    let Some(train) = found
        .splits
        .first()
        .filter(|split| !split.per_class.is_empty())
    else {
        return String::new();
    };
    let of_class = |class: usize| train.per_class[class];
    let mut order: Vec<usize> = (0..train.per_class.len()).collect();
    let all = order.len();
    let mut note = String::new();
    if all > MOST_IN_PICTURE {
        order.sort_by_key(|class| std::cmp::Reverse(of_class(*class)));
        let half = MOST_IN_PICTURE / 2;
        order.drain(half..all - half);
        note = format!(
            " Of {} classes, the {half} with the most and the {half} with the fewest training images.",
            count(all as u64)
        );
    }
    let figure = scrollable("Images of each class", &chart(found, classes, &order));
    let table = if all > MOST_IN_PICTURE && all <= MOST_WITH_ROWS {
        table(found, classes)
    } else {
        String::new()
    };
    format!(
        "{}<figure>{figure}<figcaption>Images of each class in each split.{note}</figcaption></figure>\n{table}",
        balance(&train.per_class, classes)
    )
}

/// How uneven the classes are, in words.
fn balance(images: &[usize], classes: &[String]) -> String {
    let most = (0..images.len()).rev().max_by_key(|class| images[*class]);
    let fewest = (0..images.len()).min_by_key(|class| images[*class]);
    let Some((most, fewest)) = most.zip(fewest) else {
        return String::new();
    };
    let times = images[most] as f64 / images[fewest].max(1) as f64;
    if times < UNEVEN {
        return "<p>All classes have about as many training images.</p>\n".into();
    }
    let named = |class: usize| {
        let name = escape(&class_name(classes, class));
        format!(
            "<b>{name}</b> ({})",
            plural(images[class], "training image")
        )
    };
    format!(
        "<p>The largest class, {}, has {times:.1} times as many as the smallest, {}. <code>--class-weights auto</code> makes all classes \
         count alike in the loss, and <code>--sampling balanced</code> draws them equally often; accuracy by class is in the section \
         on the confusion matrix.</p>\n",
        named(most),
        named(fewest)
    )
}

/// Height of a bar, and from one class to the next beside its bars.
const BAR: f64 = 9.0;
const GAP: f64 = 8.0;
/// The longest bar.
const LONGEST: f64 = 420.0;
/// The widest name of a class.
const NAME: f64 = 180.0;
const TOP: f64 = 30.0;

fn chart(found: &DataCheck, classes: &[String], order: &[usize]) -> String {
    let of = |split: usize, class: usize| {
        let per_class = &found.splits[split].per_class;
        per_class.get(class).copied().unwrap_or_default()
    };
    let splits = 0..found.splits.len();
    let all = order
        .iter()
        .flat_map(|class| splits.clone().map(|split| of(split, *class)));
    let most = all.max().unwrap_or(0).max(1) as f64;
    let names: Vec<String> = order
        .iter()
        .map(|class| fitted(&class_name(classes, *class), 12.0, NAME))
        .collect();
    let left = names
        .iter()
        .map(|name| width(name, 12.0))
        .fold(0.0, f64::max)
        + 8.0;
    let step = found.splits.len() as f64 * BAR + GAP;
    let (mut body, mut x) = (String::new(), 5.0);
    for (group, split) in found.splits.iter().enumerate() {
        let (class, name) = (series_class(group), split_name(&split.split));
        body += &dot(&format!("dot {class}"), [x, 10.0], 3.0, "");
        body += &label(&format!("name {class}"), x + 8.0, 14.0, "start", name);
        x += bold_width(name, 12.0) + 26.0;
    }
    for (at, (class, name)) in order.iter().zip(&names).enumerate() {
        let top = TOP + at as f64 * step;
        let middle = top + (step - GAP) / 2.0 + 4.0;
        body += &label("tick", left - 8.0, middle, "end", name);
        for split in splits.clone() {
            let images = of(split, *class);
            let long = LONGEST * images as f64 / most;
            let y = top + split as f64 * BAR;
            body += &format!(
                "<rect class=\"dot {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
                series_class(split),
                px(left),
                px(y),
                px(long),
                px(BAR - 1.0)
            );
            body += &label(
                "small",
                left + long + 4.0,
                y + BAR - 2.0,
                "start",
                &count(images as u64),
            );
        }
    }
    let size = [
        (left + LONGEST + 60.0).max(x),
        TOP + order.len() as f64 * step,
    ];
    let title = "Images of each class";
    let described = order.iter().zip(&names).map(|(class, name)| {
        let images = splits.clone().map(|split| {
            let split_name = split_name(&found.splits[split].split);
            format!("{split_name} {}", of(split, *class))
        });
        format!("{name}: {}", images.collect::<Vec<_>>().join(", "))
    });
    let description = described.collect::<Vec<_>>().join("; ");
    svg::picture("bars", size, title, &description, &body)
}

fn table(found: &DataCheck, classes: &[String]) -> String {
    let mut columns = vec![("Class", Words)];
    columns.extend(
        found
            .splits
            .iter()
            .map(|split| (split_name(&split.split), Number)),
    );
    let mut table = Table::new("Images of each class", &columns);
    for class in 0..found.splits[0].per_class.len() {
        let images = found.splits.iter().map(|split| {
            let images = split.per_class.get(class).copied().unwrap_or_default();
            count(images as u64)
        });
        let name = escape(&class_name(classes, class));
        table.row(&std::iter::once(name).chain(images).collect::<Vec<_>>());
    }
    table.folded("All classes")
}

/// Which images are in two splits, or that there are none.
fn copies(found: &DataCheck, classes: &[String]) -> String {
    let copies = &found.copies;
    if copies.files == 0 && copies.pixels.is_none() {
        return String::new();
    }
    let compared = match copies.pixels {
        Some(pixels) => format!(
            "{} were compared by checksum, and {} by what they show",
            plural(copies.files, "file"),
            plural(pixels, "image")
        ),
        None => format!(
            "{} were compared by checksum; <code>--check-duplicates all</code> also compares what the images show",
            plural(copies.files, "file")
        ),
    };
    let head = "<h3>Images in two splits</h3>\n";
    if copies.found.is_empty() {
        return format!(
            "{head}<p>No image of another split is in the training split: {compared}.</p>\n"
        );
    }
    let sentences: String = copies.found.iter().map(sentence).collect();
    let figures: String = copies
        .shown
        .iter()
        .map(|pair| figure(pair, classes))
        .collect();
    let all: usize = copies.found.iter().map(|split| split.copies).sum();
    let first = match copies.shown.len() {
        shown if shown < all => format!(" The first {shown}:"),
        _ => String::new(),
    };
    format!(
        "{head}<p>{sentences}Remove one of each pair, and train again ({compared}).{first}</p>\n\
         <div class=\"mistakes\">\n{figures}</div>\n"
    )
}

fn sentence(split: &CopiesOfSplit) -> String {
    let name = split_name(&split.split);
    let other = match split.other_class {
        0 => String::new(),
        some => format!(" ({} in another class)", count(some as u64)),
    };
    format!(
        "{} of the {} {name} images are in the training split too{other}, so accuracy on {name} may be up to {:.2} points too high. ",
        count(split.copies as u64),
        count(split.images as u64),
        100.0 * split.copies as f64 / split.images.max(1) as f64
    )
}

fn figure(pair: &ImageCopy, classes: &[String]) -> String {
    let ImageCopy {
        image,
        of,
        likeness,
    } = pair;
    let pictures: String = [image, of]
        .iter()
        .map(|one| {
            let alt = format!("{} image", split_name(&one.split));
            picture(&one.name, one.picture.size, &one.picture.pixels, &alt)
        })
        .collect();
    let how = match likeness {
        Likeness::File => "the same file",
        Likeness::Pixels => "the same pixels",
        Likeness::Near => "nearly the same",
    };
    let lines: String = [image, of]
        .iter()
        .map(|one| {
            let class = class_name(classes, one.class);
            format!("<dt>{}</dt>{}", split_name(&one.split), line(&class, None))
        })
        .collect();
    format!(
        "<figure><div class=\"pair\">{pictures}</div><figcaption><dl>{lines}<dt>are</dt><dd>{how}</dd></dl>{}{}</figcaption></figure>\n",
        small_name(&image.name),
        small_name(&of.name)
    )
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::{CheckedImage, Copies, SplitCounts};

    use super::*;

    fn counts(split: &str, per_class: &[usize]) -> SplitCounts {
        SplitCounts {
            split: split.into(),
            per_class: per_class.to_vec(),
        }
    }

    fn html(found: &DataCheck) -> String {
        let mut run = crate::empty_record();
        run.classes = vec!["ant".into(), "<bee>".into()];
        run.set_section(DATA_CHECK, found).unwrap();
        section(&run)
    }

    #[test]
    fn bars_are_as_long_as_their_classes_are_large() {
        let found = DataCheck {
            splits: vec![counts("train", &[40, 10]), counts("valid", &[20, 5])],
            copies: Copies::default(),
        };
        let html = html(&found);
        let long: Vec<f64> = html
            .split("<rect class=\"dot ")
            .skip(1)
            .map(|rect| {
                let rest = rect.split("width=\"").nth(1).unwrap();
                rest.split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(long, [420.0, 210.0, 105.0, 52.5]);
        assert!(
            html.contains("<b>ant</b> (40 training images), has 4.0 times as many"),
            "{html}"
        );
        assert!(html.contains(
            "<desc>ant: training 40, validation 20; &lt;bee&gt;: training 10, validation 5</desc>"
        ));
        assert!(!html.contains("Images in two splits"));
        assert_eq!(section(&crate::empty_record()), "");
    }

    #[test]
    fn of_many_classes_the_largest_and_the_smallest_are_drawn_and_all_are_listed() {
        let found = DataCheck {
            splits: vec![counts("train", &(100..200).collect::<Vec<_>>())],
            copies: Copies::default(),
        };
        let html = html(&found);
        assert_eq!(html.matches("<rect ").count(), MOST_IN_PICTURE);
        assert!(html.contains("Of 100 classes, the 20 with the most"));
        assert_eq!(html.matches("<tr>").count(), 101);
        let even = balance(&[10, 12], &[]);
        assert!(even.contains("All classes have about as many"), "{even}");
    }

    #[test]
    fn copies_are_shown_with_what_was_compared() {
        let image = |name: &str, split: &str, class| CheckedImage {
            name: name.into(),
            split: split.into(),
            class,
            ..CheckedImage::default()
        };
        let mut found = DataCheck {
            splits: vec![],
            copies: Copies {
                files: 7,
                pixels: Some(6),
                found: vec![CopiesOfSplit {
                    split: "valid".into(),
                    images: 50,
                    copies: 2,
                    other_class: 1,
                }],
                shown: vec![ImageCopy {
                    image: image("valid/ant/1.jpg", "valid", 0),
                    of: image("train/bee/2.jpg", "train", 1),
                    likeness: Likeness::Near,
                }],
            },
        };
        let both = html(&found);
        for said in [
            "2 of the 50 validation images are in the training split too (1 in another class)",
            "4.00 points too high",
            "train again (7 files were compared by checksum, and 6 images by what they show).",
            "The first 1:",
            "<dt>training</dt><dd><b>&lt;bee&gt;</b></dd>",
            "nearly the same",
        ] {
            assert!(both.contains(said), "{said}: {both}");
        }
        found.copies.found.clear();
        found.copies.pixels = None;
        let none = html(&found);
        assert!(
            none.contains(
                "No image of another split is in the training split: 7 files were compared by checksum; <code>"
            ),
            "{none}"
        );
    }
}
