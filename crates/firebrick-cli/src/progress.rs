//! Progress: a bar on a terminal, one line for each epoch elsewhere.

use std::io::IsTerminal;

use firebrick::core::run::EpochRow;
use firebrick::training::{Flow, Hook, Moment, TrainError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{log, percent};

/// Shows how training goes.
pub(crate) struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    epochs: u64,
    loss: f64,
}

impl Progress {
    pub(crate) fn new(quiet: bool, epochs: u64) -> Self {
        Self {
            quiet,
            bar: None,
            epochs,
            loss: f64::NAN,
        }
    }

    fn bar(&mut self, moment: &Moment) -> Option<&ProgressBar> {
        if self.quiet || !std::io::stderr().is_terminal() {
            return None;
        }
        if self.bar.is_none() {
            let bar =
                ProgressBar::with_draw_target(Some(moment.updates), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(
                "{prefix} {wide_bar} {pos}/{len} updates, {per_sec}, {msg}, {eta} left",
            ) {
                bar.set_style(style);
            }
            bar.set_position(moment.step);
            bar.reset_eta();
            self.bar = Some(bar);
        }
        self.bar.as_ref()
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => log(text),
            None => {}
        }
    }
}

impl<M> Hook<M> for Progress {
    fn name(&self) -> &str {
        "progress"
    }

    fn after_step(&mut self, _model: &M, moment: &Moment, loss: f64) -> Result<Flow, TrainError> {
        // The loss of single batches jumps; the eye wants its trend.
        self.loss = if self.loss.is_nan() {
            loss
        } else {
            0.95 * self.loss + 0.05 * loss
        };
        let (smoothed, epochs) = (self.loss, self.epochs);
        if let Some(bar) = self.bar(moment) {
            bar.set_prefix(format!("epoch {}/{epochs}", moment.epoch + 1));
            bar.set_message(format!(
                "loss {smoothed:.4}, top-1 {}",
                percent(moment.train_top1)
            ));
            bar.set_position(moment.step);
        }
        Ok(Flow::Continue)
    }

    fn epoch_end(
        &mut self,
        _model: &M,
        _moment: &Moment,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        let valid = row.valid.as_ref().map_or(String::new(), |scores| {
            format!(
                ", valid loss {:.4}, valid top-1 {}",
                scores.loss,
                percent(scores.top1)
            )
        });
        self.line(&format!(
            "epoch {}/{}: train loss {:.4}, train top-1 {}{valid}, lr {:.3e}, {:.0} images/s, {:.1} s",
            row.epoch,
            self.epochs,
            row.train_loss,
            percent(row.train_top1),
            row.lr,
            row.images_per_second,
            row.seconds
        ));
        Ok(Flow::Continue)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar over images, for evaluation; nothing where stderr is no terminal.
pub(crate) fn images(quiet: bool) -> impl FnMut(usize, usize) {
    let mut bar: Option<ProgressBar> = None;
    move |done, total| {
        if quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = bar.get_or_insert_with(|| ProgressBar::new(total as u64));
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
        }
    }
}
