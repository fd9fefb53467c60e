//! The arguments of a spec by the names of its unit's fields, and the specs inside it.

use firebrick_core::ConfigError;
use firebrick_core::spec::{Spec, Value};

/// The spec inside a spec. A recipe table holds it as text.
pub(crate) fn inner(
    fields: &[(String, impl Sized)],
    spec: &Spec,
    field: &str,
) -> Result<Option<Spec>, ConfigError> {
    match argument(fields, spec, field) {
        Some(Value::Spec(inner)) => Ok(Some(inner.clone())),
        Some(Value::Text(text)) => text.parse().map(Some),
        _ => Ok(None),
    }
}

/// The schedules that a schedule puts in a row. A recipe table holds them as text.
pub(crate) fn parts(
    fields: &[(String, impl Sized)],
    spec: &Spec,
) -> Result<Vec<Spec>, ConfigError> {
    let Some(Value::List(parts)) = argument(fields, spec, "schedules") else {
        return Ok(Vec::new());
    };
    let parts = parts.iter().filter_map(|part| match part {
        Value::Spec(part) => Some(Ok(part.clone())),
        Value::Text(text) => Some(text.parse()),
        // What is no schedule is left for the unit itself to refuse.
        _ => None,
    });
    parts.collect()
}

/// The argument for `field`, by name or by position.
pub(crate) fn argument<'a>(
    fields: &[(String, impl Sized)],
    spec: &'a Spec,
    field: &str,
) -> Option<&'a Value> {
    let position = fields.iter().position(|(name, _)| name == field)?;
    spec.get(field).or_else(|| spec.positional.get(position))
}

/// A number, whole or not.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Number(value) => Some(*value),
        _ => None,
    }
}

/// The spec with its positional arguments by name.
pub(crate) fn by_name(fields: &[(String, impl Sized)], spec: &Spec) -> Spec {
    if spec.positional.len() > fields.len() {
        // Building it names the surplus.
        return spec.clone();
    }
    let names = fields.iter().map(|(name, _)| name.clone());
    let mut named: Vec<_> = names.zip(spec.positional.iter().cloned()).collect();
    named.extend(spec.named.iter().cloned());
    Spec {
        named,
        ..Spec::new(&spec.name)
    }
}
