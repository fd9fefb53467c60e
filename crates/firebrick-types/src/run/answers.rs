//! Which images a run classified correctly, to compare two runs on the same images.

use serde::{Deserialize, Serialize};

/// Which images of a split were classified right, one bit for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Fingerprint of the split: where it is equal, so are the images and their order.
    pub fingerprint: String,
    /// Images of the split.
    pub images: usize,
    /// Bit `index % 8` of byte `index / 8` is set where the image was classified right.
    #[serde(with = "super::bytes")]
    right: Vec<u8>,
}

impl Answers {
    /// The answers to all images of a split, in its order.
    #[must_use]
    pub fn new(fingerprint: String, right: &[bool]) -> Self {
        let byte = |bits: &[bool]| {
            let set = bits.iter().enumerate().filter(|(_, right)| **right);
            set.fold(0, |byte, (bit, _)| byte | 1 << bit)
        };
        Self {
            fingerprint,
            images: right.len(),
            right: right.chunks(8).map(byte).collect(),
        }
    }

    /// Images that this run alone classified right, and images that the other one alone did; `None`
    /// where the two were not asked about the same images.
    ///
    /// ```
    /// use firebrick_types::run::Answers;
    /// let one = Answers::new("images".into(), &[true, true, false]);
    /// let other = Answers::new("images".into(), &[false, false, true]);
    /// assert_eq!(one.against(&other), Some([2, 1]));
    /// ```
    #[must_use]
    pub fn against(&self, other: &Self) -> Option<[usize; 2]> {
        let same = self.fingerprint == other.fingerprint && self.images == other.images;
        let whole = |answers: &Self| answers.right.len() == answers.images.div_ceil(8);
        if !same || self.images == 0 || !whole(self) || !whole(other) {
            return None;
        }
        let mut alone = [0, 0];
        for index in 0..self.images {
            match [self, other].map(|answers| answers.right[index / 8] >> (index % 8) & 1 == 1) {
                [true, false] => alone[0] += 1,
                [false, true] => alone[1] += 1,
                _ => {}
            }
        }
        Some(alone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_as_they_were_given() {
        let one: Vec<bool> = (0..1003).map(|index| index % 3 == 0).collect();
        let other: Vec<bool> = (0..1003).map(|index| index % 7 != 0).collect();
        let alone = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count();
        let expected = [alone(&one, &other), alone(&other, &one)];
        let [one, other] = [one, other].map(|right| Answers::new("same".into(), &right));
        assert_eq!(one.against(&other), Some(expected));
        assert_eq!(one.against(&one), Some([0, 0]));
        let json = serde_json::to_string(&one).unwrap();
        assert!(json.len() < 260, "{} bytes", json.len());
        assert_eq!(serde_json::from_str::<Answers>(&json).unwrap(), one);
    }

    #[test]
    fn answers_about_other_images_do_not_compare() {
        let one = Answers::new("a".into(), &[true; 10]);
        assert_eq!(one.against(&Answers::new("b".into(), &[true; 10])), None);
        assert_eq!(one.against(&Answers::new("a".into(), &[true; 11])), None);
        let damaged = r#"{"fingerprint": "a", "images": 10, "right": "/w=="}"#;
        let damaged: Answers = serde_json::from_str(damaged).unwrap();
        assert_eq!(one.against(&damaged), None);
        let none = Answers::new("a".into(), &[]);
        assert_eq!(none.against(&none), None);
    }
}
