//! A matrix of features: what a backbone, up to some stage, says of images.

use firebrick_types::ConfigError;

use crate::error::TransferError;

/// The features of labelled images, one row for each; an image that was seen in several augmentation views has several
/// rows.
///
/// ```
/// use firebrick_transfer::Features;
/// let classes = vec!["ant".to_string(), "bee".to_string()];
/// let features = Features::new(vec![0.5, 1.0, 2.0, -1.0], 2, vec![0, 1], classes)?;
/// assert_eq!((features.rows(), features.width()), (2, 2));
/// assert_eq!(features.row(1), [2.0, -1.0]);
/// # Ok::<(), firebrick_transfer::TransferError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    values: Vec<f32>,
    width: usize,
    labels: Vec<usize>,
    images: Vec<usize>,
    names: Vec<String>,
    classes: Vec<String>,
}

impl Features {
    /// Features `[rows × width]`, row by row, with the class of each row. Every row is an image of its own.
    ///
    /// # Errors
    /// [`TransferError::Features`] where the numbers do not go together or there are none, and
    /// [`TransferError::NotFinite`].
    pub fn new(
        values: Vec<f32>,
        width: usize,
        labels: Vec<usize>,
        classes: Vec<String>,
    ) -> Result<Self, TransferError> {
        let refuse = |problem: String| Err(TransferError::Features(problem));
        if labels.is_empty() || width == 0 {
            return refuse("there are no features: give at least one image and one column".into());
        }
        if labels.len().checked_mul(width) != Some(values.len()) {
            return refuse(format!(
                "{} values are not {} rows of {width} features: give one row for each label",
                values.len(),
                labels.len()
            ));
        }
        if let Some(row) = labels.iter().position(|label| *label >= classes.len()) {
            return refuse(format!(
                "row {row}: the label {} is none of the {} classes, which count from 0",
                labels[row],
                classes.len()
            ));
        }
        let features = Self {
            images: (0..labels.len()).collect(),
            names: Vec::new(),
            values,
            width,
            labels,
            classes,
        };
        match features.values.iter().position(|value| !value.is_finite()) {
            None => Ok(features),
            Some(at) => Err(TransferError::NotFinite {
                image: features.name(at / width),
                column: at % width,
                value: features.values[at],
            }),
        }
    }

    /// The same with a name for each row, for messages and reports.
    ///
    /// # Errors
    /// [`TransferError::Features`] where there is not one for each row.
    pub fn with_names(mut self, names: Vec<String>) -> Result<Self, TransferError> {
        self.one_for_each_row("names", names.len())?;
        self.names = names;
        Ok(self)
    }

    /// The same with the image that each row is of: rows of one image are views of it, and stay together in a
    /// cross-validation.
    ///
    /// # Errors
    /// [`TransferError::Features`] where there is not one for each row.
    pub fn with_images(mut self, images: Vec<usize>) -> Result<Self, TransferError> {
        self.one_for_each_row("images", images.len())?;
        self.images = images;
        Ok(self)
    }

    fn one_for_each_row(&self, what: &str, given: usize) -> Result<(), TransferError> {
        if given == self.rows() {
            return Ok(());
        }
        Err(TransferError::Features(format!(
            "there are {given} {what} for {} rows of features: give one for each",
            self.rows()
        )))
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The number of features of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// All features, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The features of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// The class of each row.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The image that each row is of.
    #[must_use]
    pub fn images(&self) -> &[usize] {
        &self.images
    }

    /// The names of the classes; a label indexes them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The name of a row: that which was given, or `image 12`.
    #[must_use]
    pub fn name(&self, row: usize) -> String {
        match self.names.get(row) {
            Some(name) => name.clone(),
            None => format!("image {}", self.images.get(row).copied().unwrap_or(row)),
        }
    }

    /// The number of rows of each class.
    #[must_use]
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for label in &self.labels {
            counts[*label] += 1;
        }
        counts
    }

    /// Some of the rows, in this order.
    ///
    /// # Errors
    /// [`TransferError::Features`] for no row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Self, TransferError> {
        if rows.is_empty() {
            return Err(TransferError::Features(
                "no row of the features is left: select at least one".into(),
            ));
        }
        let of = |list: &[usize]| rows.iter().map(|row| list[*row]).collect();
        Ok(Self {
            values: rows
                .iter()
                .flat_map(|row| self.row(*row))
                .copied()
                .collect(),
            width: self.width,
            labels: of(&self.labels),
            images: of(&self.images),
            names: if self.names.is_empty() {
                Vec::new()
            } else {
                rows.iter().map(|row| self.names[*row].clone()).collect()
            },
            classes: self.classes.clone(),
        })
    }

    /// Some of the columns, in this order.
    ///
    /// # Errors
    /// [`TransferError::Features`] for no column.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn columns(&self, columns: &[usize]) -> Result<Self, TransferError> {
        if columns.is_empty() {
            return Err(TransferError::Features(
                "no column of the features is left: keep at least one".into(),
            ));
        }
        let rows = self.values.chunks_exact(self.width);
        Ok(Self {
            values: rows
                .flat_map(|row| columns.iter().map(|column| row[*column]))
                .collect(),
            width: columns.len(),
            ..self.clone_without_values()
        })
    }

    /// Other values of the same rows.
    pub(crate) fn with_values(&self, values: Vec<f32>, width: usize) -> Self {
        debug_assert_eq!(values.len(), self.rows() * width);
        Self {
            values,
            width,
            ..self.clone_without_values()
        }
    }

    fn clone_without_values(&self) -> Self {
        Self {
            values: Vec::new(),
            width: self.width,
            labels: self.labels.clone(),
            images: self.images.clone(),
            names: self.names.clone(),
            classes: self.classes.clone(),
        }
    }

    /// Refuses features of other stages or classes than those that something was made of.
    pub(crate) fn check_like(&self, width: usize, classes: usize) -> Result<(), TransferError> {
        if self.width != width {
            return Err(TransferError::Features(format!(
                "these features have {} columns, and {width} are expected: take those of the same model and stage",
                self.width
            )));
        }
        if self.classes.len() != classes {
            return Err(TransferError::Features(format!(
                "these features have {} classes, and {classes} are expected: take data of the same classes",
                self.classes.len()
            )));
        }
        Ok(())
    }

    /// Refuses features of fewer than two classes, of which no classifier can be made.
    pub(crate) fn check_classes(&self, what: &str) -> Result<(), TransferError> {
        let counts = self.class_counts();
        if counts.len() >= 2 {
            return match counts.iter().position(|count| *count == 0) {
                None => Ok(()),
                Some(class) => Err(ConfigError::Conflict(format!(
                    "{what}: the class `{}` has no image: add some, or remove the class",
                    firebrick_types::error::visible(&self.classes[class])
                ))
                .into()),
            };
        }
        Err(ConfigError::Conflict(format!(
            "{what}: there is only one class: a classifier needs at least two, each in a folder of its own"
        ))
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        vec!["ant".into(), "bee".into()]
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (values, width, labels, message) in [
            (vec![], 2, vec![], "there are no features"),
            (
                vec![0.0; 3],
                2,
                vec![0],
                "3 values are not 1 rows of 2 features",
            ),
            (
                vec![0.0; 2],
                2,
                vec![2],
                "row 0: the label 2 is none of the 2 classes",
            ),
            (
                vec![0.0, 0.0, 1.0, f32::NAN],
                2,
                vec![0, 1],
                "`image 1` are not finite (NaN in column 1)",
            ),
        ] {
            let error = Features::new(values, width, labels, classes()).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        let two = Features::new(vec![0.0; 2], 1, vec![0, 1], classes()).unwrap();
        assert!(two.clone().with_names(vec!["a".into()]).is_err());
        assert!(two.with_images(vec![0; 3]).is_err());
    }

    #[test]
    fn rows_and_columns_are_selected_with_what_belongs_to_them() {
        let all = Features::new(
            vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            2,
            vec![0, 1, 1],
            classes(),
        );
        let all = all.unwrap().with_images(vec![7, 8, 8]).unwrap();
        let all = all
            .with_names(vec!["a".into(), "b".into(), "c".into()])
            .unwrap();
        let part = all.select(&[2, 0]).unwrap().columns(&[1]).unwrap();
        assert_eq!(part.values(), [6.0, 2.0]);
        assert_eq!((part.labels(), part.images()), (&[1, 0][..], &[8, 7][..]));
        assert_eq!(part.name(0), "c");
        assert_eq!(all.class_counts(), [1, 2]);
        assert!(all.select(&[]).is_err() && all.columns(&[]).is_err());
    }
}
