//! Heat maps as SVG: the confusion matrix, and numbers for each two of several things.

use firebrick_types::confusion::Confusion as Counts;

use crate::confusion_counts::Confusion;
use crate::svg::{self, label, px};
use crate::text::{count, escape, number, percent, shorten, width};

/// Side of the picture without its labels, in pixels, where the classes allow it.
const SIDE: f64 = 480.0;
const CELLS: std::ops::RangeInclusive<f64> = 4.0..=48.0;
/// Names longer than this are shortened.
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
    let size = Grid::of(&confusion).size();
    svg::document(&heat_map(&confusion), size, "Confusion matrix")
}

/// The picture as an `<svg>` element that relies on the page for its style.
pub(crate) fn heat_map(confusion: &Confusion) -> String {
    let grid = Grid::of(confusion);
    let tooltips = confusion.classes() <= MOST_WITH_TOOLTIPS;
    let cell = |(truth, predicted, n): (usize, usize, u64)| {
        let images = confusion.images(truth);
        let share = n as f64 / images as f64;
        let tooltip = tooltips.then(|| {
            let [truth, predicted] = [truth, predicted].map(|class| confusion.name(class));
            let (n, images, share) = (count(n), count(images), percent(share));
            format!("{truth}, predicted {predicted}: {n} of {images} ({share})")
        });
        Cell {
            place: [truth, predicted],
            class: if truth == predicted { "hit" } else { "miss" },
            opacity: share.sqrt().max(0.15),
            figure: count(n),
            tooltip,
        }
    };
    let cells: Vec<Cell> = confusion.counts.iter().map(cell).collect();
    let body = grid.labels() + &grid.cells(&cells);
    let description = "Rows are the true classes, columns the predicted ones; the tables beside it hold the numbers.";
    svg::picture("heat", grid.size(), "Confusion matrix", description, &body)
}

/// A number for each two of several things, in [-1, 1], as an `<svg>` element that relies on the page for its style.
///
/// Cells are the darker the closer the number is to `most` or -`most`; positive ones are of the class `colour`, `hit` or
/// `miss`, and negative ones of the other. The diagonal is left out, as is what is no number.
pub(crate) fn pairs_map(
    title: &str,
    names: &[String],
    values: &[Vec<Option<f64>>],
    colour: &'static str,
    most: f64,
) -> String {
    let grid = Grid::new(names, ["", ""]);
    let tooltips = names.len() <= MOST_WITH_TOOLTIPS;
    let other = if colour == "hit" { "miss" } else { "hit" };
    let mut cells = Vec::new();
    for (row, one) in names.iter().enumerate() {
        for (column, two) in names.iter().enumerate() {
            let value = values.get(row).and_then(|row| *row.get(column)?);
            let Some(value) = value.filter(|value| row != column && value.is_finite()) else {
                continue;
            };
            let figure = format!("{value:.2}").replace('-', "−");
            cells.push(Cell {
                place: [row, column],
                class: if value < 0.0 { other } else { colour },
                opacity: (value.abs() / most.max(f64::MIN_POSITIVE)).clamp(0.08, 1.0),
                tooltip: tooltips.then(|| format!("{one} and {two}: {}", number(value))),
                figure,
            });
        }
    }
    let body = grid.labels() + &grid.cells(&cells);
    let description = "Rows and columns are the same things in the same order; the table below holds the numbers.";
    svg::picture("heat", grid.size(), title, description, &body)
}

/// One cell of the map.
struct Cell {
    /// Row and column.
    place: [usize; 2],
    class: &'static str,
    opacity: f64,
    figure: String,
    tooltip: Option<String>,
}

/// A square of cells with names to the left and above.
struct Grid {
    names: Vec<String>,
    /// What the rows and the columns are.
    sides: [&'static str; 2],
    cell: f64,
    left: f64,
    top: f64,
    /// Column names stand upright when they do not fit side by side.
    upright: bool,
}

impl Grid {
    fn of(confusion: &Confusion) -> Self {
        let names: Vec<String> = (0..confusion.classes())
            .map(|class| confusion.name(class))
            .collect();
        Self::new(&names, ["true ↓", "predicted →"])
    }

    fn new(names: &[String], sides: [&'static str; 2]) -> Self {
        let names: Vec<String> = names.iter().map(|name| shorten(name, NAME)).collect();
        let cell = (SIDE / names.len().max(1) as f64).clamp(*CELLS.start(), *CELLS.end());
        let widest = names
            .iter()
            .map(|name| width(name, 12.0))
            .fold(0.0, f64::max);
        let upright = widest > cell - 4.0;
        Self {
            names,
            cell,
            left: widest.max(width(sides[0], 12.0)) + 10.0,
            top: 24.0 + if upright { widest + 4.0 } else { 18.0 },
            upright,
            sides,
        }
    }

    fn side(&self) -> f64 {
        self.cell * self.names.len() as f64
    }

    fn size(&self) -> [f64; 2] {
        let heading = self.left + width(self.sides[1], 12.0);
        [
            (self.left + self.side() + 2.0).max(heading),
            self.top + self.side() + 2.0,
        ]
    }

    fn labels(&self) -> String {
        let mut out = String::new();
        let [rows, columns] = self.sides;
        if !rows.is_empty() {
            out += &label("unit", self.left - 8.0, self.top - 10.0, "end", rows);
            out += &label("unit", self.left, 14.0, "start", columns);
        }
        // Where rows are lower than a line of text, only every few of them are named.
        let stride = (13.0 / self.cell).ceil().max(1.0) as usize;
        for (place, name) in self.names.iter().enumerate().step_by(stride) {
            let middle = (place as f64 + 0.5) * self.cell;
            out += &label(
                "tick",
                self.left - 6.0,
                self.top + middle + 4.0,
                "end",
                name,
            );
            let (x, y) = (self.left + middle, self.top - 6.0);
            out += &if self.upright {
                let (x, y) = (px(x + 4.0), px(y));
                let text = label("tick", 0.0, 0.0, "start", name);
                format!("<g transform=\"translate({x} {y}) rotate(-90)\">{text}</g>\n")
            } else {
                label("tick", x, y, "middle", name)
            };
        }
        out
    }

    fn cells(&self, cells: &[Cell]) -> String {
        let widest = |size: f64| {
            let widths = cells.iter().map(|cell| width(&cell.figure, size));
            widths.fold(0.0, f64::max)
        };
        let figures = [("", 12.0), (" small", 10.0)]
            .into_iter()
            .find(|(_, size)| self.cell >= 14.0 && widest(*size) <= self.cell - 2.0);
        let gap = if self.cell >= 10.0 { 1.0 } else { 0.0 };
        let side = px(self.cell - gap);
        let frame = px(self.side());
        let (left, top) = (px(self.left), px(self.top));
        let mut out = format!(
            "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{frame}\" height=\"{frame}\"/>\n"
        );
        for cell in cells {
            let [row, column] = cell.place;
            let (x, y) = (
                self.left + column as f64 * self.cell,
                self.top + row as f64 * self.cell,
            );
            let (px_x, px_y) = (px(x + gap / 2.0), px(y + gap / 2.0));
            let (class, opacity) = (cell.class, cell.opacity);
            let open = format!(
                "<rect class=\"{class}\" x=\"{px_x}\" y=\"{px_y}\" width=\"{side}\" height=\"{side}\" \
                 fill-opacity=\"{opacity:.2}\""
            );
            out += &match &cell.tooltip {
                Some(text) => format!("{open}><title>{}</title></rect>\n", escape(text)),
                None => format!("{open}/>\n"),
            };
            if let Some((small, size)) = figures {
                let ink = if opacity > DARK { "light" } else { "dark" };
                let middle = self.cell / 2.0;
                let class = format!("figure {ink}{small}");
                let baseline = y + middle + size * 0.36;
                out += &label(&class, x + middle, baseline, "middle", &cell.figure);
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
        let hundred = Grid::of(&diagonal(100, 1));
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

    #[test]
    fn pairs_are_coloured_by_their_sign_and_what_is_no_number_is_left_out() {
        let names: Vec<String> = ["a<b", "c", "d"].map(String::from).into();
        let values = vec![
            vec![Some(1.0), Some(0.5), None],
            vec![Some(-0.25), Some(1.0), Some(f64::NAN)],
            vec![],
        ];
        let svg = pairs_map("Errors", &names, &values, "miss", 1.0);
        assert_eq!(svg.matches("class=\"miss\"").count(), 1, "{svg}");
        assert_eq!(svg.matches("class=\"hit\"").count(), 1);
        assert!(svg.contains("fill-opacity=\"0.50\"><title>a&lt;b and c: 0.5000<"));
        assert!(svg.contains(">−0.25<") && !svg.contains("true ↓"));
        assert!(pairs_map("Errors", &[], &[], "hit", 0.0).contains("</svg>"));
        // The darkest is what is `most`, even where all are small.
        let small = pairs_map(
            "Errors",
            &names[..2],
            &[vec![None, Some(0.02)]],
            "hit",
            0.02,
        );
        assert!(small.contains("fill-opacity=\"1.00\""), "{small}");
    }
}
