//! The table of a task, as Markdown for the guide.

use std::fmt::Write as _;

use firebrick::ensemble::score::EnsembleFigures;
use firebrick::prelude::*;
use firebrick_examples::Spread;

/// The accuracy in points that independent runs should gain, and the share of their gain that a method in one budget should
/// reach.
const GAIN: f64 = 2.0;
const SHARE: f64 = 0.8;

/// What a method reached, one entry for each seed.
pub struct Row {
    /// Its name in the table.
    pub title: &'static str,
    /// Its budget in runs.
    pub runs: u64,
    /// By seed.
    pub figures: Vec<EnsembleFigures>,
}

impl Row {
    fn spread(&self, value: impl Fn(&EnsembleFigures) -> f64) -> Option<Spread> {
        Spread::of(&self.figures.iter().map(value).collect::<Vec<_>>())
    }

    fn top1(&self) -> Option<Spread> {
        self.spread(|figures| 100.0 * figures.top1)
    }

    fn nll(&self) -> Option<Spread> {
        self.spread(|figures| figures.nll)
    }
}

/// The rows of a task, the first of which is the single run and the second the independent runs.
pub struct Table {
    /// All of them.
    pub rows: Vec<Row>,
}

/// What a method gains over the single run.
struct Gain {
    top1: f64,
    nll: f64,
}

impl Table {
    fn gain(&self, row: &Row) -> Option<Gain> {
        let single = self.rows.first()?;
        Some(Gain {
            top1: row.top1()?.mean - single.top1()?.mean,
            nll: single.nll()?.mean - row.nll()?.mean,
        })
    }

    /// The shares of the gain of the independent runs that a method has, in accuracy and likelihood; `None` where runs are
    /// missing, or nothing was gained.
    fn shares(&self, row: &Row) -> [Option<f64>; 2] {
        let gains = self
            .gain(row)
            .zip(self.rows.get(1).and_then(|runs| self.gain(runs)));
        let share = |of: fn(&Gain) -> f64| {
            let (gain, whole) = gains.as_ref().map(|(gain, whole)| (of(gain), of(whole)))?;
            (whole > 0.0).then(|| gain / whole)
        };
        [share(|gain| gain.top1), share(|gain| gain.nll)]
    }

    /// What was trained for how long, the table, and whether the goals are reached.
    pub fn text(&self, recipe: &Recipe, (seconds, runs): (f64, usize)) -> String {
        let images = recipe
            .limit_train
            .map_or("all".into(), |images| images.to_string());
        let seeds = self.rows.iter().map(|row| row.figures.len()).max();
        let mut text = format!(
            "`{}`, `{}`: {images} training images, {} epochs in batches of {}, augmentation `{}`, up to {} seeds. {runs} runs, {:.1} hours \
             of training.\n\n\
             | method | budget | seeds | test top-1 % | NLL | NLL at temperature | ECE | ECE at temperature | share of the gain of (b): \
             top-1 | NLL |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            recipe.dataset,
            recipe.model,
            recipe.epochs,
            recipe.batch_size,
            recipe.augment,
            seeds.unwrap_or(0),
            seconds / 3600.0,
        );
        for row in self.rows.iter().filter(|row| !row.figures.is_empty()) {
            let column = |value: fn(&EnsembleFigures) -> f64, digits: usize| {
                let spread = row.spread(value);
                spread.map_or("–".into(), |spread| spread.text(digits))
            };
            let [top1, nll] = self
                .shares(row)
                .map(|share| share.map_or("–".into(), |share| format!("{:.0} %", 100.0 * share)));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {top1} | {nll} |",
                row.title,
                row.runs,
                row.figures.len(),
                column(|one| 100.0 * one.top1, 2),
                column(|one| one.nll, 4),
                column(|one| one.nll_at_temperature.unwrap_or(one.nll), 4),
                column(|one| one.ece, 4),
                column(|one| one.ece_at_temperature.unwrap_or(one.ece), 4),
            );
        }
        text + "\n" + &self.goals()
    }

    /// Whether the goals are reached, with the numbers.
    fn goals(&self) -> String {
        let mut text = String::new();
        let word = |reached: bool| if reached { "yes" } else { "no" };
        let (whole, rest) = match &*self.rows {
            [_, runs, rest @ ..] => (self.gain(runs), rest),
            _ => return text,
        };
        if let Some(Gain { top1, nll }) = whole {
            let _ = writeln!(
                text,
                "- (b) is at least {GAIN} points above (a): {}, {top1:+.2} points, NLL lower by {nll:.4}.",
                word(top1 >= GAIN)
            );
        }
        for (what, at) in [("accuracy", 0), ("NLL", 1)] {
            let shares = rest
                .iter()
                .filter_map(|row| Some((row, self.shares(row)[at]?)));
            let best = shares.max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((row, share)) = best {
                let _ = writeln!(
                    text,
                    "- In one budget, a method reaches at least {:.0} % of the gain of (b) in {what}: {}, the best is {} with {:.0} %.",
                    100.0 * SHARE,
                    word(share >= SHARE),
                    row.title,
                    100.0 * share
                );
            }
        }
        let all = self.rows.iter().skip(1);
        let worse = all.filter(|row| self.gain(row).is_some_and(|gain| gain.nll <= 0.0));
        let worse: Vec<&str> = worse.map(|row| row.title).collect();
        let which = if worse.is_empty() {
            String::new()
        } else {
            format!(", except {}", worse.join(", "))
        };
        let _ = writeln!(
            text,
            "- The NLL of every method is better than that of (a): {}{which}.",
            word(worse.is_empty())
        );
        text
    }
}
