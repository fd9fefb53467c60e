//! Predictions from a CSV file, so that figures can be compared with those of other tools.

use std::io::Read;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use crate::calibrate;
use crate::error::EnsembleError;
use crate::log_probabilities::{LogProbabilities, check_probability, check_sum};
use crate::score::{EnsembleFigures, at_temperature, ensemble_figures};

/// Labels and predictions of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The class of each image, from 0.
    pub labels: Vec<usize>,
    /// What was predicted for it.
    pub predicted: LogProbabilities,
}

/// Reads a table: for each image a line with its class, counted from 0, and then the probability of each class.
///
/// A first line whose first cell is no number is a header. Probabilities must sum to 1 within 1e-3, and are divided by
/// their sum.
///
/// # Errors
/// [`EnsembleError::Table`] naming line and column; [`EnsembleError::NoImages`].
///
/// ```
/// use firebrick_ensemble::table;
/// let table = table::read("label,cat,dog\n0,0.9,0.1\n1,0.6,0.4\n0,0.8,0.2\n".as_bytes())?;
/// assert_eq!((table.labels.len(), table.figures()?.top1), (3, 2.0 / 3.0));
/// # Ok::<(), firebrick_ensemble::EnsembleError>(())
/// ```
pub fn read(file: impl Read) -> Result<Table, EnsembleError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(file);
    let mut labels = Vec::new();
    let mut predicted: Option<LogProbabilities> = None;
    let mut record = StringRecord::new();
    let mut columns = None;
    loop {
        let line = reader.position().line();
        if !reader
            .read_record(&mut record)
            .map_err(|error| unreadable(&error, line))?
        {
            break;
        }
        let line = record.position().map_or(line, csv::Position::line);
        let wrong = |problem: String| EnsembleError::Table {
            line,
            column: None,
            problem,
        };
        let expected = *columns.get_or_insert(record.len());
        if record.len() != expected {
            let found = record.len();
            return Err(wrong(format!(
                "{found} cells, but the first line has {expected}"
            )));
        }
        if expected < 3 {
            return Err(wrong(
                "expected a label and the probabilities of at least two classes, separated by commas".into(),
            ));
        }
        let classes = expected - 1;
        let first = labels.is_empty() && predicted.is_none();
        if first && record[0].parse::<f64>().is_err() {
            predicted = Some(LogProbabilities::none(classes));
            continue;
        }
        let label = label(&record[0], classes, line)?;
        let mut row = Vec::with_capacity(classes);
        for (at, cell) in record.iter().enumerate().skip(1) {
            let wrong = |problem: &str| EnsembleError::cell(line, at + 1, cell, problem);
            let value: f64 = cell.parse().map_err(|_| wrong("is no number"))?;
            check_probability(value).map_err(wrong)?;
            row.push(value);
        }
        check_sum(&row).map_err(wrong)?;
        row.iter_mut().for_each(|value| *value = value.ln());
        labels.push(label);
        predicted
            .get_or_insert_with(|| LogProbabilities::none(classes))
            .push(&row);
    }
    match predicted {
        Some(predicted) if !labels.is_empty() => Ok(Table { labels, predicted }),
        _ => Err(EnsembleError::NoImages),
    }
}

fn label(cell: &str, classes: usize, line: u64) -> Result<usize, EnsembleError> {
    let wrong = |problem: &str| EnsembleError::cell(line, 1, cell, problem);
    let problem = format!(
        "is no class: expected a whole number from 0 to {}",
        classes - 1
    );
    let label = cell.parse().map_err(|_| wrong(&problem))?;
    if label < classes {
        Ok(label)
    } else {
        Err(wrong(&problem))
    }
}

fn unreadable(error: &csv::Error, line: u64) -> EnsembleError {
    let line = error.position().map_or(line, csv::Position::line);
    let problem = match error.kind() {
        ErrorKind::Utf8 { .. } => "the text is not UTF-8".into(),
        ErrorKind::Io(error) => format!("cannot be read: {error}"),
        _ => format!("cannot be read: {error}"),
    };
    EnsembleError::Table {
        line,
        column: None,
        problem,
    }
}

impl Table {
    /// The figures of these predictions, with those at the temperature that has the least NLL on the same images. They
    /// have no temperature where none is best, as where every image is right.
    ///
    /// # Errors
    /// Those of [`ensemble_figures`].
    pub fn figures(&self) -> Result<EnsembleFigures, EnsembleError> {
        match calibrate::fit(&"temperature".parse()?, &self.predicted, &self.labels) {
            Ok(calibration) => at_temperature(&self.predicted, &self.labels, &calibration),
            Err(EnsembleError::Fit { .. }) => ensemble_figures(&self.predicted, &self.labels),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_spaces_quotes_and_empty_lines_are_understood() {
        let plain = read("0,0.9,0.1\n1,0.6,0.4\n".as_bytes()).unwrap();
        for text in [
            "label,cat,dog\n0,0.9,0.1\n1,0.6,0.4\n",
            "label, cat, dog\r\n0, 0.9, 0.1\r\n\r\n1, 0.6, 0.4",
            "\u{feff}\"label\",\"cat, wild\",dog\n\"0\",\"0.9\",1e-1\n1,0.6,0.4\n",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), plain, "{text}");
        }
        assert_eq!((plain.labels, plain.predicted.classes()), (vec![0, 1], 2));
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        for (text, needle) in [
            ("", "no images"),
            ("label,a,b\n", "no images"),
            (
                "0;0.5;0.5\n",
                "line 1: expected a label and the probabilities of at least two classes",
            ),
            ("0,1.0\n", "line 1: expected a label"),
            (
                "0,0.5,0.5\n1,0.5\n",
                "line 2: 2 cells, but the first line has 3",
            ),
            (
                "l,a,b\n\n0,0.5,0.5\n2,0.5,0.5\n",
                "line 4, column 1: `2` is no class: expected a whole number from 0 to 1",
            ),
            (
                "0,0.5,0.5\ncat,0.5,0.5\n",
                "line 2, column 1: `cat` is no class",
            ),
            ("0,0.5,0.5\n-1,0.5,0.5\n", "line 2, column 1: `-1`"),
            ("0,0.5,x\n", "line 1, column 3: `x` is no number"),
            (
                "0,1.5,-0.5\n",
                "line 1, column 2: `1.5` is no probability: it must be in [0, 1]",
            ),
            ("0,nan,1\n", "line 1, column 2: `nan` is no probability"),
            (
                "0,0.5,0.4\n",
                "line 1: the probabilities sum to 0.900000, not to 1",
            ),
            ("0,0.5,0.502\n", "line 1: the probabilities sum to 1.002000"),
        ] {
            let message = read(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(needle), "{text}: {message}");
        }
        let message = read(&b"0,0.5,0.5\n0,\xff,1\n"[..]).unwrap_err().to_string();
        assert_eq!(message, "line 2: the text is not UTF-8");
        assert!(read("0,0.5,0.5009\n".as_bytes()).is_ok());
    }

    #[test]
    fn the_figures_are_there_without_a_temperature() {
        let figures = |text: &str| read(text.as_bytes()).unwrap().figures().unwrap();
        let right = figures("0,0.9,0.1\n1,0.2,0.8\n");
        assert_eq!(
            (right.top1, right.temperature, right.ece_at_temperature),
            (1.0, None, None)
        );
        let impossible = figures("0,1,0\n1,1,0\n");
        assert_eq!(
            (impossible.nll, impossible.temperature),
            (f64::INFINITY, None)
        );
        let usual = figures("0,0.9,0.1\n1,0.8,0.2\n0,0.7,0.3\n");
        assert!(usual.temperature.is_some() && usual.nll_at_temperature.unwrap() <= usual.nll);
    }
}
