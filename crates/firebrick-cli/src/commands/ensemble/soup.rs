//! `firebrick ensemble soup`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use firebrick::ensembles::{How, model_files, soup};

use super::super::new_model::NewModel;
use crate::failure::Failure;
use crate::figures::percent;
use crate::terminal;

/// Average the weights of several models of one kind into one model (a model soup)
#[derive(Args)]
pub(crate) struct Soup {
    /// Run directories, model files or ensembles, whose members are all taken
    #[arg(required = true, value_name = "RUN")]
    paths: Vec<PathBuf>,
    /// Which models to average
    #[arg(long, value_enum, default_value = "greedy")]
    how: Which,
    #[command(flatten)]
    new: NewModel,
    /// Print one JSON document: {file, ingredients: [[file, scores]], kept, valid}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// All of them
    Uniform,
    /// The best on validation, then each of the others that does not make the average worse
    Greedy,
}

impl Soup {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let files = model_files(&self.paths)?;
        let how = match self.how {
            Which::Uniform => How::Uniform,
            Which::Greedy => How::Greedy,
        };
        let soup = soup(
            &files,
            how,
            self.new.recount,
            super::super::sources(),
            &self.new.out,
        )?;
        if self.json {
            return terminal::json(&soup);
        }
        for (file, scores) in &soup.ingredients {
            let kept = if soup.kept.contains(file) {
                ""
            } else {
                ", left out"
            };
            terminal::say(&format!(
                "{file}: validation {}{kept}",
                percent(scores.top1)
            ));
        }
        terminal::say(&format!(
            "{} of {} models averaged: validation {}, nll {:.4}",
            soup.kept.len(),
            soup.ingredients.len(),
            percent(soup.valid.top1),
            soup.valid.nll
        ));
        terminal::say(&format!("model: {}", soup.file));
        Ok(())
    }
}
