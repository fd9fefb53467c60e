//! The claims of the lecture "Training Neural Networks II" about each optimizer, and how to check them in the runs.

use crate::{Run, Set};

/// A claim about one optimizer.
pub struct Claim {
    /// The run it is about.
    pub run: &'static str,
    /// The claim.
    pub says: &'static str,
    /// Whether it is seen on one data set, with the numbers that show it.
    pub seen: fn(&Set) -> Option<(bool, String)>,
}

/// The claims that runs on images can show.
pub const CLAIMS: [Claim; 11] = [
    Claim {
        run: "sgd",
        says: "slow where the loss is flat in one direction and steep in another",
        seen: |set| lower(set, "train loss", "momentum", "sgd", Run::end),
    },
    Claim {
        run: "momentum",
        says: "velocity: gets as far as SGD in fewer updates",
        seen: |set| sooner(set, "momentum", "sgd"),
    },
    Claim {
        run: "nesterov",
        says: "looks ahead: a little faster than momentum",
        seen: |set| lower(set, "train loss", "nesterov", "momentum", Run::end),
    },
    Claim {
        run: "adagrad",
        says: "its rates fall for ever, so it slows down",
        seen: |set| lower(set, "late progress", "adagrad", "rmsprop", Run::late),
    },
    Claim {
        run: "rmsprop",
        says: "a leaky sum in place of AdaGrad's, so it does not slow down",
        seen: |set| lower(set, "train loss", "rmsprop", "adagrad", Run::end),
    },
    Claim {
        run: "adadelta",
        says: "needs no rate: 1 is right",
        seen: |set| {
            let lr = set.run("adadelta")?.lr;
            Some(((0.3..=3.0).contains(&lr), format!("tuned rate {lr:.1e}")))
        },
    },
    Claim {
        run: "adam",
        says: "momentum and RMSProp in one; a good first choice",
        seen: |set| {
            let mut losses: Vec<(f64, &str)> = [
                "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam",
            ]
            .into_iter()
            .filter_map(|name| Some((set.run(name)?.valid_loss?, name)))
            .collect();
            losses.sort_by(|a, b| a.0.total_cmp(&b.0));
            let place = losses.iter().position(|(_, name)| *name == "adam")? + 1;
            Some((place <= 3, format!("place {place} of {}", losses.len())))
        },
    },
    Claim {
        run: "adam(lr=0.001)",
        says: "0.001 or 0.0005 is a good rate for many models",
        seen: |set| {
            let (fixed, tuned) = (
                set.run("adam(lr=0.001)")?.valid_top1?,
                set.run("adam")?.valid_top1?,
            );
            Some((
                fixed > tuned - 0.01,
                format!(
                    "{:.1} % against {:.1} % tuned",
                    100.0 * fixed,
                    100.0 * tuned
                ),
            ))
        },
    },
    Claim {
        run: "adam(bias_correction=false)",
        says: "\"almost Adam\": without the correction the first steps are too large",
        seen: |set| {
            lower(
                set,
                "early train loss",
                "adam",
                "adam(bias_correction=false)",
                Run::early,
            )
        },
    },
    Claim {
        run: "momentum, cosine",
        says: "decay of the rate matters with SGD and momentum",
        seen: |set| {
            lower(set, "valid loss", "momentum, cosine", "momentum", |run| {
                run.valid_loss
            })
        },
    },
    Claim {
        run: "adam, cosine",
        says: "decay matters less with Adam",
        seen: |set| {
            let gain = |name: &str| {
                let decayed = set.run(&format!("{name}, cosine"))?.valid_loss?;
                Some(1.0 - decayed / set.run(name)?.valid_loss?)
            };
            let (adam, momentum) = (gain("adam")?, gain("momentum")?);
            let text = format!(
                "valid loss {:+.0} %, with momentum {:+.0} %",
                -100.0 * adam,
                -100.0 * momentum
            );
            Some((adam < momentum, text))
        },
    },
];

/// Whether `what` of one run is lower than that of another, by more than a twentieth.
fn lower(
    set: &Set,
    what: &str,
    low: &str,
    high: &str,
    of: fn(&Run) -> Option<f64>,
) -> Option<(bool, String)> {
    let (a, b) = (of(set.run(low)?)?, of(set.run(high)?)?);
    Some((
        a < 0.95 * b,
        format!("{what} {a:.3} ({low}), {b:.3} ({high})"),
    ))
}

/// Whether one run reaches the last training loss of another in fewer updates.
fn sooner(set: &Set, fast: &str, slow: &str) -> Option<(bool, String)> {
    let target = set.run(slow)?.end()?;
    let (fast, slow) = (set.run(fast)?, set.run(slow)?);
    let at = fast.curve.iter().find(|(_, loss)| *loss <= target);
    let all = slow.curve.last()?.0;
    Some(match at {
        Some((update, _)) => (
            *update < 0.9 * all,
            format!("in {update:.0} of {all:.0} updates"),
        ),
        None => (false, "never".into()),
    })
}
