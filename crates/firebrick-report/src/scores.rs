//! The top of the page of a run: its settings, its scores, and how reliable its probabilities are.

use firebrick_types::run::{EpochRow, RunRecord, Scores};

use crate::interval::wilson;
use crate::table::Column::{Number, Words};
use crate::table::Table;
use crate::text::{count, duration, escape, number, percent, plural};
use crate::{reliability, setting};

/// The epoch that the scores of a run are taken from: the best, else the last.
pub(crate) fn chosen_epoch(run: &RunRecord) -> Option<&EpochRow> {
    let best = run.best.map(|(epoch, _)| epoch);
    run.epochs
        .iter()
        .find(|row| Some(row.epoch) == best)
        .or(run.epochs.last())
}

/// Scores on the validation split at that epoch.
pub(crate) fn valid(run: &RunRecord) -> Option<&Scores> {
    chosen_epoch(run)?.valid.as_ref()
}

/// `[right, images]` of the images that were scored; `None` where the accuracy is no share of any.
pub(crate) fn right_answers(scores: &Scores) -> Option<[f64; 2]> {
    let images = scores.count as f64;
    let scored = scores.count > 0 && (0.0..=1.0).contains(&scores.top1);
    scored.then(|| [(scores.top1 * images).round(), images])
}

/// Seconds spent in training steps; `None` before the first epoch ends.
pub(crate) fn seconds(run: &RunRecord) -> Option<f64> {
    run.epochs
        .iter()
        .map(|row| row.seconds)
        .reduce(|sum, seconds| sum + seconds)
}

/// Training images for each of these seconds.
pub(crate) fn images_per_second(run: &RunRecord) -> Option<f64> {
    let images: f64 = run
        .epochs
        .iter()
        .map(|row| row.images_per_second * row.seconds)
        .sum();
    Some(images / seconds(run)?).filter(|rate| rate.is_finite())
}

/// Title, one sentence, where it branched from, and the facts.
pub(crate) fn heading(run: &RunRecord) -> String {
    let mut facts = String::new();
    let mut fact = |name: &str, value: String, note: &str| facts += &self::fact(name, &value, note);
    if let Some(test) = &run.test {
        fact("Test accuracy", percent(test.top1), &wrong(test));
    }
    if let Some(valid) = valid(run) {
        fact("Validation accuracy", percent(valid.top1), &wrong(valid));
    }
    if run.test.is_none()
        && valid(run).is_none()
        && let Some(row) = chosen_epoch(run)
    {
        fact(
            "Training accuracy",
            percent(row.train_top1),
            "while the model changed",
        );
    }
    fact("Parameters", count(run.parameters as u64), "trainable");
    let updates = run.epochs.last().map_or(0, |row| row.step);
    fact(
        "Epochs",
        count(run.epochs.len() as u64),
        &format!("{} updates", count(updates)),
    );
    let rate = images_per_second(run).map_or(String::new(), |rate| {
        format!("{} images/s", count(rate.round() as u64))
    });
    if let Some(seconds) = seconds(run) {
        fact("Training time", duration(seconds), &rate);
    }
    let lineage = run.lineage.as_ref().map_or(String::new(), |from| {
        format!("<p>Branched from <code>{}</code>.</p>\n", escape(from))
    });
    format!(
        "<header><h1>{name}</h1>\n<p class=\"lede\"><code>{model}</code> on <code>{device}</code>. {sentence}</p>\n\
         {lineage}<dl class=\"facts\">\n{facts}</dl>\n{setting}</header>\n",
        name = escape(&run.name),
        model = escape(&run.model),
        device = escape(&run.device),
        sentence = sentence(run),
        setting = setting::section(run),
    )
}

/// One of the facts below the title: its name, its value as HTML, and a note in small letters.
pub(crate) fn fact(name: &str, value: &str, note: &str) -> String {
    format!(
        "<div><dt>{name}</dt><dd>{value}<small>{}</small></dd></div>\n",
        escape(note)
    )
}

fn wrong(scores: &Scores) -> String {
    // From the fraction and the count; the confusion matrix may be of another split.
    let wrong = ((1.0 - scores.top1) * scores.count as f64).round();
    if wrong.is_finite() {
        format!(
            "{} of {} wrong",
            count(wrong as u64),
            count(scores.count as u64)
        )
    } else {
        plural(scores.count, "image")
    }
}

fn sentence(run: &RunRecord) -> String {
    match (run.epochs.len(), run.best) {
        (0, _) => "No epoch was finished.".into(),
        (_, Some((epoch, value))) => format!(
            "Best epoch: {epoch}, chosen by <code>{}</code> = {}.",
            escape(&run.monitor),
            number(value)
        ),
        (_, None) => "No epoch was chosen as the best.".into(),
    }
}

/// The scores as a table, with what they mean; empty when there are none.
pub(crate) fn section(run: &RunRecord) -> String {
    let mut table = Table::new(
        "Scores by split",
        &[
            ("Split", Words),
            ("Images", Number),
            ("Top-1", Number),
            ("95 % interval", Number),
            ("Top-5", Number),
            ("Loss", Number),
            ("NLL", Number),
            ("ECE", Number),
            ("Brier", Number),
        ],
    );
    let few = run.classes.len() <= 5;
    let mut add = |split: String, scores: &Scores| {
        table.row(&[
            split,
            count(scores.count as u64),
            percent(scores.top1),
            accuracy_interval(scores),
            if few {
                "–".into()
            } else {
                percent(scores.top5)
            },
            number(scores.loss),
            number(scores.nll),
            percent(scores.ece),
            number(scores.brier),
        ]);
    };
    if let Some(test) = &run.test {
        add("Test".into(), test);
    }
    if let (Some(row), Some(scores)) = (chosen_epoch(run), valid(run)) {
        add(format!("Validation, epoch {}", row.epoch), scores);
    }
    let Some(scores) = run.test.as_ref().or(valid(run)) else {
        return String::new();
    };
    format!(
        "<section id=\"scores\"><h2>Scores</h2>\n{}<p class=\"note\">{}</p>\n{}</section>\n",
        table.html(),
        calibration(scores, run),
        reliability::figure(&run.calibration, "The model"),
    )
}

/// Where the accuracy lies on images like these, 95 % of the time (Wilson 1927).
fn accuracy_interval(scores: &Scores) -> String {
    let Some([right, images]) = right_answers(scores) else {
        return "–".into();
    };
    let [low, high] = wilson(right, images);
    format!("{} to {}", percent(low), percent(high))
}

fn calibration(scores: &Scores, run: &RunRecord) -> String {
    let classes = run.classes.len();
    let even = if classes > 1 {
        let k = classes as f64;
        format!(
            " Guessing evenly among {classes} classes gives NLL {} and Brier {}.",
            number(k.ln()),
            number(1.0 - 1.0 / k)
        )
    } else {
        String::new()
    };
    let chance = reliability::chance(&run.calibration).map_or(String::new(), |chance| {
        format!(
            "; for this many images, chance alone gives about {}",
            percent(chance)
        )
    });
    format!(
        "The accuracy on other images of the same kind probably lies within the interval (95 % confidence). \
         ECE, the expected calibration error, is the difference between the model's confidence and its accuracy, averaged over \
         15 confidence bins: {} (0 is best{chance}). NLL is the mean negative log-likelihood of the right class in nats; \
         Brier is the mean squared distance between the probabilities and the truth. Lower is better for both.{even} \
         Loss is the training loss, including label smoothing and class weights if there are any.",
        percent(scores.ece)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_images_are_counted() {
        let mut scores = Scores {
            loss: 0.1,
            top1: 0.9921,
            top5: 1.0,
            nll: 0.1,
            ece: 0.01,
            brier: 0.02,
            count: 10_000,
        };
        assert_eq!(wrong(&scores), "79 of 10\u{202f}000 wrong");
        scores.top1 = f64::NAN;
        assert_eq!(wrong(&scores), "10\u{202f}000 images");
        let mut run = crate::empty_record();
        run.classes = vec!["a".into()];
        assert!(!calibration(&scores, &run).contains("Guessing"));
        run.classes = vec!["a".into(); 10];
        assert!(calibration(&scores, &run).contains("NLL 2.303 and Brier 0.9000"));
        assert!(!calibration(&scores, &run).contains("chance alone"));
        run.calibration = vec![firebrick_types::run::ConfidenceBin {
            count: 50,
            confidence: 0.5,
            accuracy: 0.4,
        }];
        assert!(calibration(&scores, &run).contains("chance alone gives about 5.64\u{202f}%"));
        assert_eq!(accuracy_interval(&scores), "–");
        scores.top1 = 0.25;
        scores.count = 200;
        assert_eq!(
            accuracy_interval(&scores),
            "19.51\u{202f}% to 31.43\u{202f}%"
        );
    }
}
