//! The reliability diagram: accuracy among images for which the model states a similar confidence.

use firebrick_types::run::ConfidenceBin;

use crate::interval::wilson;
use crate::svg::{self, label, line, px};
use crate::table::Column::Number;
use crate::table::Table;
use crate::text::{count, escape, percent, plural};

const SIDE: f64 = 240.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 26.0;
/// Height of the strip with the counts, and the space above it.
const STRIP: [f64; 2] = [48.0, 10.0];
const BELOW: f64 = 38.0;

/// The diagram of `who`, such as `The model`, with its numbers; empty without bins. Where all images lie
/// in one bin, there is nothing to draw: the sentence alone.
pub(crate) fn figure(bins: &[ConfidenceBin], who: &str) -> String {
    let filled: Vec<&ConfidenceBin> = bins.iter().filter(is_filled).collect();
    let sentence = sentence(bins, who).unwrap_or_default();
    match filled.len() {
        0 => String::new(),
        1 => format!("<p>{sentence} All images fall into one confidence bin.</p>\n"),
        _ => format!(
            "<div class=\"beside\">\n<figure>{}<figcaption>Blue: accuracy among images of similar confidence. Orange outline: \
             how far that is from the stated confidence (dashed line). Grey: number of images.\
             </figcaption></figure>\n<div><p>{sentence}</p>\n{}</div></div>\n",
            picture(bins),
            table(bins).folded("The numbers of each bin"),
        ),
    }
}

fn is_filled(bin: &&ConfidenceBin) -> bool {
    let share = |value: f64| (0.0..=1.0).contains(&value);
    bin.count > 0 && share(bin.confidence) && share(bin.accuracy)
}

/// Confidence against accuracy over all images: which way they differ, if by more than chance. `None`
/// without images.
pub(crate) fn sentence(bins: &[ConfidenceBin], who: &str) -> Option<String> {
    let filled: Vec<&ConfidenceBin> = bins.iter().filter(is_filled).collect();
    let images: f64 = filled.iter().map(|bin| bin.count as f64).sum();
    let mean = |value: fn(&ConfidenceBin) -> f64| {
        let sum: f64 = filled.iter().map(|bin| value(bin) * bin.count as f64).sum();
        sum / images
    };
    let (confidence, accuracy) = (mean(|bin| bin.confidence), mean(|bin| bin.accuracy));
    let [low, high] = wilson(accuracy * images, images);
    let facts = format!(
        "mean confidence {}, accuracy {}",
        percent(confidence),
        percent(accuracy)
    );
    let verdict = if confidence > high {
        "is overconfident"
    } else if confidence < low {
        "is underconfident"
    } else {
        "has a confidence and an accuracy that differ by no more than chance explains"
    };
    (images > 0.0).then(|| format!("{who} {verdict}: {facts}."))
}

/// What the calibration error of a model whose confidences are exactly right would be about, from
/// chance alone, with as many images in each bin.
///
/// A bin of n images with confidence c is off by √(2c(1 − c) / πn) on average, as |N(0, σ²)| has the
/// mean σ√(2/π).
pub(crate) fn chance(bins: &[ConfidenceBin]) -> Option<f64> {
    let filled: Vec<&ConfidenceBin> = bins.iter().filter(is_filled).collect();
    let images: f64 = filled.iter().map(|bin| bin.count as f64).sum();
    let off = |bin: &&ConfidenceBin| {
        let (n, c) = (bin.count as f64, bin.confidence);
        n * (2.0 * c * (1.0 - c) / (std::f64::consts::PI * n)).sqrt()
    };
    (images > 0.0).then(|| filled.iter().map(off).sum::<f64>() / images)
}

fn table(bins: &[ConfidenceBin]) -> Table {
    let mut table = Table::new(
        "Confidence and accuracy by bin",
        &[
            ("From", Number),
            ("To", Number),
            ("Images", Number),
            ("Mean confidence", Number),
            ("Accuracy", Number),
        ],
    );
    let width = 1.0 / bins.len().max(1) as f64;
    for (index, bin) in bins.iter().enumerate() {
        if bin.count == 0 {
            continue;
        }
        table.row(&[
            percent(index as f64 * width),
            percent((index + 1) as f64 * width),
            count(bin.count as u64),
            percent(bin.confidence),
            percent(bin.accuracy),
        ]);
    }
    table
}

fn picture(bins: &[ConfidenceBin]) -> String {
    let (right, bottom) = (LEFT + SIDE, TOP + SIDE);
    let floor = bottom + STRIP[1] + STRIP[0];
    let x = |share: f64| LEFT + share * SIDE;
    let y = |share: f64| bottom - share * SIDE;
    let mut body = label("head", 0.0, 14.0, "start", "Accuracy by confidence");
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let text = format!("{}\u{202f}%", quarter * 25);
        body += &line("rule", [LEFT, y(share)], [right, y(share)]);
        body += &label("tick", LEFT - 6.0, y(share) + 4.0, "end", &text);
        body += &line("axis", [x(share), floor], [x(share), floor + 4.0]);
        body += &label("tick", x(share), floor + 17.0, "middle", &text);
    }
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let width = SIDE / bins.len().max(1) as f64;
    for (index, bin) in bins.iter().enumerate() {
        if !is_filled(&bin) {
            continue;
        }
        let left = LEFT + index as f64 * width;
        let column = |class: &str, [top, bottom]: [f64; 2]| {
            let tooltip = format!(
                "{}: mean confidence {}, accuracy {}",
                plural(bin.count, "image"),
                percent(bin.confidence),
                percent(bin.accuracy)
            );
            format!(
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>\n",
                px(left + 1.0),
                px(top),
                px(width - 2.0),
                px((bottom - top).max(0.0)),
                escape(&tooltip)
            )
        };
        let (accuracy, confidence) = (y(bin.accuracy), y(bin.confidence));
        body += &column("hit", [accuracy, bottom]);
        body += &column("gap", [accuracy.min(confidence), accuracy.max(confidence)]);
        // At least a pixel: a single image among thousands is there all the same.
        let high = (STRIP[0] * bin.count as f64 / most as f64).max(1.0);
        body += &column("dot s7", [floor - high, floor]);
    }
    body += &line("mark", [x(0.0), y(0.0)], [x(1.0), y(1.0)]);
    body += &line("axis", [LEFT, bottom], [right, bottom]);
    body += &line("axis", [LEFT, floor], [right, floor]);
    body += &label("unit", right, floor + 34.0, "end", "confidence");
    let description = "Bars: the accuracy in each confidence bin; the table beside the picture holds the numbers.";
    let size = [right + 20.0, floor + BELOW];
    svg::picture(
        "reliability",
        size,
        "Reliability diagram",
        description,
        &body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(filled: &[(usize, usize, f64, f64)]) -> Vec<ConfidenceBin> {
        let mut bins = vec![ConfidenceBin::default(); 15];
        for (index, count, confidence, accuracy) in filled {
            bins[*index] = ConfidenceBin {
                count: *count,
                confidence: *confidence,
                accuracy: *accuracy,
            };
        }
        bins
    }

    fn html(filled: &[(usize, usize, f64, f64)]) -> String {
        figure(&bins(filled), "The model")
    }

    #[test]
    fn bars_reach_the_accuracy_and_gaps_the_confidence() {
        let html = html(&[(8, 100, 0.56, 0.80), (14, 300, 0.98, 0.50)]);
        let rects: Vec<&str> = html.split("<rect class=\"").skip(1).collect();
        assert_eq!(rects.len(), 6);
        let value = |rect: &str, key: &str| -> f64 {
            let rest = rect.split(&format!(" {key}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let bottom = TOP + SIDE;
        let near = |a: f64, b: f64| (a - b).abs() < 0.11;
        // Less sure than right: the gap lies within the bar, from its top down to the confidence.
        assert!(rects[0].starts_with("hit") && near(value(rects[0], "height"), 0.80 * SIDE));
        assert!(near(value(rects[1], "y"), bottom - 0.80 * SIDE));
        assert!(near(value(rects[1], "height"), 0.24 * SIDE), "{}", rects[1]);
        // Surer than right: the gap lies above the bar.
        assert!(near(value(rects[4], "y"), bottom - 0.98 * SIDE));
        assert!(near(value(rects[4], "height"), 0.48 * SIDE));
        // Counts as shares of the largest.
        assert!(near(value(rects[2], "height"), STRIP[0] / 3.0));
        assert!(near(value(rects[5], "height"), STRIP[0]));
        assert!(html.contains("300 images: mean confidence 98.00"));
    }

    #[test]
    fn the_sentence_says_which_way_only_beyond_chance() {
        let said = |bin| html(&[bin, (0, 1, 0.05, 0.0)]);
        assert!(said((14, 1000, 0.98, 0.90)).contains("overconfident"));
        assert!(said((9, 1000, 0.62, 0.90)).contains("underconfident"));
        // The same gap on few images may be chance.
        assert!(said((14, 20, 0.98, 0.90)).contains("chance explains"));
        assert!(said((13, 1000, 0.905, 0.90)).contains("chance explains"));
    }

    #[test]
    fn one_bin_is_a_sentence_and_none_is_nothing() {
        let one = html(&[(14, 60, 0.99, 1.0)]);
        assert!(
            one.contains("one confidence bin") && !one.contains("<svg"),
            "{one}"
        );
        assert_eq!(html(&[]), "");
        assert_eq!(html(&[(3, 5, f64::NAN, 0.5)]), "");
        assert_eq!(figure(&[], "The model"), "");
        assert_eq!(sentence(&[], "The model"), None);
    }

    #[test]
    fn chance_alone_makes_an_error_that_shrinks_with_the_images() {
        // By hand: √(2 · 0.25 / (π · 50)) with all images at one half.
        let half = chance(&bins(&[(7, 50, 0.5, 0.4)])).unwrap();
        assert!((half - (0.5 / (std::f64::consts::PI * 50.0)).sqrt()).abs() < 1e-12);
        let more = chance(&bins(&[(7, 5000, 0.5, 0.4)])).unwrap();
        assert!((half / more - 10.0).abs() < 1e-9);
        assert_eq!(chance(&bins(&[(14, 50, 1.0, 1.0)])), Some(0.0));
        assert_eq!(chance(&[]), None);
    }
}
