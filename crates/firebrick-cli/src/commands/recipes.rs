//! `firebrick recipes`.

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::terminal;

/// List the built-in recipes, or print one in full
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Recipes {
    #[command(subcommand)]
    action: Option<Action>,
    /// The same as `describe NAME`
    #[arg(hide = true)]
    name: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// List the recipes
    List,
    /// Print a recipe with every setting
    Describe {
        /// Name of the recipe
        name: String,
    },
}

impl Recipes {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let name = match &self.action {
            Some(Action::Describe { name }) => Some(name),
            Some(Action::List) => None,
            None => self.name.as_ref(),
        };
        if let Some(name) = name {
            terminal::say(firebrick::recipe(name)?.to_toml()?.trim_end());
            return Ok(());
        }
        // The first comment of a recipe says what it is for.
        let rows: Vec<_> = firebrick::RECIPES
            .iter()
            .map(|(name, text)| {
                vec![
                    (*name).to_string(),
                    text.lines()
                        .next()
                        .unwrap_or_default()
                        .trim_start_matches(['#', ' '])
                        .to_string(),
                ]
            })
            .collect();
        terminal::table(&rows);
        Ok(())
    }
}
