//! A pipeline that is ready to run: [`Chain`].

use firebrick_core::ConfigError;
use firebrick_core::data::{Drawn, Image, SampleTransform, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::HostRng;
use firebrick_core::spec::Pipeline;

use super::frame::{Frame, Geometry};
use super::step::Step;

/// Augmentations in order. [`build`](super::build) makes one.
#[derive(Default)]
pub struct Chain {
    steps: Vec<Box<dyn Step>>,
}

impl Chain {
    /// These steps, in order.
    #[must_use]
    pub fn new(steps: Vec<Box<dyn Step>>) -> Self {
        Self { steps }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The canonical pipeline that builds this chain again.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline {
        Pipeline(self.steps.iter().map(|step| step.spec()).collect())
    }

    /// How the pixels of an image of this size move when it is changed as a log says, for its mask and its boxes.
    ///
    /// # Errors
    /// [`ConfigError`] when the log was written by another pipeline.
    pub fn geometry(&self, size: Size, drawn: &[Drawn]) -> Result<Geometry, ConfigError> {
        self.check_log(drawn)?;
        let mut geometry = Geometry::default();
        for (step, drawn) in self.steps.iter().zip(drawn) {
            let warp = step.warp(geometry.output(size), drawn)?;
            if drawn.params.is_some() {
                geometry.step(warp);
            }
        }
        Ok(geometry)
    }

    fn check_log(&self, drawn: &[Drawn]) -> Result<(), ConfigError> {
        if drawn.len() == self.steps.len() {
            return Ok(());
        }
        Err(ConfigError::Conflict(format!(
            "the drawn parameters are of another pipeline: they are of {} steps, and `{}` has {}",
            drawn.len(),
            self.pipeline(),
            self.steps.len()
        )))
    }
}

impl SampleTransform for Chain {
    fn wants_original(&self) -> bool {
        self.steps.iter().any(|step| step.wants_original())
    }

    fn check_sizes(&self, original: Option<Size>, target: Size) -> Result<(), ConfigError> {
        let mut size = if self.wants_original() {
            original
        } else {
            Some(target)
        };
        for step in &self.steps {
            size = step.output(size, target)?;
        }
        match size {
            Some(size) if size != target => Err(ConfigError::Conflict(format!(
                "augment: `{}` yields images of {size}, but the model reads {target}: set image_size, or end the pipeline \
                 with `resize`",
                self.pipeline()
            ))),
            _ => Ok(()),
        }
    }

    fn transform(
        &self,
        image: Image,
        subject: &Subject,
        rng: &mut HostRng,
        mut log: Option<&mut Vec<Drawn>>,
    ) -> Result<Image, ConfigError> {
        let mut frame = Frame::new(image);
        for step in &self.steps {
            step.act(&mut frame, subject, rng, log.as_deref_mut())?;
        }
        Ok(frame.finish())
    }

    fn replay(&self, image: Image, drawn: &[Drawn]) -> Result<Image, ConfigError> {
        self.check_log(drawn)?;
        let mut frame = Frame::new(image);
        for (step, drawn) in self.steps.iter().zip(drawn) {
            step.replay(&mut frame, drawn)?;
        }
        Ok(frame.finish())
    }
}
