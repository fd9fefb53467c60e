//! The pictures of `--explain`.

use std::collections::BTreeSet;
use std::path::Path;

use firebrick::TrainedModel;
use firebrick::core::data::DataError;
use firebrick::core::spec::Spec;
use firebrick::datasets::image_list::ListedImage;
use firebrick::explain::{Explain, Explainer};
use firebrick::predict::{Prediction, Wanted, predict};
use firebrick::report::png;

use super::super::picture_name::picture_name;
use super::super::write_file;
use crate::failure::Failure;

/// What explains each prediction by a picture in a directory.
pub(super) struct Explanations<'a> {
    model: &'a TrainedModel,
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
            model,
            explainer,
            method: &spec.name,
            out,
            names: BTreeSet::new(),
        }))
    }

    /// As [`predict`], one image after another, each with its picture.
    pub(super) fn predict(
        &mut self,
        files: Vec<Result<ListedImage, DataError>>,
        wanted: &Wanted,
        each: &mut dyn FnMut(Result<Prediction, DataError>),
    ) -> Result<(), Failure> {
        for file in files {
            // A photo in colour is shown in colour, whatever the model reads of it.
            let read = file.and_then(|file| Ok((file.read(3)?, file)));
            let (image, file) = match read {
                Ok(read) => read,
                Err(error) => {
                    each(Err(error));
                    continue;
                }
            };
            let mut found = None;
            let decoded = ListedImage::decoded(file.path(), image.clone());
            predict(self.model, vec![Ok(decoded)], wanted, &mut |prediction| {
                found = Some(prediction);
            });
            let mut prediction = match found {
                Some(Ok(prediction)) => prediction,
                Some(Err(error)) => {
                    each(Err(error));
                    continue;
                }
                None => continue,
            };
            if let Some(guess) = prediction.top.first() {
                let map = self.explainer.map(&image, guess.index)?;
                let percent = 100.0 * guess.probability;
                let caption = format!("{} {percent:.1} %, {}", guess.class, self.method);
                let out = self.out.join(picture_name(file.path(), &mut self.names));
                let picture = png(&self.explainer.picture(&image, &map, &caption));
                write_file(&out, picture.unwrap_or_default())?;
                prediction.explanation = Some(out.display().to_string());
            }
            each(Ok(prediction));
        }
        Ok(())
    }
}
