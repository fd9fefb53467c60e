//! Reads Python pickles as `torch.save` writes them, without executing anything.
//!
//! A pickle is a program for a stack machine that builds objects and may call any function by name.
//! This machine builds lists, dictionaries and strings, and knows the few functions with which
//! PyTorch rebuilds tensors. Of every other object only the name of its class is kept. A file that
//! names a function which runs commands or code is refused, and the message gives that name.
//!
//! Opcodes: `pickletools.py` in Python's own library.

mod calls;
mod limits;
mod machine;
mod objects;
mod operations;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Read};

pub(super) use limits::{MAX_BYTES, MAX_NAME, MAX_OPERATIONS, MAX_RANK};
use machine::Machine;
pub(super) use objects::{Ids, Node, Unpickled, Value, length};

/// Reads one pickle and leaves the input behind its end.
pub(super) fn unpickle(input: &mut dyn BufRead, ids: &Ids) -> Result<Unpickled, String> {
    Machine::new(ids).run(&mut input.take(MAX_BYTES))
}
