//! What a conformal score is, and how it is described and built: [`Conform`], [`ConformalConfig`].

use firebrick_types::ConfigError;
use firebrick_types::about::About;
use firebrick_types::registry::BuildOf;
use firebrick_types::spec::{Config, Spec};

/// How little each class fits an image: the sets hold the classes that fit best.
pub trait Conform: Send + Sync {
    /// Writes the score of each class, the greater the less it fits. `ranked` are the classes from the most probable to
    /// the least, and `draw` is a number in [0, 1) that is drawn for the image, or 0.
    fn scores(&self, probabilities: &[f64], ranked: &[usize], draw: f64, out: &mut [f64]);

    /// The seed of the draws; `None` where there are none.
    fn seed(&self) -> Option<u64> {
        None
    }
}

/// A conformal score as plain data. A new one is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait ConformalConfig: Config + Conform + 'static {
    /// What the score says about itself.
    const ABOUT: About;
}

/// A conformal score with the spec that builds it again.
pub struct Rule {
    /// The canonical spec.
    pub spec: Spec,
    /// The score.
    pub conform: Box<dyn Conform>,
}

/// How a conformal score is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the score.
    pub rule: fn(&Spec) -> Result<Rule, ConfigError>,
}

impl<C: ConformalConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        rule: |spec| {
            let config = C::ABOUT.resolve::<C>(spec)?;
            Ok(Rule {
                spec: Spec::canonical(C::ABOUT.name, &config),
                conform: Box::new(config),
            })
        },
    };
}
