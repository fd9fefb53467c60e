//! What is taught, and where.

use std::path::Path;

use burn::tensor::Device;
use firebrick_core::Recipe;

use crate::models::Models;
use crate::prepared::Prepared;

/// What is taught, and where.
pub(crate) struct Lesson<'a, M> {
    /// Names the teacher, and says what it sees.
    pub(crate) recipe: &'a Recipe,
    /// The training images, and how they become input.
    pub(crate) data: &'a Prepared,
    /// The models that members can be.
    pub(crate) models: &'a Models<M>,
    /// Where the members compute.
    pub(crate) device: Device,
    /// The directory of a run that goes on.
    pub(crate) run: Option<&'a Path>,
}
