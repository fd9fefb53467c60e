//! Distills an ensemble: the recipe of a student that learns from it, and how good the student is beside its teacher.

use std::path::{Path, PathBuf};

use firebrick_core::run::ensemble::MemberFigures;
use firebrick_core::spec::Spec;
use firebrick_core::{Classifier, ConfigError, Recipe, json_number, loss};
use firebrick_datasets::Split;
use firebrick_ensemble::class_names::{columns, reordered};
use firebrick_ensemble::combine;
use firebrick_ensemble::score::{ensemble_figures, member_figures};
use firebrick_train::evaluate::hard_labels;
use serde::Serialize;

use super::train::is_done;
use super::{Ensemble, members};
use crate::eval::EvalImages;
use crate::{Error, Start, run_recipe};

/// The settings that say which images a run is trained on, and which it is validated on.
const IMAGES: [&str; 5] = [
    "dataset",
    "data_dir",
    "valid_fraction",
    "limit_train",
    "split_seed",
];

/// How good a student is beside its teacher, on the student's validation images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distilled {
    /// The run directory of the student.
    pub run: String,
    /// The number of images.
    pub images: usize,
    /// The student.
    pub student: MemberFigures,
    /// The members together.
    pub teacher: MemberFigures,
    /// The member with the highest accuracy, the first of equals.
    pub best_member: MemberFigures,
    /// Share of the images that student and teacher classify alike.
    #[serde(with = "json_number")]
    pub agreement: f64,
}

/// Gives the recipe of a student the images of the run of its teacher, with the same ones held out for validation.
pub fn same_images(student: &mut Recipe, of_teacher: &Recipe) {
    for setting in firebrick_core::recipe::SETTINGS {
        if IMAGES.contains(&setting.key) {
            setting.copy(of_teacher, student);
        }
    }
    student.split_seed = of_teacher.split_seed.or(Some(of_teacher.seed));
}

/// The recipe of one of the members, for a student of the same kind: without what made the member one of several, or
/// ended its run early.
#[must_use]
pub fn like_a_member(of_member: &Recipe) -> Recipe {
    let mut student = Recipe {
        branched_from: None,
        schedule_start: 0,
        snapshots: None,
        teacher: None,
        ..of_member.without_limits()
    };
    if student.sampling == Spec::new("bootstrap") {
        student.sampling = Spec::new("shuffle");
    }
    same_images(&mut student, of_member);
    student
}

/// The recipe of a student that learns from a teacher: its loss becomes `distillation`, with its own loss as the one on
/// the labels. Where it is that already, `temperature` and `alpha` replace those that it has.
///
/// # Errors
/// [`ConfigError`] for a recipe that names another teacher, and for a loss that cannot be used.
pub fn student(
    recipe: Recipe,
    teacher: &Path,
    temperature: Option<f64>,
    alpha: Option<f64>,
) -> Result<Recipe, ConfigError> {
    if let Some(other) = recipe
        .teacher
        .as_deref()
        .filter(|other| Path::new(other) != teacher)
    {
        return Err(ConfigError::Conflict(format!(
            "the recipe names {other} as the teacher, not {}: take it out of the recipe",
            teacher.display()
        )));
    }
    let own = loss::build(&recipe.loss)?;
    let mut spec = match own.wants_teacher() {
        true => own.spec(),
        false => Spec::new("distillation").with("loss", own.spec()),
    };
    for (key, value) in [("temperature", temperature), ("alpha", alpha)] {
        if let Some(value) = value {
            spec.set(key, value.into());
        }
    }
    Ok(Recipe {
        loss: loss::build(&spec)?.spec(),
        teacher: Some(teacher.display().to_string()),
        ..recipe
    })
}

/// How a student is trained in a directory: from the beginning, or on from its newest checkpoint; `None` where it is
/// done.
#[must_use]
pub fn student_start(run: &Path) -> Option<Start> {
    if is_done(run) {
        return None;
    }
    Some(match run.join("recipe.toml").is_file() {
        true => Start::Resume,
        false => Start::Fresh,
    })
}

/// Scores a student, its teacher and the best member of the teacher on the validation images of the student.
///
/// # Errors
/// [`Error`] when there are no such images, or a model cannot be read.
pub fn compare<M: Classifier>(
    run: &Path,
    teacher: &Ensemble<M>,
    cache: PathBuf,
) -> Result<Distilled, Error> {
    let recipe = run_recipe(run)?;
    let (models, device) = (teacher.models.clone(), teacher.device.clone());
    let student = Ensemble::of(&run.join("model.safetensors"), models, device)?;
    let combine = recipe.teacher_combine.clone();
    let images = EvalImages {
        recipe,
        held_out: false,
        split: Some(Split::Valid),
        run: Some(run.into()),
        cache,
    };
    let channels = student.members[0].info.preprocessing.channels;
    let dataset = images.take(channels)?.dataset;
    let recipe = &images.recipe;
    let predicted = teacher.predictions(recipe, &dataset, None, &mut |_, _| {})?;
    let mut of_student = student.predictions(recipe, &dataset, None, &mut |_, _| {})?;
    for one in &mut of_student {
        one.name = "student".into();
        if let Some(columns) = columns(teacher.classes(), "student", student.classes())? {
            one.predictions.logits = reordered(&one.predictions.logits, &columns);
        }
    }
    let labels = hard_labels(&predicted[0].predictions.targets);
    let all = members(&predicted)?;
    let of_student = members(&of_student)?;
    let pooled = combine::fit(&combine, &all, None)?.combine(&all)?;
    let figures = ensemble_figures(&pooled, &labels)?;
    let mut alone = member_figures(&all, &labels)?;
    let mut best = 0;
    for (place, member) in alone.iter().enumerate() {
        if member.top1 > alone[best].top1 {
            best = place;
        }
    }
    let said = pooled.predicted();
    let alike = of_student.prediction(0).predicted();
    let alike = alike.iter().zip(&said).filter(|(a, b)| a == b).count();
    Ok(Distilled {
        run: run.display().to_string(),
        images: labels.len(),
        student: member_figures(&of_student, &labels)?.swap_remove(0),
        teacher: MemberFigures {
            name: "teacher".into(),
            top1: figures.top1,
            nll: figures.nll,
            brier: figures.brier,
            ece: figures.ece,
        },
        best_member: alone.swap_remove(best),
        agreement: alike as f64 / labels.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_student_gets_the_images_of_its_teacher_and_a_loss_that_learns_from_it() {
        let member = Recipe {
            dataset: "glyphs(train=300)".into(),
            seed: 7,
            limit_train: Some(90),
            weights: Some("w.pth".into()),
            sampling: Spec::new("bootstrap"),
            snapshots: Some("all".into()),
            max_updates: Some(3),
            loss: "cross_entropy(label_smoothing=0.1)".parse().unwrap(),
            ..Recipe::default()
        };
        let like = like_a_member(&member);
        assert_eq!((like.split_seed, like.limit_train), (Some(7), Some(90)));
        assert_eq!((&like.snapshots, like.max_updates), (&None, None));
        assert_eq!(like.weights.as_deref(), Some("w.pth"));
        assert_eq!(like.sampling.name, "shuffle");
        let learns = student(like, Path::new("five"), Some(2.0), None).unwrap();
        assert_eq!(learns.teacher.as_deref(), Some("five"));
        let text = learns.loss.to_string();
        assert!(
            text.contains("temperature=2") && text.contains("label_smoothing=0.1"),
            "{text}"
        );
        // Once more, with another share: the rest of the loss stays.
        let again = student(learns, Path::new("five"), None, Some(0.5)).unwrap();
        let text = again.loss.to_string();
        assert!(
            text.contains("temperature=2") && text.contains("alpha=0.5"),
            "{text}"
        );
        let error = student(again.clone(), Path::new("six"), None, None).unwrap_err();
        assert!(error.to_string().contains("names five"), "{error}");
        let error = student(again, Path::new("five"), Some(0.0), None).unwrap_err();
        assert!(error.to_string().contains("temperature = 0"), "{error}");
        let other = Recipe {
            dataset: "mnist".into(),
            ..Recipe::default()
        };
        let mut moved = other.clone();
        same_images(&mut moved, &member);
        assert_eq!(
            (moved.dataset.as_str(), moved.split_seed),
            ("glyphs(train=300)", Some(7))
        );
    }
}
