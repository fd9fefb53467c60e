//! The image on its way through a pipeline. Geometric steps in a row wait until the row ends, so that their pixels are
//! interpolated once: [`Frame`].

use firebrick_core::image::{Image, Size};

use super::warp::Warp;

/// An image, and the geometric steps that are still to be applied to it.
pub struct Frame<'a> {
    image: Image,
    pending: Vec<Pending<'a>>,
}

struct Pending<'a> {
    warp: Warp,
    /// The step itself.
    apply: Box<dyn FnOnce(Image) -> Image + 'a>,
}

impl<'a> Frame<'a> {
    /// A frame around an image.
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self {
            image,
            pending: Vec::new(),
        }
    }

    /// The size that the image has after the steps so far.
    #[must_use]
    pub fn size(&self) -> Size {
        let last = self.pending.last();
        last.map_or_else(|| self.image.size(), |step| step.warp.output())
    }

    /// Applies a step, at once or, if it is geometric, together with those that follow.
    pub fn change(&mut self, warp: Option<Warp>, apply: impl FnOnce(Image) -> Image + 'a) {
        let warp = warp.filter(Warp::composes);
        let joins = match (&warp, self.pending.last()) {
            (Some(warp), Some(before)) => before.warp.joins(warp),
            (warp, _) => warp.is_some(),
        };
        if !joins {
            self.settle();
        }
        match warp {
            Some(warp) => self.pending.push(Pending {
                warp,
                apply: Box::new(apply),
            }),
            None => {
                let image = std::mem::replace(&mut self.image, Image::black(0, 0, 1));
                self.image = apply(image);
            }
        }
    }

    /// The image after all steps.
    #[must_use]
    pub fn finish(mut self) -> Image {
        self.settle();
        self.image
    }

    /// Applies the steps that wait: each by itself if at most one of them interpolates, else all in one.
    fn settle(&mut self) {
        let steps = std::mem::take(&mut self.pending);
        if steps.is_empty() {
            return;
        }
        let image = std::mem::replace(&mut self.image, Image::black(0, 0, 1));
        let interpolations = steps.iter().filter(|step| !step.warp.is_exact()).count();
        self.image = if interpolations <= 1 {
            steps
                .into_iter()
                .fold(image, |image, step| (step.apply)(image))
        } else {
            let warps = steps.into_iter().map(|step| step.warp);
            match warps.reduce(Warp::then) {
                Some(warp) => warp.apply(&image),
                None => image,
            }
        };
    }
}
