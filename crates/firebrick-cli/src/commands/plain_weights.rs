//! A model given as a name and a file of plain weights, for `eval` and `predict`.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::ModelFile;
use firebrick::core::data::Preprocessing;
use firebrick::core::spec::Spec;
use firebrick::core::state_dict::StateDict;
use firebrick::core::weights_file::WeightsFile;
use firebrick::datasets::registry::{info, list};
use firebrick::zoo::{self, Input, Normalization};

use crate::failure::Failure;
use crate::number::whole;
use crate::output;

/// A model given as a name and a file of plain weights.
#[derive(Args)]
pub(crate) struct PlainWeights {
    /// Model that the plain weights belong to, such as resnet20
    #[arg(long, value_name = "SPEC", requires = "weights")]
    pub(crate) model: Option<Spec>,
    /// Plain weights: safetensors, or what PyTorch's torch.save writes
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) weights: Option<PathBuf>,
    /// How the images were normalized when the plain weights were trained: imagenet, cifar10, mnist, none
    /// or 'mean=…; std=…'
    #[arg(long, value_name = "NAME", requires = "weights")]
    pub(crate) normalize: Option<String>,
    /// Classes of the plain weights: how many, or the data set that gives their names, such as cifar10;
    /// by default as many as the model has
    #[arg(long, value_name = "N|NAME", requires = "weights", value_parser = classes)]
    classes: Option<Classes>,
}

impl PlainWeights {
    /// The model file that these would be. Its classes are numbers unless --classes names a data set.
    pub(crate) fn model_file(&self) -> Result<Option<ModelFile>, Failure> {
        let (Some(model), Some(path)) = (&self.model, &self.weights) else {
            return Ok(None);
        };
        let input = zoo::default_input(model)?;
        let Some(normalize) = &self.normalize else {
            let text = "plain weights do not say how their images were normalized; give --normalize imagenet, cifar10, mnist, none or 'mean=…; std=…'";
            return Err(Failure::Usage(text.into()));
        };
        let Normalization { mean, std } = normalize
            .parse::<Normalization>()?
            .for_channels(input.channels)?;
        let classes = match &self.classes {
            Some(Classes::Of(_, names)) => names.clone(),
            Some(Classes::Count(count)) => numbers(*count),
            None => numbers(input.classes),
        };
        let preprocessing = Preprocessing {
            channels: input.channels,
            height: input.height,
            width: input.width,
            fit: firebrick::core::data::Fit::Crop,
            mean,
            std,
        };
        let file = WeightsFile::open(path)?;
        let input = Input {
            classes: classes.len(),
            ..input
        };
        let undrawn = zoo::undrawn(model, &input, &firebrick::core::device("flex")?)?;
        let (weights, notes) = file.state_dict(&StateDict::shapes(&undrawn))?;
        for note in notes {
            output::notice(&format!("{}: {note}", path.display()));
        }
        Ok(Some(ModelFile {
            model: model.clone(),
            classes,
            preprocessing,
            weights,
        }))
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

/// What `--classes` says.
#[derive(Debug, Clone, PartialEq)]
enum Classes {
    Count(usize),
    /// A data set, and the names of its classes.
    Of(&'static str, Vec<String>),
}

fn classes(text: &str) -> Result<Classes, String> {
    let begins_as_number = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    if text.is_empty() || text.starts_with(begins_as_number) {
        return whole(text).map(Classes::Count);
    }
    let entry = info(text).map_err(|error| error.to_string())?;
    Ok(Classes::Of(entry.about.name, (entry.build.classes)()))
}

/// The class names of a known data set, and what speaks for it.
#[derive(Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) set: &'static str,
    pub(crate) why: String,
    pub(crate) classes: Vec<String>,
}

impl PlainWeights {
    /// The names for classes that are still numbers, where the normalization or the name of the file
    /// says which data set the weights are for, and that has as many classes.
    pub(crate) fn names_of_a_known_set(&self, file: &ModelFile) -> Option<Named> {
        if self.classes.is_some() {
            return None;
        }
        let stem = self
            .weights
            .as_ref()?
            .file_stem()?
            .to_string_lossy()
            .to_lowercase();
        let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).collect();
        let sets = list()
            .into_iter()
            .map(|entry| (entry.about.name, (entry.build.classes)()));
        let fitting = sets.filter(|(_, classes)| classes.len() == file.classes.len());
        let named = fitting.filter_map(|(set, classes)| {
            let why = if self.normalize.as_deref() == Some(set) {
                format!("--normalize is {set}")
            } else if words.contains(&set) {
                "the name of the weights file says so".into()
            } else {
                return None;
            };
            Some(Named { set, why, classes })
        });
        let mut named = named.collect::<Vec<_>>().into_iter();
        // Two that both fit say nothing.
        named.next().filter(|_| named.next().is_none())
    }
}

/// The model that a positional path or plain weights name.
pub(crate) fn model_file(run: Option<&Path>, plain: &PlainWeights) -> Result<ModelFile, Failure> {
    match (run, plain.model_file()?) {
        (Some(run), None) => Ok(ModelFile::read(run)?),
        (None, Some(file)) => Ok(file),
        _ => Err(Failure::Usage(
            "give a run directory or a model file, or --model NAME --weights FILE".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(weights: &str, normalize: &str, given: Option<Classes>) -> PlainWeights {
        PlainWeights {
            model: Some(Spec::new("resnet20")),
            weights: Some(weights.into()),
            normalize: Some(normalize.into()),
            classes: given,
        }
    }

    fn file(count: usize) -> ModelFile {
        ModelFile {
            model: Spec::new("resnet20"),
            classes: numbers(count),
            preprocessing: Preprocessing {
                channels: 3,
                height: 32,
                width: 32,
                fit: firebrick::core::data::Fit::Crop,
                mean: vec![0.0; 3],
                std: vec![1.0; 3],
            },
            weights: StateDict::default(),
        }
    }

    #[test]
    fn names_come_from_what_speaks_for_a_data_set() {
        let fourth = |plain: &PlainWeights, count: usize| {
            let named = plain.names_of_a_known_set(&file(count));
            named.map(|named| named.classes[3].clone())
        };
        let cat = Some("cat".to_string());
        assert_eq!(
            fourth(
                &plain("a/resnet20_cifar10.safetensors", "imagenet", None),
                10
            ),
            cat
        );
        assert_eq!(
            fourth(&plain("ResNet20-CIFAR10.pth", "none", None), 10),
            cat
        );
        assert_eq!(fourth(&plain("weights.th", "cifar10", None), 10), cat);
        // Another number of classes, nothing that speaks for a set, or two that do.
        assert_eq!(
            fourth(&plain("resnet20_cifar10.th", "imagenet", None), 7),
            None
        );
        assert_eq!(
            fourth(&plain("cifar10/weights.th", "imagenet", None), 10),
            None
        );
        assert_eq!(fourth(&plain("cifar10.th", "mnist", None), 10), None);
        let told = Some(Classes::Count(10));
        assert_eq!(
            fourth(&plain("resnet20_cifar10.th", "cifar10", told), 10),
            None
        );
    }

    #[test]
    fn classes_are_a_number_or_a_data_set() {
        assert_eq!(classes("12"), Ok(Classes::Count(12)));
        let Ok(Classes::Of("cifar100", names)) = classes("CIFAR-100") else {
            panic!("no names of CIFAR-100")
        };
        assert_eq!((names.len(), names[0].as_str()), (100, "apple"));
        assert!(classes("1x").unwrap_err().contains("whole number"));
        assert!(
            classes("cifar11")
                .unwrap_err()
                .contains("did you mean `cifar10`")
        );
    }
}
