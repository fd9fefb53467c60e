//! The table of epochs that training prints, at most 80 columns wide.

use firebrick::core::run::{EpochRow, Scores};

use crate::columns::WIDTH;
use crate::figures::percent;

/// Up to this many classes the right one is always among the five most probable.
pub(crate) const TOP5_TELLS_NOTHING: usize = 5;

/// What the rows of a run show.
pub(crate) struct EpochTable {
    columns: Vec<Column>,
    epochs: u64,
}

struct Column {
    title: &'static str,
    width: usize,
    cell: fn(&EpochRow) -> String,
}

fn column(title: &'static str, width: usize, cell: fn(&EpochRow) -> String) -> Column {
    Column { title, width, cell }
}

impl EpochTable {
    /// The columns of a run, from what its first row holds.
    pub(crate) fn new(first: &EpochRow, classes: usize, epochs: u64) -> Self {
        let mut columns = vec![
            column("loss", 7, |row| number(row.train_loss)),
            column("top-1", 6, |row| share(row.train_top1)),
        ];
        if let Some(scores) = &first.valid {
            columns.push(column("loss", 7, |row| valid(row, |v| number(v.loss))));
            if !same_loss(scores) {
                columns.push(column("nll", 7, |row| valid(row, |v| number(v.nll))));
            }
            columns.push(column("top-1", 6, |row| valid(row, |v| share(v.top1))));
            if classes > TOP5_TELLS_NOTHING {
                columns.push(column("top-5", 6, |row| valid(row, |v| share(v.top5))));
            }
        }
        columns.push(column("lr", 8, |row| format!("{:.2e}", row.lr)));
        columns.push(column("images/s", 8, |row| {
            format!("{:.0}", row.images_per_second)
        }));
        columns.push(column("time", 6, |row| duration(row.seconds)));
        let mut table = Self { columns, epochs };
        for spare in ["images/s", "time"] {
            if table.width() > WIDTH {
                table.columns.retain(|column| column.title != spare);
            }
        }
        table
    }

    fn epoch_width(&self) -> usize {
        (2 * self.epochs.to_string().len() + 1).max("epoch".len())
    }

    fn width(&self) -> usize {
        let cells: usize = self.columns.iter().map(|column| 2 + column.width).sum();
        // The mark of the best row.
        self.epoch_width() + cells + 2
    }

    /// Two lines: what the columns are of, and their names.
    pub(crate) fn header(&self) -> [String; 2] {
        let mut titles = format!("{:>1$}", "epoch", self.epoch_width());
        let mut groups = String::new();
        let mut losses = ["train", "validation"].into_iter();
        for Column { title, width, .. } in &self.columns {
            // Names of groups begin where their first column does.
            let group = match *title {
                "loss" => losses.next(),
                "lr" => Some("* best so far"),
                _ => None,
            };
            if let Some(group) = group {
                let start = titles.chars().count() + 2 + width - width.min(&group.len());
                groups = format!("{groups:<start$}{group}");
            }
            titles += &format!("  {title:>width$}");
        }
        [groups, titles]
    }

    /// One epoch.
    pub(crate) fn row(&self, row: &EpochRow, best: bool) -> String {
        let epoch = format!("{}/{}", row.epoch, self.epochs);
        let mut line = format!("{epoch:>0$}", self.epoch_width());
        for Column { width, cell, .. } in &self.columns {
            line += &format!("  {:>width$}", cell(row));
        }
        if best {
            line += " *";
        }
        line
    }
}

fn valid(row: &EpochRow, cell: impl Fn(&Scores) -> String) -> String {
    row.valid.as_ref().map_or_else(|| "–".into(), cell)
}

/// Whether the loss is the negative log-likelihood: no label smoothing, no class weights.
pub(crate) fn same_loss(scores: &Scores) -> bool {
    let Scores { loss, nll, .. } = *scores;
    (loss - nll).abs() <= 1e-4 * nll.abs().max(1e-3) || (loss.is_nan() && nll.is_nan())
}

/// A loss in at most seven characters.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (1e-3..99.999_95).contains(&size) => format!("{value:.4}"),
        size if (99.0..1e4).contains(&size) => format!("{value:.1}"),
        _ if value.is_finite() => format!("{value:.1e}"),
        _ => value.to_string(),
    }
}

/// A share in at most six characters.
pub(crate) fn share(value: f64) -> String {
    if value >= 0.99995 {
        return "100%".into();
    }
    percent(value).replace(' ', "")
}

/// Seconds in at most six characters.
pub(crate) fn duration(seconds: f64) -> String {
    // Bounds are where rounding would need a character more.
    if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else if seconds < 1000.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5970.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 359_820.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.0} d", seconds / 86_400.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u64, loss: f64, nll: f64) -> EpochRow {
        EpochRow {
            epoch,
            step: 10 * epoch,
            lr: 0.05,
            train_loss: 1.25,
            train_top1: 0.5,
            penalties: Vec::new(),
            valid: Some(Scores {
                loss,
                top1: 0.625,
                top5: 0.875,
                nll,
                ece: 0.1,
                brier: 0.2,
                count: 16,
            }),
            seconds: 12.34,
            images_per_second: 1809.4,
        }
    }

    #[test]
    fn columns_follow_the_run_and_nothing_is_said_twice() {
        let first = row(1, 0.75, 0.75);
        let two = EpochTable::new(&first, 2, 5);
        assert_eq!(
            [two.header(), [two.row(&first, true), String::new()]].concat()[..3],
            [
                "         train          validation       * best so far",
                "epoch     loss   top-1     loss   top-1        lr  images/s    time",
                "  1/5   1.2500  50.00%   0.7500  62.50%   5.00e-2      1809  12.3 s *",
            ]
        );
        let many = EpochTable::new(&first, 36, 5);
        assert!(many.header()[1].contains("top-5") && !many.header()[1].contains("nll"));
        let smoothed = EpochTable::new(&row(1, 0.8, 0.75), 5, 5);
        assert!(smoothed.header()[1].contains("nll") && !smoothed.header()[1].contains("top-5"));
        let mut bare = first.clone();
        bare.valid = None;
        let bare = EpochTable::new(&bare, 36, 5);
        assert!(!bare.header()[0].contains("validation") && !bare.header()[1].contains("top-5"));
    }

    #[test]
    fn every_table_fits_a_terminal_whatever_the_numbers() {
        for (classes, loss) in [(2, 0.75), (2, 0.8), (36, 0.75), (36, 0.8)] {
            for epochs in [1, 100, 99_999] {
                let first = row(epochs, loss, 0.75);
                let table = EpochTable::new(&first, classes, epochs);
                let mut wild = first.clone();
                wild.train_loss = 1.409_259_889_356_743_4e18;
                wild.train_top1 = 0.999_999;
                wild.seconds = 123_456.0;
                wild.lr = 1e-12;
                wild.images_per_second = 123_456.0;
                if let Some(valid) = &mut wild.valid {
                    (valid.loss, valid.nll) = (f64::NAN, f64::NEG_INFINITY);
                    valid.top1 = 1.0;
                }
                let header = table.header();
                let width = header[1].chars().count();
                for line in [&table.row(&first, true), &table.row(&wild, true)] {
                    assert_eq!(line.chars().count(), width + 2, "not aligned: {line}");
                }
                for line in header.iter().chain([&table.row(&wild, true)]) {
                    assert!(line.chars().count() <= WIDTH, "{line}");
                }
                // A rate of images is only given up where it would not fit.
                let needed = classes == 2 || loss == 0.75;
                if epochs < 1000 {
                    assert_eq!(header[1].contains("images/s"), needed, "{header:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0.0000"),
            (2.345_678, "2.3457"),
            (123.456, "123.5"),
            (1.41e18, "1.4e18"),
            (3.2e-5, "3.2e-5"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
        for (seconds, text) in [(0.04, "0.0 s"), (99.94, "99.9 s"), (600.0, "600 s")] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!([duration(5400.0), duration(7200.0)], ["90 min", "2.0 h"]);
        assert_eq!([share(0.99994), share(1.0)], ["99.99%", "100%"]);
    }
}
