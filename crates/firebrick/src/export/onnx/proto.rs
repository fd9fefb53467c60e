//! The messages of ONNX that a network needs, with the numbers that `onnx.proto` gives their fields.

use super::wire::{Each, Inner, messages};

/// The types of attributes, as `AttributeProto.AttributeType` numbers them.
pub(super) mod attribute_type {
    pub(in super::super) const FLOAT: i32 = 1;
    pub(in super::super) const INT: i32 = 2;
    pub(in super::super) const INTS: i32 = 7;
}

/// The types of elements, as `TensorProto.DataType` numbers them.
pub(super) mod data_type {
    pub(in super::super) const FLOAT: i32 = 1;
    pub(in super::super) const INT64: i32 = 7;
}

messages! {
    /// `ModelProto`.
    Model {
        ir_version: i64 = 1,
        producer_name: String = 2,
        producer_version: String = 3,
        doc_string: String = 6,
        graph: Inner<Graph> = 7,
        opset_import: Each<Inner<OperatorSet>> = 8,
        metadata_props: Each<Inner<Entry>> = 14,
    }
    /// `OperatorSetIdProto`; the empty domain is ONNX's own.
    OperatorSet {
        domain: String = 1,
        version: i64 = 2,
    }
    /// `StringStringEntryProto`.
    Entry {
        key: String = 1,
        value: String = 2,
    }
    /// `GraphProto`.
    Graph {
        node: Each<Inner<Node>> = 1,
        name: String = 2,
        initializer: Each<Inner<Tensor>> = 5,
        input: Each<Inner<ValueInfo>> = 11,
        output: Each<Inner<ValueInfo>> = 12,
    }
    /// `NodeProto`.
    Node {
        input: Each<String> = 1,
        output: Each<String> = 2,
        name: String = 3,
        op_type: String = 4,
        attribute: Each<Inner<Attribute>> = 5,
    }
    /// `AttributeProto`.
    Attribute {
        name: String = 1,
        f: Option<f32> = 2,
        i: Option<i64> = 3,
        ints: Each<i64> = 8,
        kind: i32 = 20,
    }
    /// `TensorProto`, its values little-endian.
    Tensor {
        dims: Each<i64> = 1,
        data_type: i32 = 2,
        name: String = 8,
        raw_data: Vec<u8> = 9,
    }
    /// `ValueInfoProto`.
    ValueInfo {
        name: String = 1,
        kind: Inner<Type> = 2,
    }
    /// `TypeProto`, of a tensor.
    Type {
        tensor_type: Inner<TensorType> = 1,
    }
    /// `TypeProto.Tensor`.
    TensorType {
        elem_type: i32 = 1,
        shape: Inner<Shape> = 2,
    }
    /// `TensorShapeProto`.
    Shape {
        dim: Each<Inner<Dimension>> = 1,
    }
    /// `TensorShapeProto.Dimension`: a size, or the name of one.
    Dimension {
        dim_value: Option<i64> = 1,
        dim_param: Option<String> = 2,
    }
}
