//! Reads Python pickles as `torch.save` writes them, without executing anything.
//!
//! A pickle is a program for a stack machine that builds objects and may call any function by name.
//! This machine builds lists, dictionaries and strings, and knows the few functions with which
//! PyTorch rebuilds tensors. Of every other object only the name of its class is kept. A file that
//! names a function which runs commands or code is refused, and the message gives that name.
//!
//! Opcodes: `pickletools.py` in Python's own library.

mod calls;
mod machine;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{BufRead, Read};

use super::element::ElementType;
use super::view::View;
use machine::Machine;

/// Opcodes at most: a checkpoint of [`super::MAX_TENSORS`] tensors has fewer. It bounds memory too, since an
/// opcode makes at most one object, and time, since the contents of objects that are passed to calls are
/// counted against the same limit: a list that is made once can be copied by every opcode after it.
pub(super) const MAX_OPERATIONS: usize = 2_000_000;

/// Bytes of one pickle at most; the values of tensors lie outside it.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Dimensions of a tensor at most.
pub(super) const MAX_RANK: usize = 8;

/// Bytes of a tensor's full name at most. Of a longer text only the beginning is kept, just enough to
/// see that it is too long.
pub(super) const MAX_NAME: usize = 1000;

/// Characters that are kept of the name of a class or function; those that are known here have fewer.
const MAX_CLASS: usize = 100;

/// What is on the stack; larger things lie in [`Unpickled::nodes`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A float or a long integer: nothing that is read here depends on one.
    Number,
    Node(usize),
}

/// An object that others may share.
#[derive(Debug)]
pub(super) enum Node {
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
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) element: ElementType,
    /// Bytes of one element; 0 when the type is not known.
    pub(super) width: usize,
    pub(super) count: usize,
}

/// What a persistent id stands for.
pub(super) enum Ids {
    /// There are none.
    None,
    /// `('storage', type, key, location, count)`, or `('module', class, file, source)`.
    Storages,
    /// A tensor by its key, or `(class, file, source)`.
    Tensors(HashMap<String, View>),
}

/// A pickle's objects.
#[derive(Debug)]
pub(super) struct Unpickled {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Value,
    pub(super) storages: Vec<Storage>,
}

impl Unpickled {
    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    pub(super) fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Sequence(values) => Some(values),
            _ => None,
        }
    }

    /// How many values an object holds.
    pub(super) fn size(&self, value: Value) -> usize {
        match self.node(value) {
            Some(Node::Sequence(values)) => values.len(),
            Some(Node::Dict(pairs)) => pairs.len(),
            _ => 0,
        }
    }

    /// A text or a number as text.
    pub(super) fn key(&self, value: Value) -> Option<String> {
        match (value, self.node(value)) {
            (Value::Int(number), _) => Some(number.to_string()),
            (_, Some(Node::Text(text))) => Some(text.clone()),
            _ => None,
        }
    }

    /// The value of a text key in a dictionary; the last one, as in Python.
    pub(super) fn get(&self, dict: Value, key: &str) -> Option<Value> {
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

/// Reads one pickle and leaves the input behind its end.
pub(super) fn unpickle(input: &mut dyn BufRead, ids: &Ids) -> Result<Unpickled, String> {
    Machine::new(ids).run(&mut input.take(MAX_BYTES))
}

/// A number of elements.
pub(super) fn length(value: Value) -> Result<usize, String> {
    match value {
        Value::Int(number) => usize::try_from(number).map_err(|_| damaged()),
        _ => Err(damaged()),
    }
}

fn damaged() -> String {
    "its pickle is damaged, or was not written by PyTorch".into()
}

fn cut_off() -> String {
    format!(
        "its pickle ends too early, or is larger than {} MiB",
        MAX_BYTES >> 20
    )
}
