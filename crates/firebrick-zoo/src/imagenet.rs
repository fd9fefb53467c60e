//! The classes of ImageNet (ILSVRC 2012), in the order of the outputs of published networks.
//!
//! `imagenet.txt` has a line for each, written by `xtask/golden/imagenet.py`: names are those of torchvision's weights, ids those by which
//! WordNet, and the folders of the data set, know them.

use std::sync::LazyLock;

/// What the data set is called in [`Weights::data`](crate::Weights) and on the command line.
pub const IMAGENET: &str = "imagenet";

/// A class of ImageNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagenetClass {
    /// The name of its folder in the data set: `n01440764`.
    pub wordnet: &'static str,
    /// What it is in English: `tench`.
    pub name: &'static str,
}

static CLASSES: LazyLock<Vec<ImagenetClass>> = LazyLock::new(|| {
    let lines = include_str!("imagenet.txt").lines();
    let classes = lines.filter(|line| !line.starts_with('#'));
    let class = |line: &'static str| line.split_once(' ');
    let classes = classes.filter_map(class);
    classes
        .map(|(wordnet, name)| ImagenetClass { wordnet, name })
        .collect()
});

/// The 1000 classes; an output of a published network is the index of its class.
#[must_use]
pub fn imagenet_classes() -> &'static [ImagenetClass] {
    &CLASSES
}

/// Whether a model tells apart the classes of ImageNet, by these names.
#[must_use]
pub fn are_imagenet_classes(names: &[String]) -> bool {
    names.len() == CLASSES.len()
        && names
            .iter()
            .zip(CLASSES.iter())
            .all(|(name, class)| name == class.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_published_networks() {
        let classes = imagenet_classes();
        assert_eq!(classes.len(), 1000);
        // Goldfish, coffee mug and toilet tissue are known by their numbers to everyone who has used such a network.
        for (index, wordnet, name) in [
            (1, "n01443537", "goldfish"),
            (134, "n02012849", "crane bird"),
            (517, "n03126707", "crane"),
            (504, "n03063599", "coffee mug"),
            (999, "n15075141", "toilet tissue"),
        ] {
            assert_eq!(classes[index], ImagenetClass { wordnet, name });
        }
        // The data set's folders are sorted.
        assert!(classes.is_sorted_by(|one, next| one.wordnet < next.wordnet));
        let mut names: Vec<String> = classes.iter().map(|class| class.name.to_string()).collect();
        assert!(are_imagenet_classes(&names));
        names.swap(3, 4);
        assert!(!are_imagenet_classes(&names));
        assert!(!are_imagenet_classes(&names[..10]));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 1000);
    }
}
