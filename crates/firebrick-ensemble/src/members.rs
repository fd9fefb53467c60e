//! What the members of an ensemble predict for the same images.

use firebrick_types::metrics::log_sum_exp;

use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;
use crate::non_finite::NonFinite;

/// What one member predicts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// Its name, such as the path of its file.
    pub name: &'a str,
    /// Class scores before the softmax, `[images × classes]` row by row.
    pub logits: &'a [f32],
    /// The number of classes.
    pub classes: usize,
    /// What its logits are divided by; 1 leaves them as they are.
    pub temperature: f64,
}

impl<'a> Member<'a> {
    /// A member at temperature 1.
    #[must_use]
    pub const fn new(name: &'a str, logits: &'a [f32], classes: usize) -> Self {
        Self {
            name,
            logits,
            classes,
            temperature: 1.0,
        }
    }
}

/// What all members predict for the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Members<'a> {
    members: Vec<Member<'a>>,
    classes: usize,
    images: usize,
}

impl<'a> Members<'a> {
    /// The members, which must have names of their own, and predictions for the same images and classes.
    ///
    /// # Errors
    /// [`EnsembleError`] naming the member that does not go with the others.
    pub fn new(members: Vec<Member<'a>>) -> Result<Self, EnsembleError> {
        let first = *members.first().ok_or(EnsembleError::NoMembers)?;
        for (at, member) in members.iter().enumerate() {
            let (name, classes, values) =
                (member.name.to_owned(), member.classes, member.logits.len());
            if classes == 0 || values % classes != 0 {
                return Err(EnsembleError::Shape {
                    member: name,
                    values,
                    classes,
                });
            }
            if classes != first.classes {
                return Err(EnsembleError::Classes {
                    member: name,
                    classes,
                    other: first.name.into(),
                    expected: first.classes,
                });
            }
            if values != first.logits.len() {
                return Err(EnsembleError::Images {
                    member: name,
                    images: values / classes,
                    other: first.name.into(),
                    expected: first.logits.len() / classes,
                });
            }
            if members[..at].iter().any(|other| other.name == member.name) {
                return Err(EnsembleError::SameName(name));
            }
            check_temperature(member.temperature)?;
        }
        if first.logits.is_empty() {
            return Err(EnsembleError::NoImages);
        }
        Ok(Self {
            classes: first.classes,
            images: first.logits.len() / first.classes,
            members,
        })
    }

    /// The number of members, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The number of images, at least 1.
    #[must_use]
    pub fn images(&self) -> usize {
        self.images
    }

    /// The number of classes, at least 1.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The members, in their order.
    #[must_use]
    pub fn all(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The names of the members, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.members.iter().map(|member| member.name)
    }

    /// The members with logits that are divided by these temperatures, one for each.
    ///
    /// # Errors
    /// [`EnsembleError::Config`] for another number of them, and for one that is not greater than 0.
    pub fn with_temperatures(mut self, temperatures: &[f64]) -> Result<Self, EnsembleError> {
        if temperatures.len() != self.len() {
            return Err(EnsembleError::conflict(format!(
                "there are {} temperatures for {} members: give one for each",
                temperatures.len(),
                self.len()
            )));
        }
        for (member, temperature) in self.members.iter_mut().zip(temperatures) {
            check_temperature(*temperature)?;
            member.temperature = *temperature;
        }
        Ok(self)
    }

    /// Some of the members, by their places.
    ///
    /// # Errors
    /// [`EnsembleError::NoMembers`] without any; [`EnsembleError::SameName`] for a place that is named twice.
    ///
    /// # Panics
    /// When there is no member at a place.
    pub fn only(&self, places: &[usize]) -> Result<Self, EnsembleError> {
        Self::new(places.iter().map(|place| self.members[*place]).collect())
    }

    /// The members in the order of their names, so that what is computed of them does not depend on theirs.
    pub(crate) fn by_name(&self) -> Self {
        let mut sorted = self.clone();
        sorted.members.sort_by_key(|member| member.name);
        sorted
    }

    /// The members with logits that are NaN or infinite.
    #[must_use]
    pub fn non_finite(&self) -> Vec<NonFinite> {
        let bad = |member: &Member<'_>| {
            let wrong = |value: &&f32| !value.is_finite();
            let first = member.logits.iter().position(|value| !value.is_finite())?;
            Some(NonFinite {
                member: member.name.into(),
                values: member.logits.iter().filter(wrong).count(),
                of: member.logits.len(),
                image: first / self.classes,
            })
        };
        self.members.iter().filter_map(bad).collect()
    }

    /// The members whose logits are all finite, and the others: for a warning that names them.
    ///
    /// # Errors
    /// [`EnsembleError::AllNonFinite`] where none is left.
    pub fn finite(self) -> Result<(Self, Vec<NonFinite>), EnsembleError> {
        let bad = self.non_finite();
        if bad.len() == self.len() {
            return Err(EnsembleError::AllNonFinite(bad));
        }
        let mut left = self;
        left.members
            .retain(|member| bad.iter().all(|bad| bad.member != member.name));
        Ok((left, bad))
    }

    /// Refuses members with logits that are NaN or infinite.
    ///
    /// # Errors
    /// [`EnsembleError::NonFinite`] naming all of them.
    pub fn check_finite(&self) -> Result<(), EnsembleError> {
        let bad = self.non_finite();
        if bad.is_empty() {
            Ok(())
        } else {
            Err(EnsembleError::NonFinite(bad))
        }
    }

    /// What one member predicts, at its temperature.
    ///
    /// # Panics
    /// When there is no member at this place.
    #[must_use]
    pub fn prediction(&self, place: usize) -> LogProbabilities {
        let mut all = LogProbabilities::none(self.classes);
        let mut row = vec![0.0; self.classes];
        for image in 0..self.images {
            self.log_probabilities(place, image, &mut row);
            all.push(&row);
        }
        all
    }

    /// Writes the log-probabilities of one image as one member sees it.
    fn log_probabilities(&self, place: usize, image: usize, row: &mut [f64]) {
        self.scaled(place, image, row);
        let norm = log_sum_exp(row);
        row.iter_mut().for_each(|value| *value -= norm);
    }

    /// Writes the logits of one image as one member sees it, at its temperature.
    pub(crate) fn scaled(&self, place: usize, image: usize, row: &mut [f64]) {
        let member = &self.members[place];
        let logits = &member.logits[image * self.classes..][..self.classes];
        for (value, logit) in row.iter_mut().zip(logits) {
            *value = f64::from(*logit) / member.temperature;
        }
    }

    /// Hands on each image in turn: its number, and the log-probabilities of its classes from each member.
    pub(crate) fn each_image(&self, mut see: impl FnMut(usize, &[&[f64]])) {
        let mut buffer = vec![0.0; self.len() * self.classes];
        for image in 0..self.images {
            for (place, row) in buffer.chunks_exact_mut(self.classes).enumerate() {
                self.log_probabilities(place, image, row);
            }
            let rows: Vec<&[f64]> = buffer.chunks_exact(self.classes).collect();
            see(image, &rows);
        }
    }
}

/// Refuses a temperature that is not finite and greater than 0.
pub(crate) fn check_temperature(temperature: f64) -> Result<(), EnsembleError> {
    firebrick_types::error::check_positive("temperature", "temperature", temperature)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_do_not_go_together_are_named() {
        let logits = [0.0; 12];
        let member = |name, values: usize, classes| Member::new(name, &logits[..values], classes);
        let refused = |members: Vec<Member<'_>>| Members::new(members).unwrap_err().to_string();
        for (members, needle) in [
            (vec![], "no members"),
            (vec![member("a", 0, 3)], "no images"),
            (vec![member("a", 5, 3)], "member `a`: 5 logits"),
            (vec![member("a", 0, 0)], "0 classes each"),
            (
                vec![member("a", 6, 3), member("b", 6, 2)],
                "`b` has 2 classes, but `a` has 3",
            ),
            (
                vec![member("a", 6, 3), member("b", 12, 3)],
                "`b` has predictions for 4 images, but `a` for 2",
            ),
            (
                vec![member("a", 6, 3), member("a", 6, 3)],
                "two members are called `a`",
            ),
        ] {
            let message = refused(members);
            assert!(message.contains(needle), "{message}");
        }
        let cold = Member {
            temperature: 0.0,
            ..member("a", 6, 3)
        };
        assert!(refused(vec![cold]).contains("temperature = 0 is out of range"));
        let one = Members::new(vec![member("a", 6, 3)]).unwrap();
        assert_eq!((one.len(), one.images(), one.classes()), (1, 2, 3));
        let error = one.clone().with_temperatures(&[1.0, 2.0]).unwrap_err();
        assert!(error.to_string().contains("2 temperatures for 1 members"));
        assert!(one.only(&[]).is_err() && one.only(&[0, 0]).is_err());
    }

    #[test]
    fn members_that_are_not_finite_are_found_and_named() {
        let (good, mut bad) = ([0.0; 6], [0.0; 6]);
        (bad[3], bad[4]) = (f32::NAN, f32::INFINITY);
        let members = Members::new(vec![
            Member::new("good", &good, 2),
            Member::new("bad", &bad, 2),
        ]);
        let members = members.unwrap();
        let message = members.check_finite().unwrap_err().to_string();
        assert_eq!(
            message,
            "2 of the 6 logits of member `bad` are NaN or infinite, the first of them for image 1: leave them out, or train them again"
        );
        let (left, out) = members.finite().unwrap();
        assert_eq!(
            (left.names().collect::<Vec<_>>(), out.len()),
            (vec!["good"], 1)
        );
        let alone = Members::new(vec![Member::new("bad", &bad, 2)]).unwrap();
        let message = alone.finite().unwrap_err().to_string();
        assert!(message.starts_with("no member can be used: 2 of the 6"));
    }

    #[test]
    fn a_temperature_divides_the_logits() {
        let logits = [2.0, 0.0, -1.0, 1.0];
        let members = Members::new(vec![Member::new("a", &logits, 2)]).unwrap();
        let warm = members.with_temperatures(&[2.0]).unwrap().prediction(0);
        let p = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!((warm.row(0)[0] - p.ln()).abs() < 1e-15 && (warm.row(1)[1] - p.ln()).abs() < 1e-15);
    }
}
