//! The calls and persistent ids of a pickle: they produce tensors, dictionaries, or just a name.

use std::collections::HashSet;

use super::limits::{MAX_CLASS, MAX_RANK};
use super::machine::Machine;
use super::objects::{Ids, Node, Storage, Value, damaged, length};
use crate::weights_file::contents::MAX_TENSORS;
use crate::weights_file::element::{ElementType, element};
use crate::weights_file::view::View;

impl Machine<'_> {
    /// A class or function by name.
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<Value, String> {
        let full: String = format!("{module}.{name}").chars().take(MAX_CLASS).collect();
        if runs_code(module, name) {
            return Err(format!(
                "it calls `{full}`, which weights never need: opening it in Python may run someone else's commands. None of it was run here"
            ));
        }
        Ok(self.node(Node::Global(full)))
    }

    /// An object that is not read.
    pub(super) fn object(&mut self, class: Value, arguments: &[Value]) -> Value {
        let class = match self.all.node(class) {
            Some(Node::Global(name)) => name.clone(),
            Some(Node::Object { class, .. }) => class.clone(),
            _ => "an object".into(),
        };
        let of_tensor = arguments.iter().any(|value| {
            let inner = self.all.sequence(*value).unwrap_or_default();
            // A sparse tensor's parts are in a tuple.
            std::iter::once(value)
                .chain(inner)
                .any(|value| self.is_of_tensor(*value))
        });
        self.node(Node::Object { class, of_tensor })
    }

    fn is_of_tensor(&self, value: Value) -> bool {
        match self.all.node(value) {
            Some(Node::Tensor(_) | Node::Storage(..)) => true,
            Some(Node::Object { of_tensor, .. }) => *of_tensor,
            _ => false,
        }
    }

    /// What a call would give.
    pub(super) fn call(&mut self, function: Value, arguments: Value) -> Result<Value, String> {
        let Some(Node::Global(name)) = self.all.node(function) else {
            return Ok(self.object(function, &[]));
        };
        let name = name.clone();
        self.count_contents(&[arguments])?;
        let given = self.all.sequence(arguments).unwrap_or_default().to_vec();
        self.count_contents(&given)?;
        let first = given.first().copied();
        let value = match name.as_str() {
            "collections.OrderedDict"
            | "collections.defaultdict"
            | "collections.Counter"
            | "builtins.dict"
            | "__builtin__.dict" => {
                let items = match first.and_then(|value| self.all.node(value)) {
                    Some(Node::Dict(items)) => items.clone(),
                    Some(Node::Sequence(items)) => {
                        let pair = |item: &Value| match self.all.sequence(*item) {
                            Some(&[key, value]) => Ok((key, value)),
                            _ => Err(damaged()),
                        };
                        items.iter().map(pair).collect::<Result<_, _>>()?
                    }
                    _ => Vec::new(),
                };
                self.node(Node::Dict(items))
            }
            "builtins.set"
            | "builtins.frozenset"
            | "builtins.list"
            | "builtins.tuple"
            | "__builtin__.set"
            | "__builtin__.frozenset"
            | "torch.Size" => {
                let items = first.and_then(|value| self.all.sequence(value));
                let items = items.unwrap_or_default().to_vec();
                self.node(Node::Sequence(items))
            }
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
                self.tensor(&name, &given, None)?
            }
            "torch._utils._rebuild_tensor_v3" => {
                let element = match given.get(6).and_then(|value| self.all.node(*value)) {
                    Some(Node::Global(name)) => element(name).map(|(element, _)| element),
                    _ => None,
                };
                let element = element.unwrap_or_else(|| ElementType::Other("unknown type".into()));
                self.tensor(&name, &given, Some(element))?
            }
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                first.ok_or_else(damaged)?
            }
            // A tensor of another class: (function, class, arguments, state).
            "torch._tensor._rebuild_from_type_v2" => match given[..] {
                [inner, _, arguments, ..] if !matches!(self.all.node(inner), Some(Node::Global(own)) if *own == name) => {
                    self.call(inner, arguments)?
                }
                _ => return Err(damaged()),
            },
            _ => self.object(function, &given),
        };
        Ok(value)
    }

    /// `(storage, offset, shape, strides, …)`.
    fn tensor(
        &mut self,
        name: &str,
        given: &[Value],
        element: Option<ElementType>,
    ) -> Result<Value, String> {
        let [storage, offset, shape, strides, ..] = given[..] else {
            return Err(damaged());
        };
        let Some(&Node::Storage(storage, start)) = self.all.node(storage) else {
            // `pickle.dump` keeps the values in a pickle of their own.
            return Ok(self.node(Node::Object {
                class: name.into(),
                of_tensor: true,
            }));
        };
        let lengths = |value| -> Result<Vec<usize>, String> {
            let values = self.all.sequence(value).ok_or_else(damaged)?;
            if values.len() > MAX_RANK {
                return Err(format!(
                    "a tensor has {} dimensions; at most {MAX_RANK} are read",
                    values.len()
                ));
            }
            values.iter().map(|value| length(*value)).collect()
        };
        let (shape, strides) = (lengths(shape)?, lengths(strides)?);
        let offset = length(offset)?.checked_add(start).ok_or_else(damaged)?;
        let declared = &self.all.storages[storage];
        let view = View {
            storage,
            element: element.unwrap_or_else(|| declared.element.clone()),
            offset,
            shape,
            strides,
        };
        self.tensors += 1;
        if self.tensors > MAX_TENSORS {
            return Err(format!("it has more than {MAX_TENSORS} tensors"));
        }
        Ok(self.node(Node::Tensor(Box::new(view))))
    }

    /// Sets an object's attributes. Those of a `torch.nn.Module` become what its `state_dict()`
    /// gives: parameters, buffers and the modules inside.
    pub(super) fn state(&mut self, state: Value) -> Result<(), String> {
        if !matches!(self.all.node(self.top()?), Some(Node::Object { .. })) {
            return Ok(());
        }
        self.count_contents(&[state])?;
        let tables =
            ["_parameters", "_buffers", "_modules"].map(|table| self.all.get(state, table));
        let [Some(parameters), Some(buffers), Some(modules)] = tables else {
            return Ok(());
        };
        let passing = self.all.get(state, "_non_persistent_buffers_set");
        let passing = passing.unwrap_or(Value::None);
        self.count_contents(&[parameters, buffers, modules, passing])?;
        let passing = self.all.sequence(passing).unwrap_or_default();
        let passing: HashSet<String> = passing
            .iter()
            .filter_map(|name| self.all.key(*name))
            .collect();
        let mut items = Vec::new();
        for table in [parameters, buffers, modules] {
            let Some(Node::Dict(entries)) = self.all.node(table) else {
                continue;
            };
            let kept = entries.iter().filter(|(name, _)| {
                table != buffers
                    || self
                        .all
                        .key(*name)
                        .is_none_or(|name| !passing.contains(&name))
            });
            items.extend(kept.copied());
        }
        *self.top_node()? = Node::Dict(items);
        Ok(())
    }

    pub(super) fn persistent(&mut self, id: Value) -> Result<Value, String> {
        match self.ids {
            Ids::None => Err(damaged()),
            Ids::Tensors(tensors) => {
                // A class comes with its source code.
                if let Some(&[class, ..]) = self.all.sequence(id) {
                    return Ok(class);
                }
                let key = self.all.key(id).ok_or_else(damaged)?;
                let view = tensors.get(&key).ok_or_else(damaged)?.clone();
                Ok(self.node(Node::Tensor(Box::new(view))))
            }
            Ids::Storages => {
                let fields = self.all.sequence(id).ok_or_else(damaged)?;
                if let [tag, class, ..] = *fields
                    && matches!(self.all.node(tag), Some(Node::Text(tag)) if tag == "module")
                {
                    return Ok(class);
                }
                let [_, class, key, _, count, ref view @ ..] = fields[..] else {
                    return Err(damaged());
                };
                let Some(Node::Global(class) | Node::Text(class)) = self.all.node(class) else {
                    return Err(damaged());
                };
                let class = class
                    .rsplit_once('.')
                    .map_or(class.as_str(), |(_, class)| class);
                let (element, width) =
                    element(class).unwrap_or_else(|| (ElementType::Other(class.into()), 0));
                let start = match view.first().and_then(|view| self.all.sequence(*view)) {
                    // A view of another storage: (key, offset, count).
                    Some(&[_, offset, _]) => length(offset)?,
                    _ => 0,
                };
                let storage = Storage {
                    key: self.all.key(key).ok_or_else(damaged)?,
                    element,
                    width,
                    count: length(count)?,
                };
                let at = match self.by_key.get(&storage.key) {
                    Some(&at) if self.all.storages[at] == storage => at,
                    Some(_) => return Err(format!("storage `{}` is declared twice", storage.key)),
                    None => {
                        self.by_key
                            .insert(storage.key.clone(), self.all.storages.len());
                        self.all.storages.push(storage);
                        self.all.storages.len() - 1
                    }
                };
                Ok(self.node(Node::Storage(at, start)))
            }
        }
    }
}

/// Whether a function that a pickle names runs commands or code. None is ever called here; but a file
/// that names one is an attack on those who open it with Python.
fn runs_code(module: &str, name: &str) -> bool {
    const MODULES: [&str; 16] = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "pty",
        "socket",
        "shutil",
        "sys",
        "runpy",
        "importlib",
        "ctypes",
        "webbrowser",
        "marshal",
        "pickle",
        "_pickle",
        "cPickle",
    ];
    const FUNCTIONS: [&str; 10] = [
        "eval",
        "exec",
        "execfile",
        "compile",
        "__import__",
        "open",
        "input",
        "breakpoint",
        "apply",
        "globals",
    ];
    let top = module.split('.').next().unwrap_or_default();
    let builtin = matches!(top, "builtins" | "__builtin__") && FUNCTIONS.contains(&name);
    builtin || MODULES.contains(&top)
}
