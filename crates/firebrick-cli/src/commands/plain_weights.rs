//! Models given as a name and a weights file (`--model`, `--weights`), for `eval` and `predict`.

use std::path::{Path, PathBuf};

use clap::Args;
use firebrick::core::data::Preprocessing;
use firebrick::core::image::Filter;
use firebrick::core::setting::FromFlag;
use firebrick::core::spec::Spec;
use firebrick::core::weights_file::WeightsFile;
use firebrick::datasets::registry::{info, list};
use firebrick::weights::{Expected, FoundWeights, WeightsPlace};
use firebrick::zoo::{self, IMAGENET, Normalization, imagenet_classes};
use firebrick::{ModelInfo, Models, TrainedModel, memory};

use crate::failure::Failure;
use crate::free_memory::free_memory;
use crate::number::{real, whole};
use crate::terminal;

/// A model given as a name and plain weights.
#[derive(Args)]
pub(crate) struct PlainWeights {
    /// Model that the weights are for, such as resnet20
    #[arg(long, value_name = "SPEC", requires = "weights")]
    pub(crate) model: Option<Spec>,
    /// Weights: pretrained (the published ones of the model), the tag of published weights (`firebrick models weights` lists them),
    /// a file (safetensors, or written by torch.save), an address, or hf-hub:OWNER/NAME
    #[arg(long, value_name = "NAME|FILE", requires = "model")]
    pub(crate) weights: Option<String>,
    /// Directory of downloaded weights; by default weights in the cache directory. A file that is there is not downloaded
    #[arg(long, value_name = "DIR", requires = "weights")]
    weights_dir: Option<PathBuf>,
    /// Download nothing
    #[arg(long, requires = "weights")]
    offline: bool,
    /// How images were normalized when these weights were trained: imagenet, cifar10, mnist, none or
    /// 'mean=…; std=…'. By default images are read as the published weights of the model expect (size, crop share, filter, mean and
    /// deviation)
    #[arg(long, value_name = "NAME", requires = "weights")]
    pub(crate) normalize: Option<String>,
    /// Number of classes of these weights, or the data set whose class names to use, such as imagenet or cifar10. By
    /// default the classes of the published weights of the model
    #[arg(long, value_name = "N|NAME", requires = "weights", value_parser = classes)]
    classes: Option<Classes>,
    /// Share of each side that the centre crop keeps, as when the published accuracy was measured: 0.875 for
    /// most ImageNet models. By default that of the published weights; with --normalize, 1
    #[arg(long, value_name = "SHARE", requires = "weights", value_parser = real)]
    crop_pct: Option<f64>,
    /// Filter for resizing: nearest, bilinear, bicubic, box or lanczos. By default that of the published weights; with --normalize,
    /// bilinear
    #[arg(long, value_name = "FILTER", requires = "weights", value_parser = Filter::from_flag)]
    interpolation: Option<Filter>,
}

/// Plain weights that are not read yet.
struct Opened {
    info: ModelInfo,
    file: WeightsFile,
    found: FoundWeights,
    /// The data set that they were trained on, if they are published ones.
    data: Option<&'static str>,
}

impl PlainWeights {
    /// The model, and its weights before they are read. Its classes are numbers unless --classes names a
    /// data set.
    fn open(&self) -> Result<Option<Opened>, Failure> {
        let (Some(model), Some(weights)) = (&self.model, &self.weights) else {
            return Ok(None);
        };
        let native = zoo::default_input(model)?;
        let found = self.place().find(weights, model)?;
        let file = WeightsFile::open(&found.path)?;
        let expected = found.expected(&file, model, &native);
        let base = match (&self.normalize, &expected) {
            (Some(normalize), _) => {
                let Normalization { mean, std } = normalize
                    .parse::<Normalization>()?
                    .for_channels(native.channels)?;
                Preprocessing {
                    mean,
                    std,
                    ..Preprocessing::unnormalized(native.channels, native.height, native.width)
                }
            }
            (None, Some(expected)) => expected.preprocessing.clone(),
            (None, None) => {
                let text = "a weights file does not say how the images were normalized, and nothing is published about this model; give --normalize imagenet, cifar10, mnist, none or 'mean=…; std=…'";
                return Err(Failure::Usage(text.into()));
            }
        };
        let preprocessing = Preprocessing {
            crop: self.crop_pct.unwrap_or(base.crop),
            filter: self.interpolation.unwrap_or(base.filter),
            ..base
        };
        preprocessing.check_crop("--weights", "crop_pct")?;
        let published = expected.as_ref().and_then(|expected| expected.published);
        if let (None, Some(expected)) = (&self.normalize, expected) {
            let read = Expected {
                preprocessing: preprocessing.clone(),
                ..expected
            };
            terminal::notice(&read.sentence(true));
        }
        let classes = match &self.classes {
            Some(Classes::Of(_, names)) => names.clone(),
            Some(Classes::Count(count)) => numbers(*count),
            None => numbers(native.classes),
        };
        let info = ModelInfo {
            model: model.clone(),
            classes,
            preprocessing,
        };
        Ok(Some(Opened {
            info,
            file,
            found,
            data: published.map(|published| published.data.as_str()),
        }))
    }

    fn place(&self) -> WeightsPlace {
        let place = super::weights_place();
        WeightsPlace {
            directory: self.weights_dir.clone().unwrap_or(place.directory),
            offline: self.offline,
            ..place
        }
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

fn names_of_imagenet() -> Vec<String> {
    let classes = imagenet_classes().iter();
    classes.map(|class| class.name.to_string()).collect()
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
    if text.eq_ignore_ascii_case(IMAGENET) {
        return Ok(Classes::Of(IMAGENET, names_of_imagenet()));
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

impl Named {
    /// Names the classes of a model, and says so unless `quiet`.
    pub(crate) fn give_to(self, info: &mut ModelInfo, quiet: bool) {
        if !quiet {
            terminal::notice(&format!(
                "using the class names of {}, because {}; --classes {} takes numbers instead",
                self.set,
                self.why,
                info.classes.len()
            ));
        }
        info.classes = self.classes;
    }
}

impl PlainWeights {
    /// Gives the classes of plain weights the names of the data set that they are for, and says so unless `quiet`.
    pub(crate) fn name_classes(&self, info: &mut ModelInfo, data: Option<&str>, quiet: bool) {
        if let Some(named) = self.names_of_a_known_set(info, data) {
            named.give_to(info, quiet);
        }
    }

    /// The names for classes that are still numbers, where the normalization, the name of the file or what is known of published
    /// weights says which data set they are for, and that has as many classes.
    pub(crate) fn names_of_a_known_set(
        &self,
        info: &ModelInfo,
        data: Option<&str>,
    ) -> Option<Named> {
        if self.classes.is_some() {
            return None;
        }
        let stem = Path::new(self.weights.as_ref()?)
            .file_stem()?
            .to_string_lossy()
            .to_lowercase();
        let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).collect();
        let sets = list()
            .into_iter()
            .map(|entry| (entry.about.name, (entry.build.classes)()));
        let sets = sets.chain([(IMAGENET, names_of_imagenet())]);
        let fitting = sets.filter(|(_, classes)| classes.len() == info.classes.len());
        let named = fitting.filter_map(|(set, classes)| {
            // Images of any data set are normalized with ImageNet's statistics.
            let why = if set != IMAGENET && self.normalize.as_deref() == Some(set) {
                format!("--normalize is {set}")
            } else if words.contains(&set) {
                "the name of the weights file says so".into()
            } else if data == Some(set) {
                "the published weights are for it".into()
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

/// The model that a positional path or plain weights name. `settle` sees what is known of it before the
/// weights are read, and the data set that published weights were trained on.
pub(crate) fn trained_model(
    run: Option<&Path>,
    plain: &PlainWeights,
    device: &str,
    settle: impl FnOnce(&mut ModelInfo, Option<&str>),
) -> Result<TrainedModel, Failure> {
    let device = firebrick::core::device(device)?;
    let opened = match (run, plain.open()?) {
        (Some(run), None) => {
            let (info, file) = ModelInfo::open(run)?;
            (info, file, None, None)
        }
        (None, Some(opened)) => (
            opened.info,
            opened.file,
            Some(opened.found.name),
            opened.data,
        ),
        _ => {
            return Err(Failure::Usage(
                "give a run directory or a model file, or --model NAME --weights FILE".into(),
            ));
        }
    };
    let (mut info, weights, name, data) = opened;
    settle(&mut info, data);
    if let Some(free) = free_memory() {
        memory::check_model(&info.model, &info.input(), free)?;
    }
    let (model, notes) = info.load(weights, &Models::default(), &device)?;
    if let Some(name) = name {
        for note in notes {
            terminal::notice(&format!("{name}: {note}"));
        }
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(weights: &str, normalize: &str, given: Option<Classes>) -> PlainWeights {
        PlainWeights {
            model: Some(Spec::new("resnet20")),
            weights: Some(weights.into()),
            weights_dir: None,
            offline: false,
            normalize: Some(normalize.into()),
            classes: given,
            crop_pct: None,
            interpolation: None,
        }
    }

    fn info(count: usize) -> ModelInfo {
        ModelInfo {
            model: Spec::new("resnet20"),
            classes: numbers(count),
            preprocessing: Preprocessing::unnormalized(3, 32, 32),
        }
    }

    #[test]
    fn names_come_from_what_speaks_for_a_data_set() {
        let fourth = |plain: &PlainWeights, count: usize| {
            let named = plain.names_of_a_known_set(&info(count), None);
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
        let unnamed = plain("weights.th", "none", None);
        let published = unnamed.names_of_a_known_set(&info(10), Some("cifar10"));
        assert_eq!(published.unwrap().set, "cifar10");
        let shark = Some("tiger shark".to_string());
        assert_eq!(
            fourth(&plain("resnet20_imagenet.th", "none", None), 1000),
            shark
        );
        let published = unnamed.names_of_a_known_set(&info(1000), Some(IMAGENET));
        assert_eq!(published.map(|named| named.classes[3].clone()), shark);
        assert_eq!(
            unnamed.names_of_a_known_set(&info(999), Some(IMAGENET)),
            None
        );
        assert_eq!(fourth(&plain("weights.th", "imagenet", None), 1000), None);
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
        let Ok(Classes::Of(IMAGENET, names)) = classes("ImageNet") else {
            panic!("no names of ImageNet")
        };
        assert_eq!((names.len(), names[0].as_str()), (1000, "tench"));
        assert!(classes("1x").unwrap_err().contains("whole number"));
        assert!(
            classes("cifar11")
                .unwrap_err()
                .contains("did you mean `cifar10`")
        );
    }
}
