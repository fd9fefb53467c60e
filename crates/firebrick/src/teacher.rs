//! The teacher of a run: what an ensemble, a run or a model file predicts for the images that a model is trained on.

mod lesson;
mod panel;
mod table;
mod taught;

use std::path::Path;

use firebrick_core::data::{Batch, DataError, Targets};
use firebrick_core::loss::Loss;
use firebrick_core::{Classifier, ConfigError, Recipe, checksum};
use firebrick_ensemble::class_names::columns;
use firebrick_ensemble::combine;
use firebrick_train::RunDir;

use crate::Error;
use crate::ensembles::{Ensemble, members};
use panel::Panel;
use table::Table;

pub(crate) use lesson::Lesson;
pub(crate) use taught::Taught;

/// The teacher sees what the model sees.
const SAME: &str = "same";
/// The teacher sees every image once, as it is.
const PLAIN: &str = "plain";
/// What stands between the fingerprints of data and teacher.
const BESIDE: &str = ", teacher ";

/// The teacher of a run.
pub(crate) struct Teacher<M> {
    /// Another one for a teacher of another content.
    fingerprint: String,
    knowledge: Knowledge<M>,
}

/// How the teacher knows what it says.
enum Knowledge<M> {
    /// It has seen each training image once.
    Table {
        table: Table,
        /// Whether it is in the run directory.
        kept: bool,
    },
    /// Its members look at every batch.
    Panel(Panel<M>),
}

/// Refuses a teacher without a loss that learns from it, such a loss without a teacher, and views that do not go with the
/// rest of the recipe. Nothing is read.
pub(crate) fn check(recipe: &Recipe, loss: &dyn Loss) -> Result<(), ConfigError> {
    let views = recipe.teacher_views.as_str();
    if ![SAME, PLAIN].contains(&views) {
        let known = [SAME, PLAIN];
        return Err(ConfigError::unknown_name("teacher_views", views, known));
    }
    let loss_name = &recipe.loss.name;
    let problem = match &recipe.teacher {
        None if loss.wants_teacher() => format!(
            "loss = {loss_name}: there is no teacher to learn from; name one with --teacher DIR, or use a loss on labels alone, such as cross_entropy"
        ),
        None => return Ok(()),
        Some(teacher) if !loss.wants_teacher() => format!(
            "teacher = {teacher}: the loss {loss_name} learns from labels alone; use --loss 'distillation(temperature=4, alpha=0.9)', or --teacher none"
        ),
        Some(_) if views == PLAIN && !recipe.mix.0.is_empty() => format!(
            "teacher_views = {PLAIN}: the teacher does not see the mixed images of mix = {}; use --teacher-views {SAME}, or --mix none",
            recipe.mix
        ),
        Some(_) => {
            let rule = combine::build(&recipe.teacher_combine)?;
            if rule.combine.parameters(2, 2) == 0 {
                return Ok(());
            }
            format!(
                "teacher_combine = {}: it is fitted to validation images; use mean, logits, vote or rank, which are not",
                rule.spec.name
            )
        }
    };
    Err(ConfigError::Conflict(problem))
}

/// A fingerprint of data without that of a teacher.
pub(crate) fn data_alone(fingerprint: &str) -> &str {
    fingerprint.split(BESIDE).next().unwrap_or(fingerprint)
}

impl<M: Classifier> Teacher<M> {
    /// Opens the teacher of a recipe, if it names one. Where it sees each training image once, it predicts them here, one
    /// member after another, unless the run directory knows its predictions.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read, tells other classes apart, or reads images of another size than it would be shown.
    pub(crate) fn open(
        lesson: &Lesson<'_, M>,
        notice: &mut dyn FnMut(&str),
    ) -> Result<Option<Self>, Error> {
        let recipe = lesson.recipe;
        let Some(place) = &recipe.teacher else {
            return Ok(None);
        };
        let open = || {
            let (models, device) = (lesson.models.clone(), lesson.device.clone());
            Ensemble::of(Path::new(place), models, device)
        };
        let changes = !recipe.augment.0.is_empty() || !recipe.mix.0.is_empty();
        if recipe.teacher_views == SAME && changes {
            let ensemble = open()?;
            let fingerprint = fingerprint(&ensemble)?;
            let panel = Panel::new(&ensemble, lesson)?;
            let knowledge = Knowledge::Panel(panel);
            return Ok(Some(Self {
                fingerprint,
                knowledge,
            }));
        }
        let data = lesson.data.fingerprint();
        if let Some(run) = lesson.run {
            match Table::read(run, &data, &*lesson.data.splits.train) {
                Ok(Some(table)) => {
                    let now = open().and_then(|ensemble| fingerprint(&ensemble));
                    if now.is_ok_and(|now| now != table.teacher) {
                        notice(&format!(
                            "{place} is not the teacher with which this run began; it goes on with what that one predicted"
                        ));
                    }
                    return Ok(Some(Self::of_table(table, true)));
                }
                Ok(None) => {}
                Err(problem) => notice(&format!(
                    "{}: {problem}; the teacher predicts the training images again",
                    run.join(table::FILE).display()
                )),
            }
        }
        let ensemble = open()?;
        let table = predict(&ensemble, lesson, data, notice)?;
        Ok(Some(Self::of_table(table, false)))
    }

    fn of_table(table: Table, kept: bool) -> Self {
        Self {
            fingerprint: table.teacher.clone(),
            knowledge: Knowledge::Table { table, kept },
        }
    }

    /// Writes what it has to be asked only once into the run directory.
    pub(crate) fn save(&self, run: &RunDir) -> Result<(), Error> {
        if let Knowledge::Table { table, kept: false } = &self.knowledge {
            run.write(table::FILE, &table.to_bytes()?)?;
        }
        Ok(())
    }

    /// A fingerprint of data and teacher together.
    pub(crate) fn beside(&self, data: &str) -> String {
        format!("{data}{BESIDE}{}", self.fingerprint)
    }

    /// Adds to the targets of a batch of training images what the teacher says of them.
    fn teach(&self, mut batch: Batch) -> Result<Batch, DataError> {
        if batch.is_empty() {
            return Ok(batch);
        }
        let teacher = match &self.knowledge {
            Knowledge::Table { table, .. } => table.rows(&batch.indices)?,
            Knowledge::Panel(panel) => panel.say(&batch)?,
        };
        batch.targets = Targets::Taught {
            labels: Box::new(batch.targets),
            teacher,
        };
        Ok(batch)
    }
}

/// What the teacher predicts for every training image as it is.
fn predict<M: Classifier>(
    ensemble: &Ensemble<M>,
    lesson: &Lesson<'_, M>,
    data: String,
    notice: &mut dyn FnMut(&str),
) -> Result<Table, Error> {
    let images = &lesson.data.splits.train;
    let places = places(images.classes(), ensemble)?;
    notice(&format!(
        "the teacher predicts the {} training images, one of its {} members after another",
        images.len(),
        ensemble.members.len()
    ));
    let predicted = ensemble.predictions(lesson.recipe, images, None, &mut |_, _| {})?;
    let members = members(&predicted)?;
    let combined = combine::fit(&lesson.recipe.teacher_combine, &members, None)?;
    let pooled = combined.combine(&members)?;
    let mut table = Table::new(fingerprint(ensemble)?, data, images.len(), pooled.classes());
    for (row, index) in pooled.rows().zip(&predicted[0].predictions.indices) {
        let value = |class: usize| row[places.as_ref().map_or(class, |places| places[class])];
        table.set(*index, (0..row.len()).map(|class| value(class) as f32));
    }
    Ok(table)
}

/// Where the teacher has the classes of the data, if in another order.
fn places<M: Classifier>(
    classes: &[String],
    ensemble: &Ensemble<M>,
) -> Result<Option<Vec<usize>>, ConfigError> {
    let name = ensemble.directory.display().to_string();
    columns(classes, &name, ensemble.classes()).map_err(|error| {
        ConfigError::Conflict(format!(
            "the teacher does not tell apart the classes of the data: {error}"
        ))
    })
}

/// Another one for members of other content.
fn fingerprint<M>(ensemble: &Ensemble<M>) -> Result<String, Error> {
    let mut all = String::new();
    for member in &ensemble.members {
        let sum = checksum::of_file(&member.file);
        all += &sum.map_err(|error| DataError::io(&member.file, error))?;
    }
    let mut sum = checksum::of(all.as_bytes());
    sum.truncate(16);
    Ok(sum)
}

#[cfg(test)]
mod tests;
