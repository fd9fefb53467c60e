//! The types of a tensor's elements, by the names that files give them.

use std::fmt;

use burn::tensor::DType;

/// What a tensor of a file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ElementType {
    /// Double precision.
    F64,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// Half precision with the exponent of single precision.
    BF16,
    /// A type that no parameter has, by its name: `int64`, `bool`.
    Other(String),
}

impl ElementType {
    /// Burn's name and the bytes of one element; `None` where a value is no float.
    pub(super) fn float(&self) -> Option<(DType, usize)> {
        match self {
            Self::F64 => Some((DType::F64, 8)),
            Self::F32 => Some((DType::F32, 4)),
            Self::F16 => Some((DType::F16, 2)),
            Self::BF16 => Some((DType::BF16, 2)),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::Other(name) => name,
        })
    }
}

/// The type that PyTorch or safetensors calls `name`, and the bytes of one element.
pub(super) fn element(name: &str) -> Option<(ElementType, usize)> {
    let other = |name: &str, width| (ElementType::Other(name.into()), width);
    Some(match name.trim_start_matches("torch.") {
        "DoubleStorage" | "float64" | "double" | "F64" => (ElementType::F64, 8),
        "FloatStorage" | "float32" | "float" | "F32" => (ElementType::F32, 4),
        "HalfStorage" | "float16" | "half" | "F16" => (ElementType::F16, 2),
        "BFloat16Storage" | "bfloat16" | "BF16" => (ElementType::BF16, 2),
        "LongStorage" | "int64" => other("int64", 8),
        "IntStorage" | "int32" => other("int32", 4),
        "ShortStorage" | "int16" => other("int16", 2),
        "CharStorage" | "int8" => other("int8", 1),
        "ByteStorage" | "uint8" => other("uint8", 1),
        "BoolStorage" | "bool" => other("bool", 1),
        "uint16" => other("uint16", 2),
        "uint32" => other("uint32", 4),
        "uint64" => other("uint64", 8),
        "ComplexFloatStorage" => other("complex64", 8),
        "ComplexDoubleStorage" => other("complex128", 16),
        "QInt8Storage" => other("qint8", 1),
        "QUInt8Storage" => other("quint8", 1),
        "QInt32Storage" => other("qint32", 4),
        "UntypedStorage" => other("bytes", 1),
        _ => return None,
    })
}
