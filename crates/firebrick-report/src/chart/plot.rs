//! A chart of curves as SVG.

use super::{Chart, Mark, Series, Tone, drawn, whole};
use crate::axis::{Ruler, drawable};
use crate::svg::{self, dot, label, line, polyline, series_class};
use crate::text::{bold_width, fitted, number, shorten, width};

/// The chart as an SVG document of its own, light or dark as the reader's system is.
///
/// ```
/// use firebrick_report::{Axis, Chart, Series, Unit, curves_svg};
/// let svg = curves_svg(&Chart {
///     title: "Loss".into(),
///     x: Axis::new("epoch", Unit::Whole),
///     y: Axis::new("loss", Unit::Number),
///     series: vec![Series { label: "train".into(), points: vec![(1.0, 2.3), (2.0, 0.4)], ..Series::default() }],
///     marks: vec![],
/// });
/// assert!(svg.starts_with("<svg") && svg.contains("train"));
/// ```
#[must_use]
pub fn curves_svg(chart: &Chart) -> String {
    svg::document(&chart.svg(), [WIDTH, chart.height()], &chart.title)
}

/// Several charts below one another as one SVG document.
#[must_use]
pub fn charts_svg(title: &str, charts: &[Chart]) -> String {
    let (mut body, mut height) = (String::new(), 0.0);
    for chart in charts {
        let place = format!("<svg y=\"{}\" ", svg::px(height));
        body += &chart.svg().replacen("<svg ", &place, 1);
        height += chart.height() + 12.0;
    }
    let description = format!("{} charts below one another.", charts.len());
    let size = [WIDTH, height];
    let picture = svg::picture("charts", size, title, &description, &body);
    svg::document(&picture, size, title)
}

const WIDTH: f64 = 460.0;
const TOP: f64 = 34.0;
const PLOT_HEIGHT: f64 = 196.0;
const BELOW: f64 = 40.0;
const LABEL_GAP: f64 = 13.5;
/// Width and height of a chart without names at the ends of its curves.
pub(crate) const PICTURE: [f64; 2] = [WIDTH, TOP + PLOT_HEIGHT + BELOW];
/// Curves with at most this many points get a dot with a tooltip at each.
const DOTTED: usize = 40;

impl Chart {
    /// The chart as an `<svg>` element that relies on the page for its style.
    pub(crate) fn svg(&self) -> String {
        let height = self.height() - TOP - BELOW;
        let size = [WIDTH, self.height()];
        let points = || self.series.iter().flat_map(|series| drawn(&series.points));
        let x = Ruler::new(&self.x, points().map(|(x, _)| x), 6, false);
        let y = Ruler::new(&self.y, points().map(|(_, y)| y), 5, true);
        let log = y.as_ref().is_some_and(Ruler::is_log);
        let head = format!("{}{}", self.title, if log { " · logarithmic" } else { "" });
        let mut body = label("head", 0.0, 14.0, "start", &fitted(&head, 13.0, WIDTH));
        if let (Some(x), Some(y)) = (x, y) {
            let plot = Plot::new(self, x, y, height);
            body += &plot.axes(self);
            for mark in &self.marks {
                body += &plot.mark(mark);
            }
            for series in &self.series {
                body += &plot.series(series);
            }
            body += &plot.rings(self);
            body += &plot.names(self);
        } else {
            let middle = [WIDTH / 2.0, TOP + height / 2.0];
            body += &label(
                "none",
                middle[0],
                middle[1],
                "middle",
                "no finite value to draw",
            );
        }
        svg::picture("chart", size, &self.title, &self.description(), &body)
    }

    /// Its height in pixels: that of the names beside it, if they are many.
    fn height(&self) -> f64 {
        TOP + PLOT_HEIGHT.max(LABEL_GAP * self.labels().count() as f64) + BELOW
    }
}

/// The area between the axes.
struct Plot {
    x: Ruler,
    y: Ruler,
    left: f64,
    right: f64,
    bottom: f64,
}

impl Plot {
    fn new(chart: &Chart, x: Ruler, y: Ruler, height: f64) -> Self {
        let ticks = y.ticks.at.iter().map(|(_, text)| width(text, 12.0));
        let left = ticks.fold(0.0, f64::max) + 10.0;
        let names = chart
            .labels()
            .map(|series| bold_width(&shorten(&series.label, 20), 12.0));
        let names = names.fold(0.0, f64::max);
        let right = WIDTH - if names > 0.0 { names + 16.0 } else { 12.0 };
        let bottom = TOP + height;
        Self {
            x: x.between(left, right),
            y: y.between(bottom, TOP),
            left,
            right,
            bottom,
        }
    }

    fn place(&self, (x, y): (f64, f64)) -> [f64; 2] {
        [self.x.at(x), self.y.at(y)]
    }

    fn axes(&self, chart: &Chart) -> String {
        let mut out = String::new();
        for (value, text) in &self.y.ticks.at {
            let y = self.y.at(*value);
            out += &line("rule", [self.left, y], [self.right, y]);
            out += &label("tick", self.left - 6.0, y + 4.0, "end", text);
        }
        out += &line("axis", [self.left, self.bottom], [self.right, self.bottom]);
        for (value, text) in &self.x.ticks.at {
            let x = self.x.at(*value);
            out += &line("axis", [x, self.bottom], [x, self.bottom + 4.0]);
            out += &label("tick", x, self.bottom + 17.0, "middle", text);
        }
        out + &label(
            "unit",
            self.right,
            self.bottom + 34.0,
            "end",
            &chart.x.label,
        )
    }

    fn mark(&self, mark: &Mark) -> String {
        if !drawable(mark.x) {
            return String::new();
        }
        let x = self.x.at(mark.x);
        let room = self.right - x > width(&mark.label, 12.0) + 8.0;
        let (at, anchor) = if room {
            (x + 5.0, "start")
        } else {
            (x - 5.0, "end")
        };
        let line = line("mark", [x, TOP - 14.0], [x, self.bottom]);
        if mark.label.is_empty() {
            return line;
        }
        line + &label("unit", at, TOP - 5.0, anchor, &mark.label)
    }

    /// Unbroken stretches as lines, points without neighbours as dots.
    fn series(&self, series: &Series) -> String {
        let colours = series_class(series.colour);
        let tone = match series.tone {
            Tone::Line => "line",
            Tone::Faint => "faint",
        };
        let dotted = series.tone == Tone::Line && series.points.len() <= DOTTED;
        let mut out = String::new();
        for run in series
            .points
            .split(|(x, y)| !(drawable(*x) && drawable(*y)))
            .filter(|run| !run.is_empty())
        {
            let places: Vec<[f64; 2]> = run.iter().map(|point| self.place(*point)).collect();
            if places.len() > 1 {
                out += &polyline(&format!("{tone} {colours}"), &places);
            }
            if dotted || places.len() == 1 {
                for ((x, y), place) in run.iter().zip(places) {
                    let tooltip = format!("{} at {}", number(*y), whole(*x));
                    out += &dot(&format!("dot {colours}"), place, 2.2, &tooltip);
                }
            }
        }
        out
    }

    /// Rings where curves pass a mark.
    fn rings(&self, chart: &Chart) -> String {
        let mut out = String::new();
        for series in chart
            .series
            .iter()
            .filter(|series| series.tone == Tone::Line)
        {
            let class = format!("ring {}", series_class(series.colour));
            for point in drawn(&series.points) {
                if chart.marks.iter().any(|mark| mark.x == point.0) {
                    let tooltip = format!("{} at {}", number(point.1), whole(point.0));
                    out += &dot(&class, self.place(point), 3.5, &tooltip);
                }
            }
        }
        out
    }

    /// The name of each curve beside its end, moved apart where they would overlap.
    fn names(&self, chart: &Chart) -> String {
        let mut ends: Vec<(&Series, [f64; 2])> = chart
            .labels()
            .filter_map(|series| Some((series, self.place(drawn(&series.points).last()?))))
            .collect();
        ends.sort_by(|a, b| a.1[1].total_cmp(&b.1[1]));
        let wanted: Vec<f64> = ends.iter().map(|(_, [_, y])| *y).collect();
        let places = apart(&wanted, LABEL_GAP, TOP, self.bottom);
        let mut out = String::new();
        for ((series, [x, y]), at) in ends.into_iter().zip(places) {
            let colours = series_class(series.colour);
            // A curve that ends early is joined to its name by dots, so that the way is not read as data.
            let far = self.right - x > 1.0;
            if far || (at - y).abs() > 2.0 {
                let elbow = [[x + 3.0, y], [self.right, y], [self.right + 8.0, at]];
                let class = if far { "lead far" } else { "lead" };
                out += &polyline(&format!("{class} {colours}"), &elbow[usize::from(!far)..]);
            }
            let name = shorten(&series.label, 20);
            let class = format!("name {colours}");
            out += &label(&class, self.right + 10.0, at + 4.0, "start", &name);
        }
        out
    }
}

/// `wanted`, sorted, moved at least `gap` apart and into `low..=high` as far as there is room.
fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut least = low;
    for place in &mut places {
        *place = place.max(least);
        least = *place + gap;
    }
    let mut most = high;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::super::tests::chart;
    use super::*;

    #[test]
    fn gaps_break_the_line_and_are_told() {
        let broken = chart(vec![
            (1.0, 2.0),
            (2.0, 1.0),
            (3.0, f64::NAN),
            (4.0, 0.5),
            (5.0, f64::INFINITY),
            (6.0, 0.4),
            (7.0, 0.3),
        ]);
        let svg = broken.svg();
        assert_eq!(svg.matches("<polyline class=\"line").count(), 2);
        assert_eq!(svg.matches("class=\"dot").count(), 5);
        assert_eq!(svg.matches("class=\"ring").count(), 1);
        assert_eq!(
            broken.left_out().unwrap(),
            "2 values are not finite and are left out, the first at epoch 3."
        );
        assert!(chart(vec![(1.0, 2.0)]).left_out().is_none());
    }

    #[test]
    fn charts_stand_below_one_another() {
        let svg = charts_svg("Both", &[chart(vec![(1.0, 2.0)]), chart(vec![(1.0, 3.0)])]);
        assert_eq!(svg.matches("<svg").count(), 3);
        assert_eq!(svg.matches("</svg>").count(), 3);
        assert_eq!(svg.matches("<style>").count(), 1);
        let lower = format!("<svg y=\"{}\"", TOP + PLOT_HEIGHT + BELOW + 12.0);
        assert!(
            svg.contains("<svg y=\"0\"") && svg.contains(&lower),
            "{svg}"
        );
    }

    #[test]
    fn one_point_is_a_dot_and_none_is_a_sentence() {
        let one = chart(vec![(1.0, 2.0)]).svg();
        assert!(one.contains("class=\"dot") && !one.contains("<polyline class=\"line"));
        let none = chart(vec![(1.0, f64::NAN)]).svg();
        assert!(none.contains("no finite value to draw"));
    }

    #[test]
    fn a_long_title_stays_inside_the_picture() {
        let mut long = chart(vec![(1.0, 2.0), (2.0, 3.0)]);
        long.title = "x".repeat(200);
        let svg = long.svg();
        let head = svg.split("class=\"head\"").nth(1).unwrap();
        let text = head.split('>').nth(1).unwrap().split('<').next().unwrap();
        assert!(
            bold_width(text, 13.0) <= WIDTH && text.contains('…'),
            "{text}"
        );
    }

    #[test]
    fn names_keep_their_distance() {
        let places = apart(&[50.0, 51.0, 52.0, 99.0], 10.0, 0.0, 100.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 10.0));
        assert!(places[3] <= 100.0 && places[0] >= 0.0);
        assert_eq!(apart(&[10.0, 90.0], 10.0, 0.0, 100.0), [10.0, 90.0]);
    }
}
