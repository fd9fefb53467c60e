//! What test-time views are, and how they are described and built: [`Views`], [`View`], [`ViewsConfig`].

use std::sync::Arc;

use firebrick_core::ConfigError;
use firebrick_core::about::About;
use firebrick_core::data::{Drawn, Preprocessing, SampleTransform, Subject};
use firebrick_core::image::Image;
use firebrick_core::random::HostRng;
use firebrick_core::registry::BuildOf;
use firebrick_core::spec::{Config, Spec};

/// A fixed set of views of an image.
pub trait Views: Send + Sync {
    /// The number of views, at least 1.
    fn count(&self) -> usize;

    /// View `number`, from 0, of an image as it was decoded, in the size and channels that the model reads. It
    /// depends on nothing else; `index` is the image's in its data set.
    ///
    /// # Errors
    /// [`ConfigError`] for an image of a size that cannot be used.
    fn view(
        &self,
        number: usize,
        image: Image,
        preprocessing: &Preprocessing,
        index: usize,
    ) -> Result<Image, ConfigError>;

    /// The spec that builds these views again.
    fn spec(&self) -> Spec;
}

/// One of the views, as a change of every image that a loader reads.
pub struct View {
    /// All of them.
    pub views: Arc<dyn Views>,
    /// Which one, from 0.
    pub number: usize,
    /// The index in the data set of each image that the loader reads.
    pub indices: Arc<[usize]>,
    /// What the model reads.
    pub preprocessing: Preprocessing,
}

impl SampleTransform for View {
    fn wants_original(&self) -> bool {
        true
    }

    fn transform(
        &self,
        image: Image,
        subject: &Subject,
        _rng: &mut HostRng,
        _log: Option<&mut Vec<Drawn>>,
    ) -> Result<Image, ConfigError> {
        let Self {
            views,
            number,
            indices,
            preprocessing,
        } = self;
        views.view(*number, image, preprocessing, indices[subject.index])
    }

    fn replay(&self, _image: Image, _drawn: &[Drawn]) -> Result<Image, ConfigError> {
        let text = "a test-time view draws nothing that could be replayed";
        Err(ConfigError::Conflict(text.into()))
    }
}

/// Test-time views as plain data. A new unit is one file with such a struct, and an entry of it in
/// [`REGISTRY`](super::REGISTRY); a crate outside hands the entry to its `register`.
pub trait ViewsConfig: Config + 'static {
    /// What the views say about themselves.
    const ABOUT: About;

    /// The views, of fields that are in their ranges.
    ///
    /// # Errors
    /// [`ConfigError`] for fields that do not go together, or for a unit in them.
    fn views(&self) -> Result<Box<dyn Views>, ConfigError>;
}

/// How views are built from their spec.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Reads the spec, checks every field and builds the views.
    pub views: fn(&Spec) -> Result<Box<dyn Views>, ConfigError>,
}

impl<C: ViewsConfig> BuildOf<C> for Build {
    const ABOUT: &'static About = &C::ABOUT;
    const BUILD: Self = Self {
        views: |spec| C::ABOUT.resolve::<C>(spec)?.views(),
    };
}
