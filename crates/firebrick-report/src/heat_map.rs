//! The confusion matrix as an SVG.

use firebrick_types::confusion::Confusion as Counts;

use crate::confusion_counts::Confusion;
use crate::svg::{self, label, px};
use crate::text::{count, percent, shorten, width};

/// Side of the picture without its labels, in pixels, where the classes allow it.
const SIDE: f64 = 480.0;
const CELLS: std::ops::RangeInclusive<f64> = 4.0..=48.0;
/// Class names longer than this are shortened.
const NAME: usize = 14;
/// With more classes than this, cells are too small to point at.
const MOST_WITH_TOOLTIPS: usize = 40;
/// Above this opacity the figure in a cell is set in the colour of the paper.
const DARK: f64 = 0.66;

/// A confusion matrix as an SVG document of its own: rows are the truth, columns the predictions.
///
/// Blue cells are right and orange ones wrong, the darker the larger the share of the row. Counts are
/// written while they fit. Missing names are filled in.
#[must_use]
pub fn confusion_svg(confusion: &Counts, classes: &[String]) -> String {
    let confusion = Confusion::new(confusion, classes);
    let size = Grid::new(&confusion).size();
    svg::document(&heat_map(&confusion), size, "Confusion matrix")
}

/// The picture as an `<svg>` element that relies on the page for its style.
pub(crate) fn heat_map(confusion: &Confusion) -> String {
    let grid = Grid::new(confusion);
    let body = grid.labels(confusion) + &grid.cells(confusion);
    let description = "Rows are the true classes, columns the predicted ones; the tables beside it hold the numbers.";
    svg::picture("heat", grid.size(), "Confusion matrix", description, &body)
}

struct Grid {
    classes: usize,
    cell: f64,
    left: f64,
    top: f64,
    /// Column names stand upright when they do not fit side by side.
    upright: bool,
}

impl Grid {
    fn new(confusion: &Confusion) -> Self {
        let classes = confusion.classes();
        let cell = (SIDE / classes.max(1) as f64).clamp(*CELLS.start(), *CELLS.end());
        let widest = (0..classes)
            .map(|class| width(&shorten(&confusion.name(class), NAME), 12.0))
            .fold(0.0, f64::max);
        let upright = widest > cell - 4.0;
        Self {
            classes,
            cell,
            left: widest.max(width("true ↓", 12.0)) + 10.0,
            top: 24.0 + if upright { widest + 4.0 } else { 18.0 },
            upright,
        }
    }

    fn side(&self) -> f64 {
        self.cell * self.classes as f64
    }

    fn size(&self) -> [f64; 2] {
        let heading = self.left + width("predicted →", 12.0);
        [
            (self.left + self.side() + 2.0).max(heading),
            self.top + self.side() + 2.0,
        ]
    }

    fn labels(&self, confusion: &Confusion) -> String {
        let mut out = label("unit", self.left - 8.0, self.top - 10.0, "end", "true ↓");
        out += &label("unit", self.left, 14.0, "start", "predicted →");
        // Where rows are lower than a line of text, only every few of them are named.
        let stride = (13.0 / self.cell).ceil().max(1.0) as usize;
        for class in (0..self.classes).step_by(stride) {
            let name = shorten(&confusion.name(class), NAME);
            let middle = (class as f64 + 0.5) * self.cell;
            out += &label(
                "tick",
                self.left - 6.0,
                self.top + middle + 4.0,
                "end",
                &name,
            );
            let (x, y) = (self.left + middle, self.top - 6.0);
            out += &if self.upright {
                let (x, y) = (px(x + 4.0), px(y));
                let text = label("tick", 0.0, 0.0, "start", &name);
                format!("<g transform=\"translate({x} {y}) rotate(-90)\">{text}</g>\n")
            } else {
                label("tick", x, y, "middle", &name)
            };
        }
        out
    }

    fn cells(&self, confusion: &Confusion) -> String {
        let largest = confusion.counts.iter().map(|(.., n)| n).max().unwrap_or(0);
        let figures = [("", 12.0), (" small", 10.0)]
            .into_iter()
            .find(|(_, size)| {
                width(&count(largest), *size) <= self.cell - 2.0 && self.cell >= 14.0
            });
        let gap = if self.cell >= 10.0 { 1.0 } else { 0.0 };
        let side = px(self.cell - gap);
        let frame = px(self.side());
        let (left, top) = (px(self.left), px(self.top));
        let mut out = format!(
            "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{frame}\" height=\"{frame}\"/>\n"
        );
        for (truth, predicted, n) in confusion.counts.iter() {
            let images = confusion.images(truth);
            let share = n as f64 / images as f64;
            let opacity = share.sqrt().max(0.15);
            let (x, y) = (
                self.left + predicted as f64 * self.cell,
                self.top + truth as f64 * self.cell,
            );
            let class = if truth == predicted { "hit" } else { "miss" };
            let (px_x, px_y) = (px(x + gap / 2.0), px(y + gap / 2.0));
            let open = format!(
                "<rect class=\"{class}\" x=\"{px_x}\" y=\"{px_y}\" width=\"{side}\" height=\"{side}\" \
                 fill-opacity=\"{opacity:.2}\""
            );
            out += &if self.classes <= MOST_WITH_TOOLTIPS {
                let [truth, predicted] =
                    [truth, predicted].map(|class| crate::text::escape(&confusion.name(class)));
                let (n, images, share) = (count(n), count(images), percent(share));
                format!(
                    "{open}><title>{truth}, predicted {predicted}: {n} of {images} ({share})</title></rect>\n"
                )
            } else {
                format!("{open}/>\n")
            };
            if let Some((small, size)) = figures {
                let ink = if opacity > DARK { "light" } else { "dark" };
                let middle = self.cell / 2.0;
                let class = format!("figure {ink}{small}");
                let baseline = y + middle + size * 0.36;
                out += &label(&class, x + middle, baseline, "middle", &count(n));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagonal(classes: usize, n: u64) -> Confusion {
        let row = |class: usize| {
            (0..classes)
                .map(|predicted| if predicted == class { n } else { 0 })
                .collect()
        };
        let counts: Vec<Vec<u64>> = (0..classes).map(row).collect();
        Confusion::new(&counts.into(), &[])
    }

    #[test]
    fn figures_only_while_they_fit() {
        assert!(heat_map(&diagonal(10, 982)).contains("figure light"));
        assert!(heat_map(&diagonal(22, 982)).contains("figure light small"));
        assert!(!heat_map(&diagonal(25, 98_765)).contains("figure"));
        assert!(!heat_map(&diagonal(100, 1)).contains("figure"));
    }

    #[test]
    fn names_thin_out_and_the_picture_keeps_its_size() {
        let names = |classes: usize| {
            heat_map(&diagonal(classes, 1))
                .matches("class=\"tick\"")
                .count()
        };
        assert_eq!(names(10), 20);
        assert_eq!(names(100), 2 * 34);
        let hundred = Grid::new(&diagonal(100, 1));
        assert!(hundred.size()[0] < 640.0);
        assert_eq!(
            heat_map(&diagonal(100, 1)).matches("class=\"hit\"").count(),
            100
        );
    }

    #[test]
    fn wrong_cells_have_another_colour() {
        let svg = confusion_svg(
            &vec![vec![3, 1], vec![0, 4]].into(),
            &["a".into(), "b".into()],
        );
        assert_eq!(svg.matches("class=\"miss\"").count(), 1);
        assert!(svg.contains("a, predicted b: 1 of 4 (25.00"));
    }
}
