//! Bytes in JSON, as base64: a third of the size of a list of numbers.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

/// Takes base64, and the list of numbers that earlier versions wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("bytes as base64 or as a list of numbers")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            STANDARD.decode(text).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = numbers.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }

    deserializer.deserialize_any(Bytes)
}

#[cfg(test)]
mod tests {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Holder(#[serde(with = "super")] Vec<u8>);

    #[test]
    fn base64_and_lists_of_numbers_are_read() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = serde_json::to_string(&Holder(bytes.clone())).unwrap();
        assert!(text.len() < 4 * 256 / 3 + 8, "{text}");
        let list = serde_json::to_string(&bytes).unwrap();
        for text in [text, list] {
            assert_eq!(serde_json::from_str::<Holder>(&text).unwrap().0, bytes);
        }
        for odd in ["\"AA\"", "\"A*==\"", "[1, 256]", "7"] {
            assert!(serde_json::from_str::<Holder>(odd).is_err(), "{odd}");
        }
    }
}
