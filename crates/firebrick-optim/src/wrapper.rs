//! Optimizers that wrap another one, such as [`lookahead`](crate::optimizer::lookahead).

use burn::tensor::Device;
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError, UpdateState};

use crate::about::Configure;

/// The most `sam` and `asam` that can be nested: each level doubles how often a batch is evaluated.
const MOST_SAM: usize = 4;

/// A configuration that names another optimizer, its field `base`. The registry builds that one, and
/// so makes an optimizer of both.
pub(crate) trait Wrapping: Configure {
    /// The optimizer inside.
    fn base(&self) -> &Spec;

    /// The wrapper around it.
    fn around(&self, base: Box<dyn Update>) -> Result<Box<dyn Update>, ConfigError>;

    /// Elements of state that the wrapper keeps for a parameter of this shape, beside those of the
    /// optimizer inside.
    fn own_memory(&self, _shape: &[usize]) -> usize {
        0
    }
}

/// What a wrapper does around the optimizer inside; [`Wrapped`] makes it an [`Update`].
pub(crate) trait Wrapper: Clone + Send + 'static {
    /// Whether it evaluates the batch again itself.
    const REEVALUATES: bool = false;

    /// Changes the parameters, by steps of `base`.
    fn step(
        &mut self,
        base: &mut dyn Update,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError>;

    /// Adds what it keeps to the state of the optimizer inside.
    fn save(&self, _state: &mut UpdateState) {}

    /// Takes what it keeps out of a state, and leaves there what is the optimizer's inside.
    fn load(
        self,
        _state: &mut UpdateState,
        _paths: &[String],
        _device: &Device,
    ) -> Result<Self, UpdateError> {
        Ok(self)
    }
}

/// A [`Wrapper`] and the optimizer inside it.
pub(crate) struct Wrapped<W> {
    name: String,
    wrapper: W,
    base: Box<dyn Update>,
}

impl<W: Wrapper> Wrapped<W> {
    /// `name` around an optimizer.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] when too many that evaluate the batch again are nested.
    pub(crate) fn build(
        name: &str,
        wrapper: W,
        base: Box<dyn Update>,
    ) -> Result<Box<dyn Update>, ConfigError> {
        // The name shows the nesting, for instance `asam(lookahead(sam(sgd)))`.
        if W::REEVALUATES && base.name().matches("sam(").count() >= MOST_SAM {
            return Err(ConfigError::Conflict(format!(
                "{name}: at most {MOST_SAM} of sam and asam can be nested, because each level doubles \
                 how often a batch is evaluated"
            )));
        }
        Ok(Box::new(Self {
            name: format!("{name}({})", base.name()),
            wrapper,
            base,
        }))
    }
}

impl<W: Wrapper> Update for Wrapped<W> {
    fn name(&self) -> &str {
        &self.name
    }

    fn gradient_point(&self, step: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
        self.base.gradient_point(step, parameters)
    }

    fn reevaluates(&self) -> bool {
        W::REEVALUATES || self.base.reevaluates()
    }

    fn recounts_statistics(&self) -> bool {
        self.base.recounts_statistics()
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        self.wrapper
            .step(&mut *self.base, step, parameters, gradients, reevaluate)
            // Said of the whole, as everything is that the user reads.
            .map_err(|error| match error {
                UpdateError::NotFinite { .. } => UpdateError::NotFinite {
                    name: self.name.clone(),
                },
                other => other,
            })
    }

    fn evaluation_view(&self, parameters: &Parameters) -> Option<Parameters> {
        self.base.evaluation_view(parameters)
    }

    fn state(&self) -> UpdateState {
        let mut state = self.base.state();
        state.name.clone_from(&self.name);
        self.wrapper.save(&mut state);
        state
    }

    fn load_state(
        &mut self,
        mut state: UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError> {
        state.check_name(&self.name)?;
        state.name = self.base.name().into();
        let loaded = self.wrapper.clone().load(&mut state, paths, device)?;
        self.base.load_state(state, paths, device)?;
        self.wrapper = loaded;
        Ok(())
    }
}
