//! How a network of a transfer was found: what was tried, and why.

use firebrick_types::run::RunRecord;
use serde::Deserialize;

use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{escape, percent};

/// What the section `transfer` of a record says.
#[derive(Deserialize)]
struct Transfer {
    strategy: String,
    quadrant: Option<String>,
    #[serde(default)]
    reasons: Vec<String>,
    stages: Vec<Stage>,
    all_stages: Option<Tried>,
    fine_tuned: Option<FineTuned>,
}

#[derive(Deserialize)]
struct Stage {
    stage: String,
    probe_top1: f64,
}

#[derive(Deserialize)]
struct Tried {
    top1: f64,
}

#[derive(Deserialize)]
struct FineTuned {
    stages: usize,
    top1: f64,
}

/// A table of what was tried, and the reasons of the advisor; nothing for other runs.
pub(crate) fn section(run: &RunRecord) -> String {
    let Ok(Some(found)) = run.section::<Transfer>("transfer") else {
        return String::new();
    };
    let mut table = Table::new(
        "Accuracy on validation images of what was tried",
        &[("What was trained", Words), ("Top-1", Number)],
    );
    for Stage { stage, probe_top1 } in &found.stages {
        let what = format!(
            "a linear classifier on the features of <code>{}</code>",
            escape(stage)
        );
        table.row(&[what, percent(*probe_top1)]);
    }
    if let Some(all) = &found.all_stages {
        let what = "a linear classifier on features of all stages".into();
        table.row(&[what, percent(all.top1)]);
    }
    if let Some(tuned) = &found.fine_tuned {
        let what = match tuned.stages {
            1 => "the last stage, fine-tuned".into(),
            some => format!("the last {some} stages, fine-tuned"),
        };
        table.row(&[what, percent(tuned.top1)]);
    }
    let reasons = found.reasons.iter();
    let reasons: String = reasons
        .map(|reason| format!("<li>{}</li>\n", escape(&reason.replace('`', ""))))
        .collect();
    let quadrant = found.quadrant.map_or(String::new(), |quadrant| {
        format!(
            "<p>The data: {}.</p>\n<ul>\n{reasons}</ul>\n",
            escape(&quadrant)
        )
    });
    format!(
        "<section id=\"transfer\"><h2>Transfer</h2>\n<p>Kept: <code>{}</code>.</p>\n{}{quadrant}</section>\n",
        escape(&found.strategy),
        table.html()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_a_table_with_the_reasons_behind_it() {
        let mut record = RunRecord::default();
        assert_eq!(section(&record), "");
        let found = serde_json::json!({
            "strategy": "last=2", "quadrant": "similar data, few images",
            "reasons": ["The features of `layer3` are <better>."],
            "stages": [{"stage": "layer3", "probe_top1": 0.9}, {"stage": "a<b", "probe_top1": 0.8}],
            "head": {"l2": 0.1, "top1": 0.8}, "all_stages": {"top1": 0.85, "kept": []},
            "fine_tuned": {"stages": 2, "top1": 0.95, "epochs": 3},
        });
        record.set_section("transfer", &found).unwrap();
        let html = section(&record);
        for needle in [
            "<code>layer3</code></th><td class=\"n\">90.0",
            "a&lt;b",
            "of all stages</th><td class=\"n\">85.0",
            "the last 2 stages, fine-tuned</th><td class=\"n\">95.0",
            "<li>The features of layer3 are &lt;better&gt;.</li>",
            "Kept: <code>last=2</code>",
            "The data: similar data, few images.",
        ] {
            assert!(html.contains(needle), "{needle}: {html}");
        }
    }
}
