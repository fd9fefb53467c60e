//! A chart of a schedule: the rate of each update, and the momentum and the weight decay if they are scheduled too.

use crate::axis::{Axis, Scale};
use crate::chart::{Chart, Mark, PICTURE, Series};
use crate::svg;
use crate::text::number;
use crate::ticks::Unit;

/// What a schedule gives at each update; entry `k` is that of update `k`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScheduleCurves {
    /// What it is, such as its spec.
    pub title: String,
    /// The learning rate.
    pub lr: Vec<f64>,
    /// The momentum, where it is scheduled.
    pub momentum: Option<Vec<f64>>,
    /// The weight decay, where it is scheduled.
    pub weight_decay: Option<Vec<f64>>,
    /// The updates with which cycles end.
    pub cycle_ends: Vec<u64>,
}

/// Most points of a curve; of a longer one, the extremes of each stretch are kept.
const POINTS: usize = 2000;
/// Most ends of cycles that are pointed at; more would hide the curve.
const MARKS: usize = 12;

/// The picture as an SVG document of its own: one chart for each value, below each other.
///
/// ```
/// use firebrick_report::{ScheduleCurves, schedule_svg};
/// let svg = schedule_svg(&ScheduleCurves {
///     title: "linear".into(),
///     lr: vec![0.1, 0.05],
///     ..ScheduleCurves::default()
/// });
/// assert!(svg.starts_with("<svg") && svg.contains("Learning rate"));
/// ```
#[must_use]
pub fn schedule_svg(curves: &ScheduleCurves) -> String {
    let marks: Vec<Mark> = if curves.cycle_ends.len() > MARKS {
        Vec::new()
    } else {
        let label = |at| if at == 0 { "cycle ends" } else { "" };
        let ends = curves.cycle_ends.iter().enumerate();
        ends.map(|(at, end)| Mark {
            x: *end as f64,
            label: label(at).into(),
        })
        .collect()
    };
    let chart = |title: &str, label: &str, values: &[f64], colour: usize| Chart {
        title: title.into(),
        x: Axis::new("update", Unit::Whole),
        y: Axis::new(label, Unit::Number).scale(Scale::LogWhenWide),
        series: vec![Series {
            points: thinned(values),
            colour,
            ..Series::default()
        }],
        marks: marks.clone(),
    };
    let mut charts = vec![chart("Learning rate", "learning rate", &curves.lr, 3)];
    if let Some(momentum) = &curves.momentum {
        charts.push(chart("Momentum", "momentum", momentum, 0));
    }
    if let Some(decay) = &curves.weight_decay {
        charts.push(chart("Weight decay", "weight decay", decay, 2));
    }
    let pictures: Vec<String> = charts.iter().map(Chart::svg).collect();
    let sentences: Vec<String> = charts.iter().filter_map(ends).collect();
    let (picture, size) = svg::stack(PICTURE, &curves.title, &sentences.join(" "), &pictures);
    svg::document(&picture, size, &curves.title)
}

/// Where the curve of a chart begins and ends, in words.
fn ends(chart: &Chart) -> Option<String> {
    let points = &chart.series.first()?.points;
    let ((_, first), (last, value)) = (points.first()?, points.last()?);
    Some(format!(
        "{}: {} at update 0, {} at update {last}.",
        chart.title,
        number(*first),
        number(*value)
    ))
}

/// The points of a curve; of each stretch of a long one, the lowest and the highest, in their order.
fn thinned(values: &[f64]) -> Vec<(f64, f64)> {
    let point = |at: usize| (at as f64, values[at]);
    if values.len() <= POINTS {
        return (0..values.len()).map(point).collect();
    }
    let mut kept = vec![0];
    let stretch = values.len().div_ceil(POINTS / 2);
    for start in (0..values.len()).step_by(stretch) {
        let stretch = start..(start + stretch).min(values.len());
        let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
        kept.extend(stretch.clone().min_by(by_value));
        kept.extend(stretch.max_by(by_value));
    }
    kept.push(values.len() - 1);
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_ends_and_extremes() {
        let mut values = vec![0.5; 100_000];
        values[77_777] = 3.0;
        values[12_345] = 0.1;
        let points = thinned(&values);
        assert!(points.len() <= POINTS + 2, "{}", points.len());
        for at in [0, 77_777, 12_345, 99_999] {
            assert!(points.contains(&(at as f64, values[at])), "{at}");
        }
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thinned(&[1.0, 2.0]), [(0.0, 1.0), (1.0, 2.0)]);
    }

    #[test]
    fn each_value_has_a_chart_and_each_cycle_a_mark() {
        let mut curves = ScheduleCurves {
            title: "one_cycle & more".into(),
            lr: vec![0.1, 0.2, 0.1, 0.2],
            cycle_ends: vec![1, 3],
            ..ScheduleCurves::default()
        };
        let one = schedule_svg(&curves);
        assert_eq!(one.matches("<svg").count(), 2);
        assert!(
            one.contains("<desc>Learning rate: 0.1000 at update 0, 0.2000 at update 3.</desc>"),
            "{one}"
        );
        assert_eq!(one.matches("class=\"mark\"").count(), 2);
        assert_eq!(one.matches("cycle ends").count(), 1);
        curves.momentum = Some(vec![0.9; 4]);
        curves.weight_decay = Some(vec![0.01; 4]);
        let three = schedule_svg(&curves);
        assert_eq!(three.matches("<svg").count(), 4);
        assert_eq!(three.matches("</svg>").count(), 4);
        assert_eq!(three.matches("<style>").count(), 1);
        assert!(three.contains("Momentum") && three.contains("Weight decay"));
        assert!(three.contains("one_cycle &amp; more"));
        curves.cycle_ends = (0..100).collect();
        assert!(!schedule_svg(&curves).contains("class=\"mark\""));
    }
}
