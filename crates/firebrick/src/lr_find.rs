//! The learning-rate range test of a recipe.

use firebrick_core::parameters::Parameters;
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, Recipe};
use firebrick_train::lr_find::{LrCurve, Sweep};

use crate::teacher::Taught;
use crate::{Error, Session, Sources};

/// Runs the range test with the model, data, optimizer and groups of a recipe; its schedule is ignored, and what `fine_tune` does not train at
/// first is frozen. `notice` is called with messages for the user about the data and the weights. Nothing is written.
///
/// # Errors
/// [`Error`] naming the setting or file.
pub fn lr_find<M: Classifier>(
    recipe: &Recipe,
    sources: Sources<M>,
    sweep: Sweep,
    notice: &mut dyn FnMut(&str),
) -> Result<LrCurve, Error> {
    sweep.check()?;
    let recipe = Recipe {
        schedule: Spec::new("constant"),
        momentum_schedule: None,
        weight_decay_schedule: None,
        ..recipe.clone()
    };
    let mut session = Session::open_with(&recipe, sources)?;
    session.open_teacher(None, notice)?;
    let (model, notes) = session.model()?;
    let of_data = session.data.splits.notes.iter();
    of_data.for_each(|note| notice(note));
    notes.iter().for_each(|note| notice(note));
    let model = match &session.fine_tuning {
        Some(fine_tuning) => fine_tuning.begin(model, 0),
        None => model,
    };
    if session.penalties.measure_from_start() {
        let fresh = session.fresh_parameters()?;
        let mut start = Parameters::of(&model);
        start.0.retain(|one| !fresh.contains(&one.path));
        session.penalties.begin(&start);
    }
    let (update, loss) = (session.plan.update, &*session.loss);
    let mut train = Taught {
        images: &mut session.train,
        teacher: session.teacher.as_ref(),
    };
    let (curve, _) = firebrick_train::lr_find(
        &model,
        update,
        loss,
        &session.penalties,
        &mut train,
        &session.config,
        sweep,
    )?;
    Ok(curve)
}
