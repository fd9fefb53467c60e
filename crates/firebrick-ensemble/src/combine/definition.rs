//! What a rule that combines members is, and how it is described and built: [`Combine`], [`CombineConfig`].

use firebrick_types::ConfigError;
use firebrick_types::about::About;
use firebrick_types::registry::BuildOf;
use firebrick_types::spec::{Config, Spec};

use crate::error::EnsembleError;
use crate::members::Members;

/// A rule that makes one prediction out of those of all members, image by image.
///
/// What a member predicts comes as log-probabilities, one row for each member; what it fits are plain numbers, so that
/// a fitted rule can be kept in a file.
pub trait Combine: Send + Sync {
    /// How many numbers it fits for so many members and classes. A rule that fits none needs no validation data.
    fn parameters(&self, _members: usize, _classes: usize) -> usize {
        0
    }

    /// Fits these numbers to images whose classes are known.
    ///
    /// # Errors
    /// [`EnsembleError::Fit`] where there is no best fit.
    fn fit(&self, _members: &Members<'_>, _labels: &[usize]) -> Result<Vec<f64>, EnsembleError> {
        Ok(Vec::new())
    }

    /// Writes the scores of one image, of which a softmax makes the combined prediction.
    fn image(&self, rows: &[&[f64]], parameters: &[f64], out: &mut [f64]);
}

/// A rule as plain data. A new one is one file with such a struct, and an entry of it in [`REGISTRY`](super::REGISTRY);
/// a crate outside hands the entry to its `register`.
pub trait CombineConfig: Config + Combine + 'static {
    /// What the rule says about itself.
    const ABOUT: About;
}

/// A rule with the spec that builds it again.
pub struct Rule {
    /// The canonical spec.
    pub spec: Spec,
    /// The rule.
    pub combine: Box<dyn Combine>,
}

/// How a rule is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the rule.
    pub rule: fn(&Spec) -> Result<Rule, ConfigError>,
}

impl<C: CombineConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        rule: |spec| {
            let config = C::ABOUT.resolve::<C>(spec)?;
            Ok(Rule {
                spec: Spec::canonical(C::ABOUT.name, &config),
                combine: Box::new(config),
            })
        },
    };
}
