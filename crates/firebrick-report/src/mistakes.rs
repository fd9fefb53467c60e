//! The images with the worst mistakes, and what the model predicted for them.

use firebrick_types::run::{
    EXPLAINED, Explained, ExplainedMistake, Mistake, NearestImage, RunRecord,
};

use crate::pixels::data_uri;
use crate::scores::valid;
use crate::text::{count, escape, percent, shorten};

/// What the model said of an image, at most this many classes.
const SAID: usize = 3;
/// Characters of an image's name: as many as fit below its picture.
const NAME: usize = 22;
/// A model that is right this often is worth believing when it contradicts a label.
const GOOD: f64 = 0.9;
/// A contradiction is clear where another class is given at least this probability.
const SURE: f64 = 0.9;

/// The section with the most wrong images; empty when there are none.
pub(crate) fn section(run: &RunRecord) -> String {
    if run.mistakes.is_empty() {
        return String::new();
    }
    let explained = run.section::<Explained>(EXPLAINED).ok().flatten();
    let why = |at: usize| explained.as_ref()?.mistakes.get(at);
    let figures: String = run
        .mistakes
        .iter()
        .enumerate()
        .map(|(at, mistake)| figure(mistake, why(at), &run.classes))
        .collect();
    let beside = explained.as_ref().map_or(String::new(), beside);
    let advice = if contradicts_labels(run) {
        " The model is right on most images and confident about these, so some of their labels may be wrong, or the images \
         damaged: check them first."
    } else {
        ""
    };
    format!(
        "<section id=\"mistakes\"><h2>The worst mistakes</h2>\n\
         <p class=\"note\">The images whose true class got the lowest probability, shown as the model saw them: scaled and \
         cropped.{beside}{advice}</p>\n<div class=\"mistakes\">\n{figures}</div></section>\n"
    )
}

/// Whether the mistakes of a model say something about the labels: it is right on at least [`GOOD`] of
/// all images and at least [`SURE`] of the most wrong one. A model that is often wrong says nothing by
/// being wrong once more.
fn contradicts_labels(run: &RunRecord) -> bool {
    let scores = run.test.as_ref().or(valid(run));
    let sure = run.mistakes.first().and_then(|worst| worst.said.first());
    scores.is_some_and(|scores| scores.top1 >= GOOD) && sure.is_some_and(|(_, p)| *p >= SURE)
}

/// The end of a path: its last folder, which most often is the class, and its name.
fn short(name: &str) -> String {
    let mut parts = name.rsplit(['/', '\\']).filter(|part| !part.is_empty());
    let end = parts.next().unwrap_or(name);
    let end = match parts.next() {
        Some(folder) => format!("{folder}/{end}"),
        None => end.into(),
    };
    shorten(&end, NAME)
}

/// The name of a class, or its number where it has none.
pub(crate) fn class_name(classes: &[String], class: usize) -> String {
    let name = classes.get(class).cloned();
    name.unwrap_or_else(|| format!("class {class}"))
}

/// What stands beside the pictures.
fn beside(explained: &Explained) -> String {
    let heat = match explained.stage.as_str() {
        "" => String::new(),
        stage => format!(
            " Beside the first ones: what speaks for the class that the model took them for, in warm colours (Grad-CAM of \
             <code>{}</code>).",
            escape(stage)
        ),
    };
    let among = match explained.among {
        some if some < explained.of => format!(
            "{} of the {} training images",
            count(some as u64),
            count(explained.of as u64)
        ),
        _ => "the training images".into(),
    };
    format!(
        "{heat} Below: the nearest of {among} by the features of the model, with the cosine of the angle between both."
    )
}

fn figure(mistake: &Mistake, why: Option<&ExplainedMistake>, classes: &[String]) -> String {
    let name = |class: usize| class_name(classes, class);
    let truth = name(mistake.truth);
    let said = mistake.said.iter().take(SAID);
    let first = said
        .clone()
        .next()
        .map_or("nothing".into(), |(class, _)| name(*class));
    let said: String = said
        .map(|(class, probability)| line(&name(*class), Some(*probability)))
        .collect();
    let answers = format!(
        "<dt>true</dt>{}<dt>model</dt>{said}",
        line(&truth, Some(mistake.truth_probability))
    );
    let seen = format!("is {truth}, was taken for {first}");
    let shown = picture(&mistake.name, mistake.size, &mistake.pixels, &seen);
    let heat = why
        .and_then(|why| why.heat.as_ref())
        .map_or(String::new(), |heat| {
            let alt = format!("what speaks for {first}");
            picture(&mistake.name, heat.size, &heat.pixels, &alt)
        });
    let pictures = match heat.as_str() {
        "" => shown,
        heat => format!("<div class=\"pair\">{shown}{heat}</div>"),
    };
    let nearest = why.map_or(String::new(), |why| nearest(&why.nearest, classes));
    format!(
        "<figure>{pictures}<figcaption><dl>{answers}</dl>{}{nearest}</figcaption></figure>\n",
        small_name(&mistake.name)
    )
}

/// Training images that are near one that was taken for something else.
fn nearest(images: &[NearestImage], classes: &[String]) -> String {
    if images.is_empty() {
        return String::new();
    }
    let one = |image: &NearestImage| {
        let class = class_name(classes, image.class);
        let shown = picture(
            &image.name,
            image.picture.size,
            &image.picture.pixels,
            &format!("a training image, {class}"),
        );
        format!(
            "<li title=\"{}\">{shown}<b>{}</b> {:.2}</li>",
            escape(&image.name),
            escape(&shorten(&class, 12)),
            image.cosine
        )
    };
    let images: String = images.iter().map(one).collect();
    format!("<ul class=\"nearest\">{images}</ul>")
}

/// The picture of an image with its name below it, after `answers`: `<dt>` elements with [`line`]s. `alt` says in words
/// what the image is and was taken for.
pub(crate) fn captioned(
    name: &str,
    size: [usize; 3],
    pixels: &[u8],
    alt: &str,
    answers: &str,
) -> String {
    let picture = picture(name, size, pixels, alt);
    format!(
        "<figure>{picture}<figcaption><dl>{answers}</dl>{}</figcaption></figure>\n",
        small_name(name)
    )
}

/// A picture of an image. `alt` says in words what it shows.
pub(crate) fn picture(name: &str, size: [usize; 3], pixels: &[u8], alt: &str) -> String {
    data_uri(size, pixels).map_or_else(
        || "<div class=\"missing\">no picture kept</div>".into(),
        |uri| {
            let alt = escape(&format!("{}: {alt}", short(name)));
            let [width, height, _] = size;
            format!("<img src=\"{uri}\" alt=\"{alt}\" width=\"{width}\" height=\"{height}\"/>")
        },
    )
}

/// The name of an image in small letters, shortened; whole where it is pointed at.
pub(crate) fn small_name(name: &str) -> String {
    format!(
        "<small title=\"{}\">{}</small>",
        escape(name),
        escape(&short(name))
    )
}

/// A class and its probability, where it has one.
pub(crate) fn line(class: &str, probability: Option<f64>) -> String {
    let class = escape(&shorten(class, 24));
    match probability {
        Some(probability) => format!("<dd><b>{class}</b> {}</dd>", percent(probability)),
        None => format!("<dd><b>{class}</b></dd>"),
    }
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::{Picture, Scores};

    use super::*;

    fn mistake() -> Mistake {
        Mistake {
            name: "7.png".into(),
            truth: 0,
            said: vec![(1, 0.9), (5, 0.05)],
            truth_probability: 0.001,
            size: [1, 1, 1],
            pixels: vec![7],
        }
    }

    #[test]
    fn a_mistake_without_a_picture_has_its_words() {
        let odd = Mistake {
            pixels: vec![],
            ..mistake()
        };
        let html = figure(&odd, None, &["cat".into(), "dog".into()]);
        assert!(html.contains("no picture kept") && html.contains("<b>class 5</b>"));
    }

    #[test]
    fn names_are_short_and_whole_where_they_are_pointed_at() {
        let long = "/home/someone/photos/train/golden_retriever/image_0000000123.jpg";
        assert_eq!(short("/data/cats/0001.jpg"), "cats/0001.jpg");
        assert_eq!(short(r"C:\data\cats\0001.jpg"), "cats/0001.jpg");
        assert_eq!(short("glyphs/test[17]"), "glyphs/test[17]");
        assert_eq!(short("mnist[17]"), "mnist[17]");
        assert!(short(long).chars().count() <= NAME && short(long).ends_with("0123.jpg"));
        let html = figure(
            &Mistake {
                name: long.into(),
                ..mistake()
            },
            None,
            &[],
        );
        assert_eq!(html.matches("/home/someone").count(), 1, "{html}");
        assert!(html.contains(&format!("title=\"{long}\"")));
    }

    #[test]
    fn what_explains_a_mistake_stands_beside_it() {
        let mut run = crate::empty_record();
        run.classes = vec!["cat".into(), "dog".into()];
        run.mistakes = vec![mistake(), mistake()];
        let picture = Picture {
            size: [1, 1, 3],
            pixels: vec![1, 2, 3],
        };
        let explained = Explained {
            stage: "layer4".into(),
            among: 5,
            of: 70,
            mistakes: vec![ExplainedMistake {
                heat: Some(picture.clone()),
                nearest: vec![NearestImage {
                    name: "train/dog/<1>.jpg".into(),
                    class: 1,
                    cosine: 0.875,
                    picture,
                }],
            }],
        };
        run.set_section(EXPLAINED, &explained).unwrap();
        let html = section(&run);
        assert!(html.contains("Grad-CAM of <code>layer4</code>"), "{html}");
        assert!(html.contains("nearest of 5 of the 70 training images"));
        assert_eq!(
            html.matches("what speaks for dog").count(),
            1,
            "the second is not explained"
        );
        assert_eq!(html.matches("title=\"train/dog/&lt;1&gt;.jpg\"").count(), 1);
        assert!(html.contains("<b>dog</b> 0.88"), "{html}");
    }

    #[test]
    fn labels_are_doubted_only_by_a_good_model_that_is_sure() {
        let doubts = |top1: f64, sure: f64| {
            let mut run = crate::empty_record();
            run.test = Some(Scores {
                loss: 0.1,
                top1,
                top5: 1.0,
                nll: 0.1,
                ece: 0.0,
                brier: 0.0,
                count: 100,
            });
            run.mistakes = vec![mistake()];
            run.mistakes[0].said[0].1 = sure;
            section(&run).contains("labels may be wrong")
        };
        assert!(doubts(0.90, 0.90));
        assert!(!doubts(0.89, 0.99) && !doubts(0.99, 0.89));
        assert!(!doubts(f64::NAN, 0.99) && !doubts(0.99, f64::NAN));
        let mut unscored = crate::empty_record();
        unscored.mistakes = vec![mistake()];
        assert!(!section(&unscored).contains("labels may be wrong"));
    }
}
