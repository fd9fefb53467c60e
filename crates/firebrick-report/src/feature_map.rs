//! The section with maps of the features of images.

use firebrick_types::run::{FEATURE_MAP, FeatureMap, RunRecord};

use crate::axis::drawable;
use crate::data_check::split_name;
use crate::mistakes::class_name;
use crate::svg::{self, dot, label, px, series_class};
use crate::text::{count, fitted, percent, shorten};

/// Side of a map in pixels, and the space above it.
const SIDE: f64 = 440.0;
const TOP: f64 = 24.0;
/// Paper between the edge and the outermost points.
const INSIDE: f64 = 12.0;
/// With more classes than this, their names would cover the map.
const MOST_NAMED: usize = 20;

/// The section; empty where the record has none.
pub(crate) fn section(run: &RunRecord) -> String {
    let Ok(Some(map)) = run.section::<FeatureMap>(FEATURE_MAP) else {
        return String::new();
    };
    let split = split_name(&map.split);
    let which = if map.labels.len() < map.of {
        format!(
            "{} of the {}",
            count(map.labels.len() as u64),
            count(map.of as u64)
        )
    } else {
        format!("The {}", count(map.of as u64))
    };
    let (first, second) = map.shares;
    let pca = drawn(run, &map, &map.pca, "Principal components");
    let tsne = drawn(run, &map, &map.tsne, "t-SNE");
    if pca.is_empty() && tsne.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"features\"><h2>Maps of the features</h2>\n<p class=\"note\">{which} {split} images by what the last layer \
         reads of them ({width} numbers for each), coloured by class. Rings: images that were taken for another class. Point at one \
         for its name.</p>\n<div class=\"maps\">\n{pca}{tsne}</div>\n\
         <p class=\"note\">Principal components: the two directions in which the features vary most, with {first} and {second} of \
         the variance. t-SNE: who is near whom counts; distances between groups and their sizes say little.</p></section>\n",
        width = count(map.width as u64),
        first = percent(first),
        second = percent(second),
    )
}

fn drawn(run: &RunRecord, map: &FeatureMap, points: &[(f64, f64)], title: &str) -> String {
    if points.len() != map.labels.len() {
        return String::new();
    }
    let placed: Vec<(usize, [f64; 2])> = points
        .iter()
        .enumerate()
        .filter(|(_, (x, y))| drawable(*x) && drawable(*y))
        .map(|(at, (x, y))| (at, [*x, *y]))
        .collect();
    let ends = |axis: usize| {
        let values = placed.iter().map(|(_, point)| point[axis]);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        [low, values.fold(f64::NEG_INFINITY, f64::max)]
    };
    let [across, up] = [ends(0), ends(1)];
    // One scale for both axes: directions are as long as they are.
    let longest = (across[1] - across[0]).max(up[1] - up[0]);
    if placed.is_empty() || !(longest > 0.0 && longest.is_finite()) {
        return String::new();
    }
    let scale = (SIDE - 2.0 * INSIDE) / longest;
    let middle = |[low, high]: [f64; 2]| low + (high - low) / 2.0;
    let place = |[x, y]: [f64; 2]| {
        [
            SIDE / 2.0 + (x - middle(across)) * scale,
            TOP + SIDE / 2.0 - (y - middle(up)) * scale,
        ]
    };
    let mut body = label("head", 0.0, 14.0, "start", title);
    body += &format!(
        "<rect class=\"frame\" x=\"0\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
        px(TOP),
        px(SIDE),
        px(SIDE)
    );
    for (at, point) in &placed {
        let class = map.labels[*at];
        let name = map.names.get(*at).map_or("", String::as_str);
        let tooltip = format!("{}: {}", class_name(&run.classes, class), shorten(name, 60));
        let right = map.right.get(*at).copied().unwrap_or(true);
        let shape = if right { "dot" } else { "ring" };
        body += &dot(
            &format!("{shape} {}", series_class(class)),
            place(*point),
            3.2,
            &tooltip,
        );
    }
    let mut classes = map.labels.clone();
    classes.sort_unstable();
    classes.dedup();
    if classes.len() <= MOST_NAMED {
        for class in classes {
            let own = placed.iter().filter(|(at, _)| map.labels[*at] == class);
            let own: Vec<[f64; 2]> = own.map(|(_, point)| place(*point)).collect();
            let name = fitted(&class_name(&run.classes, class), 12.0, SIDE / 3.0);
            if let Some([x, y]) = median(&own) {
                let class = format!("name {}", series_class(class));
                body += &label(&class, x, y, "middle", &name);
            }
        }
    }
    let description = format!(
        "{} images, each a dot in the colour of its class.",
        placed.len()
    );
    let picture = svg::picture("map", [SIDE, TOP + SIDE], title, &description, &body);
    format!("<figure>{picture}</figure>\n")
}

/// The median along each axis.
fn median(points: &[[f64; 2]]) -> Option<[f64; 2]> {
    let along = |axis: usize| {
        let mut values: Vec<f64> = points.iter().map(|point| point[axis]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some([along(0)?, along(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> FeatureMap {
        FeatureMap {
            split: "valid".into(),
            of: 9,
            width: 64,
            names: vec!["a.png".into(), "b.png".into(), "<c>.png".into()],
            labels: vec![0, 1, 1],
            right: vec![true, false, true],
            pca: vec![(0.0, 0.0), (10.0, 0.0), (5.0, 2.0)],
            shares: (0.5, 0.25),
            tsne: vec![(f64::NAN, 0.0), (1.0, 1.0), (1.0, 1.0)],
        }
    }

    fn html(map: &FeatureMap) -> String {
        let mut run = crate::empty_record();
        run.classes = vec!["ant".into(), "bee".into()];
        run.set_section(FEATURE_MAP, map).unwrap();
        section(&run)
    }

    #[test]
    fn images_lie_where_their_features_are_in_the_colour_of_their_class() {
        let html = html(&map());
        assert!(html.contains("3 of the 9 validation images"), "{html}");
        // The longer axis fills the map, the other has its scale.
        let at = |name: &str| -> [f64; 2] {
            let before = html.split(name).next().unwrap();
            let circle = before.rsplit("<circle ").next().unwrap();
            let value = |key: &str| {
                let rest = circle.split(&format!(" {key}=\"")).nth(1).unwrap();
                rest.split('"').next().unwrap().parse().unwrap()
            };
            [value("cx"), value("cy")]
        };
        for (name, [x, y]) in [
            ("ant: a.png", [12.0, TOP + 261.6]),
            ("bee: b.png", [428.0, TOP + 261.6]),
            ("bee: &lt;c&gt;.png", [220.0, TOP + 178.4]),
        ] {
            let found = at(name);
            assert!(
                (found[0] - x).abs() < 0.06 && (found[1] - y).abs() < 0.06,
                "{name}: {found:?}"
            );
        }
        assert_eq!(html.matches("class=\"ring s1 d0\"").count(), 1, "{html}");
        assert!(html.contains(">ant</text>") && html.contains("50.00"));
        // Two points at one place have no scale.
        assert!(!html.contains("aria-label=\"t-SNE\""));
    }

    #[test]
    fn what_does_not_go_together_is_not_drawn() {
        let mut odd = map();
        odd.labels.pop();
        assert_eq!(html(&odd), "");
        let mut empty = map();
        empty.pca = vec![(f64::NAN, 1.0); 3];
        assert_eq!(html(&empty), "");
        assert_eq!(section(&crate::empty_record()), "");
    }
}
