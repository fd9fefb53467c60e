//! `firebrick recipes`.

use clap::Args;

use crate::failure::Failure;
use crate::output;

/// List the recipes that come with firebrick, or print one in full
#[derive(Args)]
pub(crate) struct Recipes {
    /// A recipe to print with every setting
    name: Option<String>,
}

impl Recipes {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            output::say(firebrick::recipe(name)?.to_toml()?.trim_end());
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
        output::table(&rows);
        Ok(())
    }
}
