//! Nodes and tensors of an ONNX graph under names of their own.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::TensorData;

use super::proto::{self, attribute_type, data_type};
use super::wire::{Each, Inner};

/// The name of the input.
pub(super) const IMAGES: &str = "images";

/// A value of the graph.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Its name.
    pub(super) name: String,
    /// Whether it is `[batch, C]` rather than `[batch, C, H, W]`.
    pub(super) flat: bool,
}

/// An attribute of a node.
pub(super) enum Attribute {
    Float(f64),
    Int(i64),
    Ints(Vec<i64>),
}

/// Sizes as ONNX writes them.
pub(super) fn ints(sizes: impl IntoIterator<Item = usize>) -> Attribute {
    Attribute::Ints(sizes.into_iter().map(|size| size as i64).collect())
}

/// What is written so far.
#[derive(Default)]
pub(super) struct Writer {
    nodes: Vec<proto::Node>,
    tensors: Vec<proto::Tensor>,
    names: BTreeSet<String>,
    /// The names of constants that are there already.
    constants: BTreeMap<(i32, Vec<i64>, Vec<u8>), String>,
}

impl Writer {
    /// The nodes in order, and the tensors.
    pub(super) fn into_parts(self) -> (Vec<proto::Node>, Vec<proto::Tensor>) {
        (self.nodes, self.tensors)
    }

    /// A name that nothing else has.
    fn unique(&mut self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut names = [name.to_string()].into_iter().chain(numbered);
        let free = names.find(|name| !self.names.contains(name));
        let free = free.unwrap_or_default();
        self.names.insert(free.clone());
        free
    }

    /// A node with one output, which has its name: the path of the layer, then the operator.
    pub(super) fn node(
        &mut self,
        path: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        let name = match path {
            "" => operator.to_string(),
            path => format!("{path}/{operator}"),
        };
        let name = self.unique(&name);
        let attribute = attributes.into_iter().map(|(name, value)| {
            let empty = proto::Attribute {
                name: name.into(),
                ..proto::Attribute::default()
            };
            match value {
                Attribute::Float(value) => proto::Attribute {
                    f: Some(value as f32),
                    kind: attribute_type::FLOAT,
                    ..empty
                },
                Attribute::Int(value) => proto::Attribute {
                    i: Some(value),
                    kind: attribute_type::INT,
                    ..empty
                },
                Attribute::Ints(ints) => proto::Attribute {
                    ints: Each(ints),
                    kind: attribute_type::INTS,
                    ..empty
                },
            }
        });
        self.nodes.push(proto::Node {
            input: Each(inputs.iter().map(ToString::to_string).collect()),
            output: Each(vec![name.clone()]),
            name: name.clone(),
            op_type: operator.into(),
            attribute: Each(attribute.map(Inner).collect()),
        });
        name
    }

    /// The tensor of a layer, under its key.
    pub(super) fn weight(&mut self, path: &str, field: &str, data: &TensorData) -> String {
        let key = match path {
            "" => field.to_string(),
            path => format!("{path}.{field}"),
        };
        let name = self.unique(&key);
        let dims = Each(data.shape().iter().map(|size| *size as i64).collect());
        let values = data.iter::<f32>().flat_map(f32::to_le_bytes);
        self.tensors.push(proto::Tensor {
            dims,
            data_type: data_type::FLOAT,
            name: name.clone(),
            raw_data: values.collect(),
        });
        name
    }

    /// A list of whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let dims = vec![values.len() as i64];
        self.constant(data_type::INT64, dims, bytes.collect())
    }

    /// A number.
    pub(super) fn number(&mut self, value: f64) -> String {
        let bytes = (value as f32).to_le_bytes().to_vec();
        self.constant(data_type::FLOAT, Vec::new(), bytes)
    }

    /// A matrix of numbers, one row after another.
    pub(super) fn matrix(&mut self, values: &[f64], [rows, columns]: [usize; 2]) -> String {
        let bytes = values
            .iter()
            .flat_map(|value| (*value as f32).to_le_bytes());
        let dims = vec![rows as i64, columns as i64];
        self.constant(data_type::FLOAT, dims, bytes.collect())
    }

    fn constant(&mut self, data_type: i32, dims: Vec<i64>, raw_data: Vec<u8>) -> String {
        let key = (data_type, dims, raw_data);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.unique("constant");
        let (data_type, dims, raw_data) = key.clone();
        self.constants.insert(key, name.clone());
        self.tensors.push(proto::Tensor {
            dims: Each(dims),
            data_type,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// A value as `[batch, C]`.
    pub(super) fn flat(&mut self, path: &str, value: &Named) -> String {
        if value.flat {
            return value.name.clone();
        }
        let axis = vec![("axis", Attribute::Int(1))];
        self.node(path, "Flatten", &[&value.name], axis)
    }

    /// A value as `[batch, C, H, W]`.
    pub(super) fn planes(&mut self, path: &str, value: &Named) -> String {
        if !value.flat {
            return value.name.clone();
        }
        // 0 keeps the size of the batch.
        let shape = self.ints(&[0, -1, 1, 1]);
        self.node(path, "Reshape", &[&value.name, &shape], Vec::new())
    }

    /// Makes a value the output, as `[batch, C]` under this name.
    pub(super) fn end(&mut self, value: &Named, name: &str) {
        let last = self.flat("", value);
        self.node("", "Identity", &[&last], Vec::new());
        if let Some(node) = self.nodes.last_mut() {
            node.output = Each(vec![name.into()]);
        }
    }
}
