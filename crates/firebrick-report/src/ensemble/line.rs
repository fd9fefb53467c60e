//! The loss along the straight line between the weights of two members.

use firebrick_types::run::ensemble::{EnsembleRecord, LinePoint};

use crate::axis::Axis;
use crate::chart::{Chart, Series};
use crate::curves::pictures;
use crate::text::{escape, number};
use crate::ticks::Unit;

/// The curves between two members; empty where nobody looked.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    let Some(line) = &record.line else {
        return String::new();
    };
    let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else {
        return String::new();
    };
    let curve = |label: &str, colour, value: fn(&LinePoint) -> f64| Series {
        label: label.into(),
        points: line
            .points
            .iter()
            .map(|point| (point.t, value(point)))
            .collect(),
        colour,
        ..Series::default()
    };
    let chart = |title: &str, y: Axis, series: Vec<Series>| Chart {
        title: title.into(),
        x: Axis::new("way from the first to the second", Unit::Fraction),
        y,
        series,
        marks: vec![],
    };
    let charts = [
        chart(
            "Loss",
            Axis::new("loss", Unit::Number),
            vec![
                curve("train", 0, |point| point.train_loss),
                curve("validation", 1, |point| point.valid_loss),
            ],
        ),
        chart(
            "Accuracy",
            Axis::new("top-1", Unit::Fraction),
            vec![curve("validation", 1, |point| point.valid_top1)],
        ),
    ];
    let highest = line
        .points
        .iter()
        .map(|point| point.train_loss)
        .fold(f64::NEG_INFINITY, f64::max);
    let ends = first.train_loss.max(last.train_loss);
    let known = line.points.iter().all(|point| point.train_loss.is_finite());
    let barrier = match known {
        false => String::new(),
        true if highest > ends => format!(
            "On the way, the training loss rises to {}, {} above the higher of its ends. The higher this barrier, the worse is the \
             average of their weights.",
            number(highest),
            number(highest - ends)
        ),
        true => "On the way, the training loss never rises above its ends, so their weights can be averaged.".into(),
    };
    let [one, other] = [&line.members[0], &line.members[1]].map(|name| escape(name));
    format!(
        "<section id=\"line\"><h2>Between two members</h2>\n<p>From the weights of <b>{one}</b> straight to those of <b>{other}</b>, \
         with batch norm statistics recomputed at every point. {barrier}</p>\n{}</section>\n",
        pictures(charts.iter().map(|chart| (chart, "")))
    )
}
