//! The few pieces of SVG that every picture here is made of.

use crate::text::escape;

/// Colours and strokes, for light and dark; a page includes it once, a picture alone brings it along.
pub(crate) const STYLE: &str = include_str!("svg.css");

/// Colours in the palette; further series repeat them with a dashed line.
pub(crate) const COLOURS: usize = 8;

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

/// A picture with its accessible name and description around `body`.
pub(crate) fn picture(
    class: &str,
    [width, height]: [f64; 2],
    title: &str,
    description: &str,
    body: &str,
) -> String {
    let (width, height) = (px(width), px(height));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" role=\"img\" aria-label=\"{label}\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <desc>{description}</desc>\n{body}</svg>\n",
        label = escape(title),
        description = escape(description),
    )
}

/// Pictures of one size below each other.
pub(crate) fn stack(
    [width, height]: [f64; 2],
    title: &str,
    description: &str,
    pictures: &[String],
) -> String {
    let placed = pictures.iter().enumerate().map(|(index, picture)| {
        let down = px(index as f64 * height);
        format!("<g transform=\"translate(0 {down})\">\n{picture}</g>\n")
    });
    let body: String = placed.collect();
    let size = [width, height * pictures.len() as f64];
    self::picture("charts", size, title, description, &body)
}

/// A picture as a document of its own: with its title for the reader, and its style.
pub(crate) fn document(picture: &str, title: &str) -> String {
    let head = format!(
        "<title>{}</title>\n<style>{STYLE}svg{{background:var(--paper)}}</style>\n<desc>",
        escape(title)
    );
    picture.replacen("<desc>", &head, 1)
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
        let variables = |name: &str| -> Vec<String> {
            STYLE
                .split(&format!("--{name}:"))
                .skip(1)
                .map(|rest| rest[..7].to_string())
                .collect()
        };
        let papers = variables("paper");
        assert_eq!(papers.len(), 2, "one for light, one for dark");
        let mut names: Vec<String> = (0..COLOURS).map(|i| format!("c{i}")).collect();
        names.extend(["ink", "quiet", "hit", "miss"].map(String::from));
        for name in names {
            let colours = variables(&name);
            assert_eq!(colours.len(), papers.len(), "--{name}");
            for (colour, paper) in colours.iter().zip(&papers) {
                let ratio = contrast(colour, paper);
                assert!(ratio >= 4.5, "--{name} {colour} on {paper}: {ratio:.2}");
            }
        }
    }
}
