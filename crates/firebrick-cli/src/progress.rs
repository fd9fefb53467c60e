//! Progress of a training: a table with one row per epoch and, on a terminal, a progress bar below it.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::Rc;

use console::Style;
use firebrick::core::run::EpochRow;
use firebrick::training::{Flow, Hook, HookContext, TrainError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::epoch_table::{EpochTable, number};
use crate::figures::percent;
use crate::terminal::log;

/// The header printed last: runs one after another share it, and print it where it changes.
pub(crate) type Header = Rc<RefCell<Option<[String; 2]>>>;

/// Shows how training goes.
pub(crate) struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    table: Option<EpochTable>,
    header: Header,
    epochs: u64,
    loss: f64,
}

impl Progress {
    pub(crate) fn new(quiet: bool, epochs: u64, header: Header) -> Self {
        Self {
            quiet,
            bar: None,
            table: None,
            header,
            epochs,
            loss: f64::NAN,
        }
    }

    fn bar(&mut self, context: &HookContext<'_>) -> Option<&ProgressBar> {
        if self.quiet || !std::io::stderr().is_terminal() {
            return None;
        }
        if self.bar.is_none() {
            let bar =
                ProgressBar::with_draw_target(Some(context.updates), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}  {eta} left")
            {
                bar.set_style(style);
            }
            bar.set_position(context.step);
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

    fn after_step(
        &mut self,
        _model: &M,
        context: &mut HookContext<'_>,
        loss: f64,
    ) -> Result<Flow, TrainError> {
        // The loss of single batches jumps; the eye wants its trend.
        self.loss = if self.loss.is_nan() {
            loss
        } else {
            0.95 * self.loss + 0.05 * loss
        };
        let (smoothed, epochs) = (self.loss, self.epochs);
        if let Some(bar) = self.bar(context) {
            let images = context.images as f64 / context.step_in_epoch.max(1) as f64;
            bar.set_prefix(format!("epoch {}/{epochs}", context.epoch + 1));
            bar.set_message(format!(
                "loss {}  top-1 {}  {:.0} images/s",
                number(smoothed),
                percent(context.train_top1),
                images * bar.per_sec()
            ));
            bar.set_position(context.step);
        }
        Ok(Flow::Continue)
    }

    fn epoch_end(
        &mut self,
        _model: &M,
        context: &mut HookContext<'_>,
        row: &EpochRow,
    ) -> Result<Flow, TrainError> {
        let epochs = self.epochs;
        let table = self
            .table
            .get_or_insert_with(|| EpochTable::new(row, context.classes, epochs));
        let best = context.best_epoch == Some(row.epoch);
        let (header, line) = (table.header(), table.row(row, best));
        if self.header.borrow().as_ref() != Some(&header) {
            for line in &header {
                self.line(&Style::new().for_stderr().dim().apply_to(line).to_string());
            }
            *self.header.borrow_mut() = Some(header);
        }
        let style = Style::new().for_stderr();
        let style = if best { style.green().bold() } else { style };
        self.line(&style.apply_to(line).to_string());
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
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{wide_bar} {pos}/{len} images  {per_sec}  {eta} left")
            {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
        }
    }
}
