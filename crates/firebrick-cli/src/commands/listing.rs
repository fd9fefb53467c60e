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
    /// List all of them with their options
    List {
        /// Print one JSON document: an array of {name, signature, summary}
        #[arg(long)]
        json: bool,
    },
    /// Describe one: what it does, and its options with their defaults
    Describe {
        /// Name of the one to describe
        name: Spec,
        /// Print one JSON document: {name, signature, summary, fields: [{name, default}]}
        #[arg(long)]
        json: bool,
    },
}

impl Listing {
    /// Answers for the units of a registry.
    pub(crate) fn of<B>(&self, registry: &Registry<B>) -> Result<(), Failure> {
        match self {
            Self::List { json } => list(registry, *json),
            Self::Describe { name, json } => describe(registry, name, *json),
        }
    }
}

/// `name(field=default, …)`, with the fields that have no default as well: what those are where they
/// are left out depends on the run.
fn signature<B>(entry: &Entry<B>) -> String {
    let fields = (entry.fields)();
    let shown = fields.iter().map(|(field, default)| match default {
        Value::Null => field.clone(),
        default => format!("{field}={}", text(default)),
    });
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() {
        entry.name.into()
    } else {
        format!("{}({})", entry.name, shown.join(", "))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string().replace('"', ""),
    }
}

/// Lists all units of a registry.
pub(crate) fn list<B>(registry: &Registry<B>, json: bool) -> Result<(), Failure> {
    let entries = registry.entries;
    if json {
        let rows = entries.iter().map(|entry| {
            json!({ "name": entry.name, "signature": signature(entry), "summary": entry.summary })
        });
        return terminal::json(&rows.collect::<Vec<_>>());
    }
    let rows = entries
        .iter()
        .map(|entry| vec![entry.name.into(), entry.summary.into()]);
    terminal::table(&rows.collect::<Vec<_>>());
    terminal::say("\nOptions:");
    let signatures = entries.iter().map(signature);
    signatures.for_each(|signature| terminal::say(&format!("  {signature}")));
    Ok(())
}

/// Describes one unit.
pub(crate) fn describe<B>(registry: &Registry<B>, name: &Spec, json: bool) -> Result<(), Failure> {
    let entry = registry.find(&Spec::new(&name.name))?;
    // Options are no part of the question, but those that are not there are a mistake.
    let fields = (entry.fields)();
    if let Some((key, _)) = name
        .named
        .iter()
        .find(|(key, _)| fields.iter().all(|(known, _)| known != key))
    {
        let known: Vec<_> = fields.iter().map(|(known, _)| known.as_str()).collect();
        return Err(ConfigError::unknown_key(entry.name, key, known).into());
    }
    if json {
        let fields = fields.iter();
        let fields = fields.map(|(name, default)| json!({ "name": name, "default": default }));
        return terminal::json(&json!({
            "name": entry.name,
            "signature": signature(entry),
            "summary": entry.summary,
            "fields": fields.collect::<Vec<_>>(),
        }));
    }
    terminal::say(&format!("{}: {}", entry.name, entry.summary));
    terminal::say(&format!("spec: {}", signature(entry)));
    if fields.is_empty() {
        terminal::say("no options");
        return Ok(());
    }
    terminal::say("");
    let mut rows = vec![vec!["option".to_string(), "default".into()]];
    let row = |(name, default): &(String, Value)| vec![name.clone(), text(default)];
    rows.extend(fields.iter().map(row));
    terminal::table(&rows);
    if fields.iter().any(|(_, default)| default.is_null()) {
        terminal::say("\n–: off, or a value that depends on the run");
    }
    Ok(())
}
