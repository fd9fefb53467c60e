//! The outputs of each layer before the first update: too small, too large, or fine.

use firebrick_types::run::Observation;
use firebrick_types::run::RunRecord;

use crate::svg::{self, dot, line, px};
use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{escape, number, percent, plural};

/// Below this standard deviation an output is called too small, above the other too large.
///
/// Images come in with a deviation near 1, and an initialization that suits the network keeps it
/// there. At a hundredth, the signal and the gradients behind it are so weak that training crawls;
/// at ten, a softmax is all but certain before it has learned anything, sigmoid and tanh are flat,
/// and the first updates are wild. PyTorch's default initialization leaves the last layers of a
/// small network at some hundredths, which trains, so the lower limit is not closer to 1.
const FINE: std::ops::RangeInclusive<f64> = 0.01..=10.0;
/// An output with at least this share of exact zeros is called dead.
const DEAD: f64 = 0.95;
/// Longer lists are folded away, with the sentence about them in view.
const MOST_IN_VIEW: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    TooSmall,
    TooLarge,
    Dead,
    NotFinite,
}

impl Verdict {
    fn of(seen: &Observation) -> Self {
        if !(seen.mean.is_finite() && seen.std.is_finite()) {
            Self::NotFinite
        } else if seen.zeros >= DEAD {
            Self::Dead
        } else if seen.std < *FINE.start() {
            Self::TooSmall
        } else if seen.std > *FINE.end() || seen.mean.abs() > *FINE.end() {
            Self::TooLarge
        } else {
            Self::Fine
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::TooSmall => "▼ too small",
            Self::TooLarge => "▲ too large",
            Self::Dead => "○ nearly all zero",
            Self::NotFinite => "× not finite",
        }
    }
}

/// The section on activations; empty when none were recorded.
pub(crate) fn section(run: &RunRecord) -> String {
    if run.activations.is_empty() {
        return String::new();
    }
    let table = table(&run.activations);
    let table = if table.len() > MOST_IN_VIEW {
        table.folded(&format!("All {} outputs", table.len()))
    } else {
        table.html()
    };
    format!(
        "<section id=\"activations\"><h2>Activations before the first update</h2>\n<p>{}</p>\n{table}\
         <p class=\"note\">A standard deviation between {} and {} is fine: that of the images is near 1, and a suitable \
         initialization keeps it there.{}</p></section>\n",
        verdict(&run.activations),
        FINE.start(),
        FINE.end(),
        meaning(&run.activations),
    )
}

/// What the verdicts mean that were given; nothing about others.
fn meaning(seen: &[Observation]) -> String {
    let meanings = [
        (
            Verdict::TooSmall,
            format!(
                "Too small: a standard deviation below {}, where activations and gradients are so small that training is slow.",
                FINE.start()
            ),
        ),
        (
            Verdict::TooLarge,
            format!(
                "Too large: a standard deviation or a mean beyond {}, where the softmax is certain before the model has learned \
                 anything, sigmoid and tanh are saturated, and the first updates are too large.",
                FINE.end()
            ),
        ),
        (
            Verdict::Dead,
            format!(
                "Nearly all zero: at least {:.0}\u{202f}% zeros.",
                DEAD * 100.0
            ),
        ),
    ];
    let given = |verdict: Verdict| seen.iter().any(|layer| Verdict::of(layer) == verdict);
    let given = meanings.into_iter().filter(|(verdict, _)| given(*verdict));
    given.map(|(_, meaning)| format!(" {meaning}")).collect()
}

/// One sentence about all layers.
fn verdict(seen: &[Observation]) -> String {
    let odd: Vec<&Observation> = seen
        .iter()
        .filter(|layer| Verdict::of(layer) != Verdict::Fine)
        .collect();
    let Some(first) = odd.first() else {
        return match seen.len() {
            1 => "The one output is neither too small nor too large.".into(),
            n => format!("All {n} outputs are neither too small nor too large."),
        };
    };
    format!(
        "{} of {} are outside the limits, first <code>{}</code> ({}).",
        odd.len(),
        plural(seen.len(), "output"),
        escape(&title(first)),
        Verdict::of(first).words(),
    )
}

fn title(seen: &Observation) -> String {
    match (seen.path.as_str(), seen.kind.as_str()) {
        ("", kind) => kind.into(),
        (path, kind) => format!("{path} {kind}"),
    }
}

fn table(layers: &[Observation]) -> Table {
    let scale = format!("Deviation, {} to {}, line at 1", SCALE[0], SCALE[1]);
    let mut table = Table::new(
        "Outputs from first to last layer",
        &[
            ("Layer", Words),
            ("Output", Words),
            ("Mean", Number),
            ("Deviation", Number),
            ("Zeros", Number),
            (&scale, Words),
            ("", Words),
        ],
    );
    for seen in layers {
        let verdict = Verdict::of(seen);
        let words = match verdict {
            Verdict::Fine => verdict.words().to_string(),
            _ => format!("<b class=\"warn\">{}</b>", verdict.words()),
        };
        let shape: Vec<String> = seen.shape.iter().skip(1).map(ToString::to_string).collect();
        table.row(&[
            format!("<code>{}</code> {}", escape(&seen.path), escape(&seen.kind)),
            shape.join("\u{202f}×\u{202f}"),
            number(seen.mean),
            number(seen.std),
            percent(seen.zeros),
            strip(seen, verdict),
            words,
        ]);
    }
    table
}

/// Ends of the strip that shows a deviation, logarithmic.
const SCALE: [f64; 2] = [1e-4, 1e3];
const STRIP: [f64; 2] = [168.0, 16.0];

/// A dot for the deviation on a strip where what is fine is shaded.
fn strip(seen: &Observation, verdict: Verdict) -> String {
    let place = |value: f64| {
        let share =
            (value.clamp(SCALE[0], SCALE[1]) / SCALE[0]).log10() / (SCALE[1] / SCALE[0]).log10();
        4.0 + share * (STRIP[0] - 8.0)
    };
    let (from, to) = (place(*FINE.start()), place(*FINE.end()));
    let mut body = format!(
        "<rect class=\"zone\" x=\"{}\" y=\"2\" width=\"{}\" height=\"12\"/>\n",
        px(from),
        px(to - from)
    );
    body += &line("axis", [place(1.0), 2.0], [place(1.0), 14.0]);
    if seen.std.is_finite() {
        let colour = if verdict == Verdict::Fine {
            "dot s0"
        } else {
            "dot s1"
        };
        body += &dot(
            colour,
            [place(seen.std), STRIP[1] / 2.0],
            4.0,
            &number(seen.std),
        );
    }
    let title = format!("Deviation of {}: {}", title(seen), number(seen.std));
    svg::picture("strip", STRIP, &title, "", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(mean: f64, std: f64, zeros: f64) -> Observation {
        Observation {
            path: "layer1.0".into(),
            kind: "Conv2d".into(),
            shape: vec![32, 16, 8, 8],
            parameters: 432,
            multiply_adds: 1000,
            mean,
            std,
            zeros,
        }
    }

    #[test]
    fn every_verdict() {
        for (mean, std, zeros, verdict) in [
            (0.0, 1.0, 0.0, Verdict::Fine),
            (0.4, 0.6, 0.5, Verdict::Fine),
            (0.0, 0.05, 0.0, Verdict::Fine),
            (0.0, 0.009, 0.0, Verdict::TooSmall),
            (0.0, 11.0, 0.0, Verdict::TooLarge),
            (-11.0, 1.0, 0.0, Verdict::TooLarge),
            (0.0, 0.1, 0.96, Verdict::Dead),
            (0.0, f64::NAN, 0.0, Verdict::NotFinite),
            (f64::INFINITY, 1.0, 0.0, Verdict::NotFinite),
        ] {
            assert_eq!(
                Verdict::of(&seen(mean, std, zeros)),
                verdict,
                "{mean} {std} {zeros}"
            );
        }
    }

    #[test]
    fn the_sentence_names_the_first_that_is_off() {
        let layers = [
            seen(0.0, 1.0, 0.0),
            seen(0.0, 1e-5, 0.0),
            seen(0.0, 50.0, 0.0),
        ];
        assert_eq!(
            verdict(&layers),
            "2 of 3 outputs are outside the limits, first <code>layer1.0 Conv2d</code> (▼ too small)."
        );
        assert!(verdict(&layers[..1]).contains("neither"));
    }

    #[test]
    fn only_verdicts_that_were_given_are_explained() {
        let fine = seen(0.0, 1.0, 0.0);
        assert_eq!(meaning(std::slice::from_ref(&fine)), "");
        let small = meaning(&[fine.clone(), seen(0.0, 1e-5, 0.0)]);
        assert!(
            small.contains("Too small") && !small.contains("Too large"),
            "{small}"
        );
        let others = meaning(&[fine, seen(0.0, 50.0, 0.0), seen(0.0, 1.0, 0.99)]);
        assert!(
            others.contains("Too large") && others.contains("Nearly all zero"),
            "{others}"
        );
        assert!(!others.contains("Too small"), "{others}");
    }

    #[test]
    fn the_dot_moves_with_the_deviation() {
        let at = |std: f64| {
            let svg = strip(&seen(0.0, std, 0.0), Verdict::Fine);
            let x = svg
                .split("cx=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            x.parse::<f64>().unwrap()
        };
        assert!(at(0.01) < at(0.1) && at(0.1) < at(1.0));
        assert_eq!(at(1e-9), 4.0);
        assert_eq!(at(1e9), STRIP[0] - 4.0);
        assert!(!strip(&seen(0.0, f64::NAN, 0.0), Verdict::NotFinite).contains("cx="));
    }
}
