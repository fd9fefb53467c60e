//! All optimizers and all schedules as rows of a listing.

use crate::{optimizer, schedule};

/// One row of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The name in spec strings.
    pub name: &'static str,
    /// The fields with their defaults: `sgd(lr=0.001, …)`.
    pub signature: String,
    /// One line on what it is.
    pub summary: &'static str,
}

/// All optimizers.
#[must_use]
pub fn optimizers() -> Vec<Listing> {
    let rows = optimizer::entries().into_iter().map(|entry| Listing {
        name: entry.about.name,
        signature: entry.signature(),
        summary: entry.about.summary,
    });
    rows.collect()
}

/// All schedules. Their signatures name the fields without a default too: what those are where they are
/// left out depends on the plan.
#[must_use]
pub fn schedules() -> Vec<Listing> {
    let signature = |name: &str, fields: Vec<(String, serde_json::Value)>| {
        let shown = fields.into_iter().map(|(field, default)| match default {
            serde_json::Value::Null => field,
            default => format!("{field}={}", default.to_string().replace('"', "")),
        });
        format!("{name}({})", shown.collect::<Vec<_>>().join(", "))
    };
    let rows = schedule::REGISTRY.entries.iter().map(|entry| Listing {
        name: entry.name,
        signature: signature(entry.name, (entry.fields)()),
        summary: entry.summary,
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_name_every_field_with_its_default() {
        let listed = optimizers();
        let sgd = listed.iter().find(|row| row.name == "sgd").unwrap();
        assert_eq!(
            sgd.signature,
            "sgd(lr=0.001, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=false)"
        );
        let names: Vec<_> = schedules().iter().map(|row| row.name).collect();
        assert_eq!(names.len(), 19);
        let step = schedules().into_iter().find(|row| row.name == "step");
        assert_eq!(step.unwrap().signature, "step(lr, step_size, gamma=0.1)");
    }
}
