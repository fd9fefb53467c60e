//! `firebrick lr-find`.

use std::path::PathBuf;

use clap::Args;
use firebrick::core::Recipe;
use firebrick::core::spec::Spec;
use firebrick::optim::rates::{optimizer_without_rate, schedule_without_rate};
use firebrick::report::{Axis, Chart, Mark, Scale, Series, Tone, Unit, curves_svg};
use firebrick::training::lr_find::{LrCurve, Rise, Stopped, Sweep};

use crate::failure::Failure;
use crate::number::{real, whole};
use crate::shell::{program, quoted};
use crate::terminal;
use crate::train_flags::TrainFlags;

/// Find a learning rate with a range test: train while the rate rises, until the loss diverges
#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = "Nothing is saved except the chart of --svg."
)]
pub(crate) struct LrFind {
    #[command(flatten)]
    flags: TrainFlags,
    /// Recipe to start from: a built-in one by name (see `firebrick recipes`) or a TOML file. Flags
    /// override its settings; the value none switches off what the recipe sets, as in --clip-norm none
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// Learning rate of the first update
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = Sweep::default().start_lr,
        allow_negative_numbers = true,
        help_heading = "Range test",
        value_parser = real
    )]
    start_lr: f64,
    /// Learning rate of the last update
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = Sweep::default().end_lr,
        allow_negative_numbers = true,
        help_heading = "Range test",
        value_parser = real
    )]
    end_lr: f64,
    /// Number of updates; the test stops earlier if the loss diverges
    #[arg(
        long,
        value_name = "N",
        default_value_t = Sweep::default().num_iter,
        help_heading = "Range test",
        value_parser = whole::<u64>
    )]
    num_iter: u64,
    /// How the rate rises: exp (by a constant factor) or linear (by a constant amount)
    #[arg(long, value_name = "exp|linear", default_value = "exp", value_parser = rise, help_heading = "Range test")]
    mode: Rise,
    /// Write a chart of the loss by learning rate to this SVG file
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    svg: Option<PathBuf>,
    /// Print one JSON document: {lr, loss, smoothed, suggestions, stopped}. If the curve suggests no
    /// rate, all suggestions are null and suggestions.none_because gives the reason
    #[arg(long, help_heading = "Run")]
    json: bool,
}

fn rise(name: &str) -> Result<Rise, String> {
    match name {
        "exp" => Ok(Rise::Exponential),
        "linear" => Ok(Rise::Linear),
        other => Err(format!("`{other}` is neither exp nor linear")),
    }
}

impl LrFind {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut recipe = self
            .recipe
            .as_deref()
            .map_or_else(|| Ok(Recipe::default()), super::recipe)?;
        self.flags.apply(&mut recipe)?;
        let sweep = Sweep {
            start_lr: self.start_lr,
            end_lr: self.end_lr,
            num_iter: self.num_iter,
            rise: self.mode,
        };
        let curve = firebrick::lr_find(&recipe, super::sources(), sweep, &mut terminal::notice)?;
        if let Some(path) = &self.svg {
            let title = format!("Loss of {} by learning rate", recipe.model.name);
            let svg = curves_svg(&chart(&curve, title, self.mode));
            super::write_file(path, svg)?;
        }
        if self.json {
            return terminal::json(&curve);
        }
        say(&curve, sweep, &self.train_command());
        Ok(())
    }

    /// The command to train with what was given here, without rates.
    fn train_command(&self) -> String {
        let mut words = vec![program(), "train".into()];
        let recipe = self.recipe.iter();
        words.extend(recipe.flat_map(|recipe| ["--recipe".into(), quoted(recipe)]));
        for (flag, value) in self.flags.without("lr").words() {
            let value = value.map(|value| quoted(&without_rate(&flag, value)));
            words.extend([Some(flag), value].into_iter().flatten());
        }
        words.join(" ")
    }
}

fn say(curve: &LrCurve, sweep: Sweep, train: &str) {
    let last = curve.lr.last().copied().unwrap_or(sweep.start_lr);
    let end = match curve.stopped {
        Stopped::End => "the test ran to its end".to_string(),
        Stopped::Diverged => "then the loss diverged".to_string(),
        Stopped::NotFinite => "then the loss was NaN or infinite".to_string(),
    };
    terminal::say(&format!(
        "{} updates at rates from {:.2e} to {last:.2e}; {end}",
        curve.lr.len(),
        sweep.start_lr
    ));
    let found = curve.suggestions;
    if let Some(why) = found.none_because {
        terminal::say(&format!("no rate can be advised: {why}"));
        return;
    }
    for (name, rate) in [
        ("advised", found.advised),
        ("steepest", found.steepest),
        ("valley", found.valley),
        ("minimum / 10", found.minimum_over_10),
    ] {
        let rate = rate.map_or_else(
            || "this curve does not show it".into(),
            |lr| format!("{lr:.2e}"),
        );
        terminal::say(&format!("{name:<14}{rate}"));
    }
    if let Some(lr) = found.best() {
        terminal::say(&format!("next: {train} --lr {lr:.2e}"));
    }
}

fn without_rate(flag: &str, value: String) -> String {
    let strip = match flag {
        "--optimizer" => optimizer_without_rate,
        "--schedule" => schedule_without_rate,
        _ => return value,
    };
    let spec = value.parse::<Spec>().and_then(|spec| strip(&spec));
    spec.map_or(value, |spec| spec.to_string())
}

fn chart(curve: &LrCurve, title: String, rise: Rise) -> Chart {
    let points = |losses: &[f64]| {
        curve
            .lr
            .iter()
            .copied()
            .zip(losses.iter().copied())
            .collect()
    };
    // Single batches after the divergence would flatten the rest.
    let most = curve.smoothed.iter().copied().fold(0.0, f64::max);
    let raw: Vec<_> = curve.loss.iter().map(|loss| loss.min(most)).collect();
    let found = curve.suggestions;
    // Letters: they often lie closer than their names are long.
    let marks = [
        ("a", found.advised),
        ("s", found.steepest),
        ("v", found.valley),
        ("m", found.minimum_over_10),
    ];
    let legend = "learning rate (a advised, s steepest, v valley, m minimum / 10)";
    Chart {
        title,
        x: Axis::new(legend, Unit::Number).scale(match rise {
            Rise::Exponential => Scale::Log,
            Rise::Linear => Scale::Fit,
        }),
        y: Axis::new("loss", Unit::Number),
        series: vec![
            Series {
                points: points(&raw),
                tone: Tone::Faint,
                ..Series::default()
            },
            Series {
                label: "smoothed".into(),
                points: points(&curve.smoothed),
                ..Series::default()
            },
        ],
        marks: marks
            .into_iter()
            .filter_map(|(label, lr)| {
                Some(Mark {
                    x: lr?,
                    label: label.into(),
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn the_rate_is_taken_from_what_has_one() {
        let kept = without_rate("--optimizer", "sgd(0.1, momentum=0.9)".into());
        assert_eq!(kept, "sgd(momentum=0.9)");
        assert_eq!(without_rate("--model", "lenet5".into()), "lenet5");
    }

    #[test]
    fn the_next_command_has_what_was_given_that_train_has_too() {
        let next = |words: &str| {
            let words = ["mine", "lr-find"].into_iter().chain(words.split(' '));
            let given = crate::command().get_matches_from(words);
            let found = LrFind::from_arg_matches(given.subcommand().unwrap().1).unwrap();
            let command = found.train_command();
            command.split_once(" train").unwrap().1.to_string()
        };
        let given = "--svg=a.svg --lr 1 --optimizer=sgd(0.1,0.9) --group fc*:lr=2 --no-decay-bias-norm \
                     --group conv*:frozen --num-iter 5 --seed 3 --recipe=mine.toml --seed 4";
        assert_eq!(
            next(given),
            " --recipe mine.toml --optimizer 'sgd(momentum=0.9)' --group 'fc*:lr=2' --no-decay-bias-norm \
             --group 'conv*:frozen' --seed 4"
        );
        assert_eq!(next("--mode linear --json"), "");
    }
}
