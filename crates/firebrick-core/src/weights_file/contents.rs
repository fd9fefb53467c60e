//! The index of a weights file, the same for every format.

use std::collections::BTreeMap;

use super::storages::Storages;
use super::view::View;

/// Tensors of a file at most.
pub(super) const MAX_TENSORS: usize = 50_000;

/// What the formats have in common.
#[derive(Debug)]
pub(super) struct Contents {
    /// The tensors, in the order of the file.
    pub(super) entries: Vec<Entry>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) storages: Storages,
}

impl Contents {
    /// What a file of PyTorch has, which holds no text beside the weights.
    pub(super) fn of_pytorch(entries: Vec<Entry>, storages: Storages) -> Self {
        Self {
            entries,
            metadata: BTreeMap::new(),
            storages,
        }
    }
}

/// A tensor of a file.
#[derive(Debug)]
pub(super) struct Entry {
    /// The keys of all levels, joined by dots: `state_dict.conv1.weight`.
    pub(super) name: String,
    /// How much of the name is that of the dictionary: the length of `state_dict`.
    pub(super) level: usize,
    pub(super) view: View,
}
