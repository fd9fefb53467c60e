//! How to repeat a run, and where recipes differ.

use std::collections::BTreeMap;

use firebrick_types::run::RunRecord;

use crate::table::{Column::Words, Table};
use crate::text::escape;

/// The data set of a run, from its recipe where its record does not name it.
pub(crate) fn dataset(run: &RunRecord) -> String {
    if run.data.name.is_empty() {
        setting(run, "dataset").unwrap_or_default()
    } else {
        run.data.name.clone()
    }
}

/// The data set as the recipe names it, as HTML: the record has every option, which is long.
pub(crate) fn dataset_shown(run: &RunRecord) -> String {
    match setting(run, "dataset").unwrap_or_else(|| dataset(run)) {
        unknown if unknown.is_empty() => "–".into(),
        name => format!("<code>{}</code>", escape(&name)),
    }
}

/// One setting of a run's recipe, if the recipe says it.
pub(crate) fn setting(run: &RunRecord, key: &str) -> Option<String> {
    settings(&run.recipe).remove(key)
}

/// The command and the whole recipe of a run.
pub(crate) fn section(run: &RunRecord) -> String {
    format!(
        "<section id=\"recipe\"><h2>How to reproduce</h2>\n{}<h3>The recipe</h3>\n{}</section>\n",
        verbatim(&run.reproduce),
        verbatim(&run.recipe)
    )
}

/// Text as it is, to be copied.
pub(crate) fn verbatim(text: &str) -> String {
    format!("<pre><code>{}</code></pre>\n", escape(text.trim_end()))
}

/// The settings that are not the same in all recipes, one row each; `None` when there are none.
pub(crate) fn differences(runs: &[(&str, &RunRecord)]) -> Option<Table> {
    let recipes: Vec<BTreeMap<String, String>> =
        runs.iter().map(|(_, run)| settings(&run.recipe)).collect();
    let mut keys: Vec<&String> = recipes.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let names = runs.iter().map(|(name, _)| (*name, Words));
    let columns: Vec<_> = [("Setting", Words)].into_iter().chain(names).collect();
    let mut table = Table::new("Settings that are not the same in all runs", &columns);
    for key in keys {
        let values: Vec<Option<&String>> = recipes.iter().map(|recipe| recipe.get(key)).collect();
        if values.windows(2).all(|pair| pair[0] == pair[1]) {
            continue;
        }
        let cell = |text: &String| format!("<code>{}</code>", escape(text));
        let head = std::iter::once(cell(key));
        let cells = values.iter().map(|value| value.map_or("–".into(), cell));
        table.row(&head.chain(cells).collect::<Vec<_>>());
    }
    (table.len() > 0).then_some(table)
}

/// A recipe as dotted keys and values. What is not TOML is taken line by line, so that a record made
/// by hand can still be compared.
fn settings(recipe: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    match recipe.parse::<toml::Table>() {
        Ok(table) => flatten("", table, &mut settings),
        Err(_) => settings.extend(recipe.lines().filter(|line| !line.trim().is_empty()).map(
            |line| {
                let (key, value) = line.split_once('=').unwrap_or((line, ""));
                (key.trim().to_string(), value.trim().to_string())
            },
        )),
    }
    settings
}

fn flatten(prefix: &str, table: toml::Table, settings: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, settings),
            toml::Value::String(text) => {
                settings.insert(path, text);
            }
            other => {
                settings.insert(path, other.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_dotted_whatever_their_layout() {
        let table = settings("seed = 1\n[optimizer]\nname = \"sgd\" # why\nlr = 0.1\n");
        let inline = settings("optimizer = { lr = 0.1, name = 'sgd' }\nseed=1");
        assert_eq!(table, inline);
        assert_eq!(table["optimizer.name"], "sgd");
        let broken = settings("seed = 1\noops");
        assert_eq!(
            (broken["seed"].as_str(), broken["oops"].as_str()),
            ("1", "")
        );
    }
}
