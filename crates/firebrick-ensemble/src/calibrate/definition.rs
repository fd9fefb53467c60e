//! What a calibration is, and how it is described and built: [`Calibrate`], [`CalibrateConfig`].

use firebrick_types::ConfigError;
use firebrick_types::about::About;
use firebrick_types::registry::BuildOf;
use firebrick_types::spec::{Config, Spec};

use crate::error::EnsembleError;
use crate::log_probabilities::LogProbabilities;

/// A change of predictions that makes their confidence fit their accuracy.
pub trait Calibrate: Send + Sync {
    /// How many numbers it fits for so many classes.
    fn parameters(&self, classes: usize) -> usize;

    /// Fits these numbers to images whose classes are known.
    ///
    /// # Errors
    /// [`EnsembleError::Fit`] where there is no best fit.
    fn fit(
        &self,
        predicted: &LogProbabilities,
        labels: &[usize],
    ) -> Result<Vec<f64>, EnsembleError>;

    /// Refuses parameters that cannot come from a fit, such as those of a file that was edited.
    ///
    /// # Errors
    /// [`EnsembleError`] naming the parameter.
    fn check(&self, parameters: &[f64]) -> Result<(), EnsembleError>;

    /// Changes the log-probabilities of one image to scores, of which a softmax makes the calibrated prediction.
    fn image(&self, row: &mut [f64], parameters: &[f64]);
}

/// A calibration as plain data. A new one is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait CalibrateConfig: Config + Calibrate + 'static {
    /// What the calibration says about itself.
    const ABOUT: About;
}

/// A calibration with the spec that builds it again.
pub struct Rule {
    /// The canonical spec.
    pub spec: Spec,
    /// The calibration.
    pub calibrate: Box<dyn Calibrate>,
}

/// How a calibration is built from its spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the calibration.
    pub rule: fn(&Spec) -> Result<Rule, ConfigError>,
}

impl<C: CalibrateConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        rule: |spec| {
            let config = C::ABOUT.resolve::<C>(spec)?;
            Ok(Rule {
                spec: Spec::canonical(C::ABOUT.name, &config),
                calibrate: Box::new(config),
            })
        },
    };
}
