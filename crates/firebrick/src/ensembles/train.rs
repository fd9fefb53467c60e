//! Trains the members of an ensemble, each a run of its own that any process can take.

use std::path::{Path, PathBuf};

use firebrick_core::error::check;
use firebrick_core::spec::Spec;
use firebrick_core::{ConfigError, Recipe, checksum};
use firebrick_ensemble::manifest::{FILE, Kind, Manifest, ManifestError, Member};
use firebrick_train::run_dir::write_whole;

use crate::runs::{RunState, RunSummary, summary};
use crate::{Error, Start};

/// The most members of an ensemble.
const MOST: usize = 1000;

/// The members of an ensemble that is to be trained, before any is.
pub struct EnsemblePlan {
    directory: PathBuf,
    recipes: Vec<Recipe>,
}

impl EnsemblePlan {
    /// So many members in a directory. Each takes one of the recipes in turn, and a seed of its own: that of its
    /// recipe plus its number, from 0. With `bagging` each trains on a sample of the training images of its own, drawn
    /// with replacement.
    ///
    /// # Errors
    /// [`ConfigError`] for no members or recipes, and for bagging of a recipe that says how an epoch draws its images.
    pub fn new(
        directory: &Path,
        recipes: &[Recipe],
        members: usize,
        bagging: bool,
    ) -> Result<Self, ConfigError> {
        check("ensemble", "members", members, 1..=MOST)?;
        let odd = recipes
            .iter()
            .find(|recipe| recipe.sampling != Spec::new("shuffle"));
        if let Some(recipe) = odd.filter(|_| bagging) {
            return Err(ConfigError::Conflict(format!(
                "bagging draws the images of each member, but the recipe has sampling = {}: leave out one of them",
                recipe.sampling
            )));
        }
        let member = |(number, recipe): (usize, &Recipe)| {
            let mut recipe = recipe.clone();
            // None is trained on what others are validated on.
            recipe.split_seed = recipe.split_seed.or(Some(recipe.seed));
            recipe.seed = recipe.seed.wrapping_add(number as u64);
            if bagging {
                recipe.sampling = Spec::new("bootstrap");
            }
            recipe
        };
        Ok(Self {
            directory: directory.into(),
            recipes: (0..members)
                .zip(recipes.iter().cycle())
                .map(member)
                .collect(),
        })
    }

    /// The number of members.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.recipes.len()
    }

    /// Writes the manifest, unless another process did. All processes that train members of this ensemble call it.
    ///
    /// # Errors
    /// [`Error::Manifest`] when the directory holds another ensemble, or cannot be written.
    pub fn begin(&self) -> Result<(), Error> {
        let manifest = self.manifest()?;
        let refused = |problem: String| ManifestError {
            path: self.directory.clone(),
            problem,
        };
        if Manifest::is_in(&self.directory) {
            if Manifest::read(&self.directory)?.to_bytes() != manifest.to_bytes() {
                return Err(refused(
                    "this directory holds an ensemble of other recipes, settings or another number of members: repeat the command that began it, or choose another --out".into(),
                )
                .into());
            }
            return Ok(());
        }
        let made = std::fs::create_dir_all(&self.directory);
        made.and_then(|()| write_whole(&self.directory.join(FILE), &manifest.to_bytes()))
            .map_err(|error| refused(format!("cannot be written: {error}")).into())
    }

    fn manifest(&self) -> Result<Manifest, ConfigError> {
        let recipes = self.recipes.iter().map(Recipe::identity);
        let recipes = recipes
            .map(|recipe| recipe.to_toml())
            .collect::<Result<Vec<_>, _>>()?;
        let members = (0..self.len()).map(member).collect();
        Ok(Manifest::new(Kind::Independent, members)
            .of_plan(checksum::of(recipes.concat().as_bytes())))
    }

    /// How to train the member of this number, from 0: its recipe, its directory, and whether to begin or to go on.
    /// Nothing for a member that is done.
    #[must_use]
    pub fn job(&self, number: usize) -> Option<(Recipe, PathBuf, Start)> {
        let run = self.directory.join(member(number).name);
        if is_done(&run) {
            return None;
        }
        let recipe = self.recipes[number].clone();
        if run.join("recipe.toml").is_file() {
            // What was chosen when it began, such as lengths, is written there; how far this session goes is said now.
            let begun = crate::run_recipe(&run).map(|begun| begun.with_limits_of(&recipe));
            return Some((begun.unwrap_or(recipe), run, Start::Resume));
        }
        Some((recipe, run, Start::Fresh))
    }
}

/// The member of this number, from 0.
fn member(number: usize) -> Member {
    let name = format!("member-{}", number + 1);
    Member {
        file: format!("{name}/model.safetensors"),
        name,
    }
}

/// Whether the run has come to its end, its model and record written.
pub(super) fn is_done(run: &Path) -> bool {
    run.join("model.safetensors").is_file()
        && run.join("run.json").is_file()
        && summary(run).state == RunState::Done
}

/// The state of a member.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MemberState {
    /// Its name.
    pub name: String,
    /// Whether its model file is there.
    pub done: bool,
    /// Its run, if it is one and has begun.
    pub run: Option<RunSummary>,
}

/// The state of every member of the ensemble in a directory.
///
/// # Errors
/// [`Error::Manifest`] for a directory that is no ensemble.
pub fn status(directory: &Path) -> Result<Vec<MemberState>, Error> {
    let manifest = Manifest::read(directory)?;
    let state = |member: Member| {
        let file = directory.join(&member.file);
        let run = file
            .parent()
            .filter(|run| run.join("recipe.toml").is_file());
        MemberState {
            name: member.name,
            done: match run {
                Some(run) => is_done(run),
                None => file.is_file(),
            },
            run: run.map(summary),
        }
    };
    Ok(manifest.members.into_iter().map(state).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipes() -> [Recipe; 2] {
        let of = |model: &str, seed| Recipe {
            model: model.parse().unwrap(),
            seed,
            ..Recipe::default()
        };
        [of("lenet5", 5), of("small_cnn", 7)]
    }

    fn plan(members: usize, bagging: bool) -> EnsemblePlan {
        EnsemblePlan::new(Path::new("nowhere"), &recipes(), members, bagging).unwrap()
    }

    #[test]
    fn members_take_the_recipes_in_turn_with_seeds_of_their_own_and_one_split() {
        let plan = plan(5, false);
        let models: Vec<&str> = plan
            .recipes
            .iter()
            .map(|one| one.model.name.as_str())
            .collect();
        let (lenet5, small) = ("lenet5", "small_cnn");
        assert_eq!(models, [lenet5, small, lenet5, small, lenet5]);
        let seeds: Vec<u64> = plan.recipes.iter().map(|one| one.seed).collect();
        assert_eq!(seeds, [5, 8, 7, 10, 9]);
        // None is trained on images that another of the same recipe is validated on.
        let splits: Vec<_> = plan.recipes.iter().map(|one| one.split_seed).collect();
        assert_eq!(splits, [Some(5), Some(7), Some(5), Some(7), Some(5)]);
        assert!(
            plan.recipes
                .iter()
                .all(|one| one.sampling == Spec::new("shuffle"))
        );
        let bagged = self::plan(2, true);
        assert!(
            bagged
                .recipes
                .iter()
                .all(|one| one.sampling == Spec::new("bootstrap"))
        );
    }

    #[test]
    fn a_directory_holds_one_ensemble() {
        let temp = tempfile::tempdir().unwrap();
        let at = |members, bagging| {
            EnsemblePlan::new(temp.path(), &recipes(), members, bagging).unwrap()
        };
        at(2, false).begin().unwrap();
        let before = std::fs::read(temp.path().join(FILE)).unwrap();
        at(2, false).begin().unwrap();
        for other in [at(3, false), at(2, true)] {
            let error = other.begin().unwrap_err().to_string();
            assert!(error.contains("another --out"), "{error}");
        }
        assert_eq!(std::fs::read(temp.path().join(FILE)).unwrap(), before);
    }
}
