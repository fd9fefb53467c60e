//! A chart of curves as data, and in words; [`plot`] draws it.

mod plot;

use crate::axis::{Axis, drawable};
use crate::text::{number, percent};
use crate::ticks::Unit;

pub(crate) use plot::PICTURE;
pub use plot::{charts_svg, curves_svg};

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// A full line.
    #[default]
    Line,
    /// A thin, pale line, for raw values behind a smoothed line.
    Faint,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Its name, written beside its last point; none when empty.
    pub label: String,
    /// `(x, y)` in order of x; a value that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// Number of its colour. There are eight; after them, they come again dashed.
    pub colour: usize,
    /// How it is drawn.
    pub tone: Tone,
}

/// A place on the x axis worth pointing at.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What is there; nothing is written where it is empty.
    pub label: String,
}

/// Curves over a common axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// What the chart shows, y axis included: `Loss`.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis; its label is used for screen readers, readers see the title.
    pub y: Axis,
    /// The curves; later ones lie on top.
    pub series: Vec<Series>,
    /// Places to point at.
    pub marks: Vec<Mark>,
}

impl Chart {
    /// What had to be left out, in words, if anything was.
    pub(crate) fn left_out(&self) -> Option<String> {
        let mut odd = self
            .series
            .iter()
            .filter(|series| !series.label.is_empty())
            .flat_map(|series| &series.points)
            .filter(|(x, y)| !(drawable(*x) && drawable(*y)));
        let (first, _) = odd.next()?;
        let others = odd.count();
        let place = format!("{} {}", self.x.label, whole(*first));
        Some(match others {
            0 => format!("The value at {place} is not finite and is left out."),
            _ => format!(
                "{} values are not finite and are left out, the first at {place}.",
                others + 1
            ),
        })
    }

    /// What the chart would show, in words, where it is not worth a picture: no curve has two different
    /// values.
    pub(crate) fn told(&self) -> Option<String> {
        let differ = |a: f64, b: f64| (a - b).abs() > 1e-9 * a.abs().max(b.abs());
        let moves = |series: &Series| {
            let mut values = drawn(&series.points).map(|(_, y)| y);
            let first = values.next();
            first.is_some_and(|first| values.any(|value| differ(first, value)))
        };
        if self.series.iter().any(moves) {
            return None;
        }
        let value = |series: &Series| {
            let (_, y) = drawn(&series.points).next()?;
            let y = match self.y.unit {
                Unit::Fraction => percent(y),
                Unit::Number | Unit::Whole => number(y),
            };
            let name = &series.label;
            Some(if name.is_empty() {
                y
            } else {
                format!("{name} {y}")
            })
        };
        let shown: Vec<String> = self.series.iter().filter_map(value).collect();
        if shown.is_empty() {
            return Some(format!("{}: no finite value.", self.title));
        }
        let points = || self.series.iter().flat_map(|series| drawn(&series.points));
        let first = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
        let last = points().map(|(x, _)| x).fold(f64::NEG_INFINITY, f64::max);
        let place = if first < last {
            format!("from {} {} to {}", self.x.label, whole(first), whole(last))
        } else {
            format!("at {} {}", self.x.label, whole(first))
        };
        Some(format!("{}: {} {place}.", self.title, shown.join(", ")))
    }

    fn labels(&self) -> impl Iterator<Item = &Series> {
        self.series
            .iter()
            .filter(|series| !series.label.is_empty() && drawn(&series.points).next().is_some())
    }

    fn description(&self) -> String {
        let sentence = |series: &Series| {
            let (first, last) = (drawn(&series.points).next()?, drawn(&series.points).last()?);
            Some(format!(
                "{name}: {y} {} at {x} {} and {} at {x} {}.",
                number(first.1),
                whole(first.0),
                number(last.1),
                whole(last.0),
                name = series.label,
                y = self.y.label,
                x = self.x.label,
            ))
        };
        let sentences: Vec<String> = self.labels().filter_map(sentence).collect();
        sentences.join(" ")
    }
}

/// The points that have a place on the chart.
fn drawn(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points
        .iter()
        .copied()
        .filter(|(x, y)| drawable(*x) && drawable(*y))
}

/// A number that is most often an epoch or an update: without decimals if it has none.
fn whole(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value}")
    } else {
        number(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Loss".into(),
            x: Axis::new("epoch", Unit::Whole),
            y: Axis::new("loss", Unit::Number),
            series: vec![Series {
                label: "train".into(),
                points,
                ..Series::default()
            }],
            marks: vec![Mark {
                x: 2.0,
                label: "best".into(),
            }],
        }
    }

    #[test]
    fn a_constant_and_a_point_are_told_and_not_drawn() {
        let told = |points: &[(f64, f64)]| chart(points.to_vec()).told();
        assert_eq!(told(&[(1.0, 0.5), (2.0, 0.25)]), None);
        assert_eq!(
            told(&[(1.0, 0.5)]).unwrap(),
            "Loss: train 0.5000 at epoch 1."
        );
        assert_eq!(
            told(&[(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.5)]).unwrap(),
            "Loss: train 0.5000 from epoch 1 to 3."
        );
        // Rounding is no movement.
        assert!(told(&[(1.0, 0.1 + 0.2), (2.0, 0.3)]).is_some());
        assert!(told(&[(1.0, 0.0), (2.0, 1e-12)]).is_none());
        assert_eq!(told(&[(1.0, f64::NAN)]).unwrap(), "Loss: no finite value.");
        // One curve that moves is enough, and all of a picture that is not worth it are named.
        let mut two = chart(vec![(1.0, 0.5), (2.0, 0.5)]);
        two.y.unit = Unit::Fraction;
        two.series.push(Series {
            points: vec![(1.0, 0.25), (2.0, 0.25)],
            label: "validation".into(),
            ..Series::default()
        });
        assert_eq!(
            two.told().unwrap(),
            "Loss: train 50.00\u{202f}%, validation 25.00\u{202f}% from epoch 1 to 2."
        );
        two.series[1].points[1].1 = 0.5;
        assert_eq!(two.told(), None);
    }
}
