//! A contour map with paths over it, as SVG.

use firebrick_types::contour::{ContourMap, Path};

use crate::axis::{Axis, Ruler, drawable};
use crate::levels::Heights;
use crate::svg::{self, dot, label, line, polyline, px, series_class};
use crate::text::{bold_width, number, shorten, width};
use crate::ticks::Unit;

/// The map as an SVG document of its own, light or dark as the reader's system is.
///
/// The distance of the contour lines in height grows by a constant factor from the lowest place, where
/// the map has a minimum to show; else it is constant. Parts of paths outside the window are left out.
#[must_use]
pub fn contour_svg(map: &ContourMap) -> String {
    let size = size(map);
    svg::document(&picture(map, size), size, &map.title)
}

const TOP: f64 = 34.0;
const LEFT: f64 = 40.0;
const WIDE: f64 = 480.0;
const HIGH: f64 = 360.0;
const BELOW: f64 = 30.0;
const ROW: f64 = 18.0;
/// Between the map and the legend.
const BESIDE: f64 = 12.0;
/// A piece of line in the legend, with the space behind it.
const SAMPLE: f64 = 26.0;
/// Contour lines of a map.
pub(crate) const LEVELS: usize = 14;
/// Paths with at most this many points get a dot at each.
const DOTTED: usize = 60;
/// Characters of a name; a longer one loses its middle.
const NAME: usize = 48;

/// Width and height: the map, and the names beside it in full width.
fn size(map: &ContourMap) -> [f64; 2] {
    let names = map.paths.iter().map(|path| {
        let name = bold_width(&shorten(&path.label, NAME), 12.0);
        BESIDE + SAMPLE + name
    });
    let beside = names.fold(0.0, f64::max);
    [
        (LEFT + WIDE + beside).max(bold_width(&map.title, 13.0)),
        (TOP + HIGH + BELOW).max(TOP + ROW * map.paths.len() as f64),
    ]
}

fn picture(map: &ContourMap, size: [f64; 2]) -> String {
    let plot = Plot { map };
    let body = label("head", 0.0, 14.0, "start", &map.title)
        + &plot.contours()
        + &plot.axes()
        + &plot.paths()
        + &plot.minima()
        + &plot.start()
        + &plot.legend();
    svg::picture("contour", size, &map.title, &description(map), &body)
}

fn description(map: &ContourMap) -> String {
    let sentence = |path: &Path| {
        let last = path.points.iter().rfind(|point| is_drawable(point))?;
        let updates = path.points.len() - 1;
        Some(format!(
            "{}: at ({}, {}) after {updates} updates.",
            path.label,
            number(last[0]),
            number(last[1])
        ))
    };
    let minimum = |at: &[f64; 2]| format!("{}.", minimum(*at));
    let minima = map.crosses.iter().map(minimum);
    let sentences: Vec<_> = minima
        .chain(map.paths.iter().filter_map(sentence))
        .collect();
    sentences.join(" ")
}

/// What a cross is.
fn minimum([x, y]: [f64; 2]) -> String {
    let short = |value: f64| {
        let text = format!("{:.3}", value + 0.0);
        text.trim_end_matches('0')
            .trim_end_matches('.')
            .replace('-', "−")
    };
    format!("minimum ({}, {})", short(x), short(y))
}

fn is_drawable(point: &[f64; 2]) -> bool {
    point.iter().all(|value| drawable(*value))
}

/// A window's coordinates as shares of its sides, from the lower left.
pub(crate) fn shares(map: &ContourMap, [x, y]: [f64; 2]) -> [f64; 2] {
    let share = |[low, high]: [f64; 2], value: f64| (value - low) / (high - low);
    [share(map.window.x, x), share(map.window.y, y)]
}

/// The contour lines in shares of the window's sides, lowest first.
pub(crate) fn contours(map: &ContourMap) -> Vec<Vec<Vec<[f64; 2]>>> {
    let heights = Heights::new(&map.heights, map.columns);
    let [columns, rows] = [map.columns, heights.rows()].map(|count| count.max(2) as f64 - 1.0);
    let share = |[column, row]: [f64; 2]| [column / columns, row / rows];
    let levels = heights.levels(LEVELS, !map.crosses.is_empty()).into_iter();
    let lines = levels.map(|level| {
        let lines = heights.lines(level).into_iter();
        lines
            .map(|line| line.into_iter().map(share).collect())
            .collect()
    });
    lines.collect()
}

/// The part of a straight line inside the unit square (Liang and Barsky, 1984).
pub(crate) fn clipped(from: [f64; 2], to: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let (mut enters, mut leaves) = (0.0f64, 1.0f64);
    for axis in [0, 1] {
        let way = to[axis] - from[axis];
        if !way.is_finite() {
            return None;
        }
        if way == 0.0 {
            if !(0.0..=1.0).contains(&from[axis]) {
                return None;
            }
            continue;
        }
        let (a, b) = (-from[axis] / way, (1.0 - from[axis]) / way);
        enters = enters.max(a.min(b));
        leaves = leaves.min(a.max(b));
    }
    // The ends themselves are exact, so that the next stretch goes on where this one ends.
    let at = |share: f64| match share {
        1.0 => to,
        _ => [0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis])),
    };
    (enters <= leaves).then(|| [at(enters), at(leaves)])
}

/// Shares of the window's sides to pixels.
fn place([x, y]: [f64; 2]) -> [f64; 2] {
    [LEFT + x * WIDE, TOP + (1.0 - y) * HIGH]
}

struct Plot<'a> {
    map: &'a ContourMap,
}

impl Plot<'_> {
    fn contours(&self) -> String {
        let mut out = String::new();
        for level in contours(self.map) {
            let mut data = String::new();
            for line in level {
                for (index, point) in line.into_iter().enumerate() {
                    let [x, y] = place(point);
                    let letter = if index == 0 { 'M' } else { 'L' };
                    data += &format!("{letter}{} {}", px(x), px(y));
                }
            }
            if !data.is_empty() {
                out += &format!("<path class=\"level\" d=\"{data}\"/>\n");
            }
        }
        out
    }

    fn axes(&self) -> String {
        let mut out = format!(
            "<rect class=\"frame\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDE}\" height=\"{HIGH}\"/>\n"
        );
        let ruler =
            |range: [f64; 2]| Ruler::new(&Axis::new("", Unit::Number), range.into_iter(), 6, false);
        if let Some(x) = ruler(self.map.window.x) {
            let bottom = TOP + HIGH;
            for (value, text) in &x.ticks.at {
                let [at, _] = place(shares(self.map, [*value, 0.0]));
                out += &line("axis", [at, bottom], [at, bottom + 4.0]);
                out += &label("tick", at, bottom + 17.0, "middle", text);
            }
        }
        if let Some(y) = ruler(self.map.window.y) {
            for (value, text) in &y.ticks.at {
                let [_, at] = place(shares(self.map, [0.0, *value]));
                out += &line("axis", [LEFT - 4.0, at], [LEFT, at]);
                out += &label("tick", LEFT - 7.0, at + 4.0, "end", text);
            }
        }
        out
    }

    /// The minima inside the window, each a cross with what it is beside it.
    fn minima(&self) -> String {
        let mut out = String::new();
        for at in &self.map.crosses {
            if !self.map.window.contains(*at) {
                continue;
            }
            let [x, y] = place(shares(self.map, *at));
            out += &line("cross", [x - 5.0, y - 5.0], [x + 5.0, y + 5.0]);
            out += &line("cross", [x - 5.0, y + 5.0], [x + 5.0, y - 5.0]);
            out += &beside([x, y], &minimum(*at));
        }
        out
    }

    fn paths(&self) -> String {
        let mut out = String::new();
        for (colour, path) in self.map.paths.iter().enumerate() {
            let class = series_class(colour);
            for run in runs(self.map, path) {
                let places: Vec<_> = run.into_iter().map(place).collect();
                out += &polyline(&format!("line {class}"), &places);
            }
            let inside = || {
                let points = path.points.iter().enumerate();
                points.filter(|(_, point)| self.map.window.contains(**point))
            };
            if path.points.len() <= DOTTED {
                for (_, point) in inside() {
                    let at = place(shares(self.map, *point));
                    out += &dot(&format!("dot {class}"), at, 1.6, "");
                }
            }
            if let Some((index, point)) = inside().next_back() {
                let [x, y] = *point;
                let name = &path.label;
                let tooltip = format!("{name}: ({}, {}), update {index}", number(x), number(y));
                let at = place(shares(self.map, *point));
                out += &dot(&format!("ring {class}"), at, 4.0, &tooltip);
            }
        }
        out
    }

    /// Where the paths begin.
    fn start(&self) -> String {
        let first = self.map.paths.first().and_then(|path| path.points.first());
        let inside = first.filter(|start| self.map.window.contains(**start));
        inside.map_or(String::new(), |start| {
            let at = place(shares(self.map, *start));
            dot("start", at, 3.0, "start") + &beside(at, "start")
        })
    }

    fn legend(&self) -> String {
        let mut out = String::new();
        let left = LEFT + WIDE + BESIDE;
        for (index, path) in self.map.paths.iter().enumerate() {
            let class = series_class(index);
            let y = TOP + ROW * index as f64 + 8.0;
            out += &polyline(&format!("line {class}"), &[[left, y], [left + 20.0, y]]);
            let name = shorten(&path.label, NAME);
            out += &label(
                &format!("name {class}"),
                left + SAMPLE,
                y + 4.0,
                "start",
                &name,
            );
        }
        out
    }
}

/// What lies at a place of the map, written to its right, or to its left where that would leave the map.
fn beside([x, y]: [f64; 2], text: &str) -> String {
    let (at, anchor) = if x + 9.0 + width(text, 12.0) <= LEFT + WIDE {
        (x + 9.0, "start")
    } else {
        (x - 9.0, "end")
    };
    label("place", at, (y - 6.0).max(TOP + 12.0), anchor, text)
}

/// The unbroken stretches of a path inside the window, in shares of its sides.
fn runs(map: &ContourMap, path: &Path) -> Vec<Vec<[f64; 2]>> {
    let mut runs: Vec<Vec<[f64; 2]>> = Vec::new();
    for pair in path.points.windows(2) {
        let Some([from, to]) = visible(map, pair[0], pair[1]) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.last() == Some(&from) => run.push(to),
            _ => runs.push(vec![from, to]),
        }
    }
    runs
}

/// The part of a step inside the window, in shares of its sides.
pub(crate) fn visible(map: &ContourMap, from: [f64; 2], to: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    if !(is_drawable(&from) && is_drawable(&to)) {
        return None;
    }
    clipped(shares(map, from), shares(map, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_window() {
        let inside = ([0.2, 0.2], [0.4, 0.9]);
        assert_eq!(clipped(inside.0, inside.1), Some([inside.0, inside.1]));
        assert_eq!(
            clipped([0.5, 0.5], [0.5, 2.5]),
            Some([[0.5, 0.5], [0.5, 1.0]])
        );
        assert_eq!(
            clipped([-1.0, 0.25], [3.0, 0.25]),
            Some([[0.0, 0.25], [1.0, 0.25]])
        );
        assert_eq!(clipped([1.5, 0.0], [2.0, 0.5]), None);
        assert_eq!(clipped([1.5, -1.0], [1.5, 2.0]), None);
        assert_eq!(clipped([-0.5, 0.9], [0.3, 1.6]), None);
        assert_eq!(clipped([0.0, 0.0], [f64::NAN, 0.5]), None);
    }
}
