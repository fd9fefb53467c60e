//! The stack machine of a pickle: the objects that it has made, its stack and its memo.

use std::collections::HashMap;

use super::limits::MAX_OPERATIONS;
use super::objects::{Ids, Node, Unpickled, Value, damaged};

pub(super) struct Machine<'a> {
    pub(super) ids: &'a Ids,
    pub(super) all: Unpickled,
    /// Storages by key.
    pub(super) by_key: HashMap<String, usize>,
    pub(super) tensors: usize,
    /// Values that calls were given inside objects.
    given: usize,
    pub(super) stack: Vec<Value>,
    /// Heights of the stack.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(ids: &'a Ids) -> Self {
        Self {
            ids,
            all: Unpickled {
                nodes: Vec::new(),
                root: Value::None,
                storages: Vec::new(),
            },
            by_key: HashMap::new(),
            tensors: 0,
            given: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Keeps an object.
    pub(super) fn node(&mut self, node: Node) -> Value {
        self.all.nodes.push(node);
        Value::Node(self.all.nodes.len() - 1)
    }

    /// Counts what lies inside the arguments of a call, which it copies or searches.
    pub(super) fn count_contents(&mut self, arguments: &[Value]) -> Result<(), String> {
        for value in arguments {
            self.given += self.all.size(*value);
        }
        if self.given > MAX_OPERATIONS {
            return Err(format!(
                "the calls in its pickle are given more than {MAX_OPERATIONS} values"
            ));
        }
        Ok(())
    }

    pub(super) fn top(&self) -> Result<Value, String> {
        self.stack.last().copied().ok_or_else(damaged)
    }

    pub(super) fn top_node(&mut self) -> Result<&mut Node, String> {
        match self.top()? {
            Value::Node(at) => self.all.nodes.get_mut(at).ok_or_else(damaged),
            _ => Err(damaged()),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Value, String> {
        // A mark is no value.
        if self.marks.last() == Some(&self.stack.len()) {
            return Err(damaged());
        }
        self.stack.pop().ok_or_else(damaged)
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or_else(damaged)?;
        if mark > self.stack.len() {
            return Err(damaged());
        }
        Ok(self.stack.split_off(mark))
    }
}
