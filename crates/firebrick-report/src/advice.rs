//! The warnings of a run, and advice from its numbers. Each rule is listed here with its limits, and gives no advice
//! if the numbers do not support it.
//!
//! | rule | says something where |
//! |---|---|
//! | [`no_better_than_guessing`] | the training loss of the last epoch is not finite; or its NLL on validation is that of guessing evenly or worse, and training accuracy at most 5 points above guessing |
//! | [`still_improving`] | the best epoch is the last of four or more, and validation accuracy rose in the last quarter by more than chance explains |
//! | [`gap`] | accuracy on training images lies above validation by more than 5 points, chance allowed for |
//! | [`underfits`] | accuracy on training images is below 90 % and not above validation by more than chance explains |
//! | [`nothing_gained`] | at least five epochs and a third of the run came after the best one, and the validation loss ended 10 % above its lowest |

use firebrick_types::run::{EpochRow, RunRecord};

use crate::interval::independent;
use crate::scores::{right_answers, valid};
use crate::text::{escape, number, percent, plural};

/// A gap between training and validation accuracy up to this is nothing to worry about.
const GAP: f64 = 0.05;
/// A model with this accuracy on its training images has learned them.
const LEARNED: f64 = 0.9;
/// Fewer epochs show no trend.
const TREND: usize = 4;
/// Epochs after the best one that a person may wait for another.
const PATIENCE: u64 = 5;
/// A loss this many times the lowest has risen.
const RISEN: f64 = 1.1;

/// The section; empty where there was no warning and no rule has something to say.
pub(crate) fn section(run: &RunRecord) -> String {
    let rules = [
        no_better_than_guessing,
        still_improving,
        gap,
        underfits,
        nothing_gained,
    ];
    let warnings = run
        .warnings
        .iter()
        .map(|text| format!("<li><b>Warning:</b> {}</li>\n", with_code(text)));
    let advice = rules
        .iter()
        .filter_map(|rule| rule(run))
        .map(|text| format!("<li>{}</li>\n", with_code(&text)));
    let items: String = warnings.chain(advice).collect();
    if items.is_empty() {
        return items;
    }
    format!("<section id=\"advice\"><h2>Warnings and advice</h2>\n<ul>\n{items}</ul></section>\n")
}

/// Text as HTML, with what stands between backticks as code.
fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let part = |(index, part): (usize, &str)| match index % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    };
    parts.map(part).collect()
}

fn no_better_than_guessing(run: &RunRecord) -> Option<String> {
    let last = run.epochs.last()?;
    let advice = "The usual cause is a learning rate that is too high: try a tenth of it, or run `firebrick lr-find`.";
    if !last.train_loss.is_finite() {
        return Some(format!(
            "The training loss of the last epoch is {}. {advice}",
            number(last.train_loss)
        ));
    }
    let nll = last.valid.as_ref()?.nll;
    // A model that has learned its training images has another trouble: see `gap`.
    if last.train_top1 > 1.0 / run.classes.len() as f64 + GAP {
        return None;
    }
    let guessing = (run.classes.len() as f64).ln();
    let bad = run.classes.len() > 1 && (nll >= guessing || nll.is_nan());
    bad.then(|| {
        format!(
            "After the last epoch the model was no better than guessing: its validation NLL is {}, and giving all classes the \
             same probability scores {}. {advice}",
            number(nll),
            number(guessing)
        )
    })
}

fn still_improving(run: &RunRecord) -> Option<String> {
    let last = run.epochs.last()?;
    let (best, _) = run.best?;
    if run.epochs.len() < TREND || best != last.epoch {
        return None;
    }
    let before = &run.epochs[run.epochs.len() - 1 - run.epochs.len().div_ceil(4)];
    let (then, now) = (before.valid.as_ref()?, last.valid.as_ref()?);
    (independent(right_answers(now)?, right_answers(then)?).low > 0.0).then(|| {
        format!(
            "Validation accuracy was still rising at the end, from {} in epoch {} to {} in the last epoch, the best one: \
             training for more epochs will probably help.",
            percent(then.top1),
            before.epoch,
            percent(now.top1)
        )
    })
}

/// Accuracy on training images, with what it was measured on, and on validation: of the saved model where it was scored on a
/// sample of the training images, else of the last epoch, while the model changed.
fn train_and_valid(run: &RunRecord) -> Option<([f64; 2], [f64; 2])> {
    if let Some(sample) = &run.train_sample {
        return Some((right_answers(sample)?, right_answers(valid(run)?)?));
    }
    let last = run.epochs.last()?;
    let images = run.data.train as f64;
    if run.data.train == 0 || !(0.0..=1.0).contains(&last.train_top1) {
        return None;
    }
    let train = [(last.train_top1 * images).round(), images];
    Some((train, right_answers(last.valid.as_ref()?)?))
}

fn gap(run: &RunRecord) -> Option<String> {
    let (train, valid) = train_and_valid(run)?;
    let [train_top1, valid_top1] = [train, valid].map(|[right, images]| right / images);
    (independent(train, valid).low > GAP).then(|| {
        format!(
            "Accuracy on training images ({}) is {} points above validation accuracy ({}): the model overfits. More images, \
             augmentation (`--augment`, `--mix`), weight decay or dropout usually narrow the gap.",
            percent(train_top1),
            number(100.0 * (train_top1 - valid_top1)),
            percent(valid_top1)
        )
    })
}

fn underfits(run: &RunRecord) -> Option<String> {
    run.train_sample.as_ref()?;
    let (train, valid) = train_and_valid(run)?;
    let [train_top1, valid_top1] = [train, valid].map(|[right, images]| right / images);
    // What is no better than guessing has another trouble.
    let learns = train_top1 > 1.0 / run.classes.len() as f64 + GAP;
    (learns && train_top1 < LEARNED && independent(train, valid).low <= 0.0).then(|| {
        format!(
            "Accuracy on training images ({}) is not above validation accuracy ({}): the model underfits. A larger model, more \
             epochs, another learning rate or less regularization may help; more regularization does not.",
            percent(train_top1),
            percent(valid_top1)
        )
    })
}

fn nothing_gained(run: &RunRecord) -> Option<String> {
    let last = run.epochs.last()?;
    let (best, _) = run.best?;
    let after = last.epoch.checked_sub(best)?;
    if after < PATIENCE || after.saturating_mul(3) < run.epochs.len() as u64 {
        return None;
    }
    let loss = |row: &EpochRow| row.valid.as_ref().map(|valid| valid.loss);
    let losses = run.epochs.iter().filter_map(loss);
    let lowest = losses.fold(f64::INFINITY, f64::min);
    let end = loss(last)?;
    (end > RISEN * lowest && lowest > 0.0).then(|| {
        format!(
            "The {} after epoch {best} brought no improvement, while the validation loss rose from {} to {}: \
             with `--early-stop`, the run would have ended earlier.",
            plural(after, "epoch"),
            number(lowest),
            number(end)
        )
    })
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::Scores;

    use super::*;

    /// A run of two classes with these validation accuracies on 1000 images, and losses.
    fn run(epochs: &[(f64, f64)]) -> RunRecord {
        let rows = epochs
            .iter()
            .enumerate()
            .map(|(index, (top1, loss))| EpochRow {
                epoch: index as u64 + 1,
                step: 10,
                lr: 0.1,
                train_loss: 0.5,
                train_top1: *top1,
                penalties: Vec::new(),
                valid: Some(Scores {
                    loss: *loss,
                    top1: *top1,
                    top5: 1.0,
                    nll: *loss,
                    ece: 0.0,
                    brier: 0.0,
                    count: 1000,
                }),
                seconds: 1.0,
                images_per_second: 1.0,
            });
        let mut run = crate::empty_record();
        run.classes = vec!["a".into(), "b".into()];
        run.epochs = rows.collect();
        let best = |row: &EpochRow| (row.epoch, row.train_top1);
        let rows = run.epochs.iter().rev().map(best);
        run.best = rows.max_by(|a, b| a.1.total_cmp(&b.1));
        run.data.train = 9000;
        run
    }

    #[test]
    fn commands_are_code() {
        let html = section(&run(&[(0.5, 0.8)]));
        assert!(html.contains("<code>firebrick lr-find</code>."), "{html}");
        assert_eq!(with_code("a < `b & c`"), "a &lt; <code>b &amp; c</code>");
    }

    #[test]
    fn warnings_come_first_and_are_escaped() {
        let mut warned = run(&[(0.5, 0.8)]);
        warned.warnings = vec!["the loss is <NaN>; try `--lr 1e-3 & co`".into()];
        let html = section(&warned);
        let items: Vec<&str> = html.split("<li>").skip(1).collect();
        assert_eq!(items.len(), 2, "{html}");
        let warning =
            "<b>Warning:</b> the loss is &lt;NaN&gt;; try <code>--lr 1e-3 &amp; co</code></li>\n";
        assert_eq!(items[0], warning);
        // One is enough for the section.
        let mut untroubled = crate::empty_record();
        untroubled.warnings = vec!["be careful".into()];
        assert!(section(&untroubled).contains("be careful"));
    }

    #[test]
    fn a_run_without_trouble_is_left_alone() {
        let good = run(&[
            (0.90, 0.3),
            (0.95, 0.2),
            (0.96, 0.15),
            (0.961, 0.14),
            (0.961, 0.14),
        ]);
        assert_eq!(section(&good), "");
        assert_eq!(section(&crate::empty_record()), "");
    }

    #[test]
    fn guessing_is_named_at_its_loss_and_not_below() {
        // Guessing evenly among two classes: ln 2, about 0.693.
        assert!(
            no_better_than_guessing(&run(&[(0.5, 0.6932)]))
                .unwrap()
                .contains("0.6932")
        );
        assert_eq!(no_better_than_guessing(&run(&[(0.5, 0.69)])), None);
        assert!(no_better_than_guessing(&run(&[(0.5, f64::NAN)])).is_some());
        let mut wild = run(&[(0.9, 0.1)]);
        wild.epochs[0].train_loss = f64::INFINITY;
        assert!(no_better_than_guessing(&wild).unwrap().contains('∞'));
        // It has learned something, if only of the training images.
        let learned = |top1: f64| {
            let mut run = run(&[(0.5, 0.8)]);
            run.epochs[0].train_top1 = top1;
            no_better_than_guessing(&run).is_some()
        };
        assert!(learned(0.54) && !learned(0.56));
        let mut one_class = run(&[(1.0, 0.5)]);
        one_class.classes.pop();
        assert_eq!(no_better_than_guessing(&one_class), None);
    }

    #[test]
    fn a_rise_at_the_end_counts_beyond_chance() {
        let rise = |last: f64| run(&[(0.50, 1.0), (0.70, 0.6), (0.80, 0.5), (last, 0.4)]);
        // 1000 images: 0.8 against 0.83 is chance, against 0.84 it is not.
        assert!(still_improving(&rise(0.84)).unwrap().contains("epoch 3"));
        assert_eq!(still_improving(&rise(0.83)), None);
        let mut earlier = rise(0.9);
        earlier.best = Some((3, 0.8));
        assert_eq!(still_improving(&earlier), None);
        let mut short = rise(0.9);
        short.epochs.remove(0);
        assert_eq!(still_improving(&short), None);
    }

    #[test]
    fn a_gap_counts_beyond_five_points_and_chance() {
        let gap_of = |train: f64, valid: f64, images: usize| {
            let mut run = run(&[(valid, 0.3)]);
            run.epochs[0].train_top1 = train;
            if let Some(valid) = &mut run.epochs[0].valid {
                valid.count = images;
            }
            gap(&run)
        };
        assert!(gap_of(0.99, 0.90, 1000).is_some());
        assert_eq!(gap_of(0.96, 0.93, 1000), None, "three points");
        assert_eq!(gap_of(0.99, 0.90, 50), None, "few images");
        assert_eq!(gap_of(0.90, 0.99, 1000), None, "the other way");
        let mut unknown = run(&[(0.5, 0.3)]);
        unknown.epochs[0].train_top1 = 1.0;
        unknown.data.train = 0;
        assert_eq!(gap(&unknown), None);
    }

    #[test]
    fn a_sample_of_training_images_takes_the_place_of_what_was_counted_while_the_model_changed() {
        let sampled = |train: f64, valid: f64| {
            let mut run = run(&[(valid, 0.3)]);
            // Augmented and with dropout, the training images look hard.
            run.epochs[0].train_top1 = 0.6;
            run.train_sample = run.epochs[0].valid.map(|scores| Scores {
                top1: train,
                ..scores
            });
            run
        };
        let text = gap(&sampled(0.99, 0.85)).unwrap();
        assert!(
            text.contains("99.00") && text.contains("14.00 points"),
            "{text}"
        );
        assert_eq!(gap(&sampled(0.90, 0.88)), None);
        assert!(
            underfits(&sampled(0.70, 0.70))
                .unwrap()
                .contains("underfits")
        );
        assert_eq!(
            underfits(&sampled(0.76, 0.70)),
            None,
            "above by more than chance"
        );
        assert_eq!(underfits(&sampled(0.95, 0.95)), None, "it has learned them");
        assert_eq!(underfits(&sampled(0.52, 0.52)), None, "it guesses");
        assert_eq!(underfits(&run(&[(0.7, 0.5)])), None, "without a sample");
    }

    #[test]
    fn epochs_for_nothing_are_counted_after_patience_and_with_a_rising_loss() {
        let stale = |after: usize, end: f64| {
            let mut epochs = vec![(0.8, 0.5), (0.9, 0.2)];
            epochs.extend(vec![(0.89, end); after]);
            nothing_gained(&run(&epochs))
        };
        assert!(stale(5, 0.23).unwrap().contains("5 epochs after epoch 2"));
        assert_eq!(stale(4, 0.23), None);
        assert_eq!(stale(5, 0.21), None);
        // A record from elsewhere may name any epoch.
        let mut odd = run(&[(0.8, 0.5), (0.9, 0.2)]);
        odd.epochs[1].epoch = u64::MAX;
        odd.best = Some((0, 0.8));
        assert_eq!(nothing_gained(&odd), None);
        // Five of twenty are no third.
        let mut long = vec![(0.8, 0.5); 15];
        long.push((0.9, 0.2));
        long.extend(vec![(0.89, 0.4); 5]);
        assert_eq!(nothing_gained(&run(&long)), None);
    }
}
