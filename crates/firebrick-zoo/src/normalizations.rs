//! The means and standard deviations that published weights expect, by name or as numbers.

use std::fmt;
use std::str::FromStr;

use firebrick_core::ConfigError;
use firebrick_core::error::nearest;

/// Mean and standard deviation of each channel, of pixel values in [0, 1].
///
/// ```
/// use firebrick_zoo::Normalization;
/// let imagenet: Normalization = "imagenet".parse()?;
/// assert_eq!(imagenet.for_channels(3)?.mean, [0.485, 0.456, 0.406]);
/// let half: Normalization = "mean=0.5; std=0.25".parse()?;
/// assert_eq!(half.for_channels(3)?.std, [0.25, 0.25, 0.25]);
/// # Ok::<(), firebrick_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// Mean of each channel; a single one is that of all channels.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, as many as means.
    pub std: Vec<f32>,
}

/// The normalizations with a name, each with mean and standard deviation.
///
/// `imagenet` is torchvision's (the CIFAR-10 ResNets of the zoo were trained with it as well);
/// `cifar10` and `mnist` are of the training images of these sets; `none` leaves values in [0, 1].
pub const NORMALIZATIONS: [(&str, &[f32], &[f32]); 4] = [
    ("imagenet", &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
    (
        "cifar10",
        &[0.491_399_68, 0.482_158_42, 0.446_530_9],
        &[0.247_032_23, 0.243_485_12, 0.261_587_83],
    ),
    ("mnist", &[0.1307], &[0.3081]),
    ("none", &[0.0], &[1.0]),
];

const FORMAT: &str =
    "'mean=0.5, 0.5, 0.5; std=0.25, 0.25, 0.25', one number for each channel or one for all";

impl Normalization {
    /// The same for images of so many channels: a single mean and deviation are repeated.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] when it is for another number of channels.
    pub fn for_channels(&self, channels: usize) -> Result<Self, ConfigError> {
        match self.mean.len() {
            1 => Ok(Self {
                mean: vec![self.mean[0]; channels],
                std: vec![self.std[0]; channels],
            }),
            own if own == channels => Ok(self.clone()),
            own => Err(ConfigError::Conflict(format!(
                "the normalization `{self}` is for images of {own} channels, but these have {channels}"
            ))),
        }
    }
}

/// Reads a name, or `mean=…; std=…` with numbers separated by commas.
impl FromStr for Normalization {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if let Some((_, mean, std)) = NORMALIZATIONS.iter().find(|(name, ..)| *name == text) {
            return Ok(Self {
                mean: mean.to_vec(),
                std: std.to_vec(),
            });
        }
        if text.contains('=') {
            return spelled_out(text);
        }
        let names = NORMALIZATIONS.map(|(name, ..)| name);
        Err(ConfigError::UnknownName {
            family: "normalization".into(),
            name: text.into(),
            suggestion: nearest(text, names),
            known: format!("{}, or {FORMAT}", names.join(", ")),
        })
    }
}

/// `mean=…; std=…`, which [`FromStr`] reads back.
impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[f32]| {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            values.join(", ")
        };
        write!(f, "mean={}; std={}", list(&self.mean), list(&self.std))
    }
}

fn spelled_out(text: &str) -> Result<Normalization, ConfigError> {
    let wrong = |what: &str| {
        ConfigError::Conflict(format!(
            "normalization `{text}`: {what}; write it as {FORMAT}"
        ))
    };
    let (mut mean, mut std) = (None, None);
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (key, values) = part
            .split_once('=')
            .ok_or_else(|| wrong("a part has no `=`"))?;
        let target = match key.trim() {
            "mean" => &mut mean,
            "std" => &mut std,
            key => return Err(wrong(&format!("there is no `{key}`"))),
        };
        let values = values.split(',').map(|value| {
            let number = value
                .trim()
                .parse::<f32>()
                .ok()
                .filter(|number| number.is_finite());
            number.ok_or_else(|| wrong(&format!("`{}` is not a finite number", value.trim())))
        });
        if target
            .replace(values.collect::<Result<Vec<_>, _>>()?)
            .is_some()
        {
            return Err(wrong(&format!("`{}` is given twice", key.trim())));
        }
    }
    let (Some(mean), Some(std)) = (mean, std) else {
        return Err(wrong("it needs both `mean` and `std`"));
    };
    if mean.len() != std.len() {
        let (means, stds) = (mean.len(), std.len());
        return Err(wrong(&format!("{means} means but {stds} deviations")));
    }
    if let Some(value) = std.iter().find(|value| **value <= 0.0) {
        return Err(wrong(&format!("std {value} must be greater than 0")));
    }
    Ok(Normalization { mean, std })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Normalization>().unwrap_err().to_string()
    }

    #[test]
    fn names_and_numbers_are_read_and_written() {
        for (name, mean, std) in NORMALIZATIONS {
            let named: Normalization = name.parse().unwrap();
            assert_eq!((named.mean.as_slice(), named.std.as_slice()), (mean, std));
            assert_eq!(named.to_string().parse::<Normalization>().unwrap(), named);
        }
        let mixed: Normalization = " std = 0.5,2 ; mean=-1, 1e-1 ".parse().unwrap();
        assert_eq!((mixed.mean, mixed.std), (vec![-1.0, 0.1], vec![0.5, 2.0]));
    }

    #[test]
    fn mistakes_name_the_format() {
        for (text, needle) in [
            ("imagnet", "did you mean `imagenet`?"),
            ("mean=0.5", "needs both `mean` and `std`"),
            ("mean=0.5; std=0", "std 0 must be greater than 0"),
            ("mean=0.5; std=nan", "`nan` is not a finite number"),
            ("mean=0.5, 0.5; std=1", "2 means but 1 deviations"),
            ("mean=0.5; std=1; mean=1", "given twice"),
            ("mean=0.5; sdt=1", "there is no `sdt`"),
            ("mean=a; std=1", "`a` is not a finite number"),
        ] {
            let error = error(text);
            assert!(error.contains(needle), "{text}: {error}");
            assert!(
                error.contains("mean=0.5, 0.5, 0.5; std="),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn channels_must_fit() {
        let imagenet: Normalization = "imagenet".parse().unwrap();
        let error = imagenet.for_channels(1).unwrap_err().to_string();
        assert!(error.contains("3 channels, but these have 1"), "{error}");
        let none: Normalization = "none".parse().unwrap();
        assert_eq!(none.for_channels(3).unwrap().std, [1.0; 3]);
    }
}
