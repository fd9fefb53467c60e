//! A network as an ONNX model: the operations of its graph as operators of one fixed set.

mod lower;
mod proto;
mod wire;
mod writer;

use firebrick_core::graph::Graph;

use super::exported::{Exported, Metadata};
use wire::{Each, Inner, Message};
use writer::{IMAGES, Writer};

/// The version of ONNX's operators that is written.
pub const OPSET: i64 = 17;
/// The version of the format that came with these operators.
const IR_VERSION: i64 = 8;
/// What no file of protocol buffers may reach.
const MOST: usize = 1 << 31;

/// The name of the output.
const LOGITS: &str = "logits";

/// The content of an ONNX file.
///
/// # Errors
/// What ONNX cannot hold.
pub(super) fn encode(graph: Graph, metadata: &Metadata, said: &str) -> Result<Exported, String> {
    let image = graph.shape(graph.images());
    let [classes, ..] = graph.shape(graph.output());
    let mut writer = Writer::default();
    let (nodes, output) = graph.into_nodes();
    let mut values = Vec::with_capacity(nodes.len());
    for node in nodes {
        let value = lower::lower(&mut writer, node, &values)?;
        values.push(value);
    }
    writer.end(&values[output], LOGITS);
    let (nodes, tensors) = writer.into_parts();
    let bytes: usize = tensors.iter().map(|tensor| tensor.raw_data.len()).sum();
    if bytes >= MOST {
        return Err(format!(
            "its weights take {:.1} GB, but an ONNX file holds less than 2 GiB; export safetensors",
            bytes as f64 / 1e9
        ));
    }
    let count = tensors.len();
    let metadata = metadata
        .iter()
        .filter(|(key, _)| key.starts_with("firebrick."));
    let metadata = metadata.map(|(key, value)| {
        Inner(proto::Entry {
            key: key.clone(),
            value: value.clone(),
        })
    });
    let model = proto::Model {
        ir_version: IR_VERSION,
        producer_name: "firebrick".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: said.into(),
        graph: Inner(proto::Graph {
            node: Each(nodes.into_iter().map(Inner).collect()),
            name: "network".into(),
            initializer: Each(tensors.into_iter().map(Inner).collect()),
            input: Each(vec![Inner(batch(IMAGES, &image))]),
            output: Each(vec![Inner(batch(LOGITS, &[classes]))]),
        }),
        opset_import: Each(vec![Inner(proto::OperatorSet {
            domain: String::new(),
            version: OPSET,
        })]),
        metadata_props: Each(metadata.collect()),
    };
    let mut bytes = Vec::new();
    model.write_fields(&mut bytes);
    Ok(Exported {
        bytes,
        tensors: count,
    })
}

/// A value of any number of images, each of these sizes.
fn batch(name: &str, sizes: &[usize]) -> proto::ValueInfo {
    let images = proto::Dimension {
        dim_value: None,
        dim_param: Some("batch".into()),
    };
    let sizes = sizes.iter().map(|size| proto::Dimension {
        dim_value: Some(*size as i64),
        dim_param: None,
    });
    let dims = [images].into_iter().chain(sizes);
    proto::ValueInfo {
        name: name.into(),
        kind: Inner(proto::Type {
            tensor_type: Inner(proto::TensorType {
                elem_type: proto::data_type::FLOAT,
                shape: Inner(proto::Shape {
                    dim: Each(dims.map(Inner).collect()),
                }),
            }),
        }),
    }
}

#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod tests;
