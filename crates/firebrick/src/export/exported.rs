//! A model in another format.

use std::collections::BTreeMap;

/// Text that travels with a model.
pub(super) type Metadata = BTreeMap<String, String>;

/// A model in another format.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The content of the file.
    pub bytes: Vec<u8>,
    /// Tensors in it.
    pub tensors: usize,
}
