//! Combining: one prediction out of those of all members, by name.
//!
//! | name | file | what it predicts |
//! |---|---|---|
//! | `mean` | [`mean`] | the mean of the probabilities |
//! | `logits`, `geometric` | [`logits`] | the softmax of the mean logits, which is the geometric mean of the probabilities |
//! | `vote` | [`vote`] | the class that most members predict |
//! | `weighted` | [`weighted`] | the mean of the probabilities with fitted weights |
//! | `stacking` | [`stacking`] | a logistic regression on what the members predict |
//! | `rank` | [`rank`] | the class of the best mean rank |
//!
//! `weighted` and `stacking` are fitted to validation images, which the members must not have been trained on. What
//! was fitted belongs to members by their names. No rule depends on the order of the members.
//!
//! ```
//! use firebrick_ensemble::{Member, Members, combine};
//! let (a, b) = ([2.0, 0.0], [0.0, 4.0]);
//! let members = Members::new(vec![Member::new("a", &a, 2), Member::new("b", &b, 2)])?;
//! let pooled = combine::fit(&"logits".parse()?, &members, None)?.combine(&members)?;
//! let odds: f64 = pooled.row(0)[1] - pooled.row(0)[0];
//! assert!((odds - 1.0).abs() < 1e-12);
//! # Ok::<(), firebrick_ensemble::EnsembleError>(())
//! ```

mod definition;
pub mod logits;
pub mod mean;
pub mod rank;
pub mod stacking;
pub mod vote;
pub mod weighted;

use firebrick_types::ConfigError;
use firebrick_types::registry::{Entry, Registry};
use firebrick_types::spec::Spec;
use serde::{Deserialize, Serialize};

use crate::error::{EnsembleError, check_labels};
use crate::log_probabilities::LogProbabilities;
use crate::members::Members;

pub use definition::{Build, Combine, CombineConfig, Rule};

/// All rules.
pub static REGISTRY: Registry<Build> = Registry::new(
    "combination",
    &[
        Entry::of::<mean::Mean>(),
        Entry::of::<logits::Logits>(),
        Entry::of::<vote::Vote>(),
        Entry::of::<weighted::Weighted>(),
        Entry::of::<stacking::Stacking>(),
        Entry::of::<rank::Rank>(),
    ],
);

/// The rule that a spec names.
///
/// # Errors
/// [`ConfigError`] naming the unit, key or value that cannot be used.
pub fn build(spec: &Spec) -> Result<Rule, ConfigError> {
    (REGISTRY.find(spec)?.build.rule)(spec)
}

/// A rule that is ready to combine members, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combiner {
    /// The spec of the rule.
    pub rule: Spec,
    /// The names of the members that it was fitted to, sorted. A rule without parameters takes any members.
    pub members: Vec<String>,
    /// The number of classes.
    pub classes: usize,
    /// What was fitted.
    pub parameters: Vec<f64>,
}

/// Makes a rule ready, and fits it to `members` on images with these labels where it has something to fit.
///
/// # Errors
/// [`EnsembleError::NeedsLabels`] where it has and there are none; those of [`build`] and of the rule;
/// [`EnsembleError::NonFinite`].
pub fn fit(
    spec: &Spec,
    members: &Members<'_>,
    labels: Option<&[usize]>,
) -> Result<Combiner, EnsembleError> {
    let Rule { spec, combine } = build(spec)?;
    let sorted = members.by_name();
    let wanted = combine.parameters(members.len(), members.classes());
    let parameters = match labels {
        _ if wanted == 0 => Vec::new(),
        None => return Err(EnsembleError::NeedsLabels(spec.name)),
        Some(labels) => {
            members.check_finite()?;
            check_labels(labels, members.images(), members.classes())?;
            combine.fit(&sorted, labels)?
        }
    };
    Ok(Combiner {
        rule: spec,
        members: sorted.names().map(String::from).collect(),
        classes: members.classes(),
        parameters,
    })
}

impl Combiner {
    /// The combined prediction for each image.
    ///
    /// # Errors
    /// [`EnsembleError::NonFinite`]; [`EnsembleError::Fitted`] for members or classes that it was not fitted to.
    pub fn combine(&self, members: &Members<'_>) -> Result<LogProbabilities, EnsembleError> {
        members.check_finite()?;
        let members = members.by_name();
        let combine = self.checked(&members)?;
        let mut all = LogProbabilities::none(members.classes());
        let mut row = vec![0.0; members.classes()];
        members.each_image(|_, rows| {
            combine.image(rows, &self.parameters, &mut row);
            all.push(&row);
        });
        Ok(all)
    }

    /// The rule, if it goes with the members and with its own parameters.
    fn checked(&self, members: &Members<'_>) -> Result<Box<dyn Combine>, EnsembleError> {
        let Rule { spec, combine } = build(&self.rule)?;
        let wanted = combine.parameters(members.len(), members.classes());
        let unlike = |fitted: String, used: String| EnsembleError::Fitted {
            rule: spec.name.clone(),
            fitted,
            used,
        };
        if wanted == 0 {
            return Ok(combine);
        }
        let names = |names: &mut dyn Iterator<Item = &str>| {
            let names: Vec<_> = names.collect();
            format!("the members {}", names.join(", "))
        };
        if !members.names().eq(self.members.iter().map(String::as_str)) {
            return Err(unlike(
                names(&mut self.members.iter().map(String::as_str)),
                names(&mut members.names()),
            ));
        }
        if members.classes() != self.classes {
            let classes = |classes| format!("{classes} classes");
            return Err(unlike(classes(self.classes), classes(members.classes())));
        }
        let finite = self.parameters.iter().all(|value| value.is_finite());
        if self.parameters.len() != wanted || !finite {
            return Err(EnsembleError::conflict(format!(
                "`{}` needs {wanted} finite parameters for these members, but has {}{}: fit it again",
                spec.name,
                self.parameters.len(),
                if finite {
                    ""
                } else {
                    ", some of them not finite"
                }
            )));
        }
        Ok(combine)
    }
}

#[cfg(test)]
pub(crate) mod tests;
