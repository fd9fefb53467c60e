//! What can be wrong with the members of an ensemble or with their predictions.

use firebrick_types::ConfigError;
use firebrick_types::error::{excerpt, visible};
use firebrick_types::newton::NoMinimum;

use crate::non_finite::NonFinite;

/// Why predictions cannot be combined, calibrated or scored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnsembleError {
    /// A unit or a setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No member at all.
    #[error("the ensemble has no members: give at least one")]
    NoMembers,
    /// No image at all.
    #[error("there are no images: give predictions for at least one")]
    NoImages,
    /// Two members with one name.
    #[error("two members are called `{}`: give each a name of its own", visible(.0))]
    SameName(String),
    /// Logits that are no rows of so many classes.
    #[error(
        "member `{}`: {values} logits are not a whole number of images with {classes} classes each",
        visible(.member)
    )]
    Shape {
        /// The member.
        member: String,
        /// Its logits.
        values: usize,
        /// Its classes.
        classes: usize,
    },
    /// A member with another number of classes.
    #[error(
        "member `{}` has {classes} classes, but `{}` has {expected}: all members must be trained on the same classes",
        visible(.member),
        visible(.other)
    )]
    Classes {
        /// The member.
        member: String,
        /// Its classes.
        classes: usize,
        /// The first member.
        other: String,
        /// The classes of the first member.
        expected: usize,
    },
    /// A member with other classes.
    #[error("member `{}` {problem}: all members must be trained on the same classes", visible(.member))]
    ClassNames {
        /// The member.
        member: String,
        /// What is different.
        problem: String,
    },
    /// A member that predicted another number of images.
    #[error(
        "member `{}` has predictions for {images} images, but `{}` for {expected}: all members must predict the same images",
        visible(.member),
        visible(.other)
    )]
    Images {
        /// The member.
        member: String,
        /// Its images.
        images: usize,
        /// The first member.
        other: String,
        /// The images of the first member.
        expected: usize,
    },
    /// Labels for another number of images.
    #[error("there are {labels} labels for {images} images: give one for each image")]
    Labels {
        /// The labels.
        labels: usize,
        /// The images.
        images: usize,
    },
    /// A label that is no class.
    #[error(
        "image {image}: the label {label} is none of the {classes} classes, which count from 0"
    )]
    Label {
        /// The image, from 0.
        image: usize,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Members whose logits are not finite.
    #[error("{}: leave them out, or train them again", list(.0))]
    NonFinite(Vec<NonFinite>),
    /// No member is left without them.
    #[error("no member can be used: {}", list(.0))]
    AllNonFinite(Vec<NonFinite>),
    /// A unit that is fitted, without labels to fit it to.
    #[error(
        "`{0}` is fitted to validation data: give the labels of the validation images, or use `mean`, which needs none"
    )]
    NeedsLabels(String),
    /// Something that was fitted to other members or classes.
    #[error("`{rule}` was fitted to {fitted}, but is used with {used}: fit it again")]
    Fitted {
        /// The unit.
        rule: String,
        /// What it was fitted to.
        fitted: String,
        /// What it is used with.
        used: String,
    },
    /// A fit that has no solution.
    #[error("`{unit}` cannot be fitted: {problem}")]
    Fit {
        /// The unit.
        unit: String,
        /// Why not.
        problem: String,
    },
    /// A row that is no distribution.
    #[error("image {image}: {problem}")]
    Probabilities {
        /// The image, from 0.
        image: usize,
        /// What is wrong.
        problem: String,
    },
    /// A place in a table.
    #[error("line {line}{}: {problem}", .column.map_or(String::new(), |column| format!(", column {column}")))]
    Table {
        /// The line, from 1.
        line: u64,
        /// The column, from 1; none where it is about the whole line.
        column: Option<usize>,
        /// What is wrong.
        problem: String,
    },
}

impl EnsembleError {
    pub(crate) fn fit(unit: &str, problem: impl Into<String>) -> Self {
        Self::Fit {
            unit: unit.into(),
            problem: problem.into(),
        }
    }

    /// A likelihood without a greatest value.
    pub(crate) fn no_minimum(unit: &str, problem: NoMinimum) -> Self {
        let problem = match problem {
            NoMinimum::NoStep => "its likelihood cannot be maximized",
            NoMinimum::Endless => "its parameters grow without end: use more validation images",
        };
        Self::fit(unit, problem)
    }

    pub(crate) fn conflict(problem: impl Into<String>) -> Self {
        Self::Config(ConfigError::Conflict(problem.into()))
    }

    pub(crate) fn cell(line: u64, column: usize, cell: &str, problem: &str) -> Self {
        Self::Table {
            line,
            column: Some(column),
            problem: format!("`{}` {problem}", excerpt(cell)),
        }
    }
}

fn list(members: &[NonFinite]) -> String {
    let members: Vec<_> = members.iter().map(ToString::to_string).collect();
    members.join("; ")
}

/// Refuses labels that do not go with the images.
pub(crate) fn check_labels(
    labels: &[usize],
    images: usize,
    classes: usize,
) -> Result<(), EnsembleError> {
    if labels.len() != images {
        let labels = labels.len();
        return Err(EnsembleError::Labels { labels, images });
    }
    match labels.iter().position(|label| *label >= classes) {
        None => Ok(()),
        Some(image) => Err(EnsembleError::Label {
            image,
            label: labels[image],
            classes,
        }),
    }
}
