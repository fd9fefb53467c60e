//! Scatter charts over several axes: the values that a search tried, and their accuracy.

use crate::axis::{Axis, Ruler, Scale, drawable};
use crate::svg::{self, dot, label, line, series_class};
use crate::text::{bold_width, fitted, number, percent, width};
use crate::ticks::Unit;

/// One point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScatterPoint {
    /// Where it lies on its panel's axis; the number of a name where the panel has names.
    pub x: f64,
    /// Its height; without one it failed, and is a cross below the others.
    pub y: Option<f64>,
    /// Number of its group, which gives its colour.
    pub group: usize,
    /// What it is, shown when it is pointed at.
    pub tooltip: String,
}

/// One horizontal axis with its points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Panel {
    /// The axis.
    pub x: Axis,
    /// Names in place of the numbers 0, 1, … on the axis.
    pub names: Vec<String>,
    /// The points; later ones lie on top.
    pub points: Vec<ScatterPoint>,
}

/// Panels side by side over one vertical axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scatter {
    /// What is shown, y axis included.
    pub title: String,
    /// The vertical axis.
    pub y: Axis,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// The panels.
    pub panels: Vec<Panel>,
}

const PANEL: f64 = 260.0;
const HEIGHT: f64 = 200.0;
const TOP: f64 = 48.0;
const BELOW: f64 = 58.0;
const GAP: f64 = 26.0;
/// Panels in a row.
const ROW: usize = 3;

/// The panels as an SVG document of its own, light or dark as the reader's system is.
///
/// ```
/// use firebrick_report::{Axis, Panel, Scatter, ScatterPoint, Unit, scatter_svg};
/// let point = ScatterPoint { x: 0.1, y: Some(0.9), ..ScatterPoint::default() };
/// let svg = scatter_svg(&Scatter {
///     title: "Accuracy".into(),
///     y: Axis::new("top-1", Unit::Fraction),
///     groups: vec!["round 1".into()],
///     panels: vec![Panel { x: Axis::new("lr", Unit::Number), names: vec![], points: vec![point] }],
/// });
/// assert!(svg.starts_with("<svg") && svg.contains("round 1"));
/// ```
#[must_use]
pub fn scatter_svg(scatter: &Scatter) -> String {
    let points = || scatter.panels.iter().flat_map(|panel| &panel.points);
    let heights = points().filter_map(|point| point.y);
    let y = Ruler::new(&scatter.y, heights, 5, true);
    let left = y.as_ref().map_or(0.0, |y| {
        let texts = y.ticks.at.iter().map(|(_, text)| width(text, 12.0));
        texts.fold(0.0, f64::max) + 10.0
    });
    let (legend, legend_width) = legend(scatter);
    let columns = scatter.panels.len().clamp(1, ROW);
    let rows = scatter.panels.len().div_ceil(ROW).max(1);
    let size = [
        (columns as f64 * (left + PANEL + GAP))
            .max(legend_width)
            .max(bold_width(&scatter.title, 13.0)),
        TOP + rows as f64 * (HEIGHT + BELOW) - 10.0,
    ];
    let mut body = label("head", 0.0, 14.0, "start", &scatter.title) + &legend;
    for (at, panel) in scatter.panels.iter().enumerate() {
        let corner = [
            (at % ROW) as f64 * (left + PANEL + GAP) + left,
            TOP + (at / ROW) as f64 * (HEIGHT + BELOW),
        ];
        body += &panel_svg(scatter, panel, y.clone(), corner, left);
    }
    let failed = points().filter(|point| point.y.is_none()).count() / scatter.panels.len().max(1);
    let count = points().count() / scatter.panels.len().max(1);
    let description = format!("{count} points, of which {failed} failed and are crosses below.");
    let picture = svg::picture("chart", size, &scatter.title, &description, &body);
    svg::document(&picture, size, &scatter.title)
}

/// The groups with a dot in their colours, in one line below the title, and its width.
fn legend(scatter: &Scatter) -> (String, f64) {
    let (mut out, mut x) = (String::new(), 5.0);
    for (group, name) in scatter.groups.iter().enumerate() {
        let class = series_class(group);
        out += &dot(&format!("dot {class}"), [x, 28.0], 3.0, "");
        out += &label(&format!("name {class}"), x + 8.0, 32.0, "start", name);
        x += bold_width(name, 12.0) + 26.0;
    }
    (out, x)
}

fn panel_svg(
    scatter: &Scatter,
    panel: &Panel,
    y: Option<Ruler>,
    [left, top]: [f64; 2],
    margin: f64,
) -> String {
    let (right, bottom) = (left + PANEL, top + HEIGHT);
    let logarithmic = panel.x.scale == Scale::Log;
    let placed = |point: &&ScatterPoint| drawable(point.x) && (!logarithmic || point.x > 0.0);
    let values = || panel.points.iter().filter(placed).map(|point| point.x);
    let x = if panel.names.is_empty() {
        Ruler::new(&panel.x, values(), 5, false)
    } else {
        // Half a place on each side, so that no dot lies on a corner.
        let ends = [-0.5, panel.names.len() as f64 - 0.5];
        Ruler::new(&Axis::default(), ends.into_iter(), 1, false)
    };
    let Some(x) = x.map(|x| x.between(left + 6.0, right - 6.0)) else {
        return String::new();
    };
    // Failures have a line of their own below the axis's lowest height.
    let y = y.map(|y| y.between(bottom - 14.0, top));
    let mut out = String::new();
    for (value, text) in y.iter().flat_map(|y| &y.ticks.at) {
        let at = y.as_ref().map_or(bottom, |y| y.at(*value));
        out += &line("rule", [left, at], [right, at]);
        if margin > 0.0 {
            out += &label("tick", left - 6.0, at + 4.0, "end", text);
        }
    }
    out += &line("axis", [left, bottom], [right, bottom]);
    let ticks: Vec<(f64, String)> = if panel.names.is_empty() {
        x.ticks.at.clone()
    } else {
        let names = panel.names.iter().enumerate();
        let room = PANEL / panel.names.len() as f64 - 6.0;
        names
            .map(|(at, name)| (at as f64, fitted(name, 12.0, room)))
            .collect()
    };
    for (value, text) in ticks {
        let at = x.at(value);
        out += &line("axis", [at, bottom], [at, bottom + 4.0]);
        out += &label("tick", at, bottom + 17.0, "middle", &text);
    }
    let axis = if logarithmic {
        format!("{} · logarithmic", panel.x.label)
    } else {
        panel.x.label.clone()
    };
    out += &label("unit", right, bottom + 34.0, "end", &axis);
    for point in panel.points.iter().filter(placed) {
        let colours = series_class(point.group);
        let at = x.at(point.x);
        let place = point.y.filter(|height| drawable(*height)).zip(y.as_ref());
        out += &match place {
            Some((height, y)) => {
                let value = match scatter.y.unit {
                    Unit::Fraction => percent(height),
                    Unit::Number | Unit::Whole => number(height),
                };
                let tooltip = format!("{value}: {}", point.tooltip);
                dot(&format!("dot {colours}"), [at, y.at(height)], 3.2, &tooltip)
            }
            None => cross(&colours, [at, bottom - 4.5]),
        };
    }
    out
}

fn cross(colours: &str, [x, y]: [f64; 2]) -> String {
    let (class, reach) = (format!("line {colours}"), 3.0);
    line(&class, [x - reach, y - reach], [x + reach, y + reach])
        + &line(&class, [x - reach, y + reach], [x + reach, y - reach])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: Option<f64>, group: usize) -> ScatterPoint {
        ScatterPoint {
            x,
            y,
            group,
            tooltip: "a & b".into(),
        }
    }

    fn scatter() -> Scatter {
        let rate = Axis::new("lr", Unit::Number).scale(Scale::Log);
        let points = vec![
            point(1e-3, Some(0.5), 0),
            point(1e-2, Some(0.9), 1),
            point(1e-1, None, 1),
            point(0.0, Some(0.5), 0),
        ];
        Scatter {
            title: "Accuracy".into(),
            y: Axis::new("top-1", Unit::Fraction),
            groups: vec!["round 1".into(), "round 2".into()],
            panels: vec![
                Panel {
                    x: rate,
                    names: vec![],
                    points,
                },
                Panel {
                    x: Axis::new("optimizer", Unit::Whole),
                    names: vec!["sgd".into(), "adam".into()],
                    points: vec![point(1.0, Some(0.9), 1)],
                },
            ],
        }
    }

    #[test]
    fn points_are_dots_failures_are_crosses_and_rates_are_logarithmic() {
        let svg = scatter_svg(&scatter());
        let tooltips: Vec<&str> = svg
            .split("<circle")
            .filter(|part| part.contains("a &amp; b"))
            .collect();
        assert_eq!(tooltips.len(), 3, "a rate of 0 has no place: {svg}");
        assert_eq!(svg.matches("<line class=\"line s1").count(), 2, "one cross");
        assert!(svg.contains("lr · logarithmic") && svg.contains(">adam<") && svg.contains("90"));
        let x = |part: &str| -> f64 {
            let at = part.find("cx=\"").unwrap() + 4;
            part[at..].split('"').next().unwrap().parse().unwrap()
        };
        let middle = |low: f64, high: f64, at: f64| ((at - low) / (high - low) - 0.5).abs() < 0.02;
        // Three decades, the cross at the last: the second point is half way.
        let end: f64 = svg
            .split("<line class=\"line s1")
            .nth(1)
            .and_then(|part| {
                let at = part.find("x1=\"")? + 4;
                part[at..].split('"').next()?.parse::<f64>().ok()
            })
            .unwrap()
            + 3.0;
        assert!(middle(x(tooltips[0]), end, x(tooltips[1])), "{svg}");
    }

    #[test]
    fn the_title_and_the_names_of_the_groups_have_their_room() {
        let wide = |svg: &str| -> f64 {
            let view = svg
                .split("viewBox=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            let numbers: Vec<f64> = view.split(' ').map(|n| n.parse().unwrap()).collect();
            numbers[0] + numbers[2]
        };
        let mut titled = scatter();
        titled.title = "W".repeat(100);
        // 13.24 pixels for each W at 12 pixels in DejaVu Sans Bold.
        assert!(wide(&scatter_svg(&titled)) >= 100.0 * 13.24 * 13.0 / 12.0);
        let mut grouped = scatter();
        grouped.groups = vec!["W".repeat(30), "W".repeat(30)];
        assert!(wide(&scatter_svg(&grouped)) >= 2.0 * 30.0 * 13.24 + 21.0);
    }

    #[test]
    fn nothing_to_draw_is_no_panic() {
        let mut empty = scatter();
        for panel in &mut empty.panels {
            panel.points.clear();
        }
        assert!(scatter_svg(&empty).starts_with("<svg"));
        let mut failed = scatter();
        for panel in &mut failed.panels {
            panel.points.iter_mut().for_each(|point| point.y = None);
        }
        assert!(scatter_svg(&failed).contains("<line class=\"line"));
        assert!(scatter_svg(&Scatter::default()).starts_with("<svg"));
    }
}
