//! Numbers in JSON that may be NaN or infinite, which JSON itself cannot hold.
//!
//! `#[serde(with = "json_number")]` on a field writes a finite number as a number and the others as the
//! strings `"NaN"`, `"inf"` and `"-inf"`, and reads all of them back. `null`, which older versions wrote
//! for all three, reads as NaN. The field may be an `f64`, or an option, list, map or tuple of them.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a field.
///
/// # Errors
/// The serializer's.
pub fn serialize<T: Numbers, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_json().serialize(serializer)
}

/// Reads a field.
///
/// # Errors
/// The deserializer's, or that a string is no number.
pub fn deserialize<'de, T: Numbers, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::Json::deserialize(deserializer).map(T::from_json)
}

/// What a field that holds numbers may be.
pub trait Numbers: Sized {
    /// The form that is written.
    type Json: Serialize + DeserializeOwned;
    /// The form that is written.
    fn to_json(&self) -> Self::Json;
    /// Back from the form that was read.
    fn from_json(json: Self::Json) -> Self;
}

/// One number as it is written.
#[derive(Debug, Clone, Copy)]
pub struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            // `NaN`, `inf` or `-inf`.
            serializer.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(f64),
            Text(String),
            Null(()),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(number) => Ok(Self(number)),
            Form::Text(text) => match text.as_str() {
                "NaN" => Ok(Self(f64::NAN)),
                "inf" => Ok(Self(f64::INFINITY)),
                "-inf" => Ok(Self(f64::NEG_INFINITY)),
                other => Err(D::Error::custom(format!(
                    "expected a number, \"NaN\", \"inf\" or \"-inf\", but found \"{other}\""
                ))),
            },
            Form::Null(()) => Ok(Self(f64::NAN)),
        }
    }
}

impl Numbers for f64 {
    type Json = Number;
    fn to_json(&self) -> Number {
        Number(*self)
    }
    fn from_json(json: Number) -> Self {
        json.0
    }
}

/// What stands beside numbers and is written as it is.
macro_rules! as_it_is {
    ($($name:ty),*) => {$(
        impl Numbers for $name {
            type Json = Self;
            fn to_json(&self) -> Self {
                *self
            }
            fn from_json(json: Self) -> Self {
                json
            }
        }
    )*};
}

as_it_is!(u64, usize);

impl<T: Numbers> Numbers for Option<T> {
    type Json = Option<T::Json>;
    fn to_json(&self) -> Self::Json {
        self.as_ref().map(T::to_json)
    }
    fn from_json(json: Self::Json) -> Self {
        json.map(T::from_json)
    }
}

impl<T: Numbers> Numbers for Vec<T> {
    type Json = Vec<T::Json>;
    fn to_json(&self) -> Self::Json {
        self.iter().map(T::to_json).collect()
    }
    fn from_json(json: Self::Json) -> Self {
        json.into_iter().map(T::from_json).collect()
    }
}

impl<T: Numbers> Numbers for BTreeMap<String, T> {
    type Json = BTreeMap<String, T::Json>;
    fn to_json(&self) -> Self::Json {
        let entries = self.iter();
        entries
            .map(|(key, value)| (key.clone(), value.to_json()))
            .collect()
    }
    fn from_json(json: Self::Json) -> Self {
        let entries = json.into_iter();
        entries
            .map(|(key, value)| (key, T::from_json(value)))
            .collect()
    }
}

impl<A: Numbers, B: Numbers> Numbers for (A, B) {
    type Json = (A::Json, B::Json);
    fn to_json(&self) -> Self::Json {
        (self.0.to_json(), self.1.to_json())
    }
    fn from_json((a, b): Self::Json) -> Self {
        (A::from_json(a), B::from_json(b))
    }
}

impl<A: Numbers, B: Numbers, C: Numbers> Numbers for (A, B, C) {
    type Json = (A::Json, B::Json, C::Json);
    fn to_json(&self) -> Self::Json {
        (self.0.to_json(), self.1.to_json(), self.2.to_json())
    }
    fn from_json((a, b, c): Self::Json) -> Self {
        (A::from_json(a), B::from_json(b), C::from_json(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Record {
        #[serde(with = "super")]
        one: f64,
        #[serde(with = "super")]
        pair: Option<(u64, f64)>,
        #[serde(with = "super", default)]
        steps: Vec<(u64, f64, f64)>,
        #[serde(with = "super", default)]
        map: BTreeMap<String, BTreeMap<String, f64>>,
    }

    fn record(value: f64) -> Record {
        Record {
            one: value,
            pair: Some((3, value)),
            steps: vec![(1, 0.5, value), (2, value, -0.1)],
            map: [("a".to_string(), [("b".to_string(), value)].into())].into(),
        }
    }

    #[test]
    fn every_number_survives_bit_for_bit() {
        let values = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            0.1 + 0.2,
            f64::MIN_POSITIVE / 8.0,
            f64::MAX,
            5.0,
        ];
        for value in values {
            let text = serde_json::to_string(&record(value)).unwrap();
            let back: Record = serde_json::from_str(&text).unwrap();
            let found = [
                back.one,
                back.pair.unwrap().1,
                back.steps[0].2,
                back.steps[1].1,
                back.map["a"]["b"],
            ];
            for found in found {
                assert_eq!(found.to_bits(), value.to_bits(), "{text}");
            }
            assert!(!text.contains("null"), "{text}");
        }
    }

    #[test]
    fn null_reads_as_nan_and_other_text_is_refused() {
        let old: Record = serde_json::from_str(r#"{"one": null, "pair": [3, null]}"#).unwrap();
        assert!(old.one.is_nan() && old.pair.unwrap().1.is_nan());
        let none: Record = serde_json::from_str(r#"{"one": 7, "pair": null}"#).unwrap();
        assert!(none.one == 7.0 && none.pair.is_none());
        for bad in [r#""1e5""#, r#""infinity""#, "[1]", "true"] {
            let text = format!(r#"{{"one": {bad}, "pair": null}}"#);
            assert!(serde_json::from_str::<Record>(&text).is_err(), "{text}");
        }
    }
}
