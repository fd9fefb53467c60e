//! The SVG elements that all charts are made of.

use crate::text::escape;

/// Colours and strokes of the pictures, by the names in [`PALETTE`]; `s` is the colour of a series.
const RULES: &str = include_str!("svg.css");

/// The colours by name, on light paper and on dark.
const PALETTE: [(&str, &str, &str); 14] = [
    ("paper", "#ffffff", "#15171a"),
    ("ink", "#1b1d20", "#e7e9ec"),
    ("quiet", "#5b6168", "#a2a8b0"),
    ("rule", "#dfe2e6", "#353a40"),
    ("hit", "#0067a5", "#5cb3ec"),
    ("miss", "#b84800", "#ff9152"),
    ("c0", "#0067a5", "#5cb3ec"),
    ("c1", "#b84800", "#ff9152"),
    ("c2", "#00755a", "#3fcba3"),
    ("c3", "#9c3f78", "#e79cc7"),
    ("c4", "#7d5a00", "#e3b83f"),
    ("c5", "#2f6f8f", "#9ad5ee"),
    ("c6", "#6a4fb3", "#b5a3f2"),
    ("c7", "#55595e", "#b9bec4"),
];

/// Colours in the palette; further series repeat them with a dashed line.
pub(crate) const COLOURS: usize = 8;

const DARK: &str = "@media screen and (prefers-color-scheme:dark)";

/// The style of a page: colours as variables, light or dark as the reader's system is.
pub(crate) fn page_style() -> String {
    let variables = |dark: bool| {
        let one = |(name, light, night): &(&str, &str, &str)| {
            format!("--{name}:{};", if dark { night } else { light })
        };
        format!(":root{{{}}}", PALETTE.iter().map(one).collect::<String>())
    };
    let series: String = (0..COLOURS)
        .map(|index| format!(".s{index}{{--s:var(--c{index})}}"))
        .collect();
    format!(
        "{}\n{DARK}{{{}}}\n{series}\n{RULES}",
        variables(false),
        variables(true)
    )
}

/// The style of a picture alone: no variables, since many viewers and converters know none and would
/// draw everything black. They see light paper; browsers follow the reader's system.
fn document_style() -> String {
    format!("{}{DARK}{{\n{}}}\n", resolved(false), resolved(true))
}

/// The rules with their colours put in; a rule for series becomes one for each.
fn resolved(dark: bool) -> String {
    let colours = |rule: &str| {
        let put_in = |rule: String, (name, light, night): &(&str, &str, &str)| {
            rule.replace(&format!("var(--{name})"), if dark { night } else { light })
        };
        PALETTE.iter().fold(rule.to_string(), put_in)
    };
    let mut out = String::new();
    for rule in RULES.split_inclusive("}\n") {
        let Some((selector, body)) = rule.split_once('{') else {
            continue;
        };
        if body.contains("var(--s)") {
            for index in 0..COLOURS {
                let body = body.replace("var(--s)", &format!("var(--c{index})"));
                out += &colours(&format!("{selector}.s{index}{{{body}"));
            }
        } else {
            out += &colours(rule);
        }
    }
    out
}

/// The CSS classes of series number `index`.
pub(crate) fn series_class(index: usize) -> String {
    format!("s{} d{}", index % COLOURS, (index / COLOURS) % 3)
}

/// A coordinate to a tenth of a pixel.
pub(crate) fn px(value: f64) -> String {
    let tenths = (value * 10.0).round();
    if tenths.is_finite() {
        // Adding zero turns -0 into 0.
        format!("{}", tenths / 10.0 + 0.0)
    } else {
        "0".into()
    }
}

/// Paper around a picture that stands alone, in pixels.
const MARGIN: f64 = 12.0;

/// Size and view of a picture with some paper around it.
fn frame([width, height]: [f64; 2], margin: f64) -> String {
    let (width, height) = (px(width + 2.0 * margin), px(height + 2.0 * margin));
    let corner = px(-margin);
    format!("width=\"{width}\" height=\"{height}\" viewBox=\"{corner} {corner} {width} {height}\"")
}

/// A picture with its accessible name and description around `body`.
pub(crate) fn picture(
    class: &str,
    size: [f64; 2],
    title: &str,
    description: &str,
    body: &str,
) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" role=\"img\" aria-label=\"{label}\" {frame}>\n\
         <desc>{description}</desc>\n{body}</svg>\n",
        label = escape(title),
        frame = frame(size, 0.0),
        description = escape(description),
    )
}

/// Pictures of one size below each other, and the size of all.
pub(crate) fn stack(
    [width, height]: [f64; 2],
    title: &str,
    description: &str,
    pictures: &[String],
) -> (String, [f64; 2]) {
    let placed = pictures.iter().enumerate().map(|(index, picture)| {
        let down = px(index as f64 * height);
        format!("<g transform=\"translate(0 {down})\">\n{picture}</g>\n")
    });
    let body: String = placed.collect();
    let size = [width, height * pictures.len() as f64];
    let picture = self::picture("charts", size, title, description, &body);
    (picture, size)
}

/// A picture of a size as a document of its own: with its title for the reader, its style, and paper
/// under and around it.
pub(crate) fn document(picture: &str, size: [f64; 2], title: &str) -> String {
    let head = format!(
        "<title>{}</title>\n<style>{}</style>\n<desc>",
        escape(title),
        document_style()
    );
    let corner = px(-MARGIN);
    let [width, height] = size.map(|side| px(side + 2.0 * MARGIN));
    let paper = format!(
        "</desc>\n<rect class=\"paper\" x=\"{corner}\" y=\"{corner}\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    picture
        .replacen(&frame(size, 0.0), &frame(size, MARGIN), 1)
        .replacen("<desc>", &head, 1)
        .replacen("</desc>\n", &paper, 1)
}

/// Text whose `anchor` (`start`, `middle`, `end`) is at `x` and whose baseline is at `y`.
pub(crate) fn label(class: &str, x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n",
        px(x),
        px(y),
        escape(text)
    )
}

/// A straight line.
pub(crate) fn line(class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> String {
    format!(
        "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
        px(x1),
        px(y1),
        px(x2),
        px(y2)
    )
}

/// Straight lines through points.
pub(crate) fn polyline(class: &str, points: &[[f64; 2]]) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|[x, y]| format!("{},{}", px(*x), px(*y)))
        .collect();
    format!(
        "<polyline class=\"{class}\" points=\"{}\"/>\n",
        points.join(" ")
    )
}

/// A disc, with a tooltip unless it is empty.
pub(crate) fn dot(class: &str, [x, y]: [f64; 2], radius: f64, tooltip: &str) -> String {
    let (x, y) = (px(x), px(y));
    if tooltip.is_empty() {
        return format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>\n");
    }
    let tooltip = escape(tooltip);
    format!(
        "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"><title>{tooltip}</title></circle>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!(px(12.04), "12");
        assert_eq!(px(-0.01), "0");
        assert_eq!(px(1.25), "1.3");
        assert_eq!(px(f64::NAN), "0");
    }

    /// Relative luminance and contrast as WCAG 2 defines them.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |hex: &str| {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.040_45 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_that_carries_text_can_be_read() {
        let [paper, light_paper] = [PALETTE[0].2, PALETTE[0].1];
        for (name, light, dark) in PALETTE {
            if ["paper", "rule"].contains(&name) {
                continue;
            }
            for (colour, paper) in [(light, light_paper), (dark, paper)] {
                let ratio = contrast(colour, paper);
                assert!(ratio >= 4.5, "{name} {colour} on {paper}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn a_picture_alone_has_its_colours_without_variables_and_paper_around_it() {
        let picture = picture("chart", [100.0, 50.0], "A", "b", "<g/>");
        let document = document(&picture, [100.0, 50.0], "A");
        assert!(document.contains("width=\"124\" height=\"74\" viewBox=\"-12 -12 124 74\""));
        let paper = "<rect class=\"paper\" x=\"-12\" y=\"-12\" width=\"124\" height=\"74\"/>";
        assert!(document.contains(paper), "{document}");
        assert!(!document.contains("var("), "{document}");
        let (light, dark) = document.split_once(DARK).unwrap();
        for (name, day, night) in PALETTE {
            assert!(light.contains(day) && !light.contains(night), "{name}");
            assert!(dark.contains(night), "{name}");
        }
        // Every rule of the page is there, those of series once for each colour.
        for rule in [
            "svg text.name.s3{fill:#9c3f78;",
            ".line.s7{fill:none;stroke:#55595e;",
            ".ring.s1{fill:#ffffff;stroke:#b84800;",
            ".dot.s0{fill:#0067a5}",
            ".rule{stroke:#dfe2e6;",
        ] {
            assert!(light.contains(rule), "{rule}: {light}");
        }
    }

    #[test]
    fn a_page_names_every_variable_that_it_uses() {
        let style = page_style();
        for used in style.split("var(--").skip(1) {
            let name = used.split(')').next().unwrap();
            assert!(style.contains(&format!("--{name}:")), "--{name}");
        }
    }
}
