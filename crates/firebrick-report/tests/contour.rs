//! Contour maps: the content of the pictures.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used)]

use firebrick_report::{PATH_COLOURS, contour_gif, contour_svg};
use firebrick_types::contour::{ContourMap, Path, Window};
use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;

/// A bowl over [-1, 1]² with `paths` straight paths of `updates` updates from the upper right to the
/// left, one below the other.
fn map(paths: usize, updates: usize) -> ContourMap {
    let window = Window::new([-1.0, 1.0], [-1.0, 1.0]);
    let path = |index: usize| Path {
        label: format!("racer{index}(lr=0.1)"),
        points: (0..=updates)
            .map(|step| {
                [
                    0.9 - 1.8 * step as f64 / updates as f64,
                    0.9 - 0.15 * index as f64,
                ]
            })
            .collect(),
    };
    ContourMap {
        title: "bowl: x² + y² < 3".into(),
        window,
        columns: 41,
        heights: window
            .grid(41, 31)
            .iter()
            .map(|[x, y]| x * x + y * y)
            .collect(),
        crosses: vec![[0.0, 0.0]],
        paths: (0..paths).map(path).collect(),
    }
}

fn frames(gif: &[u8]) -> Vec<image::Frame> {
    let decoder = GifDecoder::new(std::io::Cursor::new(gif)).unwrap();
    decoder.into_frames().collect_frames().unwrap()
}

fn count(frame: &image::Frame, [r, g, b]: [u8; 3]) -> usize {
    let pixels = frame.buffer().pixels();
    pixels.filter(|pixel| pixel.0[..3] == [r, g, b]).count()
}

#[test]
fn the_svg_names_every_path_and_draws_it_in_its_colour() {
    let svg = contour_svg(&map(9, 50));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let class = |wanted: &str| {
        let nodes = document.descendants();
        let classes = nodes.filter_map(|node| node.attribute("class"));
        classes.filter(|class| *class == wanted).count()
    };
    assert!(class("level") >= 10, "{}", class("level"));
    for index in 0..9 {
        assert!(svg.contains(&format!("racer{index}(lr=0.1)")));
        let colours = format!("s{} d{}", index % 8, index / 8);
        // The path and its piece of the legend.
        assert_eq!(class(&format!("line {colours}")), 2, "{colours}");
        assert_eq!(class(&format!("dot {colours}")), 51);
    }
    assert_eq!(class("start"), 1);
    assert!(svg.contains("bowl: x² + y² &lt; 3"));
    assert!(svg.contains("racer0(lr=0.1): at (−0.9000, 0.9000) after 50 updates."));
}

#[test]
fn minima_and_start_are_marked_and_named_inside_the_picture() {
    let mut map = map(2, 20);
    map.crosses = vec![[-0.5, 0.25], [0.95, -0.9], [7.0, 7.0]];
    let svg = contour_svg(&map);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<_> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("place"))
        .map(|node| (node.text().unwrap(), node.attribute("text-anchor").unwrap()))
        .collect();
    assert_eq!(
        texts,
        [
            ("minimum (−0.5, 0.25)", "start"),
            // Near the right edge, so to its left; one outside the window has no place.
            ("minimum (0.95, −0.9)", "end"),
            ("start", "end"),
        ]
    );
    let strokes = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("cross"));
    assert_eq!(strokes.count(), 4);
    let gif = frames(&contour_gif(&map).unwrap());
    // The minimum is a cross: its middle is ink, what lies straight above is not.
    let pixel = |x: f64, y: f64, up: u32| {
        let at = [(x + 1.0) / 2.0 * 479.0, (1.0 - (y + 1.0) / 2.0) * 359.0];
        gif[0]
            .buffer()
            .get_pixel(at[0].round() as u32, at[1].round() as u32 - up)
            .0
    };
    assert_eq!(pixel(-0.5, 0.25, 0)[..3], [27, 29, 32]);
    assert_ne!(pixel(-0.5, 0.25, 4)[..3], [27, 29, 32]);
}

#[test]
fn names_in_the_legend_have_their_room() {
    for name in [
        "momentum(lr=0.005)",
        "adadelta(lr=50)",
        "W".repeat(60).as_str(),
    ] {
        let mut map = map(1, 5);
        map.paths[0].label = name.into();
        let svg = contour_svg(&map);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let view: Vec<f64> = document
            .root_element()
            .attribute("viewBox")
            .unwrap()
            .split(' ')
            .map(|number| number.parse().unwrap())
            .collect();
        assert!(
            view[0] < 0.0 && view[1] < 0.0,
            "no paper around it: {view:?}"
        );
        let label = document
            .descendants()
            .find(|node| node.attribute("class") == Some("name s0 d0"))
            .unwrap();
        let left: f64 = label.attribute("x").unwrap().parse().unwrap();
        // DejaVu Sans Bold, the widest of the faces: 145.73 pixels for the first, 107.21 for the second,
        // 13.24 for each W and 12 for the ellipsis.
        let wide = match label.text().unwrap() {
            "momentum(lr=0.005)" => 145.73,
            "adadelta(lr=50)" => 107.21,
            long => 13.24 * (long.chars().count() - 1) as f64 + 12.0,
        };
        assert!(
            left + wide <= view[0] + view[2],
            "{name}: {left} + {wide} in {view:?}"
        );
    }
}

#[test]
fn what_leaves_the_window_is_cut_and_what_is_not_finite_left_out() {
    let mut wild = map(1, 3);
    wild.paths[0].points = vec![[0.0, 0.0], [0.5, 0.0], [1e9, 0.0], [f64::NAN; 2]];
    let svg = contour_svg(&wild);
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let document = roxmltree::Document::parse(&svg).unwrap();
    let path = document
        .descendants()
        .find(|node| node.attribute("class") == Some("line s0 d0"))
        .unwrap();
    // From the middle to the right edge of the plot, 480 pixels wide from 40 on.
    assert_eq!(path.attribute("points"), Some("280,214 400,214 520,214"));
    assert_eq!(frames(&contour_gif(&wild).unwrap()).len(), 4);
}

#[test]
fn the_gif_grows_the_paths_and_stays_small() {
    let gif = contour_gif(&map(8, 100)).unwrap();
    assert!(gif.len() < 2_000_000, "{} bytes", gif.len());
    let frames = frames(&gif);
    assert_eq!(frames.len(), 101);
    for (name, colour) in PATH_COLOURS {
        let pixels: Vec<_> = [0, 50, 100].map(|at| count(&frames[at], colour)).into();
        assert!(
            pixels[0] > 20 && pixels[1] > pixels[0] + 300,
            "{name}: {pixels:?}"
        );
        assert!(pixels[2] > pixels[1] + 300, "{name}: {pixels:?}");
    }
    let longer = contour_gif(&map(2, 1000)).unwrap();
    assert_eq!(self::frames(&longer).len(), 101);
}

#[test]
fn a_map_of_nothing_is_still_a_picture() {
    let empty = ContourMap {
        heights: vec![],
        columns: 0,
        paths: vec![],
        ..map(1, 1)
    };
    roxmltree::Document::parse(&contour_svg(&empty)).unwrap();
    assert_eq!(frames(&contour_gif(&empty).unwrap()).len(), 1);
}
