//! The encoding of protocol buffers, as far as ONNX needs it: a message is a list of fields, each with its number.

/// What a field can hold. A field that holds nothing is left out.
pub(super) trait Field: Default {
    /// Appends the field.
    fn write(&self, number: u64, out: &mut Vec<u8>);

    /// Takes in one more occurrence of the field.
    #[cfg(test)]
    fn read(&mut self, value: Value<'_>);
}

/// A list of fields.
pub(super) trait Message: Default {
    /// Appends all fields.
    fn write_fields(&self, out: &mut Vec<u8>);

    /// The message in these bytes; fields with other numbers are left out.
    #[cfg(test)]
    fn read_fields(bytes: &[u8]) -> Self;
}

/// What lies in a file for a field.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed([u8; 4]),
    Bytes(&'a [u8]),
}

/// Defines messages by the numbers of their fields.
macro_rules! messages {
    ($($(#[$about:meta])* $name:ident { $($field:ident: $type:ty = $number:literal,)* })*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, PartialEq, Default)]
            pub(super) struct $name {
                $(pub(super) $field: $type,)*
            }

            impl $crate::export::onnx::wire::Message for $name {
                fn write_fields(&self, out: &mut Vec<u8>) {
                    $($crate::export::onnx::wire::Field::write(&self.$field, $number, out);)*
                }

                #[cfg(test)]
                fn read_fields(bytes: &[u8]) -> Self {
                    let mut message = Self::default();
                    for (number, value) in $crate::export::onnx::wire::fields(bytes) {
                        match number {
                            $($number => {
                                $crate::export::onnx::wire::Field::read(&mut message.$field, value);
                            })*
                            _ => {}
                        }
                    }
                    message
                }
            }
        )*
    };
}
pub(super) use messages;

/// Seven bits at a time, the lowest first.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number of a field and how its value is written: 0 as a varint, 2 as a length and bytes, 5 as four bytes.
fn key(number: u64, kind: u64, out: &mut Vec<u8>) {
    varint(number << 3 | kind, out);
}

fn delimited(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    key(number, 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The fields in these bytes.
#[cfg(test)]
pub(super) fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    fn take_varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Varint(take_varint(&mut bytes)),
            2 => {
                let length = take_varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(value)
            }
            5 => {
                let (value, rest) = bytes.split_first_chunk::<4>().unwrap();
                bytes = rest;
                Value::Fixed(*value)
            }
            kind => panic!("no value is written as {kind}"),
        };
        found.push((key >> 3, value));
    }
    found
}

#[cfg(test)]
impl<'a> Value<'a> {
    fn varint(self) -> u64 {
        match self {
            Self::Varint(value) => value,
            _ => panic!("no number"),
        }
    }

    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => panic!("no bytes"),
        }
    }
}

impl Field for i64 {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        key(number, 0, out);
        varint(*self as u64, out);
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        *self = value.varint() as Self;
    }
}

impl Field for i32 {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        i64::from(*self).write(number, out);
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        *self = value.varint() as Self;
    }
}

impl Field for f32 {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        key(number, 5, out);
        out.extend_from_slice(&self.to_le_bytes());
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        match value {
            Value::Fixed(bytes) => *self = Self::from_le_bytes(bytes),
            _ => panic!("no f32"),
        }
    }
}

impl Field for String {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        delimited(number, self.as_bytes(), out);
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        *self = Self::from_utf8(value.bytes().to_vec()).unwrap();
    }
}

impl Field for Vec<u8> {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        delimited(number, self, out);
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        *self = value.bytes().to_vec();
    }
}

impl<F: Field> Field for Option<F> {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        if let Some(field) = self {
            field.write(number, out);
        }
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        self.get_or_insert_default().read(value);
    }
}

/// A field that repeats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Each<F>(pub(super) Vec<F>);

impl<F> Default for Each<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Field> Field for Each<F> {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        self.0.iter().for_each(|field| field.write(number, out));
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        let mut field = F::default();
        field.read(value);
        self.0.push(field);
    }
}

/// A message in a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Inner<M>(pub(super) M);

impl<M: Message> Field for Inner<M> {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        self.0.write_fields(&mut bytes);
        delimited(number, &bytes, out);
    }

    #[cfg(test)]
    fn read(&mut self, value: Value<'_>) {
        self.0 = M::read_fields(value.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    messages! {
        /// A message with a field of each kind.
        Sample {
            number: i64 = 1,
            text: String = 2,
            list: Each<i64> = 3,
            inner: Option<Inner<Part>> = 16,
        }
        /// A part of it.
        Part {
            share: Option<f32> = 2,
            raw: Vec<u8> = 3,
        }
    }

    /// The examples of the documentation of protocol buffers, and what follows from its rules.
    #[test]
    fn bytes_are_those_that_the_format_prescribes() {
        let sample = Sample {
            number: 150,
            text: "testing".into(),
            list: Each(vec![0, -1]),
            inner: Some(Inner(Part {
                share: Some(1.0),
                raw: vec![7],
            })),
        };
        let mut bytes = Vec::new();
        sample.write_fields(&mut bytes);
        let minus_one = [&[0xff; 9][..], &[1]].concat();
        let expected = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 0x07],
            b"testing",
            &[0x18, 0],
            &[0x18],
            &minus_one,
            &[0x82, 0x01, 8, 0x15, 0, 0, 0x80, 0x3f, 0x1a, 1, 7],
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(Sample::read_fields(&bytes), sample);
    }
}
