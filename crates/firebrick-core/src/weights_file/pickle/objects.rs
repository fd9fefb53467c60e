//! The objects of a pickle.

use std::collections::HashMap;

use crate::weights_file::element::ElementType;
use crate::weights_file::view::View;

/// What is on the stack; larger things lie in [`Unpickled::nodes`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::weights_file) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A float or a long integer: nothing that is read here depends on one.
    Number,
    Node(usize),
}

/// An object that others may share.
#[derive(Debug)]
pub(in crate::weights_file) enum Node {
    Text(String),
    /// Bytes are skipped.
    Bytes,
    /// A list, tuple or set.
    Sequence(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A class or function, such as `collections.OrderedDict`.
    Global(String),
    /// A storage, and at which of its elements it begins.
    Storage(usize, usize),
    Tensor(Box<View>),
    /// What is not read: the name of its class or function.
    Object {
        class: String,
        /// Made from a tensor, as a sparse or quantized one is.
        of_tensor: bool,
    },
}

/// Values that tensors view, as the pickle declares them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::weights_file) struct Storage {
    pub(in crate::weights_file) key: String,
    pub(in crate::weights_file) element: ElementType,
    /// Bytes of one element; 0 when the type is not known.
    pub(in crate::weights_file) width: usize,
    pub(in crate::weights_file) count: usize,
}

/// What a persistent id stands for.
pub(in crate::weights_file) enum Ids {
    /// There are none.
    None,
    /// `('storage', type, key, location, count)`, or `('module', class, file, source)`.
    Storages,
    /// A tensor by its key, or `(class, file, source)`.
    Tensors(HashMap<String, View>),
}

/// A pickle's objects.
#[derive(Debug)]
pub(in crate::weights_file) struct Unpickled {
    pub(in crate::weights_file) nodes: Vec<Node>,
    pub(in crate::weights_file) root: Value,
    pub(in crate::weights_file) storages: Vec<Storage>,
}

impl Unpickled {
    pub(in crate::weights_file) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    pub(in crate::weights_file) fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Sequence(values) => Some(values),
            _ => None,
        }
    }

    /// How many values an object holds.
    pub(in crate::weights_file) fn size(&self, value: Value) -> usize {
        match self.node(value) {
            Some(Node::Sequence(values)) => values.len(),
            Some(Node::Dict(pairs)) => pairs.len(),
            _ => 0,
        }
    }

    /// A text or a number as text.
    pub(in crate::weights_file) fn key(&self, value: Value) -> Option<String> {
        match (value, self.node(value)) {
            (Value::Int(number), _) => Some(number.to_string()),
            (_, Some(Node::Text(text))) => Some(text.clone()),
            _ => None,
        }
    }

    /// The value of a text key in a dictionary; the last one, as in Python.
    pub(in crate::weights_file) fn get(&self, dict: Value, key: &str) -> Option<Value> {
        let Node::Dict(pairs) = self.node(dict)? else {
            return None;
        };
        let found = pairs
            .iter()
            .rev()
            .find(|(name, _)| matches!(self.node(*name), Some(Node::Text(text)) if text == key));
        found.map(|(_, value)| *value)
    }
}

/// A number of elements.
pub(in crate::weights_file) fn length(value: Value) -> Result<usize, String> {
    match value {
        Value::Int(number) => usize::try_from(number).map_err(|_| damaged()),
        _ => Err(damaged()),
    }
}

/// The error of a pickle whose objects are not those of PyTorch.
pub(super) fn damaged() -> String {
    "its pickle is damaged, or was not written by PyTorch".into()
}
