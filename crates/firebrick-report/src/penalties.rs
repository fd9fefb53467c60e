//! What the penalties of a run came to, beside the loss.

use firebrick_types::Recipe;
use firebrick_types::run::RunRecord;

use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{escape, number, percent};

/// A table of the penalties that are added to the loss in the last epoch; nothing without any.
pub(crate) fn section(run: &RunRecord) -> String {
    let Some(row) = run.epochs.last().filter(|row| !row.penalties.is_empty()) else {
        return String::new();
    };
    let Ok(recipe) = Recipe::from_toml(&run.recipe, "the run") else {
        return String::new();
    };
    let objective = row.train_loss + row.penalties.iter().sum::<f64>();
    let mut table = Table::new(
        "What was minimized in the last epoch, on average",
        &[
            ("Added to the loss", Words),
            ("Value", Number),
            ("Share", Number),
        ],
    );
    let specs = recipe.penalize.0.iter().map(ToString::to_string);
    let rows = specs
        .zip(&row.penalties)
        .filter(|(_, value)| **value != 0.0);
    for (name, value) in std::iter::once(("training loss".into(), &row.train_loss)).chain(rows) {
        table.row(&[escape(&name), number(*value), percent(value / objective)]);
    }
    format!("<section><h2>Penalties</h2>\n{}</section>\n", table.html())
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::EpochRow;

    use super::*;

    fn run(penalties: Vec<f64>) -> RunRecord {
        RunRecord {
            recipe: "penalize = \"l1(1e-5) | max_norm(3) | confidence(0.1)\"".into(),
            epochs: vec![EpochRow {
                epoch: 1,
                step: 10,
                lr: 0.1,
                train_loss: 0.7,
                train_top1: 0.5,
                penalties,
                valid: None,
                seconds: 1.0,
                images_per_second: 1.0,
            }],
            ..RunRecord::default()
        }
    }

    #[test]
    fn each_part_has_its_share_and_constraints_have_none() {
        let html = section(&run(vec![0.4, 0.0, -0.1]));
        for needle in [
            "training loss",
            "70.0",
            "l1(1e-5)",
            "40.0",
            "confidence(0.1)",
            "−10.0",
        ] {
            assert!(html.contains(needle), "{needle}: {html}");
        }
        assert!(!html.contains("max_norm"), "{html}");
        assert_eq!(section(&run(Vec::new())), "");
    }
}
