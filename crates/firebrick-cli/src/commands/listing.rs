//! `list` and `describe NAME`, as the commands for schedules, augmentations, losses and models share them.

use clap::Subcommand;
use firebrick::core::ConfigError;
use firebrick::core::registry::{Entry, Registry};
use firebrick::core::spec::Spec;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::terminal;

/// The two actions.
#[derive(Subcommand)]
pub(crate) enum Listing {
    /// List all of them, each with its options
    List {
        /// Print one JSON document: an array of {name, signature, summary}
        #[arg(long)]
        json: bool,
    },
    /// Describe one: what it does, its options, their defaults and ranges
    Describe {
        /// A name from the list
        name: Spec,
        /// Print one JSON document: {name, signature, summary, source, fields: [{name, default, range}]}
        #[arg(long)]
        json: bool,
    },
}

impl Listing {
    /// Answers for the units of a registry.
    pub(crate) fn of<B: Copy>(&self, registry: &Registry<B>) -> Result<(), Failure> {
        match self {
            Self::List { json } => list(registry, *json),
            Self::Describe { name, json } => describe(registry, name, *json),
        }
    }
}

/// A value as a cell of a table shows it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string().replace('"', ""),
    }
}

/// The fields of a unit: `[{name, default, range}]`.
pub(crate) fn fields<B>(entry: &Entry<B>) -> Vec<Value> {
    let fields = (entry.fields)().into_iter().map(|(name, default)| {
        let range = entry
            .about
            .field(&name)
            .map(|field| field.range.to_string());
        json!({ "name": name, "default": default, "range": range })
    });
    fields.collect()
}

/// Prints a table of fields: the name under `title`, then these of its keys.
pub(crate) fn field_table(title: &str, keys: &[&str], fields: &[Value]) {
    let head = std::iter::once(title).chain(keys.iter().copied());
    let mut rows = vec![head.map(String::from).collect::<Vec<_>>()];
    rows.extend(fields.iter().map(|field| {
        let keys = std::iter::once(&"name").chain(keys);
        keys.map(|key| text(&field[*key])).collect()
    }));
    terminal::table(&rows);
}

/// [`field_table`] for options with defaults and ranges.
pub(crate) fn options(fields: &[Value]) {
    if fields.is_empty() {
        terminal::say("no options");
        return;
    }
    terminal::say("");
    field_table("option", &["default", "range"], fields);
    if fields.iter().any(|field| field["default"].is_null()) {
        terminal::say("\n–: none, or a value that depends on the run");
    }
}

/// Lists all units of a registry.
pub(crate) fn list<B: Copy>(registry: &Registry<B>, json: bool) -> Result<(), Failure> {
    let entries = registry.entries();
    if json {
        let rows = entries.iter().map(|entry| {
            json!({
                "name": entry.about.name,
                "signature": entry.full_signature(),
                "summary": entry.about.summary,
            })
        });
        return terminal::json(&rows.collect::<Vec<_>>());
    }
    let rows = entries
        .iter()
        .map(|entry| vec![entry.about.name.into(), entry.about.summary.into()]);
    terminal::table(&rows.collect::<Vec<_>>());
    terminal::say("\nOptions:");
    for entry in &entries {
        terminal::say(&format!("  {}", entry.full_signature()));
    }
    Ok(())
}

/// Describes one unit.
pub(crate) fn describe<B: Copy>(
    registry: &Registry<B>,
    name: &Spec,
    json: bool,
) -> Result<(), Failure> {
    let entry = registry.find(&Spec::new(&name.name))?;
    let about = entry.about;
    let fields = fields(&entry);
    // Options are no part of the question, but those that are not there are a mistake.
    let known: Vec<_> = about.fields.iter().map(|field| field.name).collect();
    if let Some((key, _)) = name
        .named
        .iter()
        .find(|(key, _)| !known.contains(&key.as_str()))
    {
        return Err(ConfigError::unknown_key(about.name, key, known).into());
    }
    if json {
        return terminal::json(&json!({
            "name": about.name,
            "signature": entry.full_signature(),
            "summary": about.summary,
            "source": about.source,
            "fields": fields,
        }));
    }
    terminal::say(&format!("{}: {}", about.name, about.summary));
    if !about.source.is_empty() {
        terminal::say(&format!("source: {}", about.source));
    }
    terminal::say(&format!("spec: {}", entry.full_signature()));
    options(&fields);
    Ok(())
}
