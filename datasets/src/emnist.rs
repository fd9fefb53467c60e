//! EMNIST: handwritten letters and digits in the format of MNIST, in six splits.
//!
//! Source: Cohen, Afshar, Tapson, van Schaik, "EMNIST: an extension of MNIST to handwritten letters",
//! 2017, <https://www.nist.gov/itl/products-and-services/emnist-dataset>.

use serde::{Deserialize, Serialize};

use crate::mnist::IdxSet;

/// `emnist(split=balanced)`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmnistConfig {
    /// Which of the published splits.
    pub split: EmnistSplit,
}

/// The published splits; images are train + test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmnistSplit {
    /// 112 800 + 18 800 in 47 classes of equal size: digits, capitals, and those small letters that
    /// do not look like their capital.
    #[default]
    Balanced,
    /// 124 800 + 20 800 in 26 classes: capital and small letters together.
    Letters,
    /// 240 000 + 40 000 in 10 classes of equal size.
    Digits,
    /// 60 000 + 10 000 in 10 classes, made as MNIST was.
    Mnist,
    /// 697 932 + 116 323 in 62 classes of unequal size: digits, capitals, small letters.
    ByClass,
    /// 697 932 + 116 323 in the 47 classes of `balanced`, of unequal size.
    ByMerge,
}

impl EmnistSplit {
    fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Letters => "letters",
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::ByClass => "byclass",
            Self::ByMerge => "bymerge",
        }
    }

    /// The class names: the characters.
    #[must_use]
    pub fn classes(self) -> Vec<String> {
        let (digits, capitals) = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        let characters = match self {
            Self::Digits | Self::Mnist => digits.into(),
            Self::Letters => capitals.into(),
            Self::Balanced | Self::ByMerge => format!("{digits}{capitals}abdefghnqrt"),
            Self::ByClass => format!("{digits}{capitals}{}", capitals.to_lowercase()),
        };
        characters.chars().map(String::from).collect()
    }
}

impl EmnistConfig {
    /// How this split is read: the images lie on their side in the files, and the labels of
    /// `letters` count from 1.
    #[must_use]
    pub fn files(&self) -> IdxSet {
        let split = self.split.name();
        IdxSet {
            name: format!("emnist(split={split})"),
            train: format!("emnist-{split}-train"),
            test: format!("emnist-{split}-test"),
            classes: self.split.classes(),
            first_label: u8::from(self.split == EmnistSplit::Letters),
            transposed: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrick_types::spec::Spec;

    use super::*;

    #[test]
    fn every_split_has_its_files_and_classes() {
        for (text, classes, last, first_label) in [
            ("emnist", 47, "t", 0),
            ("emnist(split=letters)", 26, "Z", 1),
            ("emnist(digits)", 10, "9", 0),
            ("emnist(mnist)", 10, "9", 0),
            ("emnist(byclass)", 62, "z", 0),
            ("emnist(bymerge)", 47, "t", 0),
        ] {
            let spec: Spec = text.parse().unwrap();
            let set = spec.resolve::<EmnistConfig>().unwrap().files();
            assert_eq!(set.classes.len(), classes, "{text}");
            assert_eq!(set.classes.last().unwrap(), last);
            assert_eq!(set.first_label, first_label);
            assert!(set.train.starts_with("emnist-") && set.train.ends_with("-train"));
        }
    }
}
