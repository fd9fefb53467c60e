//! The pictures of `--explain`.

use std::collections::BTreeSet;
use std::path::Path;

use firebrick::TrainedModel;
use firebrick::core::data::Image;
use firebrick::core::spec::Spec;
use firebrick::explain::{Explain, Explainer};
use firebrick::predict::Prediction;
use firebrick::report::png;

use super::super::picture_name::picture_name;
use super::super::write_file;
use crate::failure::Failure;

/// What explains each prediction by a picture in a directory.
pub(super) struct Explanations<'a> {
    explainer: Explainer<'a>,
    method: &'a str,
    out: &'a Path,
    names: BTreeSet<String>,
}

impl<'a> Explanations<'a> {
    /// What is wanted, if anything is; the directory is made.
    pub(super) fn new(
        model: &'a TrainedModel,
        explain: Option<&'a Spec>,
        out: Option<&'a Path>,
    ) -> Result<Option<Self>, Failure> {
        let Some((spec, out)) = explain.zip(out) else {
            return Ok(None);
        };
        let explainer = Explainer::new(model, &Explain::from_spec(spec)?)?;
        std::fs::create_dir_all(out).map_err(|error| {
            Failure::Work(format!(
                "cannot make the directory {}: {error}",
                out.display()
            ))
        })?;
        Ok(Some(Self {
            explainer,
            method: &spec.name,
            out,
            names: BTreeSet::new(),
        }))
    }

    /// Writes the picture of an image, and its path into the prediction.
    pub(super) fn explain(
        &mut self,
        image: &Image,
        path: &Path,
        prediction: &mut Prediction,
    ) -> Result<(), Failure> {
        let Some(guess) = prediction.top.first() else {
            return Ok(());
        };
        let map = self.explainer.map(image, guess.index)?;
        let percent = 100.0 * guess.probability;
        let caption = format!("{} {percent:.1} %, {}", guess.class, self.method);
        let out = self.out.join(picture_name(path, &mut self.names));
        let picture = png(&self.explainer.picture(image, &map, &caption));
        write_file(&out, picture.unwrap_or_default())?;
        prediction.explanation = Some(out.display().to_string());
        Ok(())
    }
}
