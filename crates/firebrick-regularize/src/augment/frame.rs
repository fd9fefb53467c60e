//! The image on its way through a pipeline. Geometric steps in a row wait until the row ends, so that their pixels are
//! interpolated once: [`Frame`]. Masks and boxes move in the same way: [`Geometry`].

use firebrick_core::image::{Image, Region, Size};

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

    /// Applies the steps that wait. One after the other is exact and quick, and the same as all in one if at most one of them
    /// interpolates and at most one loses pixels.
    fn settle(&mut self) {
        let steps = std::mem::take(&mut self.pending);
        if steps.is_empty() {
            return;
        }
        let image = std::mem::replace(&mut self.image, Image::black(0, 0, 1));
        let count = |is: fn(&Warp) -> bool| steps.iter().filter(|step| is(&step.warp)).count();
        let one_by_one = count(|warp| !warp.is_exact()) <= 1 && count(Warp::loses) <= 1;
        self.image = if one_by_one {
            let apply = |image, step: Pending<'a>| (step.apply)(image);
            steps.into_iter().fold(image, apply)
        } else {
            let warps = steps.into_iter().map(|step| step.warp);
            match warps.reduce(Warp::then) {
                Some(warp) => warp.apply(&image),
                None => image,
            }
        };
    }
}

/// How the pixels of an image move in a pipeline: one warp for each row of geometric steps.
#[derive(Clone, Default)]
pub struct Geometry {
    rows: Vec<Warp>,
    /// Whether the last row goes on.
    open: bool,
}

impl Geometry {
    /// Adds a step that changes the image, as [`Frame::change`].
    pub(super) fn step(&mut self, warp: Option<Warp>) {
        let Some(warp) = warp else {
            self.open = false;
            return;
        };
        let open = self.open && warp.composes();
        self.open = warp.composes();
        match self.rows.pop() {
            Some(row) if open && row.joins(&warp) => self.rows.push(row.then(warp)),
            row => {
                self.rows.extend(row);
                self.rows.push(warp);
            }
        }
    }

    /// Whether all pixels stay where they are.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.rows.is_empty()
    }

    /// The size of the result, of an image of size `size`.
    #[must_use]
    pub fn output(&self, size: Size) -> Size {
        self.rows.last().map_or(size, Warp::output)
    }

    /// The mask of the image after the same moves: values are never mixed, and what lies outside is `fill`.
    #[must_use]
    pub fn mask(&self, mask: &Image, fill: u8) -> Image {
        let moved = |mask: Image, row: &Warp| row.mask(&mask, fill);
        self.rows.iter().fold(mask.clone(), moved)
    }

    /// The smallest upright box around what becomes of a box of the image, cut to the result; `None` if nothing of it is
    /// left.
    #[must_use]
    pub fn region(&self, region: Region) -> Option<Region> {
        let mut rows = self.rows.iter();
        rows.try_fold(region, |region, row| row.region(region))
    }
}
